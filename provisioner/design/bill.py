"""Design → Bill: everything that its cloud bills for. What each stack makes (stacks/CLOUD) decides what is in it.

Not in it, because nobody knows them beforehand: bytes through a NAT gateway, EFS's throughput, requests to buckets,
transactions of Azure's Standard SSDs; and Google's Tier_1 networking, whose price was not found. `uncounted` names those that
a design has; the prices of traffic are in the bill, with nothing counted on. What is taken by id is billed to whoever made it:
network, filesystems, Bastion of an existing network. A filesystem without a size of its own (EFS, buckets) counts as full as
the file says, a disk from an image of the user's own as large as those with drivers. Free of charge are boot diagnostics
within their first gigabytes, tunnels through Identity-Aware Proxy, gateways to S3, roles, placement groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provisioner.catalog.filesystems import SERVICES, gib
from provisioner.catalog.prices import price
from provisioner.cost.bill import Bill, Item, Nodes, Option, Traffic
from provisioner.design import gcp_disk
from provisioner.design.attempts import order
from provisioner.design.model import Design, Filesystem, Group, Node

# Nodes' disks in GiB, as stacks/CLOUD have them: on plain Ubuntu, and on an image with drivers, whose size is its vendor's.
_DISKS = {"aws": ("gp3", 32, 75), "gcp": ("", gcp_disk.PLAIN, gcp_disk.DRIVERS), "azure": ("standard-ssd", 32, 64)}
_LARGEST_DISK = 32767
# What is counted on to come back as outputs, in GiB: nobody knows before. What really does is in the ledger.
_OUTPUTS, _MOST_OUTPUTS = 1.0, 10.0
# A filesystem whose size is what is in it.
_ELASTIC = {("aws", "managed-nfs"): "efs"}


def bill(design: Design) -> Bill:
    """Everything, priced for the design's region. Empty on this machine, unless a rehearsal is to cost something."""
    if design.target != design.cloud:
        return Bill() if design.rehearsed is None else _rehearsed(design, design.rehearsed)
    return Bill(
        fixed=(*_machines(design), *_network(design), *_filesystems(design)),
        nodes=tuple(_nodes(design, group) for group in design.groups),
        traffic=tuple(_traffic(design)),
    )


def uncounted(design: Design) -> tuple[str, ...]:
    """What is billed beside the bill, in words."""
    if design.target != design.cloud:
        return ()
    said = [f"{traffic.name} ({traffic.usd:g} USD a GiB)" for traffic in _traffic(design) if not traffic.most]
    if any(fs.type == "bucket" for fs in design.filesystems):
        said.append("requests to buckets")
    if design.target == "azure":
        said.append("transactions of nodes' disks")
    fast = [g.name for g in design.groups if g.fabric == "auto" and any(n.fabric == "tier1" for n in g.alternatives)]
    return (*said, *([f"Tier_1 networking of {', '.join(fast)}, whose price was not found"] if fast else []))


def rates(design: Design) -> dict[str, object]:
    """For whoever counts on the head: USD an hour of what is always there but nodes, and a node-hour of each group.

    What has no known price counts nothing.
    """
    known = bill(design)
    fixed = sum((item.usd or 0.0) * item.count for item in known.fixed)
    nodes = {each.group: round(sum((i.usd or 0.0) * i.count for i in each.dearest.items), 6) for each in known.nodes}
    return {"hourly": round(fixed, 6), "nodes": nodes}


def _rehearsed(design: Design, usd: float) -> Bill:
    def machine(name: str, count: int = 1) -> Item:
        return Item(name, "rehearsed", usd, count, basis="rehearsal")

    login = (machine("login", design.login.nodes),) if design.login else ()
    nodes = [Nodes(g.name, g.min, g.max, (Option(g.node.instance, "on-demand", (machine(g.name),)),)) for g in design.groups]
    return Bill((machine("head"), *login), tuple(nodes))


def _machines(design: Design) -> Iterator[Item]:
    """The head and login nodes, with their disks and addresses."""
    cloud, asked = design.target, design.network
    yield _machine(design, "head", design.head)
    yield _disk(design, "head disk", *_head_disk(design))
    if asked.access == "public":
        yield _thing(design, "public address", "address")
    if design.login:
        count = design.login.nodes
        kind, plain, large = _DISKS[cloud]
        size = large if _unknown_image(design) else plain
        yield replace(_machine(design, "login", design.login.node), count=count)
        yield replace(_disk(design, "login disk", kind or gcp_disk.kind(design.login.node), size), count=count)
        # AWS's are behind the head; Google's need an address where there is no gateway.
        if asked.access == "public" and (cloud == "azure" or (cloud == "gcp" and asked.egress == "head")):
            yield replace(_thing(design, "login address", "address"), count=count)


