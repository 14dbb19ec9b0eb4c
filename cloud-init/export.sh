#!/bin/bash
# export.sh [--nfs] FOLDER…: make the folders that the other machines mount; with --nfs serve them, as
# /etc/exports.d/burst.exports has it.
set -eu

nfs=
if [ "$1" = --nfs ]; then
  nfs=yes
  shift
fi
for folder in "$@"; do
  # Everybody's, as /tmp is: each node's users have the same numbers, and each makes folders of its own.
  [ "$folder" = /home ] || install --directory --mode=1777 -- "$folder"
done
[ -n "$nfs" ] || exit 0
systemctl enable --now nfs-server
exportfs -ra
