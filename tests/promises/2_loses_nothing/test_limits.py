"""Limits and bad days: a size limit, a full disk, no room, no processes."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Python, StartKernel
from helpers import sandbox
from helpers.kernel import Kernel, Reply
from helpers.prelude import PRELUDE
from helpers.process import pumps
from helpers.wait import eventually

DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])


def script(code: str) -> str:
    return PRELUDE + code.replace("\n        ", "\n")


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
def test_a_limited_capture_takes_bounded_space_on_disk(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        def on_disk():
            return sum(os.stat(os.path.join(folder, name)).st_blocks * 512
                       for folder, _, names in os.walk(os.environ["TMPDIR"]) for name in names)
        highest = 0
        with capture_fd(drain=sys.argv[1], max_bytes=100_000) as logs:
            for i in range(3000):
                os.write(1, b"x" * 20_000)
                if i % 100 == 0:
                    highest = max(highest, on_disk())
        highest = max(highest, on_disk())
        assert logs.dropped == 60_000_000 - 100_000, logs.dropped
        assert len(logs.raw) == 100_000
        print(highest < 6_000_000 or highest)
        """
        ),
        drain,
    )
    assert shown == "True\n"


def test_the_index_of_a_limited_log_is_bounded_too(python: Python) -> None:
    """A chunk for each line: what the index says of those that are gone goes as well."""
    shown = python(
        script(
            """
        from ipyfdcapture import capture_thread
        largest = 0
        with capture_thread(max_bytes=10_000) as logs:
            index = logs.recording.path + ".index"
            for i in range(200_000):
                sys.stdout.write("%099d\\n" % i)
                sys.stdout.flush()
                if i % 1000 == 0:
                    largest = max(largest, os.stat(index).st_size)
        lines = [f"{i:099d}" for i in [*range(50), *range(199_950, 200_000)]]
        assert [str(line) for line in logs] == lines, logs[-1]
        times = [line.time for line in logs]
        assert times == sorted(times) and times[0] < times[-1]
        print(logs.dropped, 1 << 20 <= largest < 2 << 20 or largest)
        """
        )
    )
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
    python: Python, drain: str
) -> None:
    shown = python(
        script(
            """
        from helpers.sandbox import limit_file_size
        limit_file_size(1_000_000)
        import warnings
        data = bytes(range(256)) * 100
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with capture_fd(drain=sys.argv[1]) as logs:
                for _ in range(200):
                    assert os.write(1, data) == len(data)
        total = len(data) * 200
        kept = logs.raw
        assert kept == (data * 200)[: len(kept)], "what was kept is spoiled"
        assert 500_000 < len(kept) <= 1_000_000, len(kept)
        assert logs.dropped == total - len(kept), (logs.dropped, total, len(kept))
        said = [str(w.message) for w in told] + [repr(logs)]
        print(sum("too large" in words or "No space" in words for words in said) >= 1, said)
        """
        ),
        drain,
    )
    assert shown.startswith("True "), shown


@pytest.mark.parametrize("amid", [False, True])
def test_what_a_helper_had_to_drop_is_still_counted_when_it_is_killed(
    python: Python, amid: bool
) -> None:
    shown = python(
        script(
            """
        import signal, sys, warnings
        from helpers.process import await_end, the_pump
        from helpers.sandbox import limit_file_size
        from ipyfdcapture.recording.writer import CHUNK_BYTES
        warnings.simplefilter("ignore")
        limit_file_size(1_000_000)
        data = bytes(range(256)) * 100
        for times in range(1, 4):
            with capture_fd(drain="process") as logs:
                helper = the_pump(os.getpid()).pid
                for _ in range(200):
                    os.write(1, data)
                if sys.argv[1] == "False":
                    logs.nbytes  # what was written is dropped by now
                os.kill(helper, signal.SIGKILL)
                await_end(helper)
                for _ in range(times):
                    os.write(1, data)
            total = (200 + times) * len(data)
            kept = len(logs.raw)
            assert logs.raw == (data * 400)[:kept], "what was kept is spoiled"
            assert 500_000 < kept <= 1_000_000, kept
            # It notes what it is about to drop: killed in between, it has told of a chunk too much.
            most = CHUNK_BYTES if sys.argv[1] == "True" else 0
            extra = logs.dropped - (total - kept)
            assert 0 <= extra <= most, extra
            print("too large" in repr(logs))
        """
        ),
        str(amid),
    )
    assert shown == "True\n" * 3


