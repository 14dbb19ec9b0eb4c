#!/bin/bash
# name.sh RUN: take the node's name from the machine's, which its place knows: RUN-cpu-1 is cpu-1.
set -eu

# On AWS a machine of a fleet gets its name some moments after it was made: until then there is none (3), or another.
deadline=$((SECONDS + 120))
while true; do
  status=0
  machine=$(/opt/burst/metadata name) || status=$?
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"
  [ "$status" -ne 0 ] || [ "${machine#"$1-"}" = "$machine" ] || break
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "it has no name of $1 after 120 s"
    exit 1
  fi
  sleep 1
done
name=${machine#"$1-"}
echo "$name" >/etc/hostname
hostname "$name"
# Programs look themselves up; nothing else knows this name.
grep --quiet --word-regexp -- "$name" /etc/hosts || printf '%s %s\n' "$(hostname --all-ip-addresses | cut -d' ' -f1)" "$name" >>/etc/hosts
echo "$name" >/run/burst/name
