import os
import tempfile
from pathlib import Path

_bin = Path(tempfile.mkdtemp())
(_bin / "solver").write_text(
    """#!/bin/sh
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-$SLURM_PROCID}}
echo "rank $rank reads $1"
echo "ERROR: rank $rank diverged" >&2
"""
)
(_bin / "solver").chmod(0o755)
os.environ["PATH"] += os.pathsep + str(_bin)
# What Open MPI asks for on a machine with few processors, and as root in a container.
for _name in (
    "OMPI_MCA_rmaps_base_oversubscribe",
    "OMPI_ALLOW_RUN_AS_ROOT",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
):
    os.environ[_name] = "1"
