#!/bin/bash
# phase.sh NAME COMMAND [ARGUMENT…]: run one phase of a machine's start.
# Its output goes to /var/log/burst/NAME.log, a line of JSON when it begins and one when it ends to
# /run/burst/phases.jsonl, which the head is told of; times there are epoch seconds. After a phase that failed no
# other one is run.
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
  # The head may still be starting.
  /opt/burst/report.sh 120
}

tell_if_last() { # NAME; a role's last phase. In the background: nothing waits for it
  case $1 in join | slurmctld | login) /opt/burst/report.sh 30 </dev/null >/dev/null 2>&1 & ;; esac
}

keep_telling() { # what takes long is told with the end of its log; what does not, with what comes after it
  while sleep 5; do /opt/burst/report.sh 0; done
}

phase() { # NAME COMMAND [ARGUMENT…]
  local name=$1 status=0 teller
  shift
  report "$name" begin
  echo "$name" >"$state/phase"
  keep_telling </dev/null >/dev/null 2>&1 &
  teller=$!
  "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
  kill "$teller"
  report "$name" end "$status"
  if [ "$status" -eq 0 ]; then tell_if_last "$name"; else failed "$name" "$status"; fi
  return "$status"
}

# From the start of this system's first process to its first phase (proc(5): field 22 of stat, in ticks).
booted() {
  local age
  age=$(awk -v ticks="$(getconf CLK_TCK)" 'NR == FNR { up = $1; next } { print up - $22 / ticks }' /proc/uptime /proc/1/stat)
  printf '{"phase": "boot", "event": "begin", "at": %s}\n' "$(date +%s.%3N | awk -v age="$age" '{ printf "%.3f", $1 - age }')" \
    >>"$state/phases.jsonl"
  report boot end 0
}

install --directory "$state"
install --directory --mode=0750 "$logs"
if [ -e "$state/failed" ]; then
  echo "burst: the phase $1 is left out: $(cat "$state/failed") failed before it"
  exit 1
fi
[ -e "$state/phases.jsonl" ] || booted
# cloud-init sets none, and programs that a setup script calls ask for it.
export HOME=/root
phase "$@"
