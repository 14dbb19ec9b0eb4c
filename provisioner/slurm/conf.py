"""Design + Site → the text of slurm.conf, gres.conf, cgroup.conf."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioner.design.model import Design, Group

# Jobs stay in slurmctld's memory this long after they end: as long as any cluster lives (LONGEST ttl is clipped by it).
_MIN_JOB_AGE = 30 * 86400
_MAX_ARRAY_SIZE = 10_001
_MAX_JOB_COUNT = 100_000


@dataclass(frozen=True)
class Site:
    """What a place adds. Paths as the machines there see them; `version` is Slurm's, such as (22, 5)."""

    controller: str = "head"
    address: str = ""
    port: int = 6817
    user: str = "slurm"
    node_user: str = "root"
    version: tuple[int, int] = (22, 5)
    state: str = "/var/spool/slurmctld"
    spool: str = "/var/spool/slurmd"
    logs: str = "/var/log/slurm"
    run: str = "/run/slurm"
    tmp: str = "/tmp"
    munge_socket: str = ""
    resume: str = "/opt/burst/resume"
    suspend: str = "/opt/burst/suspend"
    # cloud-init/wait-for-nodes.sh, where nodes come and go.
    prolog: str = "/opt/burst/wait-for-nodes"
    gres: str = "/dev/nvidia"
    # One port a node where all nodes share one address; None where each has its own.
    node_ports: dict[str, int] | None = None
    # A place without cgroups of its own, whose machines are declared as others would be.
    contained: bool = False
    mpi: str = "pmix"
    resume_timeout: int = 600
    suspend_timeout: int = 120
    node_timeout: int = 60
    # Between SIGTERM and SIGKILL. The shortest spot notice is 30 s (GCP, Azure), seen up to 5 s late (notice.sh), and a
    # machine needs some seconds to hand its node back.
    kill_wait: int = 15
    extra: tuple[str, ...] = field(default=())


def render(design: Design, site: Site) -> dict[str, str]:
    """File name → content. gres.conf only where there are GPUs: GresTypes on a cluster without any breaks requeue."""
    files = {"slurm.conf": _slurm_conf(design, site)}
    if any(group.node.gpus for group in design.groups):
        files["gres.conf"] = _gres_conf(design, site)
    if site.contained:
        # slurmd loads a cgroup plugin whether anything uses it or not, and the one it finds by itself wants a cgroup
        # of its own from systemd, which an ordinary user has not. 24.05 can do without any; before, version 1's asks
        # for nothing when it is loaded (src/plugins/cgroup/v1, init).
        files["cgroup.conf"] = f"CgroupPlugin={'disabled' if site.version >= (24, 5) else 'cgroup/v1'}\n"
    else:
        files["cgroup.conf"] = "ConstrainCores=yes\nConstrainRAMSpace=yes\nConstrainDevices=yes\n"
    return files


def _slurm_conf(design: Design, site: Site) -> str:
    lines = [f"ClusterName={design.run.id}", *_place(site), *_policy(site), *site.extra, *_power_saving(design, site)]
    if any(group.node.gpus for group in design.groups):
        lines.append("GresTypes=gpu")
    for group in design.groups:
        lines.extend(_node_lines(group, site))
    for i, group in enumerate(design.groups):
        lines.append(_partition_line(group, design, default=i == 0))
    return "\n".join(lines) + "\n"


def _place(site: Site) -> list[str]:
    """Who runs the daemons, and where they keep what."""
    return [
        f"SlurmctldHost={site.controller}" + (f"({site.address})" if site.address else ""),
        f"SlurmctldPort={site.port}",
        f"SlurmUser={site.user}",
        f"SlurmdUser={site.node_user}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        *([f"AuthInfo=socket={site.munge_socket}"] if site.munge_socket else []),
        f"StateSaveLocation={site.state}",
        f"SlurmdSpoolDir={site.spool}",
        f"SlurmctldLogFile={site.logs}/slurmctld.log",
        f"SlurmdLogFile={site.logs}/slurmd-%n.log",
        f"SlurmctldPidFile={site.run}/slurmctld.pid",
        f"SlurmdPidFile={site.run}/slurmd-%n.pid",
        f"TmpFS={site.tmp}",
        "JobCompType=jobcomp/filetxt",
        f"JobCompLoc={site.logs}/jobcomp",
    ]


