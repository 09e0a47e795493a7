"""Every way out restores (promise 3), and nothing is left behind."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import Python, Rounds, StartKernel
from helpers.kernel import Kernel
from helpers.prelude import PRELUDE
from helpers.process import run_python
from helpers.wait import LIMIT_S

# -- the usual ways out -----------------------------------------------------------------------


def test_a_thousand_captures_leave_everything_as_it_was(
    fresh_kernel: Kernel, rounds: Rounds
) -> None:
    cells = {
        "%%capture_fd -v logs\nprint('x')\nimport os\nos.write(2, b'y')": 1000,
        "%%capture_fd -v logs\n1/0": 20,
        "%%capture_fd -v logs --drain thread\nprint('x')": 20,
        "%%capture_fd -v logs --display --merge\ndisplay(1)": 20,
        "%capture_fd -v logs print('x')": 20,
        "%%capture_fd -v logs\nimport asyncio\nawait asyncio.sleep(0)": 20,
    }
    for cell in cells:
        fresh_kernel.run(cell)
    fresh_kernel.ok("del logs, _logs")
    fresh_kernel.leak_baseline()
    from helpers.process import the_pump

    helper = the_pump(fresh_kernel.pid)
    fds = helper.num_fds()
    for cell, full in cells.items():
        for _ in range(rounds(full // 5, full=full)):
            fresh_kernel.run(cell)
    fresh_kernel.ok("del logs, _logs")
    assert fresh_kernel.leaks() == []
    assert the_pump(fresh_kernel.pid).pid == helper.pid
    assert helper.num_fds() <= fds


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_thousand_captures_in_a_plain_process_leave_nothing(python: Python, drain: str) -> None:
    shown = python(
        PRELUDE
        + """
        for each in ("process", "thread"):
            with capture_fd(drain=each) as logs:
                print("warm")
            logs.close()
        del logs
        before = snapshot()
        for i in range(1000):
            with capture_fd(drain=sys.argv[1]) as logs:
                os.write(1, b"x%d" % i)
            assert logs.stdout == f"x{i}", logs
        del logs
        print(settled_difference(before))
        """.replace("\n        ", "\n"),
        drain,
    )
    assert shown == "[]\n"


def test_an_error_an_exit_and_an_interrupt_restore(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
        warm_up()
        with no_leaks():
            for error in (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit):
                logs = None
                try:
                    with capture_fd() as logs:
                        print("before", error.__name__)
                        os.write(2, b"native")
                        raise error
                except error:
                    pass
                assert logs.stdout == f"before {error.__name__}\\n" and logs.stderr == "native"
                logs.close()
            del logs
        print("restored")
        """.replace("\n        ", "\n")
    )
    assert shown == "restored\n"


def test_a_stopped_capture_can_be_stopped_again(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
        capture = capture_fd()
        logs = capture.__enter__()
        os.write(1, b"in")
        capture.__exit__(None, None, None)
        capture.__exit__(None, None, None)
        os.write(1, b"out\\n")
        assert logs.stdout == "in"
        """.replace("\n        ", "\n")
    )
    assert shown == "out\n"


# -- order and threads ------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["0 1 2", "2 1 0", "0 2 1", "1 0 2", "1 2 0", "2 0 1"])
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_captures_may_be_stopped_in_any_order(python: Python, order: str, drain: str) -> None:
    shown = python(
        PRELUDE
        + """
        warm_up()
        with no_leaks():
            captures = [capture_fd(drain=sys.argv[1]) for _ in range(3)]
            logs = []
            for n, capture in enumerate(captures):
                logs.append(capture.__enter__())
                os.write(1, b"started %d\\n" % n)
                print("printed", n)
            expected = [f"started {n}\\nprinted {n}\\n" for n in range(3)]
            active = [0, 1, 2]
            for n in map(int, sys.argv[2].split()):
                captures[n].__exit__(None, None, None)
                active.remove(n)
                text = f"after {n}\\n"
                os.write(1, text.encode())
                print(text, end="")
                sys.stdout.flush()
                if active:
                    expected[active[-1]] += text * 2
            found = [log.stdout for log in logs]
            assert found == expected, (found, expected)
            for log in logs:
                log.close()
            del logs, log, captures, capture
        print("restored")
        """.replace("\n        ", "\n"),
        drain,
        order,
    )
    last = order.split()[-1]
    assert shown == f"after {last}\nafter {last}\nrestored\n"


def test_the_inner_of_two_nested_captures_gets_the_output(kernel: Kernel) -> None:
    kernel.ok("from ipyfdcapture import capture_fd\nimport os, sys")
    kernel.ok(
        """%%capture_fd outer
print('a')
with capture_fd() as inner:
    print('b')
    os.write(1, b'c\\n')
    with capture_fd(stdout=False) as innermost:
        print('d')
        print('e', file=sys.stderr)
    print('f', file=sys.stderr)
print('g')
print('h', file=sys.stderr)
"""
    )
    assert kernel.value("(outer.stdout, outer.stderr)") == ("a\ng\n", "h\n")
    assert kernel.value("(inner.stdout, inner.stderr)") == ("b\nc\nd\n", "f\n")
    assert kernel.value("(innermost.stdout, innermost.stderr)") == ("", "e\n")


def test_a_capture_may_be_stopped_by_another_thread(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
        warm_up()
        with no_leaks():
            capture = capture_fd()
            logs = capture.__enter__()
            print("in")
            thread = threading.Thread(target=capture.__exit__, args=(None, None, None))
            thread.start(); thread.join()
            assert logs.stdout == "in\\n"
            logs.close()
            del capture, logs, thread
        print("restored")
        """.replace("\n        ", "\n")
    )
    assert shown == "restored\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_captures_in_two_threads_at_once_lose_and_leave_nothing(python: Python, drain: str) -> None:
    shown = python(
        PRELUDE
        + """
        warm_up()
        with no_leaks():
            logs = []
            def work(name):
                for i in range(50):
                    with capture_fd(drain=sys.argv[1]) as mine:
                        os.write(1, f"{name} {i}\\n".encode())
                    logs.append(mine)
            outer = capture_fd(drain=sys.argv[1])
            outer_logs = outer.__enter__()
            threads = [threading.Thread(target=work, args=(n,)) for n in "abc"]
            [t.start() for t in threads]; [t.join() for t in threads]
            outer.__exit__(None, None, None)
            # Descriptors belong to the process: a line may be in another thread's capture.
            lines = "".join(log.stdout for log in [*logs, outer_logs]).splitlines()
            assert sorted(lines) == sorted(f"{n} {i}" for n in "abc" for i in range(50))
            for log in [*logs, outer_logs]:
                log.close()
            del logs, log, outer, outer_logs, threads, work
        print("restored")
        """.replace("\n        ", "\n"),
        drain,
    )
    assert shown == "restored\n"


