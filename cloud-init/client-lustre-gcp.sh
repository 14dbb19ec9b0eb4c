#!/bin/bash
# client-lustre-gcp.sh: install the Lustre client from Google's repository ("Connect to a Managed Lustre instance from
# Compute Engine": Ubuntu). It is built for kernels one by one: for one that it does not have, nothing can be mounted.
set -eu

modinfo lustre >/dev/null 2>&1 && exit 0
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
kernel=$(uname --kernel-release)
key=/etc/apt/keyrings/burst-lustre.asc
install --directory /etc/apt/keyrings
curl --fail --silent --show-error --location --retry 5 --retry-connrefused --output "$key" \
  https://us-apt.pkg.dev/doc/repo-signing-key.gpg
echo "deb [signed-by=$key] https://us-apt.pkg.dev/projects/lustre-client-binaries lustre-client-ubuntu-$release main" \
  >/etc/apt/sources.list.d/burst-lustre.list
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
if ! apt-cache show "lustre-client-modules-$kernel" >/dev/null 2>&1; then
  echo "Google has no Lustre client for this kernel, $kernel of $release: name an image with one that it has (image: projects/…)."
  echo "It has: $(apt-cache search --names-only '^lustre-client-modules-' | cut -d' ' -f1 | tr '\n' ' ')"
  exit 1
fi
"${apt[@]}" install "lustre-client-modules-$kernel" lustre-client-utils
modprobe lustre
