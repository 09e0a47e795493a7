"""Every way out restores (promise 3), and nothing is left behind."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from helpers.fixtures import Rounds, Script, StartKernel
from helpers.kernel import Kernel
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
def test_a_thousand_captures_in_a_plain_process_leave_nothing(script: Script, drain: str) -> None:
    shown = script("restore/a_thousand_captures_in_a_plain_process_leave_nothing", drain)
    assert shown == "[]\n"


def test_an_error_an_exit_and_an_interrupt_restore(script: Script) -> None:
    shown = script("restore/an_error_an_exit_and_an_interrupt_restore")
    assert shown == "restored\n"


def test_a_stopped_capture_can_be_stopped_again(script: Script) -> None:
    shown = script("restore/a_stopped_capture_can_be_stopped_again")
    assert shown == "out\n"


# -- order and threads ------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["0 1 2", "2 1 0", "0 2 1", "1 0 2", "1 2 0", "2 0 1"])
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_captures_may_be_stopped_in_any_order(script: Script, order: str, drain: str) -> None:
    shown = script("restore/captures_may_be_stopped_in_any_order", drain, order)
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


def test_a_capture_may_be_stopped_by_another_thread(script: Script) -> None:
    shown = script("restore/a_capture_may_be_stopped_by_another_thread")
    assert shown == "restored\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_captures_in_two_threads_at_once_lose_and_leave_nothing(script: Script, drain: str) -> None:
    shown = script("restore/captures_in_two_threads_at_once_lose_and_leave_nothing", drain)
    assert shown == "restored\n"


def test_a_stream_kept_from_captures_in_several_threads_keeps_none_of_their_logs(
    script: Script,
) -> None:
    """A thread that is made during a capture keeps its sys.stderr, as do logging handlers."""
    shown = script(
        "restore/a_stream_kept_from_captures_in_several_threads_keeps_none_of_their_logs"
    )
    assert shown == "kept 0\nkept 1\nkept 2\nkept 3\n"


def test_a_second_stop_does_not_change_how_it_ended(script: Script) -> None:
    shown = script("restore/a_second_stop_does_not_change_how_it_ended")
    assert shown == "True True\n"


def test_a_signal_handler_may_read_the_log_that_is_being_read(script: Script) -> None:
    shown = script("restore/a_signal_handler_may_read_the_log_that_is_being_read")
    assert shown == "['x\\n'] ['x\\n']\n"


def test_a_signal_handler_may_read_the_log_whose_lines_are_being_counted(script: Script) -> None:
    shown = script("restore/a_signal_handler_may_read_the_log_whose_lines_are_being_counted")
    assert shown == "fine\n"


def test_an_interrupt_as_an_answer_of_the_drain_is_taken_leaves_the_log_readable(
    script: Script,
) -> None:
    shown = script(
        "restore/an_interrupt_as_an_answer_of_the_drain_is_taken_leaves_the_log_readable",
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
    before = kernel.value("[os.fstat(fd)[:3] for fd in (1, 2)]")
    kernel.run(f"%%capture_fd -v logs\nos.write(1, b'written before\\n')\n{code}")
    assert kernel.value("logs.stdout").startswith("written before\n")
    after = kernel.ok("print('shown')\nprint('shown too', file=sys.stderr)")
    assert (after.stream("stdout"), after.stream("stderr")) == ("shown\n", "shown too\n")
    assert before == kernel.value("[os.fstat(fd)[:3] for fd in (1, 2)]")
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
    script: Script, start: str, drain: str, tmp_path: Path
) -> None:
    script(
        "restore/an_odd_start_works_for_what_there_is_and_is_put_back_to_exactly_that", drain, start
    )
    assert (tmp_path / "python" / "report.txt").read_text() == "done\n"


def test_a_process_started_without_descriptors_can_capture(script: Script, tmp_path: Path) -> None:
    script("restore/a_process_started_without_descriptors_can_capture")
    result = (tmp_path / "python" / "result.txt").read_text()
    assert ast.literal_eval(result) == ("onechild\n", "two", [])


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_drain_started_without_descriptors_leaves_their_numbers_free(
    script: Script, tmp_path: Path, drain: str
) -> None:
    script("restore/a_drain_started_without_descriptors_leaves_their_numbers_free", drain)
    assert (tmp_path / "python" / "result.txt").read_text() == "[]"


# -- every system call fails in its turn ------------------------------------------------------


CALLS = [
    "os.pipe",
    "os.dup",
    "os.dup2",
    "os.open",
    "os.fstat",
    "ipyfdcapture.system.descriptors.status_of",
    "ipyfdcapture.recording.files.write_once",
    "os.unlink",
    "os.set_inheritable",
    "fcntl.fcntl",
    "socket.socketpair",
    "socket.send_fds",
    "tempfile.mkdtemp",
    "threading.Thread.start",
    "subprocess.Popen",
    "os.makedirs",
    "builtins.open",
    "mmap.mmap",
]


@pytest.mark.parametrize("target", CALLS)
def test_a_failure_at_any_one_call_restores(script: Script, target: str) -> None:
    """Each call fails once, at each place where a capture makes it."""
    shown = script("restore/a_failure_at_any_one_call_restores", target, timeout=120)
    assert shown.startswith("failed ")


@pytest.mark.parametrize("drain", ["auto", "process", "thread"])
def test_too_few_descriptors_are_a_clear_error_before_anything_moved(
    script: Script, drain: str
) -> None:
    """A real limit, at every number of descriptors left."""
    shown = script("restore/too_few_descriptors_are_a_clear_error_before_anything_moved", drain)
    assert shown == "refused ok True\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_capture_at_the_recursion_limit_restores(script: Script, drain: str) -> None:
    assert script("restore/a_capture_at_the_recursion_limit", drain) == "[]\n"


@pytest.mark.parametrize("by", ["SIGINT", "SIGALRM"])
@pytest.mark.parametrize("way", ["process", "thread", "FdCapture"])
def test_a_real_interrupt_at_any_moment_restores(
    script: Script, way: str, by: str, rounds: Rounds
) -> None:
    """SIGINT, or an alarm, arrives at a random moment before, in or after a capture."""
    shown = script(
        "restore/a_real_interrupt_at_any_moment_restores",
        way,
        str(rounds(300, full=5000)),
        by,
        timeout=120,
    )
    assert shown == "[]\n"


@pytest.mark.parametrize(
    ("way", "module"),
    [
        ("callback", "live.targets"),
        ("callback", "live.follower"),
        ("on_line", "live.callback"),
        ("live", "live.terminal"),
        ("file", "live.callback"),
        ("logging", "live.callback"),
        ("thread", "capture.thread_sink"),
        ("tty", "capture.terminals"),
        ("display", "output.displays"),
    ],
)
def test_an_interrupt_amid_what_a_capture_loads_waits_until_it_is_loaded(
    script: Script, way: str, module: str
) -> None:
    name = "restore/an_interrupt_amid_what_a_capture_loads"
    assert "interrupted\n" in script(name, way, f"ipyfdcapture.{module}")


@pytest.mark.parametrize(
    ("look", "module", "shown"),
    [
        ("view", "log.view.html", "error: it failed"),
        ("view", "log.view.summary", "error: it failed"),
        ("text", "log.reading", "error: it failed"),
        ("lines", "log.lines", "['error: it failed']"),
        ("levels", "log.level_rules", "{'error': 1}"),
        ("name", "capture.children.group", "function run_all"),
    ],
)
def test_an_interrupt_amid_what_a_look_loads_waits_until_it_is_loaded(
    script: Script, look: str, module: str, shown: str
) -> None:
    name = "restore/an_interrupt_amid_what_a_look_loads"
    first, second = script(name, look, f"ipyfdcapture.{module}").split("\n", 1)
    assert first == "interrupted" and shown in second


@pytest.mark.parametrize("what", ["log", "thread", "programs"])
def test_an_interrupt_that_another_thread_gets_ends_a_wait(script: Script, what: str) -> None:
    """And so does one that comes as the wait begins: the system call does not end then either."""
    shown = script("restore/an_interrupt_that_another_thread_gets", what)
    assert shown == "interrupted\n"


def test_a_real_interrupt_at_any_moment_of_run_all_leaves_no_child(
    script: Script, rounds: Rounds
) -> None:
    shown = script(
        "restore/a_real_interrupt_at_any_moment_of_run_all_leaves_no_child",
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


@pytest.mark.parametrize("function", ["input", "getpass"])
def test_an_interrupt_as_a_captured_statement_hooks_prompts_restores(
    fresh_kernel: Kernel, function: str
) -> None:
    fresh_kernel.ok(
        f"""
