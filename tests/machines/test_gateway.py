"""cloud-init/gateway.sh as a head runs it: machines that have no other way reach the world, and packages, through it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.files import packaged
from tests.machines.conftest import Machines

SCRIPTS = packaged("cloud-init")
RANGE, HEAD, NODE, OTHER = "10.99.0.0/24", "10.99.0.1", "10.99.0.2", "10.99.0.3"
OUTSIDE, WORLD = "198.51.100.1", "198.51.100.2"
# Says who asked, once it listens.
SERVER = """
import http.server, socketserver, sys
class Who(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = self.client_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    server_bind = socketserver.TCPServer.server_bind  # the other one asks for the host's name, which nobody knows here
server = Server((sys.argv[1], 8000), Who)
print("ready", flush=True)
server.serve_forever()
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(f'http://{sys.argv[1]}:8000', timeout=3).read().decode())"
# The head's files are this host's: what the script writes is seen by it alone. Instead of systemd somebody listens
# where apt-cacher-ng would.
RUN = """
set -eu
mount -t tmpfs none /etc/sysctl.d
mount -t tmpfs none /opt
mkdir /opt/burst
install -m 0755 "$1/wait-port.sh" /opt/burst
printf '#!/bin/sh\n' >/opt/burst/packages.sh
chmod 0755 /opt/burst/packages.sh
bash "$1/gateway.sh" "$2"
cat /etc/sysctl.d/60-burst.conf
"""
SYSTEMCTL = """#!/bin/sh
[ "$*" = "enable --now apt-cacher-ng" ] || exit 9
echo "$*" >>"$CALLS"
[ "$(wc -l <"$CALLS")" -gt 1 ] || python3 -c "import socket, time; s = socket.create_server(('', 3142)); time.sleep(100)" >/dev/null 2>&1 </dev/null &
"""


@dataclass
class Spaces:
    """Four machines on two wires: node and other – head – world. The world knows no way to the nodes."""

    mark: str
    folder: Path

    def argv(self, space: str, *command: str) -> list[str]:
        return ["ip", "netns", "exec", f"{self.mark}-{space}", *command]

    def run(self, space: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.argv(space, *command), capture_output=True, text=True, timeout=60, check=check)

    def asks(self, space: str, address: str) -> str:
        """Who the server there thinks is asking; empty where it is not reached."""
        return self.run(space, "python3", "-c", ASK, address, check=False).stdout.strip()

    def gateway(self, range_: str = RANGE) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PATH": f"{self.folder}:/usr/sbin:/usr/bin:/sbin:/bin", "CALLS": str(self.folder / "calls")}
        argv = self.argv("head", "unshare", "--mount", "--propagation", "private", "sh", "-c", RUN, "sh", str(SCRIPTS), range_)
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=100, check=False)

    def rules(self) -> str:
        return self.run("head", "nft", "list", "ruleset").stdout


@pytest.fixture
def spaces(tmp_path: Path) -> Iterator[Spaces]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if lacking := [name for name in ("ip", "nft") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {' '.join(lacking)} (iproute2, nftables)")
    made = Spaces(f"bg{uuid.uuid4().hex[:6]}", tmp_path)
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    mark, servers = made.mark, []
    names = ("head", "node", "other", "world")
    lines = [f"netns add {mark}-{name}" for name in names]
    for name, address, at_head in (("node", NODE, True), ("other", OTHER, True), ("world", WORLD, False)):
        lines.append(f"link add {name} netns {mark}-{name} type veth peer name to-{name} netns {mark}-head")
        lines.append(f"-n {mark}-{name} addr add {address}/24 dev {name}")
        lines.append(f"-n {mark}-{name} link set {name} up")
        if not at_head:
            lines.append(f"-n {mark}-head addr add {OUTSIDE}/24 dev to-{name}")
    try:
        for line in [
            *lines,
            *(f"-n {mark}-{name} link set lo up" for name in names),
            f"-n {mark}-head link add inside type bridge",
            f"-n {mark}-head addr add {HEAD}/24 dev inside",
            *(f"-n {mark}-head link set to-{name} master inside" for name in ("node", "other")),
            *(f"-n {mark}-head link set {name} up" for name in ("inside", "to-node", "to-other", "to-world")),
            *(f"-n {mark}-{name} route add default via {HEAD}" for name in ("node", "other")),
        ]:
            subprocess.run(["ip", *line.split()], check=True, capture_output=True, timeout=20)
        for name, address in (("world", WORLD), ("head", HEAD), ("other", OTHER)):
            server = subprocess.Popen(made.argv(name, "python3", "-c", SERVER, address), stdout=subprocess.PIPE, text=True)
            servers.append(server)
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        yield made
    finally:
        for server in servers:
            server.kill()
            server.communicate()
        for name in names:
            for pid in subprocess.run(["ip", "netns", "pids", f"{mark}-{name}"], capture_output=True, text=True).stdout.split():
                os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "delete", f"{mark}-{name}"], check=False, capture_output=True)


