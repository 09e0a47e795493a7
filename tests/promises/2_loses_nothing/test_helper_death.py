"""The helper is killed: nothing is lost, nothing hangs, the writer notices nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conftest import Python, Rounds
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.prelude import PRELUDE
from helpers.process import await_end, is_gone, pumps, the_pump
from helpers.wait import eventually

KILLING = (
    PRELUDE
    + """
import random, re, warnings
from helpers.process import await_end, is_gone, pumps, the_pump
from helpers.wait import eventually
lib = ctypes.CDLL(sys.argv[1])
lib.write_lines.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_long]
def kill_helper():
    helper = the_pump(os.getpid(), timeout=10).pid
    os.kill(helper, signal.SIGKILL)
    return helper
"""
)


def test_kills_at_random_moments_of_a_flood_lose_nothing(
    python: Python, native: Native, rounds: Rounds
) -> None:
    shown = python(
        KILLING
        + """
warnings.simplefilter("ignore")
dice = random.Random(11)
lines = 40_000
expected = {fd: "".join(f"line{fd} {i}\\n" for i in range(lines)) for fd in (1, 2)}
times = int(sys.argv[2])
with capture_fd(drain="process") as logs:
    print("warm")
logs.close()
the_pump(os.getpid())
before = snapshot()
late = 0
for n in range(times):
    with capture_fd() as logs:
        helper = the_pump(os.getpid()).pid
        threads = [
            threading.Thread(target=lib.write_lines, args=(fd, b"line%d" % fd, lines))
            for fd in (1, 2)
        ]
        [t.start() for t in threads]
        until = time.monotonic() + dice.uniform(0, 0.04)
        while time.monotonic() < until:
            pass
        late += not any(t.is_alive() for t in threads)
        os.kill(helper, signal.SIGKILL)
        [t.join() for t in threads]
    assert logs.stdout == expected[1], (n, len(logs.stdout), len(expected[1]))
    assert logs.stderr == expected[2], (n, len(logs.stderr), len(expected[2]))
    assert logs.dropped == 0 and logs.complete
    await_end(helper)
    logs.close()
    del logs, threads
with capture_fd() as logs:
    print("after")
assert logs.stdout == "after\\n"
logs.close()
del logs
the_pump(os.getpid())
assert late < times
# The last helper has a control socket and a watcher of its own.
changed = re.compile(r"'(socket|pipe):.* became '\\1:")
left = [line for line in settled_difference(before) if not changed.search(line)]
print(left)
""",
        native.c(),
        str(rounds(40, full=200)),
        timeout=170,
    )
    assert shown == "[]\n"


def test_kills_while_large_blocks_are_on_their_way_lose_nothing(
    python: Python, native: Native, rounds: Rounds
) -> None:
    # Half of its time, the helper has bytes in hand that are in neither the pipe nor the file.
    shown = python(
        KILLING
        + """
from ipyfdcapture.system.pipes import waiting_bytes
warnings.simplefilter("ignore")
dice = random.Random(12)
block = dice.randbytes(1 << 20)
caught = 0
for n in range(int(sys.argv[2])):
    with capture_fd(drain="process") as logs:
        job = logs.recording.writing
        helper = the_pump(os.getpid()).pid
        thread = threading.Thread(target=lambda: [os.write(1, block) for _ in range(60)])
        thread.start()
        until = time.monotonic() + dice.uniform(0, 0.03)
        while time.monotonic() < until:
            pass
        while thread.is_alive():
            os.kill(helper, signal.SIGSTOP)
            if waiting_bytes(job.transit[0]):
                caught += 1
                break
            os.kill(helper, signal.SIGCONT)
        os.kill(helper, signal.SIGKILL)
        thread.join()
    assert logs.raw == block * 60, (n, len(logs.raw))
    logs.close()
print(caught > 0)
""",
        native.c(),
        str(rounds(20, full=200)),
        timeout=rounds(170, full=600),
    )
    assert shown == "True\n"


def test_a_death_after_the_capture_takes_nothing_from_its_log(
    python: Python, native: Native
) -> None:
    shown = python(
        KILLING
        + """
from ipyfdcapture.system.pipes import waiting_bytes
with capture_fd():
    print("warm")
helper = the_pump(os.getpid()).pid
with capture_fd(drain="process") as logs:
    print("all of it")
    pipes = [pipe.read_end for pipe in logs.recording.writing.pipes.values()]
    eventually(lambda: not any(map(waiting_bytes, pipes)), "the pipes are empty")
    os.kill(helper, signal.SIGSTOP)  # it will not answer
