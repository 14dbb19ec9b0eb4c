#!/bin/bash
# name.sh RUN: take the node's name from the machine's, which its place knows: RUN-cpu-1 is cpu-1.
set -eu

# On AWS a machine of a fleet has its name some moments after it was made.
deadline=$((SECONDS + 120))
until machine=$(/opt/burst/metadata name) && [ "${machine#"$1-"}" != "$machine" ]; do
  [ "$SECONDS" -lt "$deadline" ] || { echo "it has no name of $1"; exit 1; }
  sleep 1
done
name=${machine#"$1-"}
echo "$name" >/etc/hostname
hostname "$name"
# Programs look themselves up; nothing else knows this name.
grep --quiet --word-regexp -- "$name" /etc/hosts || printf '%s %s\n' "$(hostname --all-ip-addresses | cut -d' ' -f1)" "$name" >>/etc/hosts
echo "$name" >/run/burst/name
