#!/bin/bash
# name.sh RUN: take the node's name from the machine's, which its place knows: RUN-cpu-1 is cpu-1.
set -eu

machine=$(/opt/burst/metadata name)
name=${machine#"$1-"}
echo "$name" >/etc/hostname
hostname "$name"
# Programs look themselves up; nothing else knows this name.
grep --quiet --word-regexp -- "$name" /etc/hosts || printf '%s %s\n' "$(hostname --all-ip-addresses | cut -d' ' -f1)" "$name" >>/etc/hosts
echo "$name" >/run/burst/name
