#!/bin/bash
# phase.sh NAME COMMAND [ARGUMENT…]: run one phase of a machine's start.
# Its output goes to /var/log/burst/NAME.log, a line of JSON when it begins and one when it ends to
# /run/burst/phases.jsonl; times there are epoch seconds. After a phase that failed no other one is run.
set -u

readonly state=/run/burst logs=/var/log/burst

report() { # NAME EVENT [STATUS]
  printf '{"phase": "%s", "event": "%s", "at": %s%s}\n' \
    "$1" "$2" "$(date +%s.%3N)" "${3:+, \"status\": $3}" >>"$state/phases.jsonl"
}

failed() { # NAME STATUS
  echo "$1" >"$state/failed"
  echo "burst: the phase $1 ended with $2; the last lines of $logs/$1.log:"
  tail -n 20 "$logs/$1.log"
}

phase() { # NAME COMMAND [ARGUMENT…]
  local name=$1 status=0
  shift
  report "$name" begin
  "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
  report "$name" end "$status"
  [ "$status" -eq 0 ] || failed "$name" "$status"
  return "$status"
}

install --directory "$state"
install --directory --mode=0750 "$logs"
if [ -e "$state/failed" ]; then
  echo "burst: the phase $1 is left out: $(cat "$state/failed") failed before it"
  exit 1
fi
# cloud-init sets none, and programs that a setup script calls ask for it.
export HOME=/root
phase "$@"