os.kill(helper, signal.SIGKILL)
await_end(helper)
warnings.simplefilter("error")
print(repr(logs.stdout), logs.dropped, logs.complete)
with capture_fd() as again:
    os.write(1, b"again")
print(repr(again.stdout))
""",
        native.c(),
    )
    assert shown == "'all of it\\n' 0 True\n'again'\n"


def test_captures_that_nobody_looks_at_do_not_stop_the_helper(
    python: Python, native: Native
) -> None:
    # Each leaves an answer unread, until the next one begins.
    shown = python(
        KILLING
        + """
for n in range(2000):
    with capture_fd(drain="process") as logs:
        pass
with capture_fd(drain="process") as logs:
    lib.write_lines(1, b"line", 100_000)
print(len(logs), logs.complete)
""",
        native.c(),
    )
    assert shown == "100000 True\n"


def test_the_death_is_told_once_and_the_next_capture_has_a_new_helper(
    python: Python, native: Native
) -> None:
    shown = python(
        KILLING
        + """
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd() as logs:
        os.write(1, b"before\\n")
        first = kill_helper()
        await_end(first)
        os.write(1, b"after\\n")
        os.write(2, b"err\\n")
    assert (logs.stdout, logs.stderr) == ("before\\nafter\\n", "err\\n"), logs.text
    with capture_fd() as again:
        os.write(1, b"again\\n")
    assert again.stdout == "again\\n"
    second = the_pump(os.getpid()).pid
told = [str(w.message) for w in told if w.category is RuntimeWarning]
print(len(told), len(told[0].splitlines()), first != second)
""",
        native.c(),
    )
    assert shown == "1 1 True\n"


def test_a_helper_killed_between_captures_is_replaced_without_a_word(
    python: Python, native: Native
) -> None:
    shown = python(
        KILLING
        + """
with capture_fd() as kept:
    print("kept")
for n in range(5):
    await_end(kill_helper())
    with capture_fd() as logs:
        os.write(1, b"next %d\\n" % n)
    assert logs.stdout == f"next {n}\\n"
assert kept.stdout == "kept\\n"
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


def test_the_death_under_nested_captures_loses_nothing(python: Python, native: Native) -> None:
    shown = python(
        KILLING
        + """
warnings.simplefilter("ignore")
with capture_fd() as outer:
    os.write(1, b"outer before\\n")
    with capture_fd() as inner:
        os.write(1, b"inner before\\n")
        await_end(kill_helper())
        os.write(1, b"inner after\\n")
    os.write(1, b"outer after\\n")
    with capture_fd() as third:
        os.write(1, b"third\\n")
assert inner.stdout == "inner before\\ninner after\\n", inner.stdout
assert outer.stdout == "outer before\\nouter after\\n", outer.stdout
assert third.stdout == "third\\n", third.stdout
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


def test_a_child_is_not_killed_by_the_death_of_the_helper(python: Python, native: Native) -> None:
    shown = python(
        KILLING
        + """
warnings.simplefilter("ignore")
with capture_fd() as logs:
    child = subprocess.Popen(["sh", "-c", "while read line; do echo got $line; done; echo eof"],
                             stdin=subprocess.PIPE, text=True)
    child.stdin.write("one\\n"); child.stdin.flush()
    await_end(kill_helper())
    child.stdin.write("two\\n"); child.stdin.flush()
assert child.poll() is None
child.stdin.write("three\\n"); child.stdin.close()
assert child.wait(30) == 0
assert logs.wait(30)
assert logs.stdout == "got one\\ngot two\\ngot three\\neof\\n", logs.stdout
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


def test_a_helper_that_dies_after_the_cell_still_serves_a_child_that_lives_on(
    python: Python, native: Native
) -> None:
    shown = python(
        KILLING
        + """
warnings.simplefilter("ignore")
with capture_fd() as logs:
    child = subprocess.Popen(["sh", "-c", "while read line; do echo got $line; done; echo eof"],
                             stdin=subprocess.PIPE, text=True)
    child.stdin.write("one\\n"); child.stdin.flush()
await_end(kill_helper())
child.stdin.write("two\\n"); child.stdin.close()
assert child.wait(30) == 0, child.returncode
assert logs.wait(30)
assert logs.stdout == "got one\\ngot two\\neof\\n", logs.stdout
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_the_death_while_no_descriptors_can_be_had_loses_nothing(
    python: Python, native: Native
) -> None:
    """Whoever takes over needs descriptors: it is done as soon as there are some."""
    shown = python(
        KILLING
        + """
import resource, select
warnings.simplefilter("ignore")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
def take_descriptors(spare):
    held = len(os.listdir("/dev/fd")) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + spare, hard))
