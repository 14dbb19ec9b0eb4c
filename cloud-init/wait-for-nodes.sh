#!/bin/sh
# Slurm's PrologSlurmctld on clusters with elastic groups: return when the job's nodes are there.
#
# A job whose nodes are still being started is looked at again only every 30 s (slurmctld, PERIODIC_TIMEOUT);
# but the end of this program makes slurmctld look at once, and start the job.
# In sinfo's states # is powering up, ~ powered down, % powering down, ! power down asked for, * not responding.
set -u

nodes=$SLURM_JOB_NODELIST
# slurmctld gives up on a node after ResumeTimeout and requeues the job: nothing waits longer than that.
tries=3000
while [ "$tries" -gt 0 ]; do
    states=$(sinfo --noheader --all --Node --nodes="$nodes" --format=%T) || exit 0
    # Given up, by slurmctld or by whoever was to make it: the job is requeued, as soon as this program ends.
    case $states in
        down* | *[!a-z_]down*) exit 0 ;;
        *[#~%!*]*) sleep 0.2 ;;
        *) exit 0 ;;
    esac
    tries=$((tries - 1))
done
