#!/bin/bash
# mount.sh SECONDS FOLDER…: mount these as /opt/burst/fstab has them, now and at each boot, once the head serves them.
set -eu

deadline=$((SECONDS + $1))
shift
install --directory -- "$@"
cat /opt/burst/fstab >>/etc/fstab
for folder in "$@"; do
  # A head that is still starting refuses, or does not know the folder yet: ask again each second.
  until timeout 30 mount "$folder"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "$folder cannot be mounted: giving up after $SECONDS s"
      exit 1
    fi
    sleep 1
  done
done
