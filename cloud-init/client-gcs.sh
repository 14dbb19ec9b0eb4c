#!/bin/bash
# client-gcs.sh: install Cloud Storage FUSE, which mounts buckets, from Google's own repository ("Install Cloud Storage
# FUSE": Ubuntu and Debian).
set -eu

command -v gcsfuse >/dev/null && exit 0
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
key=/etc/apt/keyrings/burst-google.asc
install --directory /etc/apt/keyrings
curl --fail --silent --show-error --location --retry 5 --retry-connrefused --output "$key" \
  https://packages.cloud.google.com/apt/doc/apt-key.gpg
echo "deb [signed-by=$key] https://packages.cloud.google.com/apt gcsfuse-$release main" >/etc/apt/sources.list.d/burst-gcsfuse.list
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install fuse3 gcsfuse
