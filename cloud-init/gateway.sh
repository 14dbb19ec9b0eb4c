#!/bin/bash
# gateway.sh RANGE: let the machines of RANGE reach the world through this one: NAT, and apt-cacher-ng for packages.
set -eu

/opt/burst/packages.sh --no-install-recommends nftables apt-cacher-ng
echo net.ipv4.ip_forward=1 >/etc/sysctl.d/60-burst.conf
# In a container that may be its host's to say.
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || sysctl --quiet --load=/etc/sysctl.d/60-burst.conf
# A table of its own: whatever rules the image has stay, and a second run changes nothing.
nft -f - <<END
table ip burst
delete table ip burst
table ip burst {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr $1 ip daddr != $1 masquerade
  }
}
END
systemctl enable --now apt-cacher-ng
/opt/burst/wait-port.sh localhost 3142 60