import builtins, getpass, os, signal
from ipyfdcapture.ipython import prompts
around = prompts.around

def around_and_interrupt(owner, name, layer):
    undo = around(owner, name, layer)
    if name == {function!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return undo

prompts.around = around_and_interrupt
%capture_fd --help
"""
    )
    assert (
        fresh_kernel.ok(
            """
usual, found = (builtins.input, getpass.getpass), []
try:
    get_ipython().run_line_magic("capture_fd", "-v logs found.append(1)")
except KeyboardInterrupt:
    found.append("interrupted")
found, (builtins.input, getpass.getpass) == usual
"""
        ).result
        == "(['interrupted'], True)"
    )


def test_an_interrupt_as_the_extension_is_loaded_leaves_nothing_that_unloading_does_not_take(
    fresh_kernel: Kernel,
) -> None:
    fresh_kernel.ok("%unload_ext ipyfdcapture")
    assert (
        fresh_kernel.ok(
            """
import ipyfdcapture, os, signal
from ipyfdcapture.ipython import extension
shell, around, found = get_ipython(), extension.around, []
usual = shell.showtraceback

def around_and_interrupt(*args):
    undo = around(*args)
    os.kill(os.getpid(), signal.SIGINT)
    return undo

extension.around = around_and_interrupt
try:
    ipyfdcapture.load_ipython_extension(shell)
except KeyboardInterrupt:
    found.append("interrupted")
extension.around = around
ipyfdcapture.unload_ipython_extension(shell)
found, shell.showtraceback == usual
"""
        ).result
        == "(['interrupted'], True)"
    )


def test_an_interrupt_as_workers_are_named_leaves_no_directory(script: Script) -> None:
    name = "restore/an_interrupt_as_workers_are_named_leaves_no_directory"
    assert script(name) == "end\n"


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
    return [os.fstat(1)[:3], os.fstat(2)[:3], sys.stdout, sys.stderr]

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
        longest *= 1.04 if interrupted else 0.89  # to hit the end as well as the beginning
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


@pytest.mark.parametrize("way", ["plain", "kept", "in turn", "merge", "no python", "nested"])
def test_other_threads_print_while_captures_come_and_go(
    script: Script, tmp_path: Path, way: str, rounds: Rounds
) -> None:
    """Nothing is lost, doubled, or refused; and Python's own `print` is not left hanging."""
    script(
        "restore/other_threads_print_while_captures_come_and_go",
        way,
        str(rounds(15, full=1000)),
        timeout=120,
    )
    assert (tmp_path / "python" / "result").read_text() == "[] 0 0"


def test_a_kept_buffer_goes_on_after_two_threads_have_captured(script: Script) -> None:
    shown = script("restore/a_kept_buffer_goes_on_after_two_threads_have_captured")
    assert shown == "after\n"


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_thread_of_native_code_that_captures_is_not_known_to_threading_after(
    script: Script, drain: str
) -> None:
    """Nor are bare threads of our own: before Python 3.12, what `current_thread` makes stays."""
    script("restore/a_thread_of_native_code_that_captures_is_not_known_to_threading_after", drain)


def test_a_finalizer_amid_a_question_to_the_drain_does_not_disturb_it(script: Script) -> None:
    """The collector may end a forgotten capture, or delete a log, wherever it runs."""
    shown = script("restore/a_finalizer_amid_a_question_to_the_drain_does_not_disturb_it")
    assert shown.endswith("kept\n")


# -- interrupts of finalizers -----------------------------------------------------------------


@pytest.mark.parametrize("what", ["log", "capture", "fdcapture"])
def test_what_could_not_begin_where_an_object_went_is_done_with_the_next_recording(
    script: Script, what: str
) -> None:
    """At the recursion limit, Python can call nothing."""
    name = "restore/what_could_not_begin_where_an_object_went_is_done_with_the_next_recording"
    assert script(name, what).endswith("[]\n")


@pytest.mark.parametrize("what", ["log", "capture", "fdcapture"])
def test_an_interrupt_as_a_finalizer_begins_is_not_lost(script: Script, what: str) -> None:
    """What Python calls meets the interrupt before its first step."""
    shown = script("restore/an_interrupt_as_a_finalizer_begins_is_not_lost", what)
    assert shown == "interrupted\n[]\n"


@pytest.mark.parametrize(
    "what", ["log", "capture", "fdcapture", "ended", "thread", "children", "kept"]
)
def test_where_an_object_goes_no_code_can_lose_an_interrupt(script: Script, what: str) -> None:
    """`weakref.finalize` and the weak containers of `weakref` call functions that can."""
    shown = script("restore/where_an_object_goes_no_code_can_lose_an_interrupt", what)
    assert shown in ("{'_await_death'}\n", "set()\n")


@pytest.mark.parametrize("what", ["log", "capture", "fdcapture"])
def test_an_interrupt_amid_a_finalizer_reaches_the_user_once_that_is_done(
    script: Script, what: str
) -> None:
    """What is raised in a finalizer goes nowhere."""
    shown = script("restore/an_interrupt_amid_a_finalizer_reaches_the_user_once_that_is_done", what)
    assert shown == "interrupted\n[]\n"


# -- pauses -----------------------------------------------------------------------------------


def test_what_has_ended_is_not_paused(script: Script) -> None:
    shown = script("restore/what_has_ended_is_not_paused")
    assert shown == "True 0\n"


def test_an_interrupt_at_any_moment_of_a_pause_restores(script: Script, rounds: Rounds) -> None:
    shown = script(
        "restore/an_interrupt_at_any_moment_of_a_pause_restores",
        str(rounds(300, full=5000)),
        timeout=120,
    )
    assert shown == "[]\n"


# -- interrupts of captured cells ---------------------------------------------------------------

_WITH_INTERRUPT = """
import itertools, os, signal
from ipyfdcapture.capture import session
from ipyfdcapture.recording import spool
flush_all = session.flush_all
# Once, and by C alone: a function here would be the last frame of the traceback, and be shown.
once = map(signal.raise_signal, [signal.SIGINT])
interrupted = itertools.chain(once, itertools.repeat(None)).__next__
def logs_on_disk():
    return [name for name in os.listdir(spool.directory()) if name.endswith(".data")]
before = logs_on_disk()
"""


@pytest.mark.parametrize("options", ["", "--live"])
@pytest.mark.parametrize("when", ["begins", "shows"])
def test_an_interrupt_in_our_frames_keeps_no_log(kernel: Kernel, when: str, options: str) -> None:
    """The shell keeps the last error, which refers to the frames that it went through."""
    kernel.ok(_WITH_INTERRUPT)
    setting = "session.flush_all = interrupted"
    if when == "begins":
        kernel.ok(setting)
    reply = kernel.run(f"%%capture_fd -v logs {options}\nprint('one line')\n{setting}\ndisplay(1)")
    kernel.ok("session.flush_all = flush_all")
    is_hit = when == "begins" or options != ""
    assert reply.status == ("error" if is_hit else "ok")
    assert not is_hit or reply.error[0] == "KeyboardInterrupt"
    kernel.ok("for name in {'logs', '_logs'} & {*globals()}: del globals()[name]")
    assert kernel.value("logs_on_disk() == before")