def _policy(site: Site) -> list[str]:
    """How jobs are scheduled, started, watched and remembered."""
    return [
        f"ProctrackType={'proctrack/linuxproc' if site.contained else 'proctrack/cgroup'}",
        f"TaskPlugin={'task/none' if site.contained else 'task/affinity,task/cgroup'}",
        *(["SlurmdParameters=config_overrides"] if site.contained else []),
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        f"MpiDefault={site.mpi}",
        "ReturnToService=2",
        # What can never run is refused by sbatch, instead of waiting for ever (PartitionConfig).
        "EnforcePartLimits=ALL",
        f"SlurmdTimeout={site.node_timeout}",
        f"KillWait={site.kill_wait}",
        # A job's record is what `burst` asks for; nothing else keeps it (no slurmdbd).
        f"MinJobAge={_MIN_JOB_AGE}",
        f"MaxArraySize={_MAX_ARRAY_SIZE}",
        f"MaxJobCount={_MAX_JOB_COUNT}",
        # 3 s by default between a submit and the scheduler's next look, and 60 s where nothing else makes it look: at a
        # node that has finished powering down, say, for which a job waits (slurm.conf(5), batch_sched_delay, sched_interval).
        "SchedulerParameters=batch_sched_delay=0,bf_interval=5,sched_interval=5",
        # With an epilog a job's end is told in a message of its own, upon which slurmctld schedules at once; without
        # one it waits for its next round, up to 3 s (slurmd/req.c, _rpc_terminate_job; slurmctld/proc_req.c, 22.05).
        "Epilog=/bin/true",
    ]


def _power_saving(design: Design, site: Site) -> list[str]:
    """Every node is State=CLOUD; those that are always there are excepted from power saving."""
    lines = [
        # Registration gives a node its address; without PrivateData=cloud powered-down nodes are hidden from sinfo.
        "SlurmctldParameters=enable_configless,cloud_reg_addrs,idle_on_node_suspend,power_save_interval=1",
        "PrivateData=cloud",
        f"ResumeProgram={site.resume}",
        f"SuspendProgram={site.suspend}",
        f"ResumeTimeout={site.resume_timeout}",
        f"SuspendTimeout={site.suspend_timeout}",
        "ResumeRate=0",
        "SuspendRate=0",
        f"SuspendTime={design.idle}",
    ]
    if design.resumes:
        lines.append(f"PrologSlurmctld={site.prolog}")
    excepted = [hostlist(group.name, 1, group.min) for group in design.groups if group.min]
    return [*lines, f"SuspendExcNodes={','.join(excepted)}"] if excepted else lines


def hostlist(prefix: str, first: int, last: int) -> str:
    """Slurm's bracket notation: cpu-[1-4], or cpu-1 where there is one."""
    return f"{prefix}-{first}" if first == last else f"{prefix}-[{first}-{last}]"


def _node_lines(group: Group, site: Site) -> list[str]:
    node = group.node
    threads = max(1, node.cpus // node.cores)
    shape = f"CPUs={node.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={node.cpus // threads} ThreadsPerCore={threads}"
    shape += f" RealMemory={max(1, node.memory_mib)}"
    if node.gpus:
        shape += f" Gres=gpu:{node.gpu + ':' if node.gpu else ''}{node.gpus}"
    shape += " State=CLOUD"
    name = hostlist(group.name, 1, group.max)
    if site.node_ports is None:
        return [f"NodeName={name} {shape}"]
    first = site.node_ports[group.name]
    ports = f"{first}" if group.max == 1 else f"[{first}-{first + group.max - 1}]"
    return [f"NodeName={name} NodeAddr=127.0.0.1 Port={ports} {shape}"]


def _partition_line(group: Group, design: Design, *, default: bool) -> str:
    per_cpu = max(1, group.node.memory_mib // group.node.cpus)
    return (
        f"PartitionName={group.name} Nodes={hostlist(group.name, 1, group.max)} "
        f"Default={'YES' if default else 'NO'} DefMemPerCPU={per_cpu} "
        # A job that names no time ends while there still is time to collect what it made.
        f"DefaultTime={max(1, design.working_life // 60)} State=UP"
    )


def _gres_conf(design: Design, site: Site) -> str:
    """Bound to node names; File= as a range, because a count without files registers as 0 (tried on 22.05)."""
    lines = []
    for group in design.groups:
        if group.node.gpus:
            kind = f" Type={group.node.gpu}" if group.node.gpu else ""
            last = group.node.gpus - 1
            files = f"{site.gres}[0-{last}]" if last else f"{site.gres}0"
            lines.append(f"NodeName={hostlist(group.name, 1, group.max)} Name=gpu{kind} File={files}")
    return "\n".join(lines) + "\n"
