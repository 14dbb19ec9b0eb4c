#!/bin/bash
# export.sh FOLDER…: make the folders that /etc/exports.d/burst.exports names, and share them over NFS.
set -eu

# Everybody's, as /tmp is: each node's users have the same numbers, and each makes folders of its own.
install --directory --mode=1777 -- "$@"
systemctl enable --now nfs-server
exportfs -ra
