#!/bin/bash
# pmix.sh: let Slurm find PMIx. Debian 12's plugin opens libpmix.so, a link that only libpmix-dev brings (with 5 MB and
# three more packages); Debian 13's opens libpmix.so.2, which is there. The next srun or job step looks again.
set -eu

for library in /usr/lib/*/pmix2/lib/libpmix.so.2; do
  [ -e "${library%.2}" ] || ln --symbolic libpmix.so.2 "${library%.2}"
done
