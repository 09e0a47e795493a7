"""``%capture_fd --every-cell``: each cell captured, shown live, and kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cells import FAILING, WELL_BEHAVED, places
from helpers.fixtures import StartKernel
from helpers.gate import Gate
from helpers.kernel import Kernel, Message, Reply
from helpers.native import Native
from helpers.real import need
from helpers.shown import flood_parts, has_text, sequence
from helpers.wait import LIMIT_S
from helpers.writing_cells import WRITING

HISTORY = "__import__('ipyfdcapture').history"


@pytest.fixture
def every(kernel: Kernel) -> Iterator[Kernel]:
    """A kernel in which every cell is captured."""
    kernel.ok(f"{HISTORY}.clear()")
    kernel.ok("%capture_fd --every-cell")
    yield kernel
    kernel.ok("%capture_fd --off")
    kernel.ok(f"{HISTORY}.clear()")


def kept(kernel: Kernel, number: int) -> str:
    """Return the text that is kept of a cell."""
    text: str = kernel.value(f"{HISTORY}[{number}].text")
    return text


# -- as if nothing were captured ----------------------------------------------------------------


def both(kernel: Kernel, body: str) -> tuple[Reply, Reply]:
    """Run a cell as it is, then with every cell captured."""
    kernel.run(body)  # what is told once, such as some warnings, is told now
    plain = kernel.run(body)
    kernel.ok("%capture_fd --every-cell")
    captured = kernel.run(body)
    kernel.ok("%capture_fd --off")
    return plain, captured


def seen(reply: Reply) -> list[tuple[str, str]]:
    return [(kind, text.replace("\r\n", "\n")) for kind, text in sequence(reply.own)]


@pytest.mark.parametrize("body", WELL_BEHAVED.values(), ids=WELL_BEHAVED.keys())
def test_a_plain_cell_looks_as_it_did(kernel: Kernel, body: str) -> None:
    plain, captured = both(kernel, body)
    assert (captured.status, captured.result) == (plain.status, plain.result)
    assert captured.displays == plain.displays
    assert seen(captured) == seen(plain)


@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING.keys())
def test_a_failing_cell_fails_as_it_did(kernel: Kernel, body: str) -> None:
    plain, captured = both(kernel, body)
    assert captured.status == plain.status
    assert [kind for kind, _ in seen(captured)] == [kind for kind, _ in seen(plain)]
    if plain.status == "error":
        assert captured.error[0] == plain.error[0]
        assert places(captured, 0) == places(plain, 0)


#: An expression: the first number of ipykernel's version.
MAJOR = "__import__('ipykernel').version_info[0]"
#: What these print ipykernel 6 may show after it has said that the cell has ended.
LATE_BEFORE_IPYKERNEL_7 = {"a timer", "an executor"}


def test_cells_that_write_in_many_ways_give_the_same_messages(start_kernel: StartKernel) -> None:
    """What the documentation lists is all that differs: none of it is in these cells."""
    need("ipywidgets")
    plain, captured = start_kernel("plain"), start_kernel("captured")
    plain.ok("None")
    captured.ok("%capture_fd --every-cell")
    late = LATE_BEFORE_IPYKERNEL_7 if captured.value(MAJOR) < 7 else set()
    different = {}
    for name, body in WRITING.items():
        if name in late:
            continue
        there, here = (
            (reply.status, reply.result, reply.displays, anonymous(reply))
            for reply in (plain.run(body), captured.run(body))
        )
        if here != there:
            different[name] = there, here
    assert different == {}


def anonymous(reply: Reply) -> list[tuple[str, str]]:
    """Return what was shown, without addresses and paths, which differ from process to process."""
    return [(kind, re.sub(r"0x[0-9a-f]+|\S*/ipykernel_\d+", "…", t)) for kind, t in seen(reply)]


def test_output_is_shown_while_the_cell_runs(every: Kernel, gate: Gate) -> None:
    msg_id = every.send(f"import os\n_ = os.system('echo first')\n{gate.wait}\nprint('second')")
    early = every.until(has_text("first", msg_id))
    gate.open()
    reply = every.finish(msg_id)
    reply.messages = early + reply.messages
    assert reply.stream("stdout") == "first\nsecond\n"


def test_a_question_comes_after_what_was_printed(every: Kernel) -> None:
    msg_id = every.send(
        "print('before')\nanswer = input('name? ')\nprint(answer)", allow_stdin=True
    )
    asked = every.client.get_stdin_msg(timeout=LIMIT_S)
    assert asked["content"]["prompt"] == "name? "
    early = every.until(has_text("before", msg_id))
    every.client.input("me")
    reply = every.finish(msg_id)
    reply.messages = early + reply.messages
    assert reply.stream("stdout") == "before\nme\n"


def test_late_output_is_shown_under_its_cell_and_kept_there(every: Kernel, gate: Gate) -> None:
    first = every.ok(
        f"import subprocess\nchild = subprocess.Popen({gate.shell + '; echo late'!r}, shell=True)"
    )
    assert every.ok("print('mine')").stream("stdout") == "mine\n"
    gate.open()
    every.until(has_text("late", first.msg_id))
    every.ok(f"child.wait(); {HISTORY}[{first.count}].wait()")
    assert kept(every, first.count) == "late\n"


# -- what is kept -------------------------------------------------------------------------------


def test_each_cell_is_kept_under_its_number(every: Kernel) -> None:
    numbers = {}
    for cell, text in {
        "print('one')": "one\n",
        "import os; _ = os.system('echo two')": "two\n",
        "1/0": "",
        "print('three', end='')": "three",
    }.items():
        numbers[every.run(cell).count] = text
    assert every.value(f"{{n: log.text for n, log in {HISTORY}.items()}}") == numbers
    assert every.value(f"[log.recording.metadata.cell for log in {HISTORY}.values()]") == list(
        numbers
    )
    assert every.value("_logs.text") == "three"


def test_what_no_number_has_is_shown_once_and_disturbs_nothing(every: Kernel) -> None:
    assert every.ok("print('x')", store_history=False).stream("stdout") == "x\n"
    assert every.ok("print('y')", silent=True).content is not None
    reply = every.ok("print('z')")
    assert kept(every, reply.count) == "z\n"


def test_asking_for_a_cell_that_is_not_kept_says_which_are(every: Kernel) -> None:
    count = every.ok("print('x')").count
    reply = every.run(f"import ipyfdcapture; ipyfdcapture.history[{count + 1000}]")
    assert reply.error[0] == "KeyError"
    assert f"no log of cell {count + 1000} is kept; there are: {count}" in reply.error[1]
    shown = every.ok("ipyfdcapture.history").result
    assert shown is not None and f"[{count}] <Captured: cell [{count}], 1 line, 2 B" in shown


def test_the_oldest_go_first_once_there_is_too_much(every: Kernel) -> None:
    every.ok("%config CaptureFd.history_max_bytes = '3K'")
    counts = [every.ok("print('x' * 1023)").count for _ in range(5)]
    assert every.value(f"list({HISTORY})") == counts[-3:]
    last = every.ok("print('x' * 10_000)").count
    assert every.value(f"list({HISTORY})") == [last]
    every.ok("%config CaptureFd.history_max_bytes = 100 << 20")


def test_a_log_that_was_closed_while_it_grew_disturbs_no_later_cell(every: Kernel) -> None:
    first = every.ok(
        "import subprocess\nchild = subprocess.Popen(['cat'], stdin=subprocess.PIPE)"
    ).count
    try:
        every.ok(f"{HISTORY}[{first}].close()")
        reply = every.ok("print('later')")
        assert (reply.stream("stdout"), reply.stream("stderr")) == ("later\n", "")
        assert kept(every, reply.count) == "later\n"
        assert every.value(f"{first} in {HISTORY}") is False
    finally:
        every.ok("child.stdin.close(); _ = child.wait()")


def test_a_cell_with_a_capture_of_its_own_is_shown_and_kept_once(every: Kernel) -> None:
    live = every.ok("%%capture_fd --live -v mine\nprint('live')\nimport os; _ = os.write(1, b'n')")
    assert live.stream("stdout") == "live\nn"
    quiet = every.ok("%%capture_fd -v mine2\nprint('quiet')")
    assert quiet.stream("stdout") == ""
    assert every.value("(mine.text, mine2.text)") == ("live\nn", "quiet\n")
    assert kept(every, live.count) == kept(every, quiet.count) == ""


# -- on and off ---------------------------------------------------------------------------------


def test_off_ends_it(kernel: Kernel) -> None:
    kernel.ok("%capture_fd --every-cell")
    kernel.ok("print('kept')")
    kernel.ok("%capture_fd --off")
    reply = kernel.ok("print('not kept')")
    assert reply.stream("stdout") == "not kept\n"
    assert kernel.value(f"{reply.count} in {HISTORY}") is False
    assert kernel.value("type(__import__('sys').stdout).__name__") == "OutStream"
    kernel.ok(f"{HISTORY}.clear()")


def test_it_leaves_nothing_behind(start_kernel: StartKernel) -> None:
    kernel = start_kernel()

    def use() -> None:
        kernel.ok("%capture_fd --every-cell")
        kernel.ok("print('x'); import os; os.system('echo y')")
        kernel.run("1/0")
        kernel.ok("%capture_fd --off")
        kernel.ok(f"{HISTORY}.clear(); del _logs")

    use()
    kernel.leak_baseline()
    for _ in range(5):
        use()
    # ZeroMQ gives each thread that sends a descriptor, and takes it back in its own time.
    assert [line for line in kernel.leaks() if not line.endswith("became None")] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%capture_fd --every-cell --off", "stand alone"),
        ("%capture_fd --every-cell print(1)", "stand alone"),
        ("%%capture_fd --every-cell\nran = 1", "--every-cell is for the line magic"),
        ("%%capture_fd --off\nran = 1", "--off is for the line magic"),
    ],
)
def test_bad_input_is_one_line(kernel: Kernel, line: str, said: str) -> None:
    reply = kernel.run(line)
    assert reply.error[0] == "UsageError" and said in reply.error[1]
    assert kernel.value("('ran' in globals(), get_ipython().user_ns.get('_logs'))") == (False, None)
    assert kernel.ok("print('not captured')").count not in kernel.value(f"list({HISTORY})")


def test_a_cell_that_cannot_be_captured_runs_all_the_same(fresh_kernel: Kernel) -> None:
    fresh_kernel.ok(
        "from ipyfdcapture.capture import options\n"
        "def refuse(**options): raise ValueError('not today')\n"
        "options.CaptureOptions = refuse\n"
        "%capture_fd --every-cell"
    )
    reply = fresh_kernel.ok("print('it ran')")
    assert "it ran\n" in reply.shown
    assert "this cell is not captured: not today" in reply.shown
    assert "Error in callback" not in reply.shown


def test_the_configuration_file_switches_it_on_from_the_start(
    start_kernel: StartKernel, tmp_path: Path
) -> None:
    profile = tmp_path / "kernel" / "ipythondir" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(
        "c.InteractiveShellApp.extensions = ['ipyfdcapture']\nc.CaptureFd.every_cell = True\n"
    )
    kernel = start_kernel(load=False)
    reply = kernel.ok("import os\nprint('a'); _ = os.write(1, b'b\\n')")
    assert reply.stream("stdout") == "a\nb\n"
    assert kept(kernel, reply.count) == "a\nb\n"


# -- promise 1 ----------------------------------------------------------------------------------


def test_code_that_holds_the_gil_prints_as_much_as_it_likes_in_any_cell(every: Kernel) -> None:
    size = 200_000_000
    reply = every.ok(f"import ctypes\nlibc = ctypes.PyDLL(None)\nlibc.printf(b'%s', b'1' * {size})")
    assert reply.result == str(size)
    start, states, _end = flood_parts(reply)
    assert start == "1" * 1_000_000
    assert re.match(r"… (\d+ lines?, )?200 MB in all", states[-1])
    assert f"the rest is in ipyfdcapture.history[{reply.count}]" in states[-1]
    assert every.value(f"{HISTORY}[{reply.count}].nbytes") == size


def test_held_gil_through_an_extension(every: Kernel, native: Native) -> None:
    module = Path(native.extension("heldgil"))
    every.ok(f"import sys; sys.path.insert(0, {str(module.parent)!r}); import heldgil")
    reply = every.ok("heldgil.write(2, b'x' * 999 + b'\\n', 200_000)")
    assert every.value(f"{HISTORY}[{reply.count}].nbytes") == 200_000_000
    assert sum(len(c["text"]) for c in reply.of_type("stream")) < 1_100_000


# -- subshells ------------------------------------------------------------------------------------


class Subshell:
    """A second line of execution in the same kernel (ipykernel 7)."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        ipykernel = kernel.value(MAJOR)
        if ipykernel < 7:
            pytest.skip("ipykernel before 7 has no subshells")
        self.id = self._control("create_subshell_request", {})["subshell_id"]

    def _control(self, kind: str, content: dict[str, str]) -> dict[str, str]:
        client = self.kernel.client
        message = client.session.msg(kind, content)
        client.control_channel.send(message)
        while True:
            answer = client.get_control_msg(timeout=LIMIT_S)
            if answer["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                assert answer["content"]["status"] == "ok"
                return dict(answer["content"])

    def send(self, code: str) -> str:
        client = self.kernel.client
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = client.session.msg("execute_request", content)
        message["header"]["subshell_id"] = self.id
        client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def close(self) -> None:
        self._control("delete_subshell_request", {"subshell_id": self.id})


@pytest.fixture
def subshell(fresh_kernel: Kernel) -> Iterator[Subshell]:
    subshell = Subshell(fresh_kernel)
    yield subshell
    subshell.close()


def finish_both(kernel: Kernel, ids: list[str], early: list[Message]) -> dict[str, Reply]:
    """Wait for the ends of requests that run at once; return what each was shown."""
    replies: dict[str, Reply] = {}
    messages = list(early)

    def ended(new: list[Message]) -> bool:
        idle = {
            m["parent_header"].get("msg_id")
            for m in [*messages, *new]
            if m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
        }
        return idle.issuperset(ids)

    messages += kernel.until(ended)
    while len(replies) < len(ids):
        answer = kernel.client.get_shell_msg(timeout=LIMIT_S)
        msg_id = answer["parent_header"]["msg_id"]
        if msg_id in ids:
            replies[msg_id] = Reply(msg_id, answer["content"], messages)
    return replies


@pytest.mark.parametrize("order", ["the outer ends first", "the inner ends first"])
def test_two_captured_cells_at_once_each_get_what_they_print(
    fresh_kernel: Kernel, subshell: Subshell, order: str
) -> None:
    kernel = fresh_kernel
    main_gate, sub_gate = Gate(kernel.directory, "main"), Gate(kernel.directory, "sub")
    kernel.ok("import os, sys")
    first = kernel.send(
        f"%%capture_fd --live -v one\nprint('main 1')\n{main_gate.wait}\nprint('main 2')\n"
        "print('main error', file=sys.stderr)\n_ = os.write(1, b'native 1\\n')"
    )
    early = kernel.until(has_text("main 1", first))
    second = subshell.send(
        f"%%capture_fd --live -v two\nprint('sub 1')\n{sub_gate.wait}\nprint('sub 2')\n"
        "print('sub error', file=sys.stderr)\n_ = os.write(1, b'native 2\\n')"
    )
    early += kernel.until(has_text("sub 1", second))
    gates = {first: main_gate, second: sub_gate}
    ends = [first, second] if order.startswith("the outer") else [second, first]
    messages = list(early)
    for msg_id in ends:
        gates[msg_id].open()

        def idle(new: list[Message], msg_id: str = msg_id) -> bool:
            return any(
                m["msg_type"] == "status"
                and m["content"]["execution_state"] == "idle"
                and m["parent_header"].get("msg_id") == msg_id
                for m in new
            )

        messages += kernel.until(idle)
    replies = finish_both(kernel, [first, second], messages)
    assert {reply.status for reply in replies.values()} == {"ok"}
    shown = {
        msg_id: sorted((reply.stream("stdout") + reply.stream("stderr")).split("\n"))
        for msg_id, reply in replies.items()
    }
    logs = {
        first: kernel.value("one.text"),
        second: kernel.value("two.text"),
    }
    for msg_id, who in ((first, "main"), (second, "sub")):
        other = "sub" if who == "main" else "main"
        assert f"{who} 1\n" in logs[msg_id] and f"{who} 2\n" in logs[msg_id]
        assert f"{who} error\n" in logs[msg_id]
        assert other not in logs[msg_id]
        assert sorted(logs[msg_id].split("\n")) == shown[msg_id]
    # Native output goes to one of both; none is lost, none is there twice.
    for native in ("native 1\n", "native 2\n"):
        assert (logs[first] + logs[second]).count(native) == 1
    after = kernel.ok("print('after'); _ = os.write(1, b'native after\\n')")
    assert "after\n" in after.stream("stdout")


def test_every_cell_with_subshells_shows_and_keeps_everything_once(
    fresh_kernel: Kernel, subshell: Subshell
) -> None:
    kernel = fresh_kernel
    kernel.ok("%capture_fd --every-cell")
    gate = Gate(kernel.directory)
    first = kernel.send(f"print('main 1')\n{gate.wait}\nprint('main 2')")
    early = kernel.until(has_text("main 1", first))
    second = subshell.send("print('sub 1')\nprint('sub 2')")
    early += kernel.until(has_text("sub 2", second))
    gate.open()
    replies = finish_both(kernel, [first, second], early)
    assert replies[first].stream("stdout") == "main 1\nmain 2\n"
    assert replies[second].stream("stdout") == "sub 1\nsub 2\n"
    texts = kernel.value(f"[log.text for log in {HISTORY}.values()]")
    assert sorted("".join(texts).split()) == sorted(
        ["main", "1", "main", "2", "sub", "1", "sub", "2"]
    )


def test_a_plain_subshell_prints_as_itself_while_another_cell_is_captured(
    fresh_kernel: Kernel, subshell: Subshell
) -> None:
    kernel = fresh_kernel
    gate = Gate(kernel.directory)
    first = kernel.send(f"%%capture_fd --live -v one\nprint('main')\n{gate.wait}")
    early = kernel.until(has_text("main", first))
    second = subshell.send("print('from the subshell')\n5")
    early += kernel.until(
        lambda messages: any(
            m["msg_type"] == "execute_result" and m["parent_header"]["msg_id"] == second
            for m in messages
        )
    )
    gate.open()
    replies = finish_both(kernel, [first, second], early)
    shown = "".join(reply.stream("stdout") for reply in replies.values())
    assert shown.count("from the subshell") == 1
    assert replies[second].result == "5"


assert os.name == "posix"


def test_the_history_shows_a_table_and_leaves_out_cells_that_switch_it(
    fresh_kernel: Kernel,
) -> None:
    kernel = fresh_kernel
    kernel.ok("%capture_fd --every-cell")
    kernel.ok("%capture_fd --every-cell  # again")
    number = kernel.ok("print('warning: <b> & more')").count
    kernel.ok("%capture_fd --off")
    kernel.ok("from ipyfdcapture import history")
    assert kernel.value("list(history)") == [number]
    [shown] = kernel.ok("display(history)").displays
    assert f"[{number}]" in shown["text/plain"]
    for text in ("first line", f"[{number}]", "warning: &lt;b&gt;", ">1<", ">20 B<", ">warning<"):
        assert text in shown["text/html"], shown["text/html"]
