"""Parallel programs, started by the launchers that are installed."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ipyfdcapture import capture_fd, run_ranks
from ipyfdcapture.cluster import launchers

#: A rank of any launcher: it knows its number by the variable of one of them.
_RANK = """
import os, sys
rank = next(os.environ[n] for n in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "RANK")
            if n in os.environ)
"""


_INSTALLED_BY = {
    "openmpi": "Open MPI: apt-get install openmpi-bin",
    "mpich": "MPICH: apt-get install mpich",
    "srun": "srun, which Slurm has on the machines of a cluster",
    "torchrun": "torchrun: pip install torch",
}


def program(code: str) -> list[str]:
    return [sys.executable, "-c", _RANK + code]


def _installed() -> list[str]:
    found = []
    for name in launchers.NAMES[1:]:
        try:
            launchers.choose(name)
        except FileNotFoundError:
            continue
        found.append(name)
    return found


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")


@pytest.fixture(params=launchers.NAMES[1:])
def launcher(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param not in _installed():
        pytest.skip(f"needs {_INSTALLED_BY[request.param]}")
    more = ["--oversubscribe"] if request.param == "openmpi" else []
    return {"launcher": request.param, "launcher_args": more}


def test_each_rank_s_output_is_exact_however_long_its_lines(
    launcher: dict[str, Any], no_leaks: None
) -> None:
    code = (
        "for i in range(2000): sys.stdout.write(f'{rank} {i} ' + 'x' * 3000 + '\\n')\n"
        "sys.stderr.write(f'error of {rank}\\n')\n"
        "sys.stdout.write('no end')\n"
    )
    result, logs = run_ranks(program(code), 3, **launcher)
    assert result.returncode == 0 and result.failed_rank is None
    for rank in range(3):
        expected = "".join(f"{rank} {i} " + "x" * 3000 + "\n" for i in range(2000)) + "no end"
        assert logs.source(f"rank{rank}/stdout").text == expected
        assert list(logs.source(f"rank{rank}/stderr")) == [f"error of {rank}"]
    assert logs.complete
    logs.close()


def test_the_return_code_says_that_a_rank_failed(launcher: dict[str, Any]) -> None:
    result, logs = run_ranks(program("sys.exit(3 if rank == '1' else 0)"), 2, **launcher)
    assert result.returncode != 0
    assert result.failed_rank in (1, None)  # some launchers do not say
    assert logs.source("launcher").text


def test_the_active_capture_has_it_too_and_lines_are_given_as_they_come(
    launcher: dict[str, Any],
) -> None:
    given: list[tuple[str, str]] = []
    with capture_fd() as cell:
        _, logs = run_ranks(
            program("print('from', rank)"),
            2,
            on_line=lambda line: given.append((line.source, str(line))),
            **launcher,
        )
    expected = [("rank0/stdout", "from 0"), ("rank1/stdout", "from 1")]
    assert sorted(given) == expected
    assert sorted((line.source, str(line)) for line in logs) == expected
    assert sorted((line.source, str(line)) for line in cell) == expected


def test_mpi_abort_names_the_rank() -> None:
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install mpi4py")
    if "openmpi" not in _installed():
        pytest.skip(f"needs {_INSTALLED_BY['openmpi']}")
    code = (
        "from mpi4py import MPI\n"
        "MPI.COMM_WORLD.Barrier()\n"
        "if MPI.COMM_WORLD.rank == 1: MPI.COMM_WORLD.Abort(7)\n"
        "MPI.COMM_WORLD.Barrier()\n"
    )
    result, logs = run_ranks(
        [sys.executable, "-c", code], 2, launcher="openmpi", launcher_args=["--oversubscribe"]
    )
    # On a machine under load, mpiexec may end before it has said who called MPI_Abort.
    said = logs.source("launcher").text
    named = re.search(r"rank\s+1\b|,1\]", said)
    assert (result.returncode, result.failed_rank) == (7, 1 if named else None), said


@pytest.mark.parametrize(
    ("name", "text", "rank"),
    [
        ("openmpi", "mpiexec noticed that process rank 2 with PID 0 on node x exited", 2),
        ("openmpi", "The first process to do so was: Process name: [[48127,1],5] Exit code: 3", 5),
        ("openmpi", "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD", 3),
        ("openmpi", "Primary job terminated normally, but 1 process returned", None),
        ("mpich", "=   RANK 1 PID 4711 RUNNING AT node", 1),
        ("srun", "srun: error: node1: task 7: Exited with exit code 3", 7),
        ("srun", "srun: error: node1: task 7: Segmentation fault", 7),
        ("torchrun", "Root Cause (first observed failure): [0]: rank      : 4 (local_rank: 0)", 4),
    ],
)
def test_what_launchers_say_of_a_failure_is_understood(
    name: str, text: str, rank: int | None
) -> None:
    assert launchers._KINDS[name].failed_rank(text) == rank


@pytest.mark.parametrize(
    ("name", "path", "rank", "stream"),
    [
        ("openmpi", "1/rank.07/stdout", 7, "stdout"),
        ("openmpi", "1/rank.0/stderr", 0, "stderr"),
        ("mpich", "out.12", 12, "stdout"),
        ("mpich", "err.3", 3, "stderr"),
        ("srun", "5.out", 5, "stdout"),
        ("srun", "5.err", 5, "stderr"),
        ("torchrun", "none_x1/attempt_0/2/stdout.log", 2, "stdout"),
        ("torchrun", "none_x1/attempt_0/2/stderr.log", 2, "stderr"),
    ],
)
def test_the_files_of_launchers_are_found(
    tmp_path: Path, name: str, path: str, rank: int, stream: str
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    (tmp_path / "launcher-stdout").write_text("")
    found = list(launchers._KINDS[name].files(tmp_path))
    assert found == [launchers.RankFile(file, rank, stream)]


def test_what_cannot_be_run_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_leaks: None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="n must be a positive number"):
        run_ranks(["true"], 0)
    with pytest.raises(ValueError, match="n must be at most 10000000"):
        run_ranks(["true"], 10**12)
    with pytest.raises(ValueError, match="launcher must be one of auto, openmpi"):
        run_ranks(["true"], 1, launcher="pbs")
    with pytest.raises(ValueError, match="stdout is not possible"):
        run_ranks(["true"], 1, stdout=None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(FileNotFoundError, match="no torchrun of torchrun is on the PATH"):
        run_ranks(["true"], 1, launcher="torchrun")
    with pytest.raises(FileNotFoundError, match="no mpiexec of openmpi is on the PATH"):
        run_ranks(["true"], 1)
    assert not [each for each in os.listdir(tmp_path) if each.startswith("ipyfdcapture-ranks")]


def test_an_exception_meanwhile_ends_the_program(
    launcher: dict[str, Any], tmp_path: Path, no_leaks: None
) -> None:
    shown = io.StringIO()
    pids = tmp_path / "pids"

    def interrupt(line: Any) -> None:
        import _thread

        pids.write_text(str(line))
        _thread.interrupt_main()

    code = "import time; print(os.getpid(), flush=True); time.sleep(100)"
    with pytest.raises(KeyboardInterrupt):
        run_ranks(program(code), 1, live=shown, on_line=interrupt, **launcher)
    pid = int(re.findall(r"\d+", pids.read_text())[0])
    from helpers.wait import eventually

    eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the rank to be gone")


def test_an_mpiexec_is_there_where_it_is_said_to_be() -> None:
    if shutil.which("mpiexec") is None:
        pytest.skip(f"needs {_INSTALLED_BY['openmpi']}, or {_INSTALLED_BY['mpich']}")
    kind, path = launchers.choose("auto")
    assert kind.name in ("openmpi", "mpich", "srun") and os.path.isabs(path)