def test_a_stream_kept_from_captures_in_several_threads_keeps_none_of_their_logs(
    python: Python,
) -> None:
    """A thread that is made during a capture keeps its sys.stderr, as do logging handlers."""
    shown = python(
        PRELUDE
        + """
        warm_up()
        def files():
            return [name for _, _, names in os.walk(os.environ["TMPDIR"]) for name in names]
        before = files()
        kept = []
        def nested(depth):
            with capture_fd() as logs:
                kept.append(sys.stdout)
                print("in", depth)
                if depth:
                    thread = threading.Thread(target=nested, args=(depth - 1,))
                    thread.start(); thread.join()
            assert logs.stdout == f"in {depth}\\n", logs.stdout
        nested(3)
        import gc
        gc.collect()
        assert files() == before, files()
        for n, stream in enumerate(kept):
            print("kept", n, file=stream, flush=True)
            with capture_fd() as logs:
                print("again", n, file=stream, flush=True)
            assert logs.stdout == f"again {n}\\n", logs.stdout
        """.replace("\n        ", "\n")
    )
    assert shown == "kept 0\nkept 1\nkept 2\nkept 3\n"


def test_a_second_stop_does_not_change_how_it_ended(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
capture = capture_fd()
with contextlib.suppress(ZeroDivisionError), capture as logs:
    1 / 0
before = repr(logs)
capture.stop()
print("failed" in before, repr(logs) == before)
"""
    )
    assert shown == "True True\n"


def test_a_signal_handler_may_read_the_log_that_is_being_read(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
from ipyfdcapture.drain.channel import Channel
with capture_fd() as logs:
    os.write(1, b"x\\n")
    logs.nbytes  # so that at the end the pipes are empty, and nobody waits for an answer
assert logs.recording.writing.awaits_answer
usual = Channel._await_some
def interrupted(self, *args):
    Channel._await_some = usual
    signal.raise_signal(signal.SIGUSR1)
    return usual(self, *args)
read = []
signal.signal(signal.SIGUSR1, lambda *_: read.append(logs.text))
Channel._await_some = interrupted
text = logs.text
print([text], read)
"""
    )
    assert shown == "['x\\n'] ['x\\n']\n"