def give_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
def kill_helper_with_no_descriptors_left(spare):
    pidfd = os.pidfd_open(the_pump(os.getpid()).pid)
    take_descriptors(spare)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    select.select([pidfd], [], [])
    return pidfd
lines = b"".join(b"line %d\\n" % i for i in range(400_000))
for spare in range(14):
    # More than a pipe holds: the writer waits until there are descriptors again.
    with capture_fd() as logs:
        pidfd = kill_helper_with_no_descriptors_left(spare)
        threading.Timer(0.1, give_descriptors).start()
        left = memoryview(lines)
        while left:
            left = left[os.write(1, left):]
    assert logs.raw == lines, (spare, len(logs.raw))
    os.close(pidfd)
    # Over before there are any.
    with capture_fd() as logs:
        pidfd = kill_helper_with_no_descriptors_left(spare)
        os.write(1, b"before the end\\n")
    give_descriptors()
    assert logs.raw == b"before the end\\n", spare
    os.close(pidfd)
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


def test_a_stopped_helper_does_not_lose_anything_once_it_goes_on(
    python: Python, native: Native
) -> None:
    shown = python(
        KILLING
        + """
with capture_fd() as logs:
    helper = the_pump(os.getpid()).pid
    os.kill(helper, signal.SIGSTOP)
    # As much as a pipe takes: all of it lies there when the capture ends.
    waiting = b"while it stood still\\n" * 40_000
    os.set_blocking(1, False)
    written = os.write(1, waiting)
    os.set_blocking(1, True)
    threading.Timer(0.2, os.kill, (helper, signal.SIGCONT)).start()
size = logs.nbytes
assert logs.raw == waiting[:written], len(logs.raw)
assert size == written > 50_000
print("end")
""",
        native.c(),
    )
    assert shown == "end\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE])
def test_the_helper_ignores_signals_that_are_meant_for_others(kernel: Kernel, number: int) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel.pid)
    os.kill(helper.pid, number)
    kernel.ok("%%capture_fd -v logs\nprint('y')")
    assert kernel.value("logs.text") == "y\n"
    assert the_pump(kernel.pid).pid == helper.pid


def test_a_kernel_goes_on_through_the_death_of_its_helper(
    fresh_kernel: Kernel, native: Native
) -> None:
    fresh_kernel.ok(f"import ctypes\nlib = ctypes.CDLL({native.c()!r})")
    fresh_kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(fresh_kernel.pid)
    asked = fresh_kernel.send(
        "%%capture_fd -v logs\nopen('running', 'w').close()\nlib.write_lines(1, b'line', 3_000_000)"
    )
    fresh_kernel.await_file("running")
    helper.kill()
    assert fresh_kernel.finish(asked).status == "ok"
    assert fresh_kernel.value("(logs.stdout.count('\\n'), logs.stderr)") == (3_000_000, "")
    assert fresh_kernel.value("logs[-1]") == "line 2999999"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('next')")
    assert fresh_kernel.value("logs.text") == "next\n"
    await_end(helper.pid)
    eventually(lambda: len(pumps(fresh_kernel.pid)) == 1, "one new helper")


def test_no_helper_is_left_without_its_process(python: Python) -> None:
    pid = int(
        python(
            PRELUDE
            + """
for drain in ("process", "auto"):
    with capture_fd(drain=drain) as logs:
        print("x")
sys.__stdout__.write(str(os.getpid()))
"""
        )
    )
    eventually(lambda: not pumps(pid), f"no helper of {pid}")
    assert pumps(pid) == []


@pytest.mark.parametrize("merge", [True, False])
def test_a_helper_goes_with_its_process_though_captures_were_nested(
    python: Python, tmp_path: Path, merge: bool
) -> None:
    """It must not keep itself alive by a pipe that it both reads and writes."""
    python(
        PRELUDE
        + f"""
from helpers.process import the_pump
outer = capture_fd(merge={merge})
outer.__enter__()
for _ in range(3):
    inner = capture_fd(merge={merge})
    inner.__enter__()
    os.write(1, b"words")
open("helper", "w").write(str(the_pump(os.getpid()).pid))
os._exit(0)
"""
    )
    helper = int((tmp_path / "python" / "helper").read_text())
    await_end(helper)
    assert is_gone(helper)