def _network(design: Design) -> Iterator[Item]:
    """The gateway with its address, and Bastion. AWS's and Azure's come with a network of the run's own alone."""
    asked = design.network
    if not _gateway(design):
        return
    if design.target == "gcp":
        # Each machine without an address uses it; the nodes have theirs in `_extras`.
        users = (1 if asked.access == "tunnel" else 0) + (design.login.nodes if design.login else 0)
        if users:
            yield replace(_thing(design, "NAT gateway", "nat-gateway", "Cloud NAT, for each machine"), count=users)
        yield _thing(design, "gateway address", "address")
    elif asked.id is None:
        yield _thing(design, "NAT gateway", "nat-gateway")
        yield _thing(design, "gateway address", "address")
    if design.target == "azure" and asked.access == "tunnel" and asked.id is None:
        yield _thing(design, "Bastion", "bastion")
        yield _thing(design, "Bastion address", "address")


def _gateway(design: Design) -> bool:
    """Without a public address the head itself needs a way out."""
    return design.network.egress == "gateway" or design.network.access == "tunnel"


def _filesystems(design: Design) -> Iterator[Item]:
    for fs in design.filesystems:
        if fs.type != "nfs" and fs.id is None:
            item, size = _service(design.target, fs), gib(fs.size)
            found = price(design.target, design.region, item)
            yield Item(fs.mount, f"{item}, {size} GiB", found.hourly(size), 1, found.minimum, found.step, found.basis)


def _service(cloud: str, fs: Filesystem) -> str:
    if fs.type == "bucket":
        return "bucket"
    return _ELASTIC.get((cloud, fs.type)) or SERVICES[cloud, fs.type].item(gib(fs.size))


def _nodes(design: Design, group: Group) -> Nodes:
    tried = order(group, design.target) or [("on-demand", node) for node in group.alternatives]
    options = tuple(
        Option(node.instance, market, (_machine(design, group.name, node, market), *_extras(design, group, node)))
        for market, node in tried
    )
    return Nodes(group.name, group.min, group.max, options)


def _extras(design: Design, group: Group, node: Node) -> Iterator[Item]:
    """What comes and goes with a node."""
    kind, plain, large = _DISKS[design.target]
    drivers = bool(node.gpus) or (group.fabric == "auto" and node.fabric not in ("", "tier1"))
    drivers = drivers or group.image is not None or _unknown_image(design)
    yield _disk(design, f"{group.name} disk", kind or gcp_disk.kind(node), large if drivers else plain)
    if design.target == "gcp" and _gateway(design):
        yield _thing(design, f"{group.name} NAT", "nat-gateway", "Cloud NAT, for each machine")


def _unknown_image(design: Design) -> bool:
    """Whether machines have a disk of their image's size, which is the user's own. Google's have the size that we say."""
    return design.image is not None and design.target != "gcp"


def _machine(design: Design, name: str, node: Node, market: str = "on-demand") -> Item:
    """A spot machine never costs more than one on demand, which stands for it where its price is not known.

    All three end a spot price there: "Spot Instances" (the default maximum price is the on-demand one), "Spot VMs pricing",
    "Azure Spot Virtual Machines" (a maximum price of -1).
    """
    found, guessed = price(design.target, design.region, "machine"), market == "spot" and node.spot_price is None
    usd = node.price
    if market == "spot" and node.spot_price is not None:
        usd = node.spot_price if node.price is None else min(node.spot_price, node.price)
    basis = "estimate" if guessed else "catalogue"
    return Item(name, f"{node.instance}, {market}", usd, 1, found.minimum, found.step, basis)


def _head_disk(design: Design) -> tuple[str, int]:
    size = gib(design.head_storage)
    if design.target == "aws" and _unknown_image(design):
        # EC2 makes no disk smaller than its image.
        size = max(size, _DISKS["aws"][2])
    return {"aws": "gp3", "azure": "premium-ssd"}.get(design.target) or gcp_disk.kind(design.head), size


def _disk(design: Design, name: str, kind: str, size: int) -> Item:
    found = price(design.target, design.region, kind, min(size, _LARGEST_DISK))
    billed = found.size or size
    return Item(name, f"{kind}, {billed} GiB", found.hourly(billed), 1, found.minimum, found.step, found.basis)


def _thing(design: Design, name: str, item: str, what: str = "") -> Item:
    found = price(design.target, design.region, item)
    return Item(name, what or item, found.hourly(), 1, found.minimum, found.step, found.basis)


def _traffic(design: Design) -> Iterator[Traffic]:
    cloud, region = design.target, design.region
    if any(job.outputs for job in design.jobs):
        out = price(cloud, region, "egress")
        yield Traffic("outputs", "to the Internet", out.hourly(), _OUTPUTS, _MOST_OUTPUTS, out.basis)
    if any(item.name == "gateway address" for item in _network(design)):
        through = price(cloud, region, "nat-gateway-data")
        yield Traffic("NAT data", "processed by the gateway", through.hourly(), basis=through.basis)
    if any(_ELASTIC.get((cloud, fs.type)) and fs.id is None for fs in design.filesystems):
        data = price(cloud, region, "efs-data")
        yield Traffic("EFS data", "written (half of it for what is read)", data.hourly(), basis=data.basis)