def test_a_limited_log_that_finds_no_room_to_be_read_says_so_and_can_be_read_later(
    python: Python,
) -> None:
    """It is put together from its two halves when it is first looked at."""
    shown = python(
        script(
            """
        import resource
        from helpers.sandbox import limit_file_size
        with capture_fd(max_bytes=200_000) as logs:
            for i in range(40_000):
                os.write(1, b"%09d\\n" % i)
        before = os.listdir(os.path.dirname(logs.recording.path))
        limit_file_size(150_000)  # not whole, but more than the first half
        try:
            logs.raw
        except OSError as error:
            print(error.strerror)
        assert os.listdir(os.path.dirname(logs.recording.path)) == before
        limit_file_size(resource.RLIM_INFINITY)
        lines = [b"%09d\\n" % i for i in [*range(10_000), *range(30_000, 40_000)]]
        print(logs.raw == b"".join(lines), logs.dropped)
        """
        )
    )
    assert shown == "File too large\nTrue 200000\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_limited_log_can_be_read_where_its_halves_have_no_room_beside_them(
    python: Python, small_disk: Path
) -> None:
    shown = python(
        script(
            """
        with capture_fd(max_bytes=500_000, spool_dir=sys.argv[1]) as logs:
            for i in range(100_000):
                os.write(1, b"%09d\\n" % i)
        lines = [b"%09d\\n" % i for i in [*range(25_000), *range(75_000, 100_000)]]
        room = os.statvfs(sys.argv[1])
        print(room.f_bavail * room.f_bsize < 500_000)
        print(logs.raw == b"".join(lines), logs.dropped, logs.nbytes)
        """
        ),
        str(small_disk),
    )
    assert shown == "True\nTrue 500000 500000\n"


