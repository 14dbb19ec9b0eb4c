#!/bin/bash
# packages.sh [OPTION…] PACKAGE…: install those that are missing; options are apt-get's. Offline where none is.
set -euo pipefail

readonly lists=/run/burst/apt-updated
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# What is installed, and what that stands for: libpmix2t64 provides libpmix2.
installed() {
  dpkg-query --show --showformat='${db:Status-Status} ${Package}, ${Provides}\n' |
    sed -n 's/^installed //p' | tr -d ' ' | tr ',' '\n' | sed 's/(.*//'
}

missing() { # NAME…
  local names name
  names=$(installed)
  for name in "$@"; do
    grep --quiet --line-regexp --fixed-strings -- "$name" <<<"$names" || echo "$name"
  done
}

options=()
while [[ ${1-} == -* ]]; do
  options+=("$1")
  shift
done
found=$(missing "$@")
[ -n "$found" ] || exit 0
mapfile -t wanted <<<"$found"

# An image's own timers may hold the lock for its first minutes.
apt=(apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold)
if [ ! -e "$lists" ]; then
  "${apt[@]}" update
  touch "$lists"
fi
"${apt[@]}" install "${options[@]}" -- "${wanted[@]}"
