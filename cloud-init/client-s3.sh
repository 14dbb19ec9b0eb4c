#!/bin/bash
# client-s3.sh: install Mountpoint for Amazon S3, which mounts buckets (its user guide, "Installing Mountpoint").
set -eu

command -v mount-s3 >/dev/null && exit 0
case $(dpkg --print-architecture) in
  amd64) machine=x86_64 ;;
  *) machine=arm64 ;;
esac
package=$(mktemp --suffix=.deb)
# apt itself reads what it is given as a user of its own.
chmod 0644 "$package"
curl --fail --silent --show-error --location --retry 5 --retry-connrefused --output "$package" \
  "https://s3.amazonaws.com/mountpoint-s3-release/latest/$machine/mount-s3.deb"
export DEBIAN_FRONTEND=noninteractive
apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300 install "$package"
rm -f "$package"