def test_a_limited_log_is_read_by_several_threads_at_once(python: Python) -> None:
    shown = python(
        script(
            """
        found = set()
        for _ in range(20):
            with capture_fd(max_bytes=400_000) as logs:
                for i in range(10):
                    os.write(1, b"%07d\\n" % i * 10_000)
            together = threading.Barrier(3)
            def read():
                together.wait()
                try:
                    found.add((len(logs.raw), logs.dropped, logs.nbytes))
                except BaseException as error:
                    found.add(repr(error))
            threads = [threading.Thread(target=read) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print(*found)
        """
        )
    )
    assert shown == "(400000, 400000, 400000)\n"


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
    before = kernel.value("[__import__('os').readlink(f'/proc/self/fd/{n}') for n in (1, 2)]")
    reply = kernel.run("%%capture_fd -v logs\nran = True")
    refused(reply, place)
    assert "spool_dir" in reply.error[1]
    assert kernel.value("'ran' in globals()") is False
    assert before == kernel.value(
        "[__import__('os').readlink(f'/proc/self/fd/{n}') for n in (1, 2)]"
    )
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
def test_recordings_are_private_whatever_the_umask(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        import stat
        os.umask(0)
        with capture_fd(drain=sys.argv[1], max_bytes=1000) as logs:
            for _ in range(100):
                os.write(1, b"secret " * 1000)
            modes = set()
            for folder, folders, names in os.walk(os.environ["TMPDIR"]):
                for kind, found in (("file", names), ("folder", folders)):
                    for name in found:
                        mode = os.stat(os.path.join(folder, name)).st_mode
                        modes.add((kind, stat.S_IMODE(mode)))
        print(sorted(modes) == [("file", 0o600), ("folder", 0o700)], sorted(modes))
        """
        ),
        drain,
    )
    assert shown.startswith("True")


def test_links_that_others_placed_are_not_followed(python: Python) -> None:
    """Whoever can guess a name in a shared directory must gain nothing from it."""
    shown = python(
        script(
            """
        victim = os.path.join(os.getcwd(), "victim")
        open(victim, "w").write("untouched")
        spool = os.environ["TMPDIR"]
        os.chmod(spool, 0o1777)
        os.symlink(victim, os.path.join(spool, f"ipyfdcapture-{os.getuid()}-planted"))
        os.makedirs(os.path.join(spool, f"ipyfdcapture-{os.getuid()}-open"), mode=0o777)
        os.chmod(os.path.join(spool, f"ipyfdcapture-{os.getuid()}-open"), 0o777)
        with capture_fd() as logs:
            print("x")
        assert logs.stdout == "x\\n"
        print(open(victim).read())
        """
        )
    )
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
def test_a_limit_on_processes_is_told_and_nothing_moves(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        import warnings
        from helpers.sandbox import become_nobody_special, limit_processes
        warnings.simplefilter("ignore")
        become_nobody_special()
        before = [fd_target(fd) for fd in (1, 2)], sys.stdout, sys.stderr
        outcomes = []
        for allowed in (1, 2, 3, 50):
            limit_processes(allowed)
            try:
                with capture_fd(drain=sys.argv[1]) as logs:
                    os.write(1, b"in")
                assert logs.stdout == "in", (allowed, logs.stdout)
                outcomes.append("ok")
            except CaptureError as error:
                assert len(str(error).splitlines()) == 1
                outcomes.append("refused")
            assert before == ([fd_target(fd) for fd in (1, 2)], sys.stdout, sys.stderr)
        print(*outcomes)
        """
        ),
        drain,
    )
    outcomes = shown.split()
    assert len(outcomes) == 4
    assert (outcomes[0], outcomes[-1]) == ("refused", "ok")


@pytest.mark.parametrize("executable", ["/nonexistent/python", "", None, "/bin/false"])
def test_without_an_interpreter_to_run_the_helper_a_thread_drains(
    python: Python, executable: str | None
) -> None:
    """As when Python is embedded in another program."""
    shown = python(
        script(
            f"""
        import warnings
        sys.executable = {executable!r}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for n in range(3):
                with capture_fd() as logs:
                    os.write(1, b"n%d" % n)
                assert logs.stdout == f"n{{n}}", logs.stdout
        print(len([w for w in told if w.category is RuntimeWarning]) >= 1)
        """
        )
    )
    assert shown == "True\n"


def test_the_size_of_a_pipe_may_be_limited(python: Python) -> None:
    """Beyond the user's quota of pipe memory, pipes are small; captures go on with those."""
    shown = python(
        script(
            """
        import fcntl
        pipes = []
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            usual = fcntl.fcntl
            def limited(fd, command, *rest):
                if command == fcntl.F_SETPIPE_SZ:
                    raise PermissionError(errno.EPERM, "Operation not permitted")
                return usual(fd, command, *rest)
            fcntl.fcntl = limited
        with capture_fd() as logs:
            for i in range(1000):
                os.write(1, b"x" * 1000)
        print(len(logs.raw))
        """
        )
    )
    assert shown == "1000000\n"


@DRAINS
def test_a_process_may_have_more_descriptors_than_select_takes(python: Python, drain: str) -> None:
    shown = python(
        f"""
import os, resource
from ipyfdcapture import capture_fd
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
with capture_fd(drain={drain!r}) as logs:
    for i in range(50_000):
        os.write(1, b"line %d\\n" % i)
print(len(logs), logs.dropped)
""",
        timeout=60,
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
