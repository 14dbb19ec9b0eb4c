#!/bin/bash
# end.sh HOSTLIST REASON…: the run is over: end everything of it that is billed, this head last. Once: who comes second
# waits for the first.
set -u

readonly log=/var/log/burst/end.log
install --directory --mode=0750 /var/log/burst
exec 9>/run/burst-end.lock >>"$log" 2>&1
flock 9
echo "$(date --utc +%FT%TZ) the end: ${*:2}"
# From here on no node is made any more.
timeout 60 systemctl stop slurmctld
ended=1
if [ -e /opt/burst/end.json ]; then
  # What is unmounted may go; and a mount whose server has gone would hold the switching off back.
  timeout 60 umount --all --lazy --types nfs4,lustre
  timeout 1200 python3 -I "$(echo /opt/burst/launch/end_*.py)" /opt/burst/end.json
  ended=$?
fi
# Each node also ends itself at the expiry; this is for where nothing else could be done.
[ "$ended" -eq 0 ] || [ ! -x /opt/burst/suspend ] || timeout 60 /opt/burst/suspend "$1"
systemctl poweroff
