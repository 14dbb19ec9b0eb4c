#!/bin/bash
# client-lustre-aws.sh: install the Lustre client from Amazon's repository (FSx for Lustre User Guide, "Installing the
# Lustre client", Ubuntu). It is built for kernels one by one: for one that it does not have, nothing can be mounted.
set -eu

modinfo lustre >/dev/null 2>&1 && exit 0
release=$(sed --quiet 's/^VERSION_CODENAME=//p' /etc/os-release)
key=/etc/apt/keyrings/fsx.asc
install --directory /etc/apt/keyrings
curl --fail --silent --show-error --retry 5 --retry-connrefused --output "$key" \
  https://fsx-lustre-client-repo-public-keys.s3.amazonaws.com/fsx-ubuntu-public-key.asc
echo "deb [signed-by=$key] https://fsx-lustre-client-repo.s3.amazonaws.com/ubuntu $release main" >/etc/apt/sources.list.d/fsx.list
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet --assume-yes -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
package=lustre-client-modules-$(uname --kernel-release)
if ! apt-cache show "$package" >/dev/null 2>&1; then
  echo "Amazon has no Lustre client for this kernel, $(uname --kernel-release) of $release: name an image with one (image: ami-…)."
  echo "It has: $(apt-cache search --names-only '^lustre-client-modules-' | cut -d' ' -f1 | tr '\n' ' ')"
  exit 1
fi
"${apt[@]}" install "$package"
modprobe lustre
