#!/bin/bash
# join.sh HEAD:PORT [OPTION…]: start slurmd under this machine's name, with its configuration from the head.
set -eu

server=$1
shift
# The machine's own name is the node's.
name=$(uname --nodename)
printf 'SLURMD_OPTIONS="%s"\n' "--conf-server $server -N ${name%%.*}${*:+ $*}" >/etc/default/slurmd
# This also reads the unit again: its drop-in may be younger.
systemctl unmask --runtime slurmd
# Started is not joined: it listens once the head has told it who it is.
if ! systemctl restart slurmd || ! /opt/burst/wait-port.sh localhost 6818 60; then
  journalctl --unit=slurmd --lines=20 --no-pager
  exit 1
fi
