"""Fixtures: kernels and terminals with the extension loaded, native code, leak checks."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import pexpect
import pytest

TESTS_DIR = Path(__file__).resolve().parent
for place in (str(TESTS_DIR), str(TESTS_DIR.parent)):
    if place not in sys.path:
        sys.path.insert(0, place)

from helpers.fixtures import (  # noqa: E402
    FULL,
    Python,
    Rounds,
    Script,
    StartKernel,
    StartTerminal,
)
from helpers.gate import Gate  # noqa: E402
from helpers.kernel import Kernel  # noqa: E402
from helpers.leaks import no_leaks as _no_leaks  # noqa: E402
from helpers.native import Native  # noqa: E402
from helpers.process import check_python, check_script  # noqa: E402
from helpers.terminal import Terminal  # noqa: E402
from helpers.wait import LIMIT_S  # noqa: E402
from helpers.without_linux import why_left_out  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from ipyfdcapture import capture_fd  # noqa: E402

# No test measures time to pass or fail: one example may take long on a machine under load, and so
# may its making. The same examples with each change, so that what fails has to do with it; others
# each night.
settings.register_profile(
    "ipyfdcapture",
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ipyfdcapture")

T = TypeVar("T", Kernel, Terminal)

#: Longer than any script may take that a test runs: so it is the script that is told to be late.
_TEST_LIMIT_S = 240
#: Whoever asks for one of these meets IPython and ipykernel.
_IPYTHON_FIXTURES = {
    "_shared_kernel",
    "_shared_terminal",
    "python_env",
    "start_kernel",
    "start_terminal",
}
#: Where the first process of the session found its temporary files.
_OUTER_TMPDIR = "IPYFDCAPTURE_TESTS_OUTER_TMPDIR"
#: Workers for each core: the tests mostly wait (measured on 2 cores: 1,164 s without workers, 361 s
#: with 4).
_WORKERS_PER_CORE = 2
_MAX_WORKERS = 16


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests that are named one by one run in this process, where ``--pdb`` and ``-s`` work."""
    if config.args and all("::" in argument for argument in config.args):
        return 0
    if named := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(named)
    return min(_WORKERS_PER_CORE * _usable_cores(), _MAX_WORKERS)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pytest_configure(config: pytest.Config) -> None:
    # Nothing of the user's own is read or written, in this process either. A worker's directory is
    # not made within that of the process that started it: sockets of Chromium and ZeroMQ lie there,
    # and their paths may have 107 bytes.
    outer = os.environ.setdefault(_OUTER_TMPDIR, tempfile.gettempdir())
    private = tempfile.mkdtemp(prefix="ipyfdcapture-tests-", dir=outer)
    config.add_cleanup(lambda: _remove(private))
    for name in ("TMPDIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        os.environ[name] = os.path.join(private, name.lower())
        os.mkdir(os.environ[name], 0o700)
    tempfile.tempdir = None
    # Past its limit a look at a log goes on without what the helper has not recorded yet. On a
    # machine under load, that would be so for a helper that nothing is wrong with.
    from ipyfdcapture.drain import channel

    channel.ANSWER_S = LIMIT_S
    # Where a shell started this in the background, interrupts are ignored, by children too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _remove(directory: str) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def pytest_collection_finish() -> None:
    # What the tests and their modules are made of lives as long as the session. Each look for leaks
    # collects garbage, and would go through all of it (0.2 s of the processor, 0.005 s without).
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before what follows chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _IPYTHON_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.ipython)
        file = item.path.relative_to(TESTS_DIR).as_posix() if TESTS_DIR in item.path.parents else ""
        if why := why_left_out(file, item.name.partition("[")[0]):
            item.add_marker(pytest.mark.skip(reason=why))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TEST_LIMIT_S * (20 if FULL else 1)))


@pytest.fixture(scope="session")
def rounds() -> Rounds:
    """How often to go round a loop: a few times, or with IPYFDCAPTURE_FULL=1 in full."""

    def choose(few: int, *, full: int) -> int:
        return full if FULL else few

    return choose


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail if the test leaves anything behind in this process."""
    with capture_fd():  # the helper is to be there: an earlier test may have killed it
        pass
    with _no_leaks():
        yield


@pytest.fixture(scope="session")
def workers_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One directory for all workers."""
    directory = tmp_path_factory.getbasetemp()
    return directory if worker_id == "master" else directory.parent


