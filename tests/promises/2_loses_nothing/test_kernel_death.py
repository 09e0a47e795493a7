"""The kernel dies in a captured cell: its last words are kept."""

from __future__ import annotations

import ctypes
import datetime
import errno
import mmap
import os
import random
import re
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.fixtures import Rounds, StartKernel
from helpers.kernel import Kernel, Reply
from helpers.logs import make_log
from helpers.native import Native
from helpers.process import await_end, check_python, the_pump
from helpers.wait import eventually

from ipyfdcapture import Captured, CaptureError
from ipyfdcapture.ipython.recover import describe
from ipyfdcapture.recording import crashes, files, halves, spool
from ipyfdcapture.recording.copying import record_bytes
from ipyfdcapture.recording.files import append_metadata, move_recording
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.writer import RecordingWriter

CRASHES = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "abort": "os.abort()",
    "a segmentation fault": "lib.crash_with_segmentation_fault()",
}
SETUP = "import ctypes, os, signal, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"


def crash(kernel: Kernel, cell: str) -> None:
    """Run a cell that ends the kernel, and wait until the helper has put things away."""
    helper = the_pump(kernel.pid)
    reply = kernel.run(cell)
    assert reply.content is None, "the kernel survived"
    assert kernel.await_death() < 0
    await_end(helper.pid)


@pytest.fixture
def crashing(start_kernel: StartKernel, native: Native) -> Callable[..., Kernel]:
    """Start a kernel in which ``lib`` can crash."""

    def start(name: str = "kernel", **options: object) -> Kernel:
        kernel = start_kernel(name, **options)
        kernel.ok(SETUP + f"lib = ctypes.CDLL({native.c()!r})")
        kernel.ok("%%capture_fd -v warm\nprint('warm')")
        return kernel

    return start


def listed(reply: Reply) -> list[str]:
    """Return the lines of ``--recover`` that tell of a recording."""
    return [line for line in reply.shown.splitlines() if re.match(r"\s*\d+\s", line)]


# -- kept, said, listed, loaded ----------------------------------------------------------------


@pytest.mark.parametrize("how", CRASHES.values(), ids=CRASHES.keys())
def test_the_next_kernel_has_the_last_words(crashing: Callable[..., Kernel], how: str) -> None:
    kernel = crashing()
    crash(
        kernel,
        "%%capture_fd -v logs\nprint('python')\nlib.write_lines(1, b'native', 1000)\n"
        f"os.write(2, b'to stderr\\n')\nos.system('echo child')\n"
        f"print('last words', flush=True)\n{how}",
    )
    kernel.restart()
    said = kernel.load_and_look().strip()
    assert len(said.splitlines()) == 1 and "--recover" in said
    lines = listed(kernel.ok("%capture_fd --recover"))
    assert len(lines) == 1
    assert "print('python')" in lines[0]
    # Of two pipes nobody can tell which was written to last.
    assert "last words" in lines[0] or "to stderr" in lines[0]
    assert time.strftime("%Y") in lines[0]
    kernel.ok("%capture_fd --recover -v logs")
    expected = "python\n" + "".join(f"native {i}\n" for i in range(1000)) + "child\nlast words\n"
    assert kernel.value("logs.stdout") == expected
    assert kernel.value("logs.stderr") == "to stderr\n"
    assert kernel.value("(logs.complete, logs.dropped)") == (True, 0)
    assert kernel.value("{line.source for line in logs}") == {"stdout", "stderr"}
    assert kernel.value("len(logs)") == 1004


def test_a_kernel_that_ended_in_peace_leaves_nothing_to_recover(start_kernel: StartKernel) -> None:
    kernel = start_kernel()
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel.pid)
    kernel.shutdown()
    await_end(helper.pid)
    kernel.restart()
    assert kernel.load_and_look() == ""
    assert listed(kernel.ok("%capture_fd --recover")) == []


def test_a_crash_between_captures_leaves_nothing_to_recover(
    crashing: Callable[..., Kernel],
) -> None:
    kernel = crashing()
    kernel.ok("%%capture_fd -v logs\nprint('finished')")
    crash(kernel, "os.kill(os.getpid(), signal.SIGKILL)")
    kernel.restart()
    assert kernel.load_and_look() == ""
    assert listed(kernel.ok("%capture_fd --recover")) == []
    left = [
        p for p in (kernel.directory / "tmpdir").rglob("*") if p.name.endswith((".data", ".index"))
    ]
    assert left == []


def test_recover_says_when_there_is_nothing(kernel: Kernel) -> None:
    reply = kernel.ok("%capture_fd --recover")
    assert len(reply.shown.strip().splitlines()) == 1
    reply = kernel.run("%capture_fd --recover -v logs")
    assert kernel.value("'logs' in globals()") is False