def test_a_node_whose_only_way_is_the_head_reaches_the_world(spaces: Spaces) -> None:
    assert spaces.asks("node", WORLD) == "", "not before"
    done = spaces.gateway()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "net.ipv4.ip_forward=1\n"
    assert spaces.asks("node", WORLD) == OUTSIDE, "the world sees the head"
    assert spaces.asks("other", WORLD) == OUTSIDE
    # Among themselves they keep their own addresses: Slurm goes by them.
    assert spaces.asks("node", HEAD) == NODE
    assert spaces.asks("node", OTHER) == NODE
    assert spaces.asks("head", WORLD) == OUTSIDE


def test_only_the_range_is_translated(spaces: Spaces) -> None:
    assert spaces.gateway(f"{NODE}/32").returncode == 0
    assert spaces.asks("node", WORLD) == OUTSIDE
    assert spaces.asks("other", WORLD) == "", "its answers find no way back"


def test_a_second_run_changes_nothing_and_others_rules_stay(spaces: Spaces) -> None:
    other = "table inet filter { chain input { type filter hook input priority 0; tcp dport 81 drop; }; }"
    spaces.run("head", "nft", other)
    theirs = spaces.rules()
    assert spaces.gateway().returncode == 0
    once = spaces.rules()
    assert theirs.strip() in once
    assert once.count("masquerade") == 1
    assert spaces.gateway().returncode == 0
    assert spaces.rules() == once
    assert spaces.asks("node", WORLD) == OUTSIDE
    assert (spaces.folder / "calls").read_text() == "enable --now apt-cacher-ng\n" * 2


def test_this_hosts_own_network_is_not_touched(spaces: Spaces) -> None:
    forwards = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert spaces.gateway().returncode == 0
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwards
    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout == rules
    assert not Path("/etc/sysctl.d/60-burst.conf").exists()


FILE = """\
version: 1
name: cache
target: nspawn
groups:
  cpu: {needs: {cores: 1, memory: 1GiB}, nodes: 1}
limits: {ttl: 20m}
"""
# A machine under systemd-nspawn may not change its network (no CAP_NET_ADMIN): what does that is left out here, and is
# what the tests above are about. The rest is the script's own, under a real systemd.
ON_HEAD = """
set -eu
for name in nft sysctl; do printf '#!/bin/sh\\n' >/tmp/$name; chmod +x /tmp/$name; done
/opt/burst/packages.sh --no-install-recommends nftables apt-cacher-ng
install -m 0755 /dev/stdin /opt/burst/gateway.sh <<'SCRIPT'
{gateway}
SCRIPT
PATH=/tmp:$PATH /opt/burst/gateway.sh 10.77.0.0/16
PATH=/tmp:$PATH /opt/burst/gateway.sh 10.77.0.0/16
systemctl is-enabled apt-cacher-ng
"""
ON_NODE = """
set -eu
cat >/etc/apt/apt.conf.d/98burst-cache <<'CONF'
{conf}
CONF
/opt/burst/wait-port.sh head 3142 5
apt-get --quiet update
apt-get --quiet --assume-yes install hello
hello
"""


def test_nodes_get_their_packages_from_the_heads_cache(burst: Machines) -> None:
    """On a stock image, as on a cloud."""
    burst.write({"burst.yaml": FILE})
    assert burst("up", "--results", "r").returncode == 0
    done = burst("ssh", "cache", "--", "sudo", "sh", "-c", ON_HEAD.format(gateway=(SCRIPTS / "gateway.sh").read_text()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("enabled\n")
    conf = (SCRIPTS / "apt-cache.j2").read_text().replace("{{ site.controller }}", "head")
    done = burst("ssh", "cache", "--", "srun", "sudo", "sh", "-c", ON_NODE.format(conf=conf))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello, world!" in done.stdout
    kept = burst("ssh", "cache", "--", "sudo", "find", "/var/cache/apt-cacher-ng", "-name", "hello_*.deb").stdout
    assert kept.count("hello_") == 1, "it came through the head, which keeps it"
    assert burst("down", "cache", "--discard").returncode == 0
    assert burst.left() == []
