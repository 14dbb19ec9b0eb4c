#!/bin/bash
# expire.sh HOSTLIST: end the run's nodes, then this head. Each node also ends itself; this is for those that hang.
set -u
[ ! -x /opt/burst/suspend ] || timeout 60 /opt/burst/suspend "$1"
systemctl poweroff
