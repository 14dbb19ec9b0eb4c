#!/bin/bash
# Once on each machine before it joins: PyTorch on the nodes, unless your own image has it there already.
set -eu
[ "$BURST_ROLE" = node ] || exit 0
# A rehearsal has no GPU: there NumPy does the work.
case $BURST_TARGET in local | nspawn) exit 0 ;; esac
[ ! -x /opt/torch/bin/python ] || exit 0

# The driver comes with the image. Without it the node is of no use: better now than in the job.
nvidia-smi
python3 -m venv /opt/torch
/opt/torch/bin/pip install --quiet --no-cache-dir torch numpy
