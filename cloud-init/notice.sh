#!/bin/bash
# notice.sh: on a spot machine, wait for the notice that it will be taken away; then requeue what runs on it, which
# gives each job SIGTERM and Slurm's KillWait, and hand the node back, so that a new machine can take its name.
set -u

# EC2 user guide, "Spot Instance interruption notices": look every 5 seconds.
readonly every=5 margin=10
[ "$(/opt/burst/metadata market)" = spot ] || exit 0
until ends=$(/opt/burst/metadata notice 2>/dev/null); do sleep "$every"; done

node=$(cat /run/burst/name)
# What slurmd keeps of the configuration that the head gave it.
for conf in /run/slurm/conf/slurm.conf /var/spool/slurmd/conf-cache/slurm.conf; do
  [ ! -e "$conf" ] || export SLURM_CONF=$conf
done
control() { timeout 10 scontrol "$@"; }
running() { timeout 10 squeue --noheader --nodelist="$node" --states=running,suspended --format=%A | sort --unique; }
# Draining as long as a job is on it, be it one that is requeued already and only has to end here; then drained.
busy() { [ "$(timeout 10 sinfo --noheader --nodes="$node" --format=%T)" != drained ]; }

reason="spot notice: it ends at $(date --utc --date="@${ends%.*}" +%FT%TZ)"
echo "$reason"
control update nodename="$node" state=drain reason="$reason"
for job in $(running); do
  # One that may not be requeued still gets the signal, and what time there is.
  control requeue "$job" || timeout 10 scancel --full --signal=TERM "$job"
done
while busy && [ "$(date +%s)" -lt "$((${ends%.*} - margin))" ]; do sleep 1; done
control update nodename="$node" state=down reason="$reason"
# Idle again once it is off (idle_on_node_suspend): the next job that wants it gets a new machine under this name.
control update nodename="$node" state=power_down
