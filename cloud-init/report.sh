#!/bin/bash
# report.sh SECONDS: tell the head how far this machine has come, with the end of its present phase's log; ask again for
# so long where it does not listen.
set -u

# Where launch/reports.py listens there.
readonly port=6819

told() {
  local phase
  phase=$(cat /run/burst/phase)
  echo "$name"
  cat /run/burst/phases.jsonl
  printf '{"phase": "%s", "event": "log", "base64": "%s"}\n' \
    "$phase" "$(tail -n 20 "/var/log/burst/$phase.log" | tail -c 4000 | base64 --wrap=0)"
}

name=$(cat /run/burst/name 2>/dev/null || uname --nodename)
deadline=$((SECONDS + $1))
# shellcheck disable=SC2016 # the inner shell's own argument
until told 2>/dev/null | timeout 5 bash -c 'cat >"/dev/tcp/head/$1"' - "$port" 2>/dev/null; do
  [ "$SECONDS" -lt "$deadline" ] || exit 1
  sleep 1
done
