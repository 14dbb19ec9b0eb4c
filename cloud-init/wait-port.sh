#!/bin/bash
# wait-port.sh HOST PORT SECONDS: return when something listens there; fail when nothing has for so long.
set -eu

deadline=$((SECONDS + $3))
until timeout 2 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "nothing listens on port $2 of $1 after $3 s"
    exit 1
  fi
  sleep 0.2
done
