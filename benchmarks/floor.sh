#!/bin/bash
# What a competent admin would write by hand for one trivial job: the peer that `burst run` is measured against.
#
#     floor.sh RESULTS [COMMAND]
#
# With PROBE=0 it does not try the nodes before the job: a step less to do, and yet seconds slower (see below).
#
# The settings are the ones that provisioner/slurm/conf.py renders for target `local` (bench.py says where they have
# drifted apart). It proves nothing, remembers nothing, survives nothing: that is the difference that is measured.
set -eu

results=$1
command=${2:-'date +%s.%N'}
root=$(mktemp -d /tmp/floor-XXXXXX)
pids=()

# The state is thrown away, so nothing is gained by asking politely.
finish() {
    # Bash tells of each child that was killed.
    exec 2>/dev/null
    [ -s "$root/munged.pid" ] && pids+=("$(<"$root/munged.pid")")
    [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" || true
    wait || true
    rm -rf "$root"
}
trap finish EXIT

listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

poll() { # SECONDS COMMAND…: ask every 20 ms
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || { echo "floor.sh: waited in vain: $*" >&2; exit 1; }
        read -rt 0.02 <&9 || true
    done
}
# Bash sleeps without a process by waiting for what never comes.
exec 9<> <(:)

# Below what `burst` itself takes from (targets/local/ports.py).
port=$((10000 + RANDOM % 3000 * 3))
while listens $port || listens $((port + 1)) || listens $((port + 2)); do port=$((port + 3)); done
mpi=none
for library in /usr/lib/*/pmix2/lib/libpmix.so; do [ -e "$library" ] && mpi=pmix; done
user=$(id -un)
export TMPDIR=$root/tmp SLURM_CONF=$root/slurm.conf

chmod 0711 "$root"
mkdir -p "$root"/{run,log,state,tmp/cpu-1,tmp/cpu-2,spool/cpu-1,spool/cpu-2,work}
head -c 128 /dev/urandom >"$root/munge.key"
chmod 0600 "$root/munge.key"
cat >"$SLURM_CONF" <<EOF
ClusterName=floor-$$
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$root/run/munge.sock
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool/%n
SlurmctldLogFile=$root/log/slurmctld.log
SlurmdLogFile=$root/log/slurmd-%n.log
SlurmctldPidFile=$root/run/slurmctld.pid
SlurmdPidFile=$root/run/slurmd-%n.pid
TmpFS=$root/tmp/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=$mpi
ReturnToService=2
EnforcePartLimits=ALL
SlurmdTimeout=10
MinJobAge=2592000
MaxArraySize=10001
MaxJobCount=100000
JobCompType=jobcomp/filetxt
JobCompLoc=$root/log/jobcomp
SchedulerParameters=batch_sched_delay=0,bf_interval=5,sched_interval=5
Epilog=/bin/true
SlurmdParameters=config_overrides
InactiveLimit=0
KillWait=2
SlurmctldParameters=enable_configless,cloud_reg_addrs,idle_on_node_suspend,power_save_interval=1
PrivateData=cloud
ResumeProgram=$root/resume
SuspendProgram=$root/suspend
ResumeTimeout=60
SuspendTimeout=5
ResumeRate=0
SuspendRate=0
SuspendTime=600
SuspendExcNodes=cpu-[1-2]
NodeName=cpu-[1-2] NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=1 Boards=1 SocketsPerBoard=1 CoresPerSocket=1 ThreadsPerCore=1 RealMemory=256 State=CLOUD
PartitionName=cpu Nodes=cpu-[1-2] Default=YES DefMemPerCPU=256 DefaultTime=475 State=UP
EOF
# Nodes that are always there are never resumed; the programs must exist all the same.
ln -s /bin/true "$root/resume"
ln -s /bin/true "$root/suspend"

munged --key-file="$root/munge.key" --socket="$root/run/munge.sock" --pid-file="$root/munged.pid" \
    --log-file="$root/log/munged.log" --seed-file="$root/run/munged.seed"
slurmctld -D -f "$SLURM_CONF" >"$root/log/slurmctld.console" 2>&1 &
pids+=($!)
# A command of Slurm's that finds nobody listening sleeps for a second.
poll 30 listens "$port"
for node in cpu-1 cpu-2; do
    slurmd -D -f "$SLURM_CONF" -N "$node" >"$root/log/$node.console" 2>&1 &
    pids+=($!)
done

idle() { [ "$(sinfo --noheader --all --Node --format=%T | grep -cx idle)" = 2 ]; }
poll 60 idle
cd "$root/work"
# A batch job is started by slurmctld's next look at its queue: up to 3 s after its own start, up to 1 s later on, but
# at once when a job has just ended. So trying the nodes first, as `burst` does, is also what makes the script quick.
[ "${PROBE:-1}" = 0 ] || srun --partition=cpu --nodes=2 --ntasks-per-node=1 --mpi=none --immediate=60 true
job=$(sbatch --parsable --partition=cpu --wrap="$command")
over() {
    case $(scontrol --oneliner show job "$job") in
    *JobState=COMPLETED*) return 0 ;;
    *JobState=PENDING* | *JobState=CONFIGURING* | *JobState=RUNNING* | *JobState=COMPLETING*) return 1 ;;
    *) echo "floor.sh: the job failed" >&2; exit 1 ;;
    esac
}
poll 60 over

sha256sum "slurm-$job.out" >"$root/sums"
mkdir -p "$results"
cp -a "slurm-$job.out" "$results/out"
(cd "$results" && sed "s/slurm-$job.out/out/" "$root/sums" | sha256sum --check --quiet)