def test_a_signal_handler_may_read_the_log_whose_lines_are_being_counted(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
from ipyfdcapture.log.lines import BLOCK_BYTES, Lines
line = b"x" * 99 + b"\\n"
with capture_fd() as logs:
    for _ in range(3 * BLOCK_BYTES // 100 + 1):
        os.write(1, line)
usual = Lines._advance
def interrupted(self, *args):
    Lines._advance = usual
    signal.raise_signal(signal.SIGUSR1)
    return usual(self, *args)
read = []
signal.signal(signal.SIGUSR1, lambda *_: read.append(len(logs)))
Lines._advance = interrupted
assert len(logs) == 3 * BLOCK_BYTES // 100 + 1, len(logs)
assert read == [len(logs)], read
assert len(logs.text) == 100 * len(logs)
print("fine")
"""
    )
    assert shown == "fine\n"


def test_an_interrupt_as_an_answer_of_the_drain_is_taken_leaves_the_log_readable(
    python: Python,
) -> None:
    shown = python(
        PRELUDE
        + """
from ipyfdcapture.drain import channel
with capture_fd() as logs:
    os.write(1, b"x")
    logs.nbytes  # so that at the end the pipes are empty, and nobody waits for an answer
assert logs.recording.writing.awaits_answer
usual = channel.json.loads
def interrupted(line):
    channel.json.loads = usual
    signal.raise_signal(signal.SIGINT)
    return usual(line)
channel.json.loads = interrupted
try:
    logs.text
except KeyboardInterrupt:
    print("interrupted")
print(logs.text)
""",
        timeout=60,
    )
    assert shown == "interrupted\nx\n"


# -- what the cell does to its own descriptors ---------------------------------------------------

MEDDLING = {
    "closes stdout's descriptor": "os.close(1)",
    "closes both descriptors": "os.close(1); os.close(2)",
    "puts a file over stdout": "f = os.open(os.devnull, os.O_WRONLY); os.dup2(f, 1); os.close(f)",
    "puts stderr over stdout": "os.dup2(2, 1)",
    "swaps and restores by itself": "s = os.dup(1); os.dup2(2, 1); os.dup2(s, 1); os.close(s)",
    "closes sys.stdout": "sys.stdout.close()",
    "closes sys.stderr": "sys.stderr.close()",
    "deletes sys.stdout": "del sys.stdout",
    "sets sys.stdout to None": "sys.stdout = None",
    "replaces sys.stdout": "import io; sys.stdout = io.StringIO(); print('into the void')",
    "replaces sys.stderr": "import io; sys.stderr = io.StringIO()",
    "breaks sys.stdout": "sys.stdout = type('', (), {'__getattr__': lambda self, name: 1 / 0})()",
    "detaches sys.stdout": "sys.stdout.detach()",
    "reconfigures sys.stdout": "sys.stdout.reconfigure(encoding='latin-1')",
    "closes all it can": "os.closerange(1, 3)",
    "changes the directory": "d = os.getcwd(); os.chdir('/'); os.chdir(d)",
    "changes the umask": "old = os.umask(0o777); os.umask(old)",
}


@pytest.mark.parametrize("code", MEDDLING.values(), ids=MEDDLING.keys())
def test_a_cell_that_meddles_with_its_streams_is_cleaned_up_after(
    kernel: Kernel, code: str
) -> None:
    kernel.ok("import os, sys")
    before = kernel.value("(os.readlink('/proc/self/fd/1'), os.readlink('/proc/self/fd/2'))")
    kernel.run(f"%%capture_fd -v logs\nos.write(1, b'written before\\n')\n{code}")
    assert kernel.value("logs.stdout").startswith("written before\n")
    after = kernel.ok("print('shown')\nprint('shown too', file=sys.stderr)")
    assert (after.stream("stdout"), after.stream("stderr")) == ("shown\n", "shown too\n")
    assert before == kernel.value(
        "(os.readlink('/proc/self/fd/1'), os.readlink('/proc/self/fd/2'))"
    )
    kernel.ok("%%capture_fd -v logs\nprint('captured')")
    assert kernel.value("logs.text") == "captured\n"


def test_a_stream_that_the_cell_kept_still_works_after_the_cell(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport sys, logging\nkept = sys.stdout\nprint('in', file=kept)"
    )
    reply = kernel.ok("kept.write('late\\n')\nkept.flush()")
    assert kernel.value("logs.stdout") == "in\n"
    assert reply.stream("stdout") == "late\n"


def test_a_logging_handler_made_in_the_cell_still_works_after_it(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport logging, sys\nlog = logging.getLogger('made')\n"
        "log.addHandler(logging.StreamHandler(sys.stdout))\nlog.warning('in')"
    )
    reply = kernel.ok("log.warning('out')")
    assert kernel.value("logs.stdout") == "in\n"
    assert "out\n" in reply.stream("stdout")
    reply = kernel.ok("%%capture_fd -v more\nlog.warning('in again')")
    assert (kernel.value("more.stdout"), reply.stream("stdout")) == ("in again\n", "")
    assert "out again\n" in kernel.ok("log.warning('out again')").stream("stdout")


# -- launchers that leave the streams odd ---------------------------------------------------------

ODD_STARTS = {
    "stdout is None": "sys.stdout = None",
    "both are None": "sys.stdout = sys.stderr = None",
    "descriptor 1 is closed": "os.close(1)",
    "descriptor 2 is closed": "os.close(2)",
    "both are closed": "os.close(1); os.close(2)",
    "all three are closed": "os.close(0); os.close(1); os.close(2)",
    "None and closed": "sys.stdout = sys.stderr = None; os.close(1); os.close(2)",
    "stdout is not there": "del sys.stdout",
    "stdout is closed": "sys.stdout.close()",
    "stdout is in memory": "import io; sys.stdout = io.StringIO()",
    "stdout has no fileno": "import types; sys.stdout = types.SimpleNamespace(write=len, "
    "flush=int)",
    "stdout fails in its own ways": "sys.stdout = type('', (), {'write': lambda self, text: 1 / 0, "
    "'flush': lambda self: 1 / 0, 'fileno': lambda self: 1 / 0})()",
    "stdout answers no question": "sys.stdout = type('', (), "
    "{'__getattr__': lambda self, name: 1 / 0})()",
}


@pytest.mark.parametrize("start", ODD_STARTS.values(), ids=ODD_STARTS.keys())
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_an_odd_start_works_for_what_there_is_and_is_put_back_to_exactly_that(
    python: Python, start: str, drain: str, tmp_path: Path
) -> None:
    python(
        PRELUDE
        + f"""
        {start}
        missing = object()
        def state():
            fds = []
            for fd in (0, 1, 2):
                try:
                    fds.append(fd_target(fd))
                except OSError:
                    fds.append(None)
            return fds, getattr(sys, "stdout", missing), getattr(sys, "stderr", missing)
        before = state()
        try:
            for _ in range(3):
                with capture_fd(drain=sys.argv[1]) as logs:
                    for fd in (1, 2):
                        os.write(fd, b"native %d\\n" % fd)
                    print("printed")
                assert state() == before, (state(), before)
                assert logs.stderr == "native 2\\n", logs.stderr
                assert logs.stdout == "native 1\\nprinted\\n", logs.stdout
                logs.close()
        except BaseException as error:
            import traceback
            show("".join(traceback.format_exception(error)))
        show("done")
        os._exit(0)
        """.replace("\n        ", "\n"),
        drain,
    )
    assert (tmp_path / "python" / "report.txt").read_text() == "done\n"


def test_a_process_started_without_descriptors_can_capture(python: Python, tmp_path: Path) -> None:
    python(
        """
        import os, subprocess, sys
        if len(sys.argv) == 1:
            command = f'exec "{sys.executable}" script.py again <&- >&- 2>&-'
            sys.exit(subprocess.run(["sh", "-c", command]).returncode)
        from ipyfdcapture import capture_fd
        with capture_fd() as logs:
            os.write(1, b"one")
            os.write(2, b"two")
            os.system("echo child")
        is_open = [fd for fd in (0, 1, 2) if os.path.lexists(f"/proc/self/fd/{fd}")]
        open("result.txt", "w").write(repr((logs.stdout, logs.stderr, is_open)))
        """
    )
    result = (tmp_path / "python" / "result.txt").read_text()
    assert ast.literal_eval(result) == ("onechild\n", "two", [])


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_drain_started_without_descriptors_leaves_their_numbers_free(
    python: Python, tmp_path: Path, drain: str
) -> None:
    python(
        f"""
        import os, subprocess, sys
        if len(sys.argv) == 1:
            command = f'exec "{{sys.executable}}" script.py again <&- >&- 2>&-'
            sys.exit(subprocess.run(["sh", "-c", command]).returncode)
        from ipyfdcapture.drain.choosing import get_drain
        get_drain({drain!r})
        is_open = [fd for fd in (0, 1, 2) if os.path.lexists(f"/proc/self/fd/{{fd}}")]
        open("result.txt", "w").write(repr(is_open))
        """
    )
    assert (tmp_path / "python" / "result.txt").read_text() == "[]"


# -- every system call fails in its turn ------------------------------------------------------

INJECTION = (
    PRELUDE
    + """
import fcntl, mmap, select, socket, tempfile, pathlib, shutil, json

class Injected(OSError):
    pass

def inject(owner, name, nth, make_error):
    '''Make the nth call of owner.name in this process fail. Returns whether it came to that.'''
    usual = getattr(owner, name)
    state = {"calls": 0, "failed": False}
    lock = threading.Lock()
    def failing(*args, **kwargs):
        with lock:
            state["calls"] += 1
            fail = state["calls"] == nth
        if fail:
            state["failed"] = True
            raise make_error()
        return usual(*args, **kwargs)
    setattr(owner, name, failing)
    return state, lambda: setattr(owner, name, usual)

def fresh_drain(drain):
    # As in a new process: the helper, or the thread, has to be started.
    with capture_fd(drain=drain) as logs:
        print("warm")
    logs.close()
"""
)

CALLS = {
    "os.pipe": "os, 'pipe'",
    "os.dup": "os, 'dup'",
    "os.dup2": "os, 'dup2'",
    "os.open": "os, 'open'",
    "os.fstat": "os, 'fstat'",
    "os.write": "os, 'write'",
    "os.unlink": "os, 'unlink'",
    "os.set_inheritable": "os, 'set_inheritable'",
    "fcntl.fcntl": "fcntl, 'fcntl'",
    "socket.socketpair": "socket, 'socketpair'",
    "socket.send_fds": "socket, 'send_fds'",
    "tempfile.mkstemp": "tempfile, 'mkstemp'",
    "tempfile.mkdtemp": "tempfile, 'mkdtemp'",
    "threading.Thread.start": "threading.Thread, 'start'",
    "subprocess.Popen": "subprocess, 'Popen'",
    "os.makedirs": "os, 'makedirs'",
    "open": "__import__('builtins'), 'open'",
    "mmap.mmap": "mmap, 'mmap'",
}


@pytest.mark.parametrize("target", CALLS.values(), ids=CALLS.keys())
def test_a_failure_at_any_one_call_restores(python: Python, target: str) -> None:
    """Each call fails once, at each place where a capture makes it."""
    is_thread = "Thread" in target
    shown = python(
        INJECTION
        + f"""
        import warnings
        warnings.simplefilter("ignore")
        def error():
            if {is_thread}:
                return RuntimeError("can't start new thread")
            return OSError(errno.EMFILE, "Too many open files")
        def visible():
            hooks = snapshot()
            return {{"fds": [fd_target(fd) for fd in (0, 1, 2)], "count": len(hooks["descriptors"]),
                     "hooks": hooks["hooks"], "threads": len(hooks["threads"])}}
        warm_up()
        base = visible()
        happened = 0
        for drain in ("auto", "thread"):
            warm_up()
            for nth in range(1, 60):
                state, undo = inject({target}, nth, error)
                logs = None
                try:
                    try:
                        with capture_fd(drain=drain) as logs:
                            os.write(1, b"in") if "write" not in {target!r} else print("in", end="")
                    finally:
                        undo()
                except (CaptureError, OSError, RuntimeError) as caught:
                    outcome = type(caught).__name__
                else:
                    outcome = "ok"
                if logs is not None:
                    text = logs.stdout
                    if outcome == "ok":
                        assert text == "in", (nth, text)
                    logs.close()
                del logs
                now = visible()
                # A new helper may have been started; nothing else may differ.
                for part in ("fds", "hooks"):
                    changed = difference({{part: base[part]}}, {{part: now[part]}})
                    assert not changed, (drain, nth, outcome, changed)
                with capture_fd() as again:
                    os.write(1, b"works again")
                assert again.stdout == "works again", (drain, nth, outcome, again.stdout)
                again.close()
                if not state["failed"]:
                    break
                happened += 1
        warm_up()
        assert visible()["count"] <= base["count"] + 2, (visible(), base)
        print("failed", happened)
        """.replace("\n        ", "\n"),
        timeout=120,
    )
    assert shown.startswith("failed ")


@pytest.mark.parametrize("drain", ["auto", "process", "thread"])
def test_too_few_descriptors_are_a_clear_error_before_anything_moved(
    python: Python, drain: str
) -> None:
    """A real limit, at every number of descriptors left."""
    shown = python(
        PRELUDE
        + """
        import resource
        drain = sys.argv[1]
        if len(sys.argv) > 2:
            with capture_fd(drain=drain) as logs:
                print("warm")
            logs.close(); del logs
        else:
            import ipyfdcapture.capture.session
        target = [fd_target(1), fd_target(2)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = {int(n) for n in os.listdir("/proc/self/fd")}
        outcomes = []
        for left in range(0, 40):
            highest = max(int(n) for n in os.listdir("/proc/self/fd"))
            before = sys.stdout, sys.stderr
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + left, hard))
            try:
                with capture_fd(drain=drain) as logs:
                    os.write(1, b"in")
                outcomes.append("ok")
            except CaptureError as error:
                assert len(str(error).splitlines()) == 1
                outcomes.append("refused")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (sys.stdout, sys.stderr) == before
            assert [fd_target(1), fd_target(2)] == target, left
            if outcomes[-1] == "ok":
                assert logs.stdout == "in", (left, logs.stdout)
                logs.close()
        print(outcomes[0], outcomes[-1], outcomes == sorted(outcomes, reverse=True))
        """.replace("\n        ", "\n"),
        drain,
    )
    assert shown == "refused ok True\n"


@pytest.mark.parametrize("by", ["SIGINT", "SIGALRM"])
@pytest.mark.parametrize("way", ["process", "thread", "FdCapture"])
def test_a_real_interrupt_at_any_moment_restores(
    python: Python, way: str, by: str, rounds: Rounds
) -> None:
    """SIGINT, or an alarm, arrives at a random moment before, in or after a capture."""
    shown = python(
        PRELUDE
        + """
        import random
        warm_up()
        def capture():
            if sys.argv[1] == "FdCapture":
                return ipyfdcapture.FdCapture(1, callback=lambda line: None)
            return capture_fd(drain=sys.argv[1])
        kind = {"SIGINT": KeyboardInterrupt, "SIGALRM": TimeoutError}[sys.argv[3]]
        interrupter = Interrupter(signal.Signals[sys.argv[3]], kind).__enter__()
        before = snapshot()
        dice = random.Random(int(sys.argv[2]))
        hits = 0
        for i in range(int(sys.argv[2])):
            logs = None
            try:
                interrupter.send_after(dice.uniform(1e-5, 1.2e-3))
                with capture() as logs:
                    os.write(1, b"in")
                interrupter.await_handled()
            except kind:
                hits += 1
            if isinstance(logs, ipyfdcapture.FdCapture):
                logs.stop()  # whoever holds it can
                logs.captured.close()
            elif logs is not None:
                logs.close()
            del logs
            assert os.readlink("/proc/self/fd/1") == before["descriptors"]["1"].split()[0], i
            assert sys.stdout is sys.__stdout__, i
        assert hits > 0
        print(settled_difference(before))
        """.replace("\n        ", "\n"),
        way,
        str(rounds(300, full=5000)),
        by,
        timeout=120,
    )
    assert shown == "[]\n"


def test_a_real_interrupt_at_any_moment_of_run_all_leaves_no_child(
    python: Python, rounds: Rounds
) -> None:
    shown = python(
        PRELUDE
        + """
        import random
        warm_up()
        ipyfdcapture.run_all([["true"]])
        interrupter = Interrupter().__enter__()
        before = snapshot()
        dice = random.Random(2)
        hits = 0
        for i in range(int(sys.argv[1])):
            try:
                interrupter.send_after(dice.uniform(1e-4, 8e-3))
                ipyfdcapture.run_all([["sleep", "0.001"]] * 3)
                interrupter.await_handled()
            except KeyboardInterrupt:
                hits += 1
        assert hits > 0
        print(settled_difference(before))
        """.replace("\n        ", "\n"),
        str(rounds(100, full=3000)),
        timeout=120,
    )
    assert shown == "[]\n"


INTERRUPTED_ONCE = """
import signal
from ipyfdcapture.capture import session as capture
from ipyfdcapture.ipython import cells, shell_output
usual = {owner}.{name}
def interrupted(*args, **options):
    {owner}.{name} = usual
    {interrupt}
    return usual(*args, **options)
{owner}.{name} = interrupted
"""


@pytest.mark.parametrize("name", ["install", "remove"])
def test_an_interrupt_as_a_cell_begins_or_ends_its_capture_waits_until_that_is_done(
    fresh_kernel: Kernel, name: str
) -> None:
    fresh_kernel.ok(
        INTERRUPTED_ONCE.format(
            owner="shell_output.ShellOutput",
            name=name,
            interrupt="signal.raise_signal(signal.SIGINT)",
        )
    )
    reply = fresh_kernel.run("%%capture_fd -v logs\nprint('in')")
    assert reply.status == ("error" if name == "install" else "ok")
    assert "KeyboardInterrupt" in reply.shown
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"
    assert fresh_kernel.value("logs.stdout") == ("" if name == "install" else "in\n")


def test_a_capture_whose_end_an_interrupt_hit_ends_with_the_next_cell(
    fresh_kernel: Kernel,
) -> None:
    fresh_kernel.ok(
        INTERRUPTED_ONCE.format(
            owner="cells.Cells",
            name="end",
            interrupt="raise KeyboardInterrupt",
        )
    )
    fresh_kernel.run("%%capture_fd -v logs\nprint('in')")
    after = fresh_kernel.ok("print('shown')")
    assert after.stream("stdout") == "shown\n"  # and none of the last lines of another cell
    assert fresh_kernel.value("logs.stdout") == "in\n"


def test_a_captured_statement_whose_end_an_interrupt_hit_ends_with_its_cell(
    fresh_kernel: Kernel,
) -> None:
    fresh_kernel.ok(
        INTERRUPTED_ONCE.format(
            owner="capture.CaptureSession", name="stop", interrupt="raise KeyboardInterrupt"
        )
    )
    reply = fresh_kernel.run("%capture_fd -v logs print('in')")
    assert reply.error[0] == "KeyboardInterrupt"
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_an_interrupt_at_any_moment_of_a_cell_restores(
    fresh_kernel: Kernel, rounds: Rounds
) -> None:
    """SIGINT arrives while IPython runs a captured cell, from its first step to its last.

    Not while ipykernel sends the reply: then it loses or garbles a message, captured or not.
    """
    fresh_kernel.ok(
        """
import os, random, sys
from helpers.interrupts import Interrupter
interrupter = Interrupter()
shell = get_ipython()
cell = "%%capture_fd -v logs\\nimport os\\nfor i in range(200): print(i); _ = os.write(2, b'x')"

def where_streams_lead():
    return [os.readlink("/proc/self/fd/1"), os.readlink("/proc/self/fd/2"), sys.stdout, sys.stderr]

def run_interrupted(after):
    result = None
    try:
        interrupter.send_after(after)
        result = shell.run_cell(cell)
        interrupter.await_handled()
        return result.error_in_exec
    except KeyboardInterrupt as error:
        return error if result is None else None  # else it came too late

def run_many(count):
    with interrupter:
        return run_each(count)

def run_each(count):
    usual = where_streams_lead()
    dice = random.Random(count)
    longest = 1e-3
    hits = 0
    for i in range(count):
        interrupted = run_interrupted(dice.uniform(1e-5, longest))
        hits += interrupted is not None
        longest *= 1.01 if interrupted else 0.97  # to hit the end as well as the beginning
        shell.run_cell("pass")  # what an interrupt has kept from its end has it by now
        assert where_streams_lead() == usual, i
    return hits
"""
    )
    fresh_kernel.ok(
        """
shell._showtraceback = lambda *args: None
run_many(10)
shell.run_cell(cell)  # whole: the interrupts may have kept those before from making a spool
"""
    )
    forget = "for name in ('logs', '_logs'): globals().pop(name, None)"
    fresh_kernel.run("1/0")  # or sys.last_traceback holds what was interrupted
    fresh_kernel.ok(forget)
    fresh_kernel.leak_baseline()
    count = rounds(200, full=1500)
    fresh_kernel.ok(f"hits = run_many({count})", timeout=LIMIT_S * rounds(1, full=10))
    assert count / 4 < fresh_kernel.value("hits") < count
    fresh_kernel.run("1/0")
    fresh_kernel.ok(forget)
    # Theirs, captured or not: an interrupt that hits the exit of IPython's display trap leaves it
    # set between cells, and one in a send of ipykernel's has ZeroMQ open an eventfd.
    left = fresh_kernel.leaks(ignoring="[eventfd]")
    assert [x for x in left if "between cells, sys.displayhook: 'ZMQDisplayHook " not in x] == []
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"


# -- nothing on disk --------------------------------------------------------------------------


def test_a_released_capture_leaves_nothing_on_disk(fresh_kernel: Kernel) -> None:
    fresh_kernel.ok("%%capture_fd -v logs\nprint('warm up')")
    fresh_kernel.ok("del logs, _logs")
    fresh_kernel.leak_baseline()
    for release in ("del logs, _logs", "logs.close()", "logs = _logs = None", "%reset -f out"):
        fresh_kernel.ok("%%capture_fd -v logs\nprint('x' * 1000)")
        fresh_kernel.ok(f"import gc\n{release}\ngc.collect()")
        fresh_kernel.ok("for name in ('logs', '_logs'): globals().pop(name, None)\ngc.collect()")
        assert [line for line in fresh_kernel.leaks() if "files" in line] == []


def test_a_kernel_that_ends_in_peace_leaves_nothing_on_disk(start_kernel: StartKernel) -> None:
    from helpers.process import await_end, the_pump

    kernel = start_kernel()
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    kernel.ok("%%capture_fd -v held\nprint('y')")
    helper = the_pump(kernel.pid)
    kernel.shutdown()
    await_end(helper.pid)
    left = [
        path for path in (kernel.directory / "tmpdir").rglob("*") if "ipyfdcapture" in str(path)
    ]
    assert left == []
    assert [p for p in (kernel.directory / "jupyter_runtime_dir").rglob("*") if p.is_file()] == []


def test_a_closed_log_says_that_it_was_closed(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    kernel.ok("logs.close()\nlogs.close()")
    reply = kernel.run("logs.text")
    assert reply.status == "error" and "closed" in reply.error[1]


PRINTING = """
import re, threading
options = {"merge": {"merge": True}, "no python": {"python": False}}.get(sys.argv[1], {})
errors, written, texts = [], {}, []
ended = threading.Event()

def write(name, put):
    number = 0
    while not ended.is_set() and number < 50_000:  # more takes long to look through
        number += 1
        try:
            put(f"<{name} {number}>")
        except BaseException as error:
            errors.append(repr(error))
    written[name] = number

kept = sys.stdout
# One thread for each stream: Python's own mix up what several write (python/cpython#119506).
ways = {
    "out": print,
    "err": lambda text: print(text, file=sys.stderr),
    "raw": lambda text: os.write(1, text.encode()),
}
if sys.argv[1] == "kept":
    ways["out"] = lambda text: kept.write(text + "\\n")
if sys.argv[1] == "in turn":
    ways = {"both": lambda text: (print(text), print(end=".", file=sys.stderr))}
threads = [threading.Thread(target=write, args=way) for way in ways.items()]
for thread in threads:
    thread.start()
for _ in range(int(sys.argv[2])):
    with capture_fd(**options) as logs:
        if sys.argv[1] == "nested":
            with capture_fd() as inner:
                threading.Event().wait(0.001)
            texts.append(inner.text)
        threading.Event().wait(0.001)
    texts.append(logs.text)
ended.set()
for thread in threads:
    thread.join()
sys.stdout.flush()
sys.stderr.flush()
everything = "".join(texts) + open("script.out").read() + open("script.err").read()
found = re.findall(r"<(\\w+) (\\d+)>", everything)
expected = {(name, str(i + 1)) for name, number in written.items() for i in range(number)}
counts = len(expected - set(found)), len(found) - len(expected)
with open("result", "w") as result:
    print(sorted(set(errors)), *counts, file=result, end="")
"""


@pytest.mark.parametrize("way", ["plain", "kept", "in turn", "merge", "no python", "nested"])
def test_other_threads_print_while_captures_come_and_go(
    tmp_path: Path, way: str, rounds: Rounds
) -> None:
    """Nothing is lost, doubled, or refused; and Python's own `print` is not left hanging."""
    done = run_python(
        PRELUDE + PRINTING,
        way,
        str(rounds(15, full=1000)),
        directory=tmp_path / "python",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "python" / "result").read_text() == "[] 0 0"


def test_a_kept_buffer_goes_on_after_two_threads_have_captured(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
        begun, ended, over = (threading.Event() for _ in range(3))
        def other():
            with capture_fd(stderr=False):
                begun.set()
                assert ended.wait(20)
        thread = threading.Thread(target=other)
        with capture_fd(stderr=False) as logs:
            kept = sys.stdout.buffer
            thread.start()
            assert begun.wait(20)
            kept.write(b"in")
        kept.write(b"while the other captures")
        ended.set()
        thread.join()
        kept.write(b"after\\n")
        print(logs.text, file=sys.stderr)
        """.replace("\n        ", "\n")
    )
    assert shown == "after\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_thread_of_native_code_that_captures_is_not_known_to_threading_after(
    python: Python, drain: str
) -> None:
    """Nor are bare threads of our own: before Python 3.12, what `current_thread` makes stays."""
    python(
        PRELUDE
        + """
        import _thread
        def work():
            try:
                with capture_fd(drain=sys.argv[1], on_line=lines.append) as logs:
                    os.write(1, b"x")
                texts.append(logs.text)
            finally:
                ended.release()
        texts, lines = [], []
        ended = _thread.allocate_lock()
        ended.acquire()
        _thread.start_new_thread(work, ())
        assert ended.acquire(timeout=20)
        assert texts == ["x"] and lines, (texts, lines)
        assert [t for t in threading.enumerate() if "Dummy" in t.name] == []
        """.replace("\n        ", "\n"),
        drain,
    )


def test_a_finalizer_amid_a_question_to_the_drain_does_not_disturb_it(python: Python) -> None:
    """The collector may end a forgotten capture, or delete a log, wherever it runs."""
    shown = python(
        PRELUDE
        + """
        import gc
        from ipyfdcapture.drain import channel
        gc.disable()
        receive, send = channel.Channel._receive_some, channel.Channel.send
        def collect_and(function):
            def wrapped(*args):
                gc.collect()
                return function(*args)
            return wrapped
        with capture_fd() as logs:
            print("kept")
            held = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        children = []
        class Circle: pass
        def forget():
            circle = Circle()
            circle.itself = circle
            circle.capture = capture_fd()
            circle.capture.start()
            children.append(subprocess.Popen(["sleep", "0.2"]))
        channel.Channel._receive_some = collect_and(receive)
        channel.Channel.send = collect_and(send)
        for _ in range(20):
            forget()
            assert logs.text == "kept\\n", logs.text
        held.communicate()
        assert logs.wait(20)
        for child in children:
            child.wait()
        print(logs.text, end="")
        """.replace("\n        ", "\n")
    )
    assert shown.endswith("kept\n")


# -- interrupts of finalizers -----------------------------------------------------------------

HOLD = """
def hold(inside=lambda: None):
    if sys.argv[1] == "log":
        with capture_fd() as held:
            inside()
        return held
    held = capture_fd() if sys.argv[1] == "capture" else ipyfdcapture.FdCapture(1)
    held.start()
    inside()
    return held
"""


@pytest.mark.parametrize("what", ["log", "capture", "fdcapture"])
def test_what_an_interrupt_kept_a_finalizer_from_doing_is_done_with_the_next_recording(
    python: Python, what: str
) -> None:
    """`weakref.finalize` forgets what is to be done before it does it."""
    shown = python(
        PRELUDE
        + HOLD
        + """
        import weakref
        warm_up()
        sys.unraisablehook = lambda _: None
        before = snapshot()
        children = []
        held = hold(lambda: children.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE)))
        usual, hits = weakref.finalize.__call__, []
        def hit_as_it_begins(self, _=None):
            hits.append(self._registry.pop(self))
            raise KeyboardInterrupt
        weakref.finalize.__call__ = hit_as_it_begins
        del held
        weakref.finalize.__call__ = usual
        children.pop().communicate()
        assert hits and len(difference(before, snapshot())) >= 3, hits
        warm_up()
        print(settled_difference(before))
        """.replace("\n        ", "\n"),
        what,
    )
    assert shown.endswith("[]\n")


@pytest.mark.parametrize("what", ["log", "capture", "fdcapture"])
def test_an_interrupt_amid_a_finalizer_reaches_the_user_once_that_is_done(
    python: Python, what: str
) -> None:
    """What is raised in a finalizer goes nowhere."""
    shown = python(
        PRELUDE
        + HOLD
        + """
        from ipyfdcapture.recording import recording
        warm_up()
        sys.unraisablehook = lambda _: show("lost")
        before = snapshot()
        usual = recording.recording_files
        def interrupted(path):
            signal.raise_signal(signal.SIGINT)
            return usual(path)
        recording.recording_files = interrupted
        try:
            held = hold()
            del held
            select.select([], [], [], 20)
        except KeyboardInterrupt:
            show("interrupted")
        recording.recording_files = usual
        show(settled_difference(before))
        os.write(1, open("report.txt", "rb").read())
        """.replace("\n        ", "\n"),
        what,
    )
    assert shown == "interrupted\n[]\n"


# -- pauses -----------------------------------------------------------------------------------


def test_what_has_ended_is_not_paused(python: Python) -> None:
    shown = python(
        PRELUDE
        + """
        warm_up()
        with no_leaks():
            capture = capture_fd()
            capture.pause()
            capture.resume()
            capture.start().close()
            capture.stop()
            others = [os.open("other.txt", os.O_CREAT | os.O_RDWR) for _ in range(8)]
            before = fd_target(1)
            capture.pause()
            capture.resume()
            capture.stop()
            for other in others:
                os.close(other)
            del capture
        print(fd_target(1) == before, os.path.getsize("other.txt"))
        """.replace("\n        ", "\n")
    )
    assert shown == "True 0\n"


def test_an_interrupt_at_any_moment_of_a_pause_restores(python: Python, rounds: Rounds) -> None:
    shown = python(
        PRELUDE
        + """
        import random
        warm_up()
        interrupter = Interrupter().__enter__()
        before = snapshot()
        dice = random.Random(3)
        hits = 0
        for i in range(int(sys.argv[1])):
            capture = capture_fd()
            logs = capture.start()
            try:
                interrupter.send_after(dice.uniform(1e-6, 3e-4))
                for _ in range(3):
                    capture.pause()
                    capture.resume()
                interrupter.await_handled()
            except KeyboardInterrupt:
                hits += 1
            capture.stop()
            logs.close()
            del capture, logs
        assert hits > 0
        print(settled_difference(before))
        """.replace("\n        ", "\n"),
        str(rounds(300, full=5000)),
        timeout=120,
    )
    assert shown == "[]\n"
