"""Programs that start many ranks, and how each is told to keep every rank's output apart.

None of them can do so on its own standard output: what Open MPI marks by rank is cut and mixed at
high speed. All of them can write a file for each rank and stream.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

NAMES = ("auto", "openmpi", "mpich", "srun", "torchrun")


class RankFile(NamedTuple):
    """A file in which a launcher keeps what one rank writes to one stream."""

    path: Path
    rank: int
    stream: str


@dataclass(frozen=True)
class Launcher:
    """One kind of launcher."""

    name: str
    program: str
    #: Returns the options for so many ranks with files in a directory.
    options: Callable[[int, str], Sequence[str]]
    #: Where the files are, as `Path.glob` takes it, and what their paths say.
    pattern: str
    path: re.Pattern[str]
    #: How it says which rank failed first.
    failure: re.Pattern[str]

    def command(self, program: str, n: int, directory: str, more: Sequence[str]) -> list[str]:
        """Return the command before that of the ranks."""
        return [program, *self.options(n, directory), *more]

    def files(self, directory: Path) -> Iterator[RankFile]:
        """Yield the files that there are by now."""
        for path in directory.glob(self.pattern):
            found = self.path.search(path.as_posix())
            if found is not None:
                stream = "stderr" if "err" in found["stream"] else "stdout"
                yield RankFile(path, int(found["rank"]), stream)

    def failed_rank(self, text: str) -> int | None:
        """Return which rank failed first, as far as the launcher says."""
        found = self.failure.search(text)
        return None if found is None else int(next(filter(None, found.groups())))


_OPENMPI = Launcher(
    "openmpi",
    "mpiexec",
    lambda n, directory: ("-n", str(n), "--output-filename", f"{directory}:nocopy"),
    "*/rank.*/std*",
    re.compile(r"/rank\.(?P<rank>\d+)/(?P<stream>stdout|stderr)$"),
    re.compile(
        r"MPI_ABORT was invoked on rank (\d+)|process rank (\d+) with PID|"
        r"Process name: \[\[\d+,\d+\],(\d+)\]"
    ),
)
_MPICH = Launcher(
    "mpich",
    "mpiexec",
    lambda n, directory: (
        *("-n", str(n)),
        *("-outfile-pattern", f"{directory}/out.%r", "-errfile-pattern", f"{directory}/err.%r"),
    ),
    "*.*",
    re.compile(r"/(?P<stream>out|err)\.(?P<rank>\d+)$"),
    re.compile(r"RANK (\d+) PID"),
)
_SRUN = Launcher(
    "srun",
    "srun",
    lambda n, directory: (
        f"--ntasks={n}",
        *(f"--output={directory}/%t.out", f"--error={directory}/%t.err"),
    ),
    "*.*",
    re.compile(r"/(?P<rank>\d+)\.(?P<stream>out|err)$"),
    re.compile(r"task (\d+): (?:Exited with|[A-Z])"),
)
_TORCHRUN = Launcher(
    "torchrun",
    "torchrun",
    lambda n, directory: (
        f"--nproc-per-node={n}",
        *("--redirects=3", f"--log-dir={directory}", "--no-python"),
    ),
    "*/attempt_*/*/std*.log",
    re.compile(r"/attempt_\d+/(?P<rank>\d+)/(?P<stream>stdout|stderr)\.log$"),
    re.compile(r"rank\s*: (\d+) \(local_rank"),
)
_KINDS = {each.name: each for each in (_OPENMPI, _MPICH, _SRUN, _TORCHRUN)}


def choose(name: str) -> tuple[Launcher, str]:
    """Return a launcher by its name, or what is there for ``"auto"``, and its program.

    ``"auto"`` is ``srun`` within a Slurm allocation, else ``mpiexec``. Raises `ValueError` for a
    name that is none, and `FileNotFoundError` if the program is not installed.
    """
    if name not in NAMES:
        raise ValueError(f"launcher must be one of {', '.join(NAMES)}, not {name!r}")
    if name == "auto" and "SLURM_JOB_ID" in os.environ and shutil.which("srun"):
        name = "srun"
    if name != "auto":
        return _KINDS[name], _program_of(_KINDS[name])
    return _kind_of_mpiexec(_program_of(_OPENMPI))


def _program_of(launcher: Launcher) -> str:
    names = [launcher.program]
    if launcher.program == "mpiexec":  # where several are installed, each has a name of its own
        names = [f"mpiexec.{launcher.name}", "mpiexec", "mpirun"]
    for name in names:
        program = shutil.which(name)
        if program is not None and (len(names) == 1 or _is_kind(program, launcher)):
            return program
    raise FileNotFoundError(
        f"no {names[-1] if len(names) == 1 else 'mpiexec'} of {launcher.name} is on the PATH"
    )


def _is_kind(program: str, launcher: Launcher) -> bool:
    return launcher is _kind_of_mpiexec(program)[0]


def _kind_of_mpiexec(program: str) -> tuple[Launcher, str]:
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    text = said.stdout + said.stderr
    is_hydra = "HYDRA" in text or "MPICH" in text or "Intel" in text
    return (_MPICH if is_hydra else _OPENMPI), program
