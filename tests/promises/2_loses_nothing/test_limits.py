"""Limits and bad days: a size limit, a full disk, no room, no processes."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import sandbox
from helpers.fixtures import Python, Script, StartKernel
from helpers.kernel import Kernel, Reply
from helpers.process import pumps
from helpers.tools import tool_environment
from helpers.wait import eventually

DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])


# -- max_bytes ----------------------------------------------------------------------------------


@DRAINS
@pytest.mark.parametrize("limit", [1, 2, 7, 1000, 65_536, 3_000_001])
@pytest.mark.parametrize("total", [0, 1, 999, 1000, 1001, 65_536, 10_000_000])
def test_the_first_and_the_last_half_are_kept_and_the_rest_is_counted(
    python_session: Python, drain: str, limit: int, total: int
) -> None:
    shown = python_session(
        f"""
import random
data = random.Random({total}).randbytes({total})
with capture_fd(drain={drain!r}, max_bytes={limit}) as logs:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left[:50_000]):]
if {total} <= {limit}:
    expected = data
else:
    first, last = {limit} - {limit} // 2, {limit} // 2
    expected = data[:first] + (data[-last:] if last else b"")
print(logs.raw == expected, logs.dropped == max(0, {total} - {limit}), len(logs.raw))
logs.close()
"""
    )
    assert shown == f"True True {min(limit, total)}\n"


def test_what_the_limit_took_stays_said_when_a_cell_appends(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd --max-bytes 1K -v logs\nfor i in range(1000): print('line', i)")
    dropped = kernel.value("logs.dropped")
    assert dropped == 8890 - 1024
    for more in range(2):
        kernel.ok(f"%%capture_fd --append -v logs\nprint('more {more}')")
    assert kernel.value("(logs.dropped, logs.nbytes)") == (dropped, 1024 + 14)
    assert "7.87 kB dropped" in kernel.value("repr(logs)")
    assert kernel.value("[str(line) for line in logs if len(line) > len('line 999')]") == []
    kernel.ok("%%capture_fd --append --max-bytes 100 -v logs\nprint('last')")
    assert kernel.value("logs.dropped + logs.nbytes") == 8890 + 14 + 5


@pytest.fixture(scope="module")
def python_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Python]:
    """One plain Python process for many small scripts."""
    import sys

    from helpers.process import private_env

    directory = tmp_path_factory.mktemp("session")
    server = (
        "import contextlib, io, json, os, sys, warnings\n"
        "from ipyfdcapture import capture_fd\n"
        "talk = os.fdopen(os.dup(1), 'w')\n"
        "for line in sys.stdin:\n"
        "    said = []\n"
        "    space = {'os': os, 'capture_fd': capture_fd, 'print': lambda *a: "
        "said.append(' '.join(map(str, a)) + '\\n')}\n"
        "    try:\n        exec(json.loads(line), space)\n"
        "    except BaseException as error:\n        said.append(repr(error))\n"
        "    json.dump(''.join(said), talk); talk.write('\\n'); talk.flush()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=private_env(directory),
        cwd=directory,
        text=True,
    )

    def run(code: str, *arguments: str, **options: object) -> str:
        import json

        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(code) + "\n")
        process.stdin.flush()
        return str(json.loads(process.stdout.readline()))

    with process:
        yield run
        process.kill()


@pytest.mark.parametrize("line", ["--max-bytes 64K", "--max-bytes 65536", "--max-bytes=64k"])
def test_the_magic_takes_a_size(kernel: Kernel, line: str) -> None:
    kernel.ok(f"%%capture_fd -v logs {line}\nfor i in range(20_000): print('%09d' % i)")
    assert kernel.value("(len(logs.raw), logs.dropped)") == (65_536, 200_000 - 65_536)
    assert kernel.value("logs.stdout.startswith('000000000\\n')")
    assert kernel.value("logs.stdout.endswith('000019999\\n')")


def test_the_configuration_sets_the_limit(kernel: Kernel) -> None:
    kernel.ok("%config CaptureFd.max_bytes = '10K'")
    kernel.ok("%%capture_fd -v logs\nprint('x' * 100_000)")
    kernel.ok("%config CaptureFd.max_bytes = None")
    assert kernel.value("(len(logs.raw), logs.dropped)") == (10_240, 100_001 - 10_240)


@DRAINS
def test_a_limited_capture_takes_bounded_space_on_disk(script: Script, drain: str) -> None:
    shown = script("limits/a_limited_capture_takes_bounded_space_on_disk", drain)
    assert shown == "True\n"


def test_the_index_of_a_limited_log_is_bounded_too(script: Script) -> None:
    """A chunk for each line: what the index says of those that are gone goes as well."""
    shown = script("limits/the_index_of_a_limited_log_is_bounded_too")
    assert shown == "19990000 True\n"


def test_the_lines_on_both_sides_of_the_gap_are_right(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs --max-bytes 1000\nimport sys\n"
        "for i in range(1000): print('%08d' % i)\n"
    )
    lines = kernel.value("[str(line) for line in logs]")
    assert lines[:55] == [f"{i:08d}" for i in range(55)]
    assert lines[-55:] == [f"{i:08d}" for i in range(945, 1000)]
    assert kernel.value("logs[0].source") == "stdout"


# -- a full disk --------------------------------------------------------------------------------


@DRAINS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
def test_a_file_size_limit_neither_stops_the_writer_nor_spoils_what_was_kept(
    script: Script, drain: str
) -> None:
    shown = script(
        "limits/a_file_size_limit_neither_stops_the_writer_nor_spoils_what_was_kept", drain
    )
    assert shown.startswith("True "), shown


@pytest.mark.parametrize("amid", [False, True])
def test_what_a_helper_had_to_drop_is_still_counted_when_it_is_killed(
    script: Script, amid: bool
) -> None:
    shown = script("limits/what_a_helper_had_to_drop_is_still_counted_when_it_is_killed", str(amid))
    assert shown == "True\n" * 3


def test_a_limited_log_that_finds_no_room_to_be_read_says_so_and_can_be_read_later(
    script: Script,
) -> None:
    """It is put together from its two halves when it is first looked at."""
    shown = script(
        "limits/a_limited_log_that_finds_no_room_to_be_read_says_so_and_can_be_read_later"
    )
    assert shown == "File too large\nTrue 200000\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True, env=tool_environment())
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, env=tool_environment())


def test_a_limited_log_can_be_read_where_its_halves_have_no_room_beside_them(
    script: Script, small_disk: Path
) -> None:
    shown = script(
        "limits/a_limited_log_can_be_read_where_its_halves_have_no_room_beside_them",
        str(small_disk),
    )
    assert shown == "True\nTrue 500000 500000\n"


def test_a_limited_log_is_read_by_several_threads_at_once(script: Script) -> None:
    shown = script("limits/a_limited_log_is_read_by_several_threads_at_once")
    assert shown == "(400000, 400000, 400000)\n"


def test_a_limited_log_is_put_together_once_its_live_targets_have_read_it(script: Script) -> None:
    """A look at it takes nothing from a live target that is late."""
    name = "limits/a_limited_log_is_put_together_once_its_live_targets_have_read_it"
    assert script(name) == "end\n"


@DRAINS
def test_a_full_disk_neither_stops_the_cell_nor_spoils_what_was_kept(
    start_kernel: StartKernel, small_disk: Path, drain: str
) -> None:
    kernel = start_kernel(env={"TMPDIR": str(small_disk)})
    reply = kernel.ok(
        f"%%capture_fd -v logs --drain {drain}\nimport os\n"
        f"for i in range(5000): os.write(1, b'%0999d\\n' % i)"
    )
    kept = kernel.value("logs.raw")
    assert kept == b"".join(b"%0999d\n" % i for i in range(5000))[: len(kept)]
    assert 300_000 < len(kept) < 1_050_000
    assert kernel.value("logs.dropped") == 5_000_000 - len(kept)
    told = reply.shown + kernel.value("repr(logs)")
    assert "No space left" in told
    kernel.ok("logs.close()\ndel logs, _logs")
    kernel.ok("%%capture_fd -v logs\nprint('there is room again')")
    assert kernel.value("logs.stdout") == "there is room again\n"
    assert kernel.value("logs.dropped") == 0


def test_a_disk_without_any_room_is_told_and_the_cell_still_runs_or_is_refused_whole(
    start_kernel: StartKernel, small_disk: Path
) -> None:
    kernel = start_kernel(env={"TMPDIR": str(small_disk)})
    with open(small_disk / "filler", "wb") as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 65536)
            filler.flush()
    reply = kernel.run("%%capture_fd -v logs\nran = True\nprint('x')")
    if reply.status == "ok":
        assert kernel.value("(len(logs.raw) + logs.dropped, ran)") == (2, True)
    else:
        refused(reply, "No space left")
        assert kernel.value("'ran' in globals()") is False
    (small_disk / "filler").unlink()
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"
    kernel.ok("%%capture_fd -v logs\nprint('y')")
    assert kernel.value("logs.stdout") == "y\n"


# -- the spool ----------------------------------------------------------------------------------


def refused(reply: Reply, *says: str) -> None:
    """The capture was refused in one line, which says why."""
    assert reply.status == "error"
    assert reply.error[0] in ("UsageError", "CaptureError"), reply.error
    assert len(reply.error[1].strip().splitlines()) == 1
    assert any(word in reply.error[1] for word in says), reply.error


@pytest.mark.parametrize("place", ["/dev/null/spool", "/proc/spool", "/sys"])
def test_a_spool_that_cannot_be_is_a_clear_error_before_anything_moved(
    kernel: Kernel, place: str
) -> None:
    kernel.ok(f"%config CaptureFd.spool_dir = {place!r}")
    before = kernel.value("[__import__('os').fstat(n)[:3] for n in (1, 2)]")
    reply = kernel.run("%%capture_fd -v logs\nran = True")
    refused(reply, place)
    assert "spool_dir" in reply.error[1]
    assert kernel.value("'ran' in globals()") is False
    assert before == kernel.value("[__import__('os').fstat(n)[:3] for n in (1, 2)]")
    kernel.ok("%config CaptureFd.spool_dir = ''")
    kernel.ok("%%capture_fd -v logs\nprint('works')")
    assert kernel.value("logs.text") == "works\n"


def test_a_missing_spool_directory_is_made(kernel: Kernel, tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet"
    kernel.ok(f"%config CaptureFd.spool_dir = {str(place)!r}")
    reply = kernel.run("%%capture_fd -v logs\nprint('x')")
    kernel.ok("%config CaptureFd.spool_dir = ''")
    assert reply.status == "ok"
    assert kernel.value("logs.text") == "x\n"
    assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0


def test_a_spool_directory_may_begin_with_home(fresh_kernel: Kernel, tmp_path: Path) -> None:
    kernel, home = fresh_kernel, tmp_path / "home"
    kernel.ok(f"import os; os.environ['HOME'] = {str(home)!r}")
    for place in ("~/logs", "$HOME/more/logs"):
        kernel.ok(f"%config CaptureFd.spool_dir = {place!r}")
        kernel.ok("%%capture_fd -v logs\nprint('x')")
        assert kernel.value("logs.text") == "x\n"
    assert sorted(os.listdir(home)) == ["logs", "more"]
    assert len(os.listdir(home / "logs")) == 1
    assert not os.path.exists(kernel.directory / "~")


def test_a_spool_that_vanished_between_captures_is_made_again(fresh_kernel: Kernel) -> None:
    import shutil

    fresh_kernel.ok("%%capture_fd -v logs\nprint('x')")
    held = fresh_kernel.value("len(__import__('os').listdir('/dev/fd'))")
    for path in (fresh_kernel.directory / "tmpdir").glob("ipyfdcapture*"):
        shutil.rmtree(path)
    fresh_kernel.ok("%%capture_fd -v logs\nprint('y')")
    assert fresh_kernel.value("logs.text") == "y\n"
    assert fresh_kernel.value("len(__import__('os').listdir('/dev/fd'))") == held


def test_a_spool_that_vanishes_during_a_capture_does_not_stop_the_cell(
    fresh_kernel: Kernel,
) -> None:
    fresh_kernel.ok(
        "%%capture_fd -v logs\nimport glob, os, shutil\nprint('before')\n"
        "[shutil.rmtree(p) for p in glob.glob(os.environ['TMPDIR'] + '/ipyfdcapture*')]\n"
        "for i in range(1000): print('after' * 100)"
    )
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('next')")
    assert fresh_kernel.value("logs.text") == "next\n"


@DRAINS
def test_recordings_are_private_whatever_the_umask(script: Script, drain: str) -> None:
    shown = script("limits/recordings_are_private_whatever_the_umask", drain)
    assert shown.startswith("True")


def test_links_that_others_placed_are_not_followed(script: Script) -> None:
    """Whoever can guess a name in a shared directory must gain nothing from it."""
    shown = script("limits/links_that_others_placed_are_not_followed")
    assert shown == "untouched\n"


# -- no processes, no threads --------------------------------------------------------------------


@pytest.mark.skipif(not sandbox.CAN_FORBID_PROCESSES, reason="no seccomp filter for this machine")
def test_where_no_process_can_start_a_thread_drains_and_that_is_told_once(
    start_kernel: StartKernel,
) -> None:
    kernel = start_kernel(load=False, preexec_fn=sandbox.forbid_processes)
    shown = kernel.load().shown
    for n in range(3):
        reply = kernel.ok(f"%%capture_fd -v logs\nprint({n})\nimport os\nos.write(2, b'native')")
        assert kernel.value("(logs.stdout, logs.stderr)") == (f"{n}\n", "native")
        shown += reply.shown
    assert shown.count("Warning") == 1, shown
    assert "thread" in shown
    assert pumps(kernel.pid) == []


@pytest.mark.skipif(not sandbox.CAN_FORBID_PROCESSES, reason="no seccomp filter for this machine")
def test_where_no_process_can_start_insisting_on_one_fails_in_one_line(
    start_kernel: StartKernel,
) -> None:
    kernel = start_kernel(preexec_fn=sandbox.forbid_processes)
    reply = kernel.run("%%capture_fd -v logs --drain process\nran = True")
    refused(reply, "process")
    assert kernel.value("'ran' in globals()") is False
    reply = kernel.ok("%%capture_fd -v logs --drain thread\nprint('x')")
    assert reply.shown == ""
    assert kernel.value("logs.text") == "x\n"


@pytest.mark.skipif(not sandbox.CAN_LIMIT_PROCESSES, reason="needs root, for a user of its own")
@pytest.mark.parametrize("drain", ["auto", "process", "thread"])
def test_a_limit_on_processes_is_told_and_nothing_moves(script: Script, drain: str) -> None:
    shown = script("limits/a_limit_on_processes_is_told_and_nothing_moves", drain)
    outcomes = shown.split()
    assert len(outcomes) == 4
    assert (outcomes[0], outcomes[-1]) == ("refused", "ok")


@pytest.mark.parametrize("executable", ["/nonexistent/python", "", None, "/bin/false"])
def test_without_an_interpreter_to_run_the_helper_a_thread_drains(
    script: Script, executable: str | None
) -> None:
    """As when Python is embedded in another program."""
    shown = script(
        "limits/without_an_interpreter_to_run_the_helper_a_thread_drains", repr(executable)
    )
    assert shown == "True\n"


def test_the_size_of_a_pipe_may_be_limited(script: Script) -> None:
    """Beyond the user's quota of pipe memory, pipes are small; captures go on with those."""
    shown = script("limits/the_size_of_a_pipe_may_be_limited")
    assert shown == "1000000\n"