def test_recordings_are_listed_newest_first_and_loaded_by_number(
    crashing: Callable[..., Kernel],
) -> None:
    kernel = crashing()
    for n in range(3):
        if n:
            kernel.restart()
            kernel.load()
            kernel.ok(SETUP)
            kernel.ok("%%capture_fd -v warm\nprint('warm')")
        crash(kernel, f"%%capture_fd\n# crash number {n}\nos.write(1, b'words {n}\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    lines = listed(kernel.ok("%capture_fd --recover"))
    assert [f"words {n}" in line for n, line in zip((2, 1, 0), lines, strict=True)] == [True] * 3
    assert [f"crash number {n}" in line for n, line in zip((2, 1, 0), lines, strict=True)] == [
        True
    ] * 3
    kernel.ok("%capture_fd --recover 2 -v second")
    assert kernel.value("second.stdout") == "words 1\n"
    kernel.ok("%capture_fd --recover -v newest")
    assert kernel.value("newest.stdout") == "words 2\n"
    kernel.ok("%capture_fd -v oldest --recover=1")
    assert kernel.value("oldest.stdout") == "words 0\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"first\n\x1b[1;31mError: no\x1b[0m\n\x1b[0m\n", "Error: no"),
        (b"first\n 10%\r 20%\r", "20%"),
        (b"a\0b\n\n \n", "a\\x00b"),
        (b"\n", ""),
    ],
)
def test_the_last_words_are_listed_as_they_would_be_seen(written: bytes, shown: str) -> None:
    log = make_log([(0, written)])
    assert describe(log.recording.path).endswith(f"  last line: {shown}")


def test_a_number_that_is_not_listed_is_a_usage_error(crashing: Callable[..., Kernel]) -> None:
    kernel = crashing()
    crash(kernel, "%%capture_fd\nos.write(1, b'words\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    for number in ("0", "9", "-1", "x", "1.5"):
        reply = kernel.run(f"%capture_fd --recover {number} -v logs")
        assert reply.status == "error" and reply.error[0] == "UsageError", number
        assert kernel.value("'logs' in globals()") is False, number
        assert len(listed(kernel.ok("%capture_fd --recover"))) == 1, number


def test_a_loaded_recording_can_be_looked_at_again_after_a_second_crash(
    crashing: Callable[..., Kernel],
) -> None:
    kernel = crashing()
    crash(kernel, "%%capture_fd\nos.write(1, b'first\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    kernel.ok("%capture_fd --recover -v kept")
    kernel.ok(SETUP)
    kernel.ok("%%capture_fd -v warm\nprint('warm')")
    crash(kernel, "%%capture_fd\nos.write(1, b'second\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    lines = listed(kernel.ok("%capture_fd --recover"))
    assert "second" in lines[0]


# -- whose it is --------------------------------------------------------------------------------


def test_two_notebooks_never_get_each_others(tmp_path: Path, native: Native) -> None:
    """Both kernels share one runtime directory and one temporary directory."""
    directory = tmp_path / "server"
    directory.mkdir()

    def start(notebook: str) -> Kernel:
        kernel = Kernel(directory, env={"JPY_SESSION_NAME": notebook})
        kernel.load()
        return kernel

    first = start("/home/u/first.ipynb")
    try:
        first.ok("%%capture_fd -v warm\nprint('warm')")
        first.ok(SETUP)
        crash(first, "%%capture_fd\nos.write(1, b'of the first\\n')\nos.abort()")
    finally:
        first.close()
    first.connection_file.unlink()
    other = Kernel(directory, env={"JPY_SESSION_NAME": "/home/u/other.ipynb"})
    try:
        assert other.load_and_look() == ""
        assert listed(other.ok("%capture_fd --recover")) == []
    finally:
        other.close()
    other.connection_file.unlink()
    again = Kernel(directory, env={"JPY_SESSION_NAME": "/home/u/first.ipynb"})
    try:
        assert "--recover" in again.load_and_look()
        again.ok("%capture_fd --recover -v logs")
        assert again.value("logs.stdout") == "of the first\n"
    finally:
        again.close()


def test_two_kernels_of_one_notebook_do_not_take_what_is_in_use(
    start_kernel: StartKernel, tmp_path: Path
) -> None:
    """A kernel that loads while another is in the middle of a cell sees nothing to recover."""
    directory = tmp_path / "server"
    directory.mkdir()
    env = {"JPY_SESSION_NAME": "/home/u/same.ipynb"}
    first = Kernel(directory, env=env)
    second = None
    try:
        first.load()
        asked = first.send(
            "%%capture_fd -v logs\nprint('still running')\nopen('running', 'w').close()\n"
            "import os, time\nwhile not os.path.exists('go-on'): time.sleep(0.01)\nprint('end')"
        )
        first.await_file("running")
        first.connection_file.rename(directory / "first.json")
        second = Kernel(directory, env=env)
        assert second.load_and_look() == ""
        assert listed(second.ok("%capture_fd --recover")) == []
        (directory / "go-on").touch()
        assert first.finish(asked).status == "ok"
        assert first.value("logs.stdout") == "still running\nend\n"
    finally:
        first.close()
        if second is not None:
            second.close()


def test_a_kept_recording_is_readable_by_its_owner_alone(crashing: Callable[..., Kernel]) -> None:
    kernel = crashing()
    crash(kernel, "%%capture_fd\nos.write(1, b'secret\\n')\nos.abort()")
    kept = [p for p in (kernel.directory / "jupyter_runtime_dir").rglob("*") if p.is_file()]
    assert kept
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path.parent


def test_old_recordings_are_pruned_by_number(crashing: Callable[..., Kernel]) -> None:
    kernel = crashing(arguments=("--CaptureFd.keep_crashed=2",))
    for n in range(4):
        if n:
            kernel.restart()
            kernel.load()
            kernel.ok(SETUP)
            kernel.ok("%%capture_fd -v warm\nprint('warm')")
        crash(kernel, f"%%capture_fd\nos.write(1, b'words {n}\\n')\nos.abort()")
    kernel.restart()
    kernel.load_and_look()
    lines = listed(kernel.ok("%capture_fd --recover"))
    assert ["words 3" in lines[0], "words 2" in lines[1], len(lines)] == [True, True, 2]


def test_old_recordings_are_pruned_by_age(crashing: Callable[..., Kernel]) -> None:
    kernel = crashing()
    crash(kernel, "%%capture_fd\nos.write(1, b'words\\n')\nos.abort()")
    for path in (kernel.directory / "jupyter_runtime_dir").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 400 * 86400,) * 2)
    kernel.restart()
    assert kernel.load_and_look() == ""
    assert listed(kernel.ok("%capture_fd --recover")) == []
    left = (kernel.directory / "jupyter_runtime_dir").rglob("*.data")
    assert list(left) == []


def test_what_is_pruned_is_the_oldest_by_number_age_and_size(
    tmp_path: Path, runtime_dir: Path
) -> None:
    assert crashes.prune("k", 2, 30, None, str(tmp_path)) == []
    now = time.time()
    paths = {}
    for name, key, days in [("a", "k", 1), ("b", "k", 2), ("c", "k", 3), ("d", "other", 4)]:
        path = paths[name] = os.path.join(crashes.directory(key), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for file in (path + ".data", path + ".json"):
            Path(file).write_bytes(b"12345")
            os.utime(file, (now - days * 86400,) * 2)

    def left() -> str:
        return "".join(name for name, path in paths.items() if os.path.exists(path + ".json"))

    assert crashes.prune("k", 2, 30, None, str(tmp_path)) == [paths["a"], paths["b"]]
    assert list(left()) == ["a", "b", "d"]  # of this notebook alone
    assert crashes.prune("k", 2, 3, None, str(tmp_path)) == [paths["a"], paths["b"]]
    assert left() == "ab" and not os.path.exists(os.path.dirname(paths["d"]))
    assert crashes.prune("other", 2, 30, 20, str(tmp_path)) == [] and left() == "ab"
    assert crashes.prune("other", 2, 30, 19, str(tmp_path)) == [] and left() == "a"
    assert crashes.prune("k", 0, 30, None, str(tmp_path)) == [] and left() == ""


def test_a_copy_for_an_editor_goes_with_the_spool_of_a_killed_kernel(tmp_path: Path) -> None:
    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=tmp_path)
    copy = Path(tempfile.mkdtemp(prefix="edit-", dir=orphan), "logs.log")
    copy.write_text("words\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    Path(orphan, "link").symlink_to(elsewhere)
    crashes.find("k", str(tmp_path))
    assert os.listdir(tmp_path) == ["elsewhere"] and (elsewhere / "file").exists()


# -- nothing lost ------------------------------------------------------------------------------


def map_counter(path: Path) -> ctypes.c_long:
    """Map the counter that ``write_lines_forever`` counts in: it survives the kernel."""
    with open(path, "r+b") as file:
        return ctypes.c_long.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(ctypes.c_long)))


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"])
@pytest.mark.parametrize("gil", ["PyDLL", "CDLL"])
def test_a_crash_at_any_moment_of_a_flood_loses_not_a_byte(
    crashing: Callable[..., Kernel], native: Native, how: str, gil: str, rounds: Rounds
) -> None:
    dice = random.Random(f"{how}{gil}")
    kernel = crashing()
    for n in range(rounds(1, full=25)):
        if n:
            kernel.restart()
            kernel.load()
            kernel.ok(SETUP)
            kernel.ok("%%capture_fd -v warm\nprint('warm')")
        (kernel.directory / "counter").unlink(missing_ok=True)
        kernel.ok(
            f"native = ctypes.{gil}({native.c()!r})\nnative.map_counter.restype = ctypes.c_void_p\n"
            "native.write_lines_forever.argtypes = [ctypes.c_int, ctypes.c_char_p, "
            "ctypes.c_void_p]\n"
            "counter = native.map_counter(b'counter')"
        )
        helper = the_pump(kernel.pid)
        kernel.send("%%capture_fd -v logs\nnative.write_lines_forever(1, b'line', counter)")
        counter = map_counter(kernel.directory / "counter")
        eventually(lambda: counter.value, "the flood")  # noqa: B023
        goal = counter.value + dice.randrange(200_000)
        eventually(lambda: counter.value >= goal, "more of the flood")  # noqa: B023
        kernel.kill(getattr(signal, how))
        await_end(helper.pid)
        written = counter.value
        kernel.restart()
        assert "--recover" in kernel.load_and_look()
        kernel.ok("%capture_fd --recover -v logs")
        # The crash may have come after a line and before it was counted, never the other way.
        lines = kernel.value("logs.stdout.count('\\n')")
        assert written <= lines <= written + 1
        assert kernel.value(
            f"logs.stdout.startswith(''.join(f'line {{i}}\\n' for i in range({lines})))"
        )
        kernel.ok("logs.close()")


@pytest.mark.parametrize("how", CRASHES.values(), ids=CRASHES.keys())
def test_crashes_in_a_row_leave_nothing_but_what_they_keep(
    crashing: Callable[..., Kernel], how: str, rounds: Rounds
) -> None:
    kernel = crashing()
    for n in range(rounds(2, full=50)):
        if n:
            kernel.restart()
            assert "--recover" in kernel.load_and_look()
            kernel.ok("%capture_fd --recover -v logs")
            assert kernel.value("logs.stdout") == f"words {n - 1}\n"
            kernel.ok("logs.close()\ndel logs, _logs")
            kernel.ok(SETUP + f"lib = ctypes.CDLL({crash_library(kernel)!r})")
            kernel.ok("%%capture_fd -v warm\nprint('warm')")
        else:
            keep_library(kernel)
        crash(kernel, f"%%capture_fd\nos.write(1, b'words {n}\\n')\n{how}")
        assert not [p for p in (kernel.directory / "tmpdir").rglob("*") if p.is_file()]
    kernel.restart()
    kernel.load()
    assert len(listed(kernel.ok("%capture_fd --recover"))) == 1


def keep_library(kernel: Kernel) -> None:
    (kernel.directory / "library").write_text(kernel.value("lib._name"))


def crash_library(kernel: Kernel) -> str:
    return (kernel.directory / "library").read_text()


def test_what_a_child_writes_after_the_crash_is_not_lost(crashing: Callable[..., Kernel]) -> None:
    """It goes to the recording, or to the descriptor that was there before."""
    kernel = crashing()
    os.mkfifo(kernel.directory / "told")
    helper = the_pump(kernel.pid)
    reply = kernel.run(
        "%%capture_fd\nimport subprocess\nos.write(1, b'before\\n')\n"
        "subprocess.Popen(['sh', '-c', 'read line < told; echo late $line'], "
        "start_new_session=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert reply.content is None
    with open(kernel.directory / "told", "w") as told:
        told.write("words\n")
    await_end(helper.pid)
    assert "late words" in kernel.terminal.read_text()
    kernel.restart()
    kernel.load()
    kernel.ok("%capture_fd --recover -v logs")
    assert kernel.value("logs.stdout") == "before\n"


def test_the_helper_and_the_kernel_killed_together_still_leave_the_recording(
    crashing: Callable[..., Kernel],
) -> None:
    """As the out-of-memory killer may. What was recorded by then is found by the next kernel."""
    kernel = crashing()
    helper = the_pump(kernel.pid)
    kernel.send(
        "%%capture_fd\nimport os, time\nfor i in range(1000): os.write(1, b'line %d\\n' % i)\n"
        "open('running', 'w').close()\ntime.sleep(1000)"
    )
    kernel.await_file("running")
    data = eventually(
        lambda: [
            p
            for p in (kernel.directory / "tmpdir").rglob("*.data")
            if b"line 999\n" in p.read_bytes()
        ],
        "the recording to be written",
    )
    assert len(data) == 1
    helper.kill()
    kernel.kill()
    await_end(helper.pid)
    kernel.restart()
    assert "--recover" in kernel.load_and_look()
    assert len(listed(kernel.ok("%capture_fd --recover"))) == 1  # not what had ended before
    kernel.ok("%capture_fd --recover -v logs")
    assert kernel.value("logs.stdout") == "".join(f"line {i}\n" for i in range(1000))


def test_a_place_for_crashes_that_takes_nothing_leaves_them_to_the_next_kernel(
    crashing: Callable[..., Kernel],
) -> None:
    kernel = crashing()
    in_the_way = kernel.directory / "jupyter_runtime_dir" / "ipyfdcapture"
    in_the_way.touch()
    crash(kernel, "%%capture_fd\nos.write(1, b'precious\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    in_the_way.unlink()
    assert "precious" in kernel.ok("%capture_fd --recover").shown
    assert list((kernel.directory / "tmpdir").glob("ipyfdcapture-*")) == []


def test_a_kernel_that_starts_leaves_alone_what_another_is_just_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_after_a_look(path: str, *how: int) -> int:
        if os.path.basename(path) == "lock":
            monkeypatch.setattr(os, "open", usual)
            crashes.find("of another", str(tmp_path))
        return usual(path, *how)

    usual = os.open
    monkeypatch.setattr(os, "open", open_after_a_look)
    place = spool.open_spool(str(tmp_path))
    crashes.find("of another", str(tmp_path))
    assert os.listdir(tmp_path) == [os.path.basename(place.path)]
    assert os.listdir(place.path) == ["lock"]


def test_two_kernels_that_start_at_once_do_not_take_it_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link_after_a_look(file: str, destination: str) -> None:
        monkeypatch.setattr(os, "link", usual)
        crashes.find("two at once", str(tmp_path))
        usual(file, destination)

    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=tmp_path)
    recording, data, index = Recording.create(orphan, Metadata(notebook="two at once"))
    recording.keep_files()
    os.write(data, b"precious")
    os.close(data)
    os.close(index)
    usual = os.link
    monkeypatch.setattr(os, "link", link_after_a_look)
    (path,) = crashes.find("two at once", str(tmp_path))
    assert Path(path + ".data").read_bytes() == b"precious"
    assert os.listdir(tmp_path) == []
    crashes.delete(path)


def test_a_recording_left_on_a_full_disk_says_how_much_was_dropped(tmp_path: Path) -> None:
    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=tmp_path)
    metadata = Metadata(sources=("stdout",), notebook="full disk", started=1)
    recording, data, index = Recording.create(orphan, metadata)
    recording.keep_files()
    writer = RecordingWriter(recording.path, data, index, None)
    writer.append(b"kept\n", 0)
    writer._drop(1000, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    writer.close()
    (path,) = crashes.find("full disk", str(tmp_path))
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert (logs.raw, logs.dropped) == (b"kept\n", 1000)
    assert logs.recording.dropped_why == os.strerror(errno.ENOSPC)
    logs.close()


@pytest.mark.parametrize("full_after", [0, 1, 2, 3])
def test_a_recording_moves_to_another_file_system_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_after: int
) -> None:
    def of_another_file_system(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def open_while_there_is_room(path: str, *how: int) -> int:
        if str(path).startswith(str(there)) and len(list(there.iterdir())) == full_after:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return usual(path, *how)

    usual = os.open
    monkeypatch.setattr(os, "rename", of_another_file_system)
    monkeypatch.setattr(os, "link", of_another_file_system)
    monkeypatch.setattr(os, "open", open_while_there_is_room)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    names = {"r.data", "r.index", "r.json"}
    for name in names:
        (here / name).write_text(name)
    if full_after < len(names):
        with pytest.raises(OSError):
            move_recording(str(here / "r"), str(there))
        whole, empty = here, there
    else:
        move_recording(str(here / "r"), str(there))
        whole, empty = there, here
    assert {file.name for file in whole.iterdir()} == names
    assert all(file.read_text() == file.name for file in whole.iterdir())
    assert list(empty.iterdir()) == []


def test_a_crash_in_the_thread_drain_tells_no_lies(crashing: Callable[..., Kernel]) -> None:
    """A thread dies with its kernel; the next kernel has what was recorded, or nothing."""
    kernel = crashing()
    reply = kernel.run(
        "%%capture_fd --drain thread\nos.write(1, b'words\\n')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert reply.content is None
    kernel.restart()
    kernel.load()
    kernel.run("%capture_fd --recover -v logs")
    assert kernel.value("globals().get('logs') is None or logs.stdout in ('', 'words\\n')")


# -- after a power failure ----------------------------------------------------------------------


def keep(key: str, spool_dir: Path, chunks: list[tuple[int, bytes]], **metadata: Any) -> str:
    """Leave a recording of a crashed kernel of the notebook ``key``; return its path."""
    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=spool_dir)
    known = {"sources": ("stdout", "stderr"), "notebook": key, "started": 1}
    recording, data, index = Recording.create(orphan, Metadata(**(known | metadata)))
    recording.keep_files()
    writer = RecordingWriter(recording.path, data, index, recording.metadata.max_bytes)
    for source, chunk in chunks:
        writer.append(chunk, source)
    writer.close()
    (path,) = crashes.find(key, str(spool_dir))
    return path


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime"


LOST_FACTS = [b"", b"\0" * 512, b'{"sources": ["stdo', b"\xff\xfe\n", b"5\nnull\n[]\n"]


@pytest.mark.parametrize("left", LOST_FACTS)
def test_a_recording_whose_facts_were_lost_is_listed_and_can_be_read(
    tmp_path: Path, runtime_dir: Path, left: bytes
) -> None:
    path = keep("k", tmp_path, [(0, b"first\n"), (1, b"second\n"), (0, b"last words\n")])
    Path(path + ".json").write_bytes(left)
    described = describe(path)
    assert "its metadata is lost" in described and described.endswith("last line: last words")
    assert f"{datetime.date.today():%Y-}" in described
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert logs.text == "first\nsecond\nlast words\n"
    assert [line.source for line in logs] == ["source 1", "source 2", "source 1"]
    assert logs.duration < 60 and "crashed" in repr(logs)
    logs.close()


@pytest.mark.parametrize("left", [b"", b"\0" * 48, b"\1\2\3", None])
def test_a_recording_whose_facts_and_index_were_lost_is_read_as_one_source(
    tmp_path: Path, runtime_dir: Path, left: bytes | None
) -> None:
    path = keep("k", tmp_path, [(0, b"first\n"), (1, b"last words\n")])
    Path(path + ".json").write_bytes(b"")
    if left is None:
        os.unlink(path + ".index")
    else:
        Path(path + ".index").write_bytes(left)
    assert "last words" in describe(path)
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert logs.text == "first\nlast words\n"
    assert [line.source for line in logs] == ["source 1", "source 1"]
    logs.close()


@pytest.mark.parametrize("limit", [10_000, 9_999, 4_000_000, 3_999_999])
def test_a_limited_recording_whose_facts_were_lost_has_its_first_and_its_last_half(
    tmp_path: Path, runtime_dir: Path, limit: int
) -> None:
    written = random.Random(limit).randbytes(3 * limit)
    chunks = [(0, written[i : i + limit // 3]) for i in range(0, len(written), limit // 3)]
    path = keep("k", tmp_path, chunks, max_bytes=limit)
    Path(path + ".json").write_bytes(b"")
    logs = Captured(crashes.load(path, str(tmp_path)))
    half = limit // 2
    assert logs.raw[: limit - half] == written[: limit - half]
    assert logs.raw[limit - half :][-half:] == written[-half:]
    logs.close()


def test_what_follows_a_line_of_facts_that_was_cut_is_not_lost_with_it(
    tmp_path: Path, runtime_dir: Path
) -> None:
    path = keep("k", tmp_path, [(0, b"out\n"), (2, b"of a child\n")])
    with open(path + ".json", "ab") as facts:
        facts.write(b'{"added_sour')
    append_metadata(path + ".json", {"cell": 7})
    assert "cell [7]" in describe(path)
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert [line.source for line in logs] == ["stdout", "source 3"]
    logs.close()


@pytest.mark.parametrize("zeros", [0, 100])
@pytest.mark.parametrize("of_index", range(0, 73, 8))
@pytest.mark.parametrize("of_data", [1, 6, 9, 13, 24])
def test_files_that_were_cut_are_read_as_far_as_they_go(
    tmp_path: Path, runtime_dir: Path, of_data: int, of_index: int, zeros: int
) -> None:
    """A file may also be as long as it was, and what did not reach the disk be zeros."""
    written = b"first\nsecond\nlast words\n"
    path = keep("k", tmp_path, [(0, b"first\n"), (1, b"second\n"), (0, b"last words\n")])
    os.truncate(path + ".data", of_data)
    os.truncate(path + ".index", of_index)
    os.truncate(path + ".index", of_index + zeros)
    assert f"{of_data} bytes" in describe(path)
    logs = Captured(crashes.load(path, str(tmp_path)))
    assert logs.raw == written[:of_data]
    assert logs.text == written[:of_data].decode()
    assert all(line.time.year > 2000 for line in logs)
    assert logs[0].source in ("stdout", "source 1")
    logs.close()


def test_a_recording_that_cannot_be_read_is_named_and_the_others_are_listed(
    tmp_path: Path, runtime_dir: Path
) -> None:
    path = keep("k", tmp_path, [(0, b"x" * 1000)], max_bytes=500)
    os.truncate(path + ".data", 100)
    assert path in describe(path)
    with pytest.raises(CaptureError):
        crashes.load(path, str(tmp_path))
    assert crashes.find("k", str(tmp_path)) == [path]  # for whoever can make something of it


def test_recover_lists_the_good_beside_one_whose_facts_were_lost(
    crashing: Callable[..., Kernel],
) -> None:
    kernel = crashing()
    crash(kernel, "%%capture_fd\nos.write(1, b'lost\\n')\nos.abort()")
    (facts,) = (kernel.directory / "jupyter_runtime_dir" / "ipyfdcapture").rglob("*.json")
    facts.write_bytes(b"")
    kernel.restart()
    kernel.load()
    kernel.ok(SETUP)
    crash(kernel, "%%capture_fd\nos.write(1, b'good\\n')\nos.abort()")
    kernel.restart()
    kernel.load()
    good, lost = listed(kernel.ok("%capture_fd --recover"))
    assert "good" in good and "its metadata is lost" in lost
    kernel.ok("%capture_fd --recover 2 -v logs")
    assert kernel.value("logs.text") == "lost\n"
    assert "lost" in kernel.ok("logs").shown


def test_recordings_that_another_kernel_takes_away_meanwhile_are_passed_over(
    tmp_path: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_before_the_other(directory: str) -> list[str]:
        found = usual(directory)
        if os.path.dirname(gone) == directory:
            monkeypatch.setattr(crashes, "_names_in", usual)
            crashes.delete(gone)
        return found

    gone = keep("k", tmp_path, [(0, b"gone\n")])
    usual = crashes._names_in
    monkeypatch.setattr(crashes, "_names_in", look_before_the_other)
    assert crashes.find("k", str(tmp_path)) == []
    assert not os.path.exists(gone + ".json")


@pytest.mark.parametrize("lock", [True, False])
def test_a_spool_whose_maker_was_killed_goes_once_it_is_old(tmp_path: Path, lock: bool) -> None:
    left = tmp_path / "ipyfdcapture-new-abc"
    left.mkdir(mode=0o700)
    if lock:
        (left / "lock").touch(0o600)
    crashes.find("k", str(tmp_path))
    assert left.exists()  # somebody may just be making it
    two_hours_ago = time.time() - 7200
    os.utime(left, (two_hours_ago, two_hours_ago))
    crashes.find("k", str(tmp_path))
    assert not left.exists()


@pytest.mark.parametrize("way", ["", "/./", "/../{name}", "/link"])
def test_a_process_does_not_take_its_own_spool_for_one_left_behind(
    tmp_path: Path, way: str
) -> None:
    """By whatever path it looks there: its own locks do not keep it out."""
    (tmp_path / "link").symlink_to(tmp_path)
    own = spool.directory(str(tmp_path))
    crashes.find("k", str(tmp_path) + way.format(name=tmp_path.name))
    assert os.path.exists(os.path.join(own, "lock"))


def test_a_process_that_reads_all_files_does_not_let_go_of_its_spool(tmp_path: Path) -> None:
    own = spool.directory(str(tmp_path))
    Path(own, "lock").read_bytes()
    look = "from ipyfdcapture.recording import crashes; import sys; crashes.find('k', sys.argv[1])"
    check_python(look, str(tmp_path), directory=tmp_path / "other")
    assert os.path.exists(os.path.join(own, "lock"))


_HOLDS_A_SPOOL = """
import os, sys
from ipyfdcapture.recording.files import hold_lock
hold_lock(os.open(sys.argv[1] + "/lock", os.O_RDWR | os.O_CREAT, 0o600))
print("held", flush=True)
sys.stdin.read()"""


def test_an_old_spool_whose_maker_was_only_stopped_stays(tmp_path: Path) -> None:
    left = tmp_path / "ipyfdcapture-new-abc"
    left.mkdir(mode=0o700)
    maker = subprocess.Popen(
        [sys.executable, "-c", _HOLDS_A_SPOOL, str(left)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"held\n"
        os.utime(left, (1, 1))
        crashes.find("k", str(tmp_path))
        assert left.exists()


def test_a_recording_whose_facts_were_lost_in_the_spool_goes_to_who_finds_it(
    tmp_path: Path, runtime_dir: Path
) -> None:
    """Whose it is went with its facts."""
    orphan = tempfile.mkdtemp(prefix=spool.name_prefix(), dir=tmp_path)
    for words in (b"last words\n", b""):
        recording, data, index = Recording.create(orphan, Metadata())
        recording.keep_files()
        writer = RecordingWriter(recording.path, data, index, None)
        writer.append(words, 0)
        writer.close()
        Path(recording.path + ".json").write_bytes(b"")
    (path,) = crashes.find("k", str(tmp_path))
    assert "its metadata is lost" in describe(path) and "last words" in describe(path)
    assert os.listdir(tmp_path) == ["runtime"]


# -- short writes -------------------------------------------------------------------------------


def test_what_the_disk_takes_bit_by_bit_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "write_once", lambda fd, data: os.write(fd, bytes(data)[:5]))
    metadata = Metadata(sources=("stdout", "stderr"), started=1)
    chunks = [(0, b"first words\n", 2), (1, b"second\n", 3), (0, b"last words\n", 4)]
    recording = record_bytes(str(tmp_path), chunks, metadata)
    recording.add_sources(["solver/stdout"])
    monkeypatch.undo()
    left = Recording.open(recording.path)
    snapshot = left.snapshot()
    assert bytes(snapshot.data) == b"first words\nsecond\nlast words\n"
    assert [list(part) for part in (snapshot.times, snapshot.starts, snapshot.source_numbers)] == [
        [2, 3, 4],
        [0, 12, 19],
        [0, 1, 0],
    ]
    known = Metadata(sources=("stdout", "stderr", "solver/stdout"), started=1)
    assert replace(left.metadata, crashed=None) == known


def test_a_disk_that_takes_a_part_of_the_facts_refuses_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_until_full(fd: int, data: bytes) -> int:
        monkeypatch.setattr(files, "write_once", refuse)
        return os.write(fd, bytes(data)[:5])

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_once", write_until_full)
    with pytest.raises(OSError):
        Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_an_index_that_finds_no_room_to_be_rewritten_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_a_part(fd: int, data: bytes, offset: int) -> int:
        return usual(fd, data[:24] if len(data) > 24 and data[24:] else data, offset)

    usual = os.pwrite
    metadata = Metadata(sources=("a",), max_bytes=100)
    recording, data, index = Recording.create(str(tmp_path), metadata)
    writer = RecordingWriter(recording.path, data, index, 100)
    monkeypatch.setattr("ipyfdcapture.recording.writer.MAX_STALE_INDEX_BYTES", 48)
    for i in range(10):
        writer.append(b"%09d\n" % i, 0)
    before = Path(recording.path + ".index").read_bytes()
    monkeypatch.setattr(os, "pwrite", write_a_part)
    writer._drop_stale_entries(90)
    monkeypatch.undo()
    writer.append(b"last\n", 0)
    assert Path(recording.path + ".index").read_bytes()[:-24] == before
    writer.close()


def leave_limited(directory: Path) -> str:
    """Leave a recording that kept 100 bytes of 1,000; return its path."""
    metadata = Metadata(sources=("stdout",), started=1, max_bytes=100)
    recording, data, index = Recording.create(str(directory), metadata)
    recording.keep_files()
    writer = RecordingWriter(recording.path, data, index, 100)
    for i in range(100):
        writer.append(b"%09d\n" % i, 0)
    writer.close()
    return recording.path


def test_a_limited_log_that_finds_no_room_for_its_facts_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, changes: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = leave_limited(tmp_path)
    monkeypatch.setattr(halves, "append_metadata", refuse)
    read = []
    for _ in range(2):
        left = Recording.open(path)
        left.keep_files()
        read.append((bytes(left.snapshot().data), left.dropped))
        monkeypatch.undo()
    assert read[0] == read[1]
    assert read[0][0].endswith(b"99\n") and read[0][1] == 900


def test_a_limited_log_whose_reader_was_killed_while_joining_its_halves_has_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_killed(*_: object) -> None:
        raise SystemExit

    path = leave_limited(tmp_path)
    left = Recording.open(path)
    left.keep_files()
    monkeypatch.setattr(os, "rename", is_killed)
    with pytest.raises(SystemExit):
        left.snapshot()
    monkeypatch.undo()
    again = Recording.open(path)
    assert bytes(again.snapshot().data).endswith(b"99\n") and again.dropped == 900


@pytest.fixture(autouse=True)
def _no_core_files(tmp_path: Path) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)