@pytest.fixture(scope="session")
def native(workers_directory: Path) -> Native:
    directory = workers_directory / "native"
    directory.mkdir(exist_ok=True)
    return Native(directory)


# -- kernels --------------------------------------------------------------------------------


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[StartKernel]:
    """Start kernels that end with the test. Those of one name share all their directories."""
    started: list[Kernel] = []

    def start(name: str = "kernel", *, load: bool = True, **options: object) -> Kernel:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        started.append(Kernel(directory, **options))  # type: ignore[arg-type]
        if load:
            started[-1].load()
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture
def fresh_kernel(start_kernel: StartKernel) -> Kernel:
    """A kernel of the test's own, with the extension loaded."""
    return start_kernel()


class _Shared(Generic[T]):
    """One kernel, or terminal, for many tests, started again if one of them broke it."""

    def __init__(self, start: Callable[[], T]) -> None:
        self._start = start
        self._held: T | None = None

    def get(self) -> T:
        if self._held is None:
            self._held = self._start()
            self.clean()  # which remembers how everything is
        assert self._held is not None
        return self._held

    def clean(self) -> None:
        """Empty the namespace. What has left anything else changed is thrown away."""
        if self._held is None:
            return
        try:
            is_as_before = self._held.clean() == []
        except (AssertionError, OSError, ValueError, pexpect.ExceptionPexpect):
            is_as_before = False  # it has ended, or does not answer
        if not is_as_before:
            self.drop()

    def drop(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


@pytest.fixture(scope="session")
def _shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Shared[Kernel]]:
    def start() -> Kernel:
        kernel = Kernel(tmp_path_factory.mktemp("shared-kernel"))
        try:
            kernel.load()
        except BaseException:
            kernel.close()
            raise
        return kernel

    shared = _Shared(start)
    yield shared
    shared.drop()


@pytest.fixture
def kernel(_shared_kernel: _Shared[Kernel]) -> Iterator[Kernel]:
    """A kernel with the extension loaded and an empty namespace; shared between tests."""
    yield _shared_kernel.get()
    _shared_kernel.clean()


@pytest.fixture
def gate(kernel: Kernel) -> Iterator[Gate]:
    """A named pipe at which a cell of the shared kernel waits until the test opens it."""
    gate = Gate(kernel.directory)
    yield gate
    gate.path.unlink()


# -- terminals and plain processes ------------------------------------------------------------


@pytest.fixture
def start_terminal(tmp_path: Path) -> Iterator[StartTerminal]:
    started: list[Terminal] = []

    def start(*, load: bool = True) -> Terminal:
        directory = tmp_path / f"terminal{len(started)}"
        directory.mkdir()
        started.append(Terminal(directory, load=load))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


@pytest.fixture
def fresh_terminal(start_terminal: StartTerminal) -> Terminal:
    """Terminal IPython of the test's own, with the extension loaded."""
    return start_terminal()


@pytest.fixture(scope="session")
def _shared_terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Shared[Terminal]]:
    shared = _Shared(lambda: Terminal(tmp_path_factory.mktemp("shared-terminal")))
    yield shared
    shared.drop()


@pytest.fixture
def terminal(_shared_terminal: _Shared[Terminal]) -> Iterator[Terminal]:
    """Terminal IPython with the extension loaded and an empty namespace; shared between tests."""
    yield _shared_terminal.get()
    _shared_terminal.clean()


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run code in a plain Python process that must end well; return what it printed."""

    def run(code: str, *arguments: str, **options: object) -> str:
        return check_python(code, *arguments, directory=tmp_path / "python", **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Run ``tests/scripts/NAME.py`` as ``python`` runs code."""

    def run(name: str, *arguments: str, **options: object) -> str:
        return check_script(name, *arguments, directory=tmp_path / "python", **options)  # type: ignore[arg-type]

    return run
