#!/bin/bash
# client-lustre-azure.sh: the Lustre client of Azure Managed Lustre ("Install Lustre client software"), for the kernel that
# runs: its modules are signed, so that Secure Boot takes them. Where there is none for this kernel they are compiled here,
# which takes minutes and a machine without Secure Boot ("Plan your Lustre client installation").
set -euo pipefail

if command -v mount.lustre >/dev/null && modinfo lustre >/dev/null 2>&1; then
  exit 0
fi
# shellcheck source=/dev/null
. /etc/os-release
/opt/burst/packages.sh --no-install-recommends ca-certificates curl
key=/usr/share/keyrings/microsoft-amlfs.asc
curl --fail --silent --show-error --retry 5 --output "$key" https://packages.microsoft.com/keys/microsoft.asc
echo "deb [arch=$(dpkg --print-architecture) signed-by=$key] https://packages.microsoft.com/repos/amlfs-$VERSION_CODENAME/ $VERSION_CODENAME main" \
  >/etc/apt/sources.list.d/amlfs.list
rm --force /run/burst/apt-updated
apt=(apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300)
export DEBIAN_FRONTEND=noninteractive
"${apt[@]}" update

# A package for each version of Lustre, in a version for each kernel: the newest Lustre that there is for this one.
kernel=$(uname -r)
names=$(apt-cache pkgnames amlfs-lustre-client- | grep --invert-match dkms | sort --version-sort --reverse || true)
for name in $names; do
  if apt-cache madison "$name" | cut -d'|' -f2 | tr -d ' ' | grep --quiet --line-regexp --fixed-strings -- "$kernel"; then
    "${apt[@]}" install --no-install-recommends "$name=$kernel"
    modprobe lustre
    exit 0
  fi
done
name=$(apt-cache pkgnames amlfs-lustre-client-dkms | sort --version-sort | tail -n1)
[ -n "$name" ] || { echo "Microsoft has no Lustre client for $PRETTY_NAME with the kernel $kernel"; exit 1; }
"${apt[@]}" install "$name"
modprobe lustre