@DRAINS
def test_a_process_may_have_more_descriptors_than_select_takes(script: Script, drain: str) -> None:
    shown = script(
        "limits/a_process_may_have_more_descriptors_than_select_takes", drain, timeout=60
    )
    assert shown == "50000 0\n"


def test_a_kernel_out_of_descriptors_refuses_in_one_line_and_recovers(
    fresh_kernel: Kernel,
) -> None:
    fresh_kernel.ok("%%capture_fd -v logs\nprint('warm')")
    # In one cell: ipykernel itself does not get far without descriptors.
    fresh_kernel.ok(
        """
import os, resource
held, ran, shell = [], [], get_ipython()
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
try:
    try:
        while True:
            held.append(os.open('/dev/null', os.O_RDONLY))
    except OSError:
        pass
    shell.run_line_magic('capture_fd', '-v other ran.append(1)')
except Exception as error:
    refusal = type(error).__name__, str(error)
finally:
    for fd in held:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
"""
    )
    kind, text = fresh_kernel.value("refusal")
    assert kind in ("UsageError", "CaptureError")
    assert len(text.splitlines()) == 1 and "open files" in text
    assert fresh_kernel.value("(ran, 'other' in globals())") == ([], False)
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('y')")
    assert fresh_kernel.value("logs.text") == "y\n"
    eventually(lambda: len(pumps(fresh_kernel.pid)) == 1, "one helper")


def test_an_interrupt_as_a_limited_log_is_put_together_leaves_no_file(script: Script) -> None:
    name = "limits/an_interrupt_as_a_limited_log_is_put_together_leaves_no_file"
    assert script(name) == "end\n"


def test_the_helper_takes_names_of_files_as_this_process_does(
    script: Script, tmp_path: Path
) -> None:
    name = "en_US.ISO-8859-1"
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / name)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no such locale can be made here: {error}")
    env = {"LOCPATH": str(tmp_path), "PYTHONUTF8": "1"}
    assert script("bad_days/names_of_files_in_another_encoding", name, env=env) == "end\n"


def test_a_log_that_is_closed_while_its_helper_is_stopped_leaves_no_file(script: Script) -> None:
    name = "limits/a_log_that_is_closed_while_its_helper_is_stopped_leaves_no_file"
    assert script(name) == "[]\n"
