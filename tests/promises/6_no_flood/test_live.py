"""Live: what is captured is shown as it comes, under its cell, and never floods."""

from __future__ import annotations

import contextlib
import datetime
import gc
import io
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.fixtures import Python, Script, StartKernel
from helpers.gate import Gate
from helpers.kernel import Kernel, Message, Reply, plain
from helpers.logs import make_log
from helpers.native import Native
from helpers.shown import drawn, flood_parts, has_drawn, has_text, outputs, sequence
from helpers.terminal import Terminal
from helpers.wait import LIMIT_S, eventually
from hypothesis import given
from hypothesis import strategies as st

from ipyfdcapture import CaptureError, Line, capture_fd
from ipyfdcapture.live.text import SourceTexts, collapse_redraws
from ipyfdcapture.output.redirect import Redirection
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.tail_reader import RecordingTail
from ipyfdcapture.recording.writer import RecordingWriter

IMPORTS = "import ctypes, os, subprocess, sys, threading"


def run_to_gate(
    kernel: Kernel, gate: Gate, cell: str, seen: Callable[[list[Message]], bool]
) -> tuple[Reply, list[Message]]:
    """Run a cell that waits at the gate; open it once ``seen``.

    Returns the reply with all messages, and those that came while the cell waited.
    """
    msg_id = kernel.send(cell)
    early = kernel.until(seen)
    gate.open()
    reply = kernel.finish(msg_id)
    assert reply.status == "ok", reply.traceback
    reply.messages = early + reply.messages
    return reply, early


# -- under the cell, while it runs --------------------------------------------------------------

WRITERS = {
    "print": "print('first')",
    "print without a line end": "print('first', end='')",
    "print to stderr": "print('first', file=sys.stderr)",
    "logging": "import logging; logging.warning('first')",
    "a raw write": "_ = os.write(1, b'first\\n')",
    "a raw write to stderr": "_ = os.write(2, b'first\\n')",
    "C stdio, unflushed": "_ = ctypes.CDLL(None).printf(b'first\\n')",
    "C stdio, unflushed, no line end": "_ = ctypes.CDLL(None).printf(b'first')",
    "a child": "subprocess.run(['echo', 'first'])",
    "a thread": "t = threading.Thread(target=print, args=('first',)); t.start(); t.join()",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_output_is_shown_while_the_cell_still_runs(kernel: Kernel, gate: Gate, writer: str) -> None:
    reply, early = run_to_gate(
        kernel,
        gate,
        f"%%capture_fd --live -v logs\n{IMPORTS}\n{WRITERS[writer]}\n{gate.wait}\nprint('second')",
        has_text("first"),
    )
    assert "second" not in "".join(text for _, text in sequence(early))
    name = "stderr" if "stderr" in writer or "logging" in writer else "stdout"
    assert "first" in reply.stream(name)
    assert kernel.value("logs.stdout + logs.stderr") == (
        reply.stream("stdout") + reply.stream("stderr")
    )


def test_each_stream_is_shown_as_the_stream_it_is(kernel: Kernel) -> None:
    reply = kernel.ok(
        f"%%capture_fd --live -v logs\n{IMPORTS}\nprint('po'); print('pe', file=sys.stderr)\n"
        "_ = os.write(1, b'ro\\n'); _ = os.write(2, b're\\n')\n"
        "subprocess.run('echo co; echo ce >&2', shell=True);"
    )
    assert reply.stream("stdout") == "po\nro\nco\n"
    assert reply.stream("stderr") == "pe\nre\nce\n"


def test_everything_carries_the_cell_as_parent_and_comes_before_idle(kernel: Kernel) -> None:
    reply = kernel.ok(
        f"%%capture_fd --live -v logs\n{IMPORTS}\n"
        "for i in range(3):\n    print(i); _ = os.write(1, b'raw\\n'); os.system('echo child')\n"
    )
    # `finish` returns at idle: nothing of the cell may come after it.
    assert reply.stream("stdout") == "".join(f"{i}\nraw\nchild\n" for i in range(3))
    assert [m for m in reply.messages if m["msg_type"] == "stream"] == [
        m for m in reply.own if m["msg_type"] == "stream"
    ]
    assert [m["msg_type"] for m in kernel.until(lambda _: False, quiet=True)] == []


def test_displays_and_results_stand_where_they_were_made(kernel: Kernel) -> None:
    reply = kernel.ok(
        f"%%capture_fd --live -v logs\n{IMPORTS}\nprint('a')\ndisplay('first')\n"
        "_ = ctypes.CDLL(None).printf(b'b\\n')\ndisplay('second')\n"
        "print('c', file=sys.stderr)\nprint('no end', end='')\ndisplay('third')\n"
        "subprocess.run(['echo', 'd'])\n'the result'"
    )
    assert sequence(reply.own) == [
        ("stdout", "a\n"),
        ("display_data", "'first'"),
        ("stdout", "b\n"),
        ("display_data", "'second'"),
        ("stderr", "c\n"),
        ("stdout", "no end"),
        ("display_data", "'third'"),
        ("stdout", "d\n"),
        ("execute_result", "'the result'"),
    ]
    assert kernel.value("logs.stdout") == "a\nb\nno endd\n"


def test_the_traceback_comes_after_what_was_written_before_it(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fd --live -v logs\nprint('a')\nprint('b', end='')\n1/0")
    assert sequence(reply.own) == [("stdout", "a\nb"), ("error", "ZeroDivisionError")]


def test_it_comes_after_what_the_cell_had_printed_before_and_before_what_follows(
    kernel: Kernel,
) -> None:
    reply = kernel.ok(
        f"{IMPORTS}\nfrom ipyfdcapture import capture_fd\nprint('before')\n"
        "with capture_fd(live='iopub') as logs:\n"
        "    print('python')\n    _ = os.write(1, b'raw\\n')\n    os.system('echo child')\n"
        "print('after')"
    )
    assert reply.stream("stdout") == "before\npython\nraw\nchild\nafter\n"


def test_a_line_magic_shows_live(kernel: Kernel, gate: Gate) -> None:
    kernel.ok(f"{IMPORTS}\ndef work():\n    os.system('echo first')\n    {gate.wait}\n    return 5")
    _reply, _ = run_to_gate(
        kernel, gate, "value = %capture_fd --live -v logs work()", has_text("first")
    )
    assert kernel.value("(value, logs.text)") == (5, "first\n")


def test_a_live_capture_does_not_capture_itself(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd --live -v outer\nfrom ipyfdcapture import capture_fd\nprint('a')\n"
        "with capture_fd(live='iopub') as inner:\n    print('b')\nprint('c')"
    )
    assert reply.stream("stdout") == "a\nb\nc\n"
    assert kernel.value("(outer.text, inner.text)") == ("a\nc\n", "b\n")


def test_without_python_native_output_alone_is_captured_and_all_is_shown_once(
    kernel: Kernel,
) -> None:
    reply = kernel.ok(
        "%%capture_fd --live --no-python -v logs\nimport os\nprint('python')\n"
        "_ = os.write(1, b'native\\n')"
    )
    assert sorted(reply.stream("stdout").split()) == ["native", "python"]
    assert kernel.value("logs.text") == "native\n"


def test_appending_shows_what_is_new_alone(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('old')")
    file = tmp_path / "file"
    reply = kernel.ok(f"%%capture_fd --live --append --file {file} -v logs\nprint('new')")
    assert reply.stream("stdout") == "new\n"
    assert file.read_text() == "new\n"
    assert kernel.value("logs.text") == "old\nnew\n"


CELLS = {
    "everything": f"{IMPORTS}\nfor i in range(100):\n    print('p', i)\n"
    "    _ = os.write(1, b'raw\\n')\n    _ = ctypes.CDLL(None).printf(b'c\\n')\n"
    "os.system('echo child')\nprint('end', end='')",
    "partial lines": "import os\nfor i in range(200):\n    print(i, end=',')\n"
    "    if not i % 7:\n        display(i)\n        _ = os.write(1, b'|')",
    "binary": "import os\n_ = os.write(1, bytes(range(256)) * 100)",
    "a flood": "import os\nos.system('seq 300000')",
    "a bar": "for i in range(20000): print(f'\\r{i}', end='')",
}


@pytest.mark.parametrize("options", ["--live", "--tail 3", "--progress"])
@pytest.mark.parametrize("body", CELLS.values(), ids=CELLS.keys())
def test_shown_live_or_not_the_log_is_the_same(kernel: Kernel, body: str, options: str) -> None:
    kernel.ok(f"%%capture_fd -v plain\n{body}")
    kernel.ok(f"%%capture_fd {options} -v live\n{body}")
    kernel.ok("same = plain.raw == live.raw, plain.stderr == live.stderr, len(plain) == len(live)")
    assert kernel.value("same") == (True, True, True)


def test_live_cells_leave_nothing_behind(start_kernel: StartKernel, tmp_path: Path) -> None:
    kernel = start_kernel()
    cells = [
        "%%capture_fd --live -v logs\nprint('x'); display(1)\nimport os; os.system('seq 100000')",
        "%%capture_fd --tail 2 -v logs\nprint('x')",
        "%%capture_fd --progress -v logs\nprint('x')",
        f"%%capture_fd --file {tmp_path / 'file'} -v logs\nprint('x')",
        "%%capture_fd --live -v logs\n1/0",
    ]
    for cell in cells:
        kernel.run(cell)
    kernel.ok("del logs, _logs")
    kernel.leak_baseline()
    for _ in range(5):
        for cell in cells:
            kernel.run(cell)
    kernel.ok("del logs, _logs")
    # ZeroMQ gives each thread that sends a descriptor, and takes it back in its own time.
    assert [line for line in kernel.leaks() if not line.endswith("became None")] == []


def test_what_is_shown_of_a_stream_is_that_streams(tmp_path: Path) -> None:
    # The drain notes a source before it reads: while it finds nothing, it notes the next there.
    metadata = Metadata(sources=("stdout", "stderr"))
    recording, data, index = Recording.create(str(tmp_path), metadata)
    writer = RecordingWriter(recording.path, data, index, None)
    pipes = [os.pipe() for _ in range(2)]
    following = RecordingTail(recording)
    for read_end, _ in pipes:
        os.set_blocking(read_end, False)
    found = []
    for source in (1, 0, 1, 1, 0):
        assert writer.take(pipes[1 - source][0], 1 - source) is None
        found += following.read()
        os.write(pipes[source][1], b"%d" % source)
        assert writer.take(pipes[source][0], source) == 1
        assert writer.take(pipes[1 - source][0], 1 - source) is None
        found += following.read()
    assert [(chunk.source, chunk.data) for chunk in found] == [
        (source, b"%d" % source) for source in (1, 0, 1, 1, 0)
    ]
    following.close()
    writer.close()
    recording.close()
    for end in (end for pipe in pipes for end in pipe):
        os.close(end)


# -- late output ------------------------------------------------------------------------------


def test_late_output_is_shown_under_its_own_cell_unless_a_live_one_runs(
    kernel: Kernel, gate: Gate
) -> None:
    gates = [Gate(kernel.directory, f"gate{i}") for i in range(4)]
    steps = "; ".join(f"{gate.shell}; echo late {i}" for i, gate in enumerate(gates))
    first = kernel.ok(
        f"%%capture_fd --live -v late\nimport subprocess\nprint('started')\n"
        f"child = subprocess.Popen({steps + '; echo late error >&2'!r}, shell=True)"
    )
    assert first.stream("stdout") == "started\n"

    # Between cells; while a plain cell runs; while a captured one does; while a live one does.
    gates[0].open()
    found = kernel.until(has_text("late 0", first.msg_id))
    begun = Gate(kernel.directory, "begun")
    for number, line in [(1, ""), (2, "%%capture_fd -v o\n"), (3, "%%capture_fd --live -v o\n")]:
        msg_id = kernel.send(f"{line}print('mine')\n{begun.wait}\n{gate.wait}\nprint('mine too')")
        begun.open()  # it runs now
        gates[number].open()
        shown_under = msg_id if number == 3 else first.msg_id
        last = "late error" if number == 3 else f"late {number}"
        found += kernel.until(has_text(last, shown_under))
        gate.open()
        found += kernel.finish(msg_id).messages
        if number == 2:
            assert kernel.value("sorted(o)") == ["late 2", "mine", "mine too"]
    assert kernel.value("sorted(o)") == ["late 3", "late error", "mine", "mine too"]
    kernel.ok("child.wait(); late.wait()")
    found += kernel.until(lambda _: False, quiet=True)
    late = [
        (m["parent_header"]["msg_id"], m["content"]["name"], line)
        for m in found
        for line in m["content"].get("text", "").splitlines(keepends=True)
        if line.startswith("late ")
    ]
    assert late == [
        *((first.msg_id, "stdout", f"late {number}\n") for number in range(3)),
        (msg_id, "stdout", "late 3\n"),
        (msg_id, "stderr", "late error\n"),
    ]
    assert (
        kernel.value("late.text")
        == "started\n" + "".join(f"late {number}\n" for number in range(4)) + "late error\n"
    )


def test_an_unfinished_late_line_is_shown_when_its_writer_ends(kernel: Kernel, gate: Gate) -> None:
    first = kernel.ok(
        f"%%capture_fd --live -v late\nimport subprocess\n"
        f"child = subprocess.Popen({gate.shell + '; printf unfinished'!r}, shell=True)"
    )
    gate.open()
    kernel.until(has_text("unfinished", first.msg_id))


def test_a_late_flood_is_bounded_too(kernel: Kernel, gate: Gate) -> None:
    command = f"{gate.shell}; seq 1000000"
    kernel.ok(
        f"%%capture_fd --live -v late\nimport subprocess\n"
        f"child = subprocess.Popen({command!r}, shell=True)"
    )
    gate.open()
    messages = kernel.until(has_drawn("in all; "))
    texts = [m["content"]["text"] for m in messages if m["msg_type"] == "stream"]
    assert sum(map(len, texts)) < 1_100_000
    first, *_, last = drawn(messages)[-1].split("\n")
    assert re.fullmatch(
        r"… ([\d,]+ lines, )?6.89 MB in all; the rest is in late. The last lines:", first
    )
    assert last == "1000000"


def test_a_kernel_with_a_late_writer_ends_in_peace(start_kernel: StartKernel) -> None:
    kernel = start_kernel()
    gate = Gate(kernel.directory)
    kernel.ok(
        f"%%capture_fd --live -v late\nimport subprocess\nprint('x')\n"
        f"child = subprocess.Popen({gate.shell + '; echo late'!r}, shell=True,"
        " start_new_session=True)"
    )
    kernel.shutdown()
    gate.open()  # ipykernel ends the children of its own session alone
    assert "Traceback" not in kernel.terminal.read_text()
    assert "Exception" not in kernel.terminal.read_text()


# -- floods -----------------------------------------------------------------------------------

MAX_BYTES = 10_000
LAST_LINES = 20


@pytest.fixture
def small_limit(kernel: Kernel) -> Iterator[Kernel]:
    kernel.ok(f"%config CaptureFd.live_max_bytes = {MAX_BYTES}")
    kernel.ok(f"%config CaptureFd.live_max_lines = {MAX_BYTES}")
    yield kernel
    kernel.ok("%config CaptureFd.live_max_lines = 1_000")
    kernel.ok("%config CaptureFd.live_max_bytes = 1_000_000")


@pytest.fixture
def many_lines(kernel: Kernel) -> Iterator[None]:
    """Live output is bounded in bytes alone."""
    kernel.ok("%config CaptureFd.live_max_lines = 1_000_000_000")
    yield
    kernel.ok("%config CaptureFd.live_max_lines = 1_000")


def test_a_flood_of_lines_is_a_thousand_of_them(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd --live -v logs\nimport os\n_ = os.system('seq 100000')")
    start, states, end = flood_parts(reply)
    assert start == "".join(f"{i}\n" for i in range(1, 1001))
    assert re.fullmatch(
        "… (100,000 lines, )?589 kB in all; the rest is in logs. The last lines:", states[-1]
    )
    assert end == "".join(f"{i}\n" for i in range(99_981, 100_001))


@pytest.mark.usefixtures("many_lines")
def test_a_flood_costs_the_browser_a_megabyte(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd --live -v logs\nimport subprocess\n"
        "_ = subprocess.run('yes abcdefgh | head -c 90000000; echo the end', shell=True)"
    )
    start, states, end = flood_parts(reply)
    assert 900_000 < len(start) <= 1_000_000
    assert re.fullmatch(
        "… ([\\d,]+ lines, )?90 MB in all; the rest is in logs. The last lines:", states[-1]
    )
    assert all("so far; the rest is in logs" in state for state in states[:-1])
    assert end == "abcdefgh\n" * (LAST_LINES - 1) + "the end\n" or "Broken pipe" in end
    assert kernel.value("len(logs)") >= 10_000_001
    assert_rate(reply)


def assert_rate(reply: Reply) -> None:
    """At most ten messages a second; the end may need a few more at once."""
    # Once ipyparallel is imported, dates stay text.
    texts = [str(m["header"]["date"]).replace("Z", "+00:00") for m in outputs(reply)]
    dates = list(map(datetime.datetime.fromisoformat, texts))
    for i, start in enumerate(dates):
        second = [date for date in dates[i:] if (date - start).total_seconds() < 0.95]
        assert len(second) <= 14, f"{len(second)} messages within a second"


@pytest.mark.usefixtures("many_lines")
def test_many_small_writes_to_both_streams_are_few_messages(kernel: Kernel, gate: Gate) -> None:
    reply, _ = run_to_gate(
        kernel,
        gate,
        "%%capture_fd --live -v logs\nimport os, select\n"
        f"told = os.open({str(gate.path)!r}, os.O_RDONLY | os.O_NONBLOCK)\ni = 0\n"
        "while not select.select([told], [], [], 0.001)[0]:\n"
        "    _ = os.write(1, b'out %d\\n' % i), os.write(2, b'err %d\\n' % i)\n"
        "    i += 1\n"
        "os.close(told)",
        lambda messages: sum(message["msg_type"] == "stream" for message in messages) >= 15,
    )
    count = kernel.value("i")
    assert reply.stream("stdout") == "".join(f"out {i}\n" for i in range(count))
    assert reply.stream("stderr") == "".join(f"err {i}\n" for i in range(count))
    assert_rate(reply)


def test_up_to_the_limit_all_is_shown(small_limit: Kernel) -> None:
    line = "x" * 99
    reply = small_limit.ok(
        f"%%capture_fd --live -v logs\nfor _ in range({MAX_BYTES // 100}): print({line!r})"
    )
    assert reply.stream("stdout") == f"{line}\n" * (MAX_BYTES // 100)
    assert drawn(reply.own) == []


@pytest.mark.parametrize("extra", [1, 5, LAST_LINES, LAST_LINES + 5, 500])
def test_past_the_limit_no_line_is_shown_twice(small_limit: Kernel, extra: int) -> None:
    reply = small_limit.ok(
        f"%%capture_fd --live -v logs\nfor i in range({1000 + extra}): print(f'{{i:09}}')"
    )
    start, states, end = flood_parts(reply)
    numbers = [int(line) for line in start.splitlines()]
    assert numbers == list(range(1000))
    last = [int(line) for line in end.splitlines()]
    assert last == list(range(1000 + extra))[-min(LAST_LINES, extra) :]
    assert states[-1].startswith(f"… {1000 + extra:,} lines, ")


def test_what_is_shown_ends_on_whole_lines_and_characters(small_limit: Kernel) -> None:
    line = "\u20ac \N{SNAKE} h\xe9llo"
    reply = small_limit.ok(
        "%%capture_fd --live -v logs\nimport os\n"
        f"_ = os.write(1, {line + chr(10)!r}.encode() * 5000)"
    )
    start, _, end = flood_parts(reply)
    assert start == f"{line}\n" * start.count("\n")
    assert MAX_BYTES - 40 < len(start.encode()) <= MAX_BYTES
    assert end == f"{line}\n" * LAST_LINES


def test_a_line_that_never_ends_is_cut_between_characters_and_sequences(
    small_limit: Kernel,
) -> None:
    reply = small_limit.ok(
        "%%capture_fd --live -v logs\nimport os\n"
        "_ = os.write(1, '\\x1b[38;5;196m\\u20ac\\x1b[0m'.encode() * 100_000)"
    )
    start, _, end = flood_parts(reply)
    assert re.fullmatch("(\x1b\\[38;5;196m\u20ac\x1b\\[0m)*(\x1b\\[38;5;196m)?\u20ac?", start)
    assert re.fullmatch("\x1b\\[38;2;255;0;0m\u20ac+…?\x1b\\[0m\n", end)
    assert "\ufffd" not in start + end


def test_characters_that_come_in_pieces_are_shown_whole(kernel: Kernel, gate: Gate) -> None:
    reply, early = run_to_gate(
        kernel,
        gate,
        "%%capture_fd --live -v logs\nimport os\n_ = os.write(1, b'start \\xe2\\x82')\n"
        f"{gate.wait}\n_ = os.write(1, b'\\xac\\x1b[3')\ndisplay(1)\n_ = os.write(1, b'1mred')",
        has_text("start"),
    )
    assert sequence(early)[-1] == ("stdout", "start ")
    assert sequence(reply.own) == [
        ("stdout", "start \u20ac"),
        ("display_data", "1"),
        ("stdout", "\x1b[31mred"),
    ]


def test_half_a_character_at_the_end_is_shown_as_such(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd --live -v logs\nimport os\n_ = os.write(1, b'x\\xe2\\x82')")
    assert reply.stream("stdout") == "x\ufffd" == kernel.value("logs.text")


@pytest.mark.usefixtures("many_lines")
def test_a_flood_while_the_gil_is_held_is_bounded(kernel: Kernel, native: Native) -> None:
    module = Path(native.extension("heldgil"))
    kernel.ok(f"import sys; sys.path.insert(0, {str(module.parent)!r})")
    reply = kernel.ok(
        "%%capture_fd --live -v logs\nimport heldgil\nheldgil.write(1, b'1' * 99 + b'\\n', 10**6)"
    )
    start, states, end = flood_parts(reply)
    assert len(start) == 1_000_000
    assert re.match("… (1,000,000 lines, )?100 MB in all", states[-1])
    assert end == ("1" * 99 + "\n") * LAST_LINES
    assert kernel.value("logs.nbytes") == 100_000_000


def test_a_flood_without_a_line_end_is_bounded(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd --live -v logs\nimport subprocess\n"
        "_ = subprocess.run('head -c 50000000 /dev/zero | tr \"\\\\0\" 1', shell=True)"
    )
    start, states, end = flood_parts(reply)
    assert start == "1" * 1_000_000
    assert re.match("… (1 line, )?50 MB in all", states[-1])
    assert re.fullmatch("1{499}…\n", end)


# -- bars -------------------------------------------------------------------------------------


def test_a_bar_that_is_redrawn_very_often_is_few_messages(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd --live -v logs\nfor i in range(100_000): print(f'\\r{i:6}', end='')\nprint()"
    )
    assert reply.stream("stdout").endswith("\r 99999\n")
    assert len(reply.stream("stdout")) < 5000
    assert_rate(reply)
    assert kernel.value("len(logs.raw)") == 700_001


def test_tqdm_animates(kernel: Kernel, gate: Gate) -> None:
    pytest.importorskip("tqdm")
    kernel.ok("from tqdm import tqdm")
    reply, early = run_to_gate(
        kernel,
        gate,
        "%%capture_fd --live -v logs\nfor i in tqdm(range(4), mininterval=0):\n"
        f"    if i == 2: {gate.wait}",
        has_text("50%"),
    )
    assert "100%" not in "".join(text for _, text in sequence(early))
    assert "100%" in reply.stream("stderr")


class Screen:
    """What a terminal shows of text, colour included: the least that bars need."""

    _PART = re.compile(r"\x1b\[([\d;]*)([mK])|(.)", re.S)

    def __init__(self, text: str) -> None:
        self.rows: list[list[tuple[str, str]]] = [[]]
        column, colour = 0, ""
        for found in self._PART.finditer(text):
            number, command, character = found.groups()
            row = self.rows[-1]
            if command == "m":
                colour = "" if number in ("", "0") else colour + number + ";"
            elif command == "K":
                del row[column:]
            elif character == "\r":
                column = 0
            elif character == "\n":
                self.rows.append([])
                column = 0
            else:
                row.extend([(" ", "")] * (column - len(row)))
                row[column : column + 1] = [(character, colour)]
                column += 1


PARTS = st.sampled_from(
    ["\r", "\r", "\r", "\n", "a", "bc", "def", "ghijk", "\x1b[K", "\x1b[31m", "\x1b[1m", "\x1b[0m"]
)


@given(st.lists(PARTS, max_size=40).map("".join))
def test_leaving_out_what_is_drawn_over_changes_nothing_that_is_seen(text: str) -> None:
    collapsed = collapse_redraws(text)
    assert Screen(collapsed).rows == Screen(text).rows
    assert len(collapsed) <= len(text)


@given(st.lists(PARTS, max_size=20).map("".join), st.lists(PARTS, max_size=20).map("".join))
def test_nor_does_it_for_what_follows(before: str, after: str) -> None:
    assert Screen(collapse_redraws(before) + after).rows == Screen(before + after).rows


def test_what_moves_the_cursor_is_not_left_out() -> None:
    text = "\router 1\n\rinner 1\x1b[A\router 2\n\rinner 2\x1b[A\router 3"
    assert collapse_redraws(text) == text


@given(
    st.lists(st.sampled_from(["a", "\u20ac", "\N{SNAKE}", "\n", "\x1b[31m", "\x1b]0;t\x07"])),
    st.lists(st.integers(1, 5)),
)
def test_text_in_pieces_is_the_text(parts: list[str], sizes: list[int]) -> None:
    data = "".join(parts).encode()
    pieces = SourceTexts(make_log([(0, b"")]).recording)
    found, position = [], 0
    for size in sizes:
        found.append(pieces.take(0, data[position : position + size]))
        position += size
    found += [pieces.take(0, data[position:]), *pieces.finish().values()]
    assert "".join(found) == "".join(parts)
    for piece in found[:-1]:
        assert re.fullmatch("([^\x1b]|\x1b\\[31m|\x1b\\]0;t\x07)*", piece)


# -- the last lines, one line ------------------------------------------------------------------


def test_tail_shows_the_last_lines_in_place_and_folds(kernel: Kernel, gate: Gate) -> None:
    reply, _early = run_to_gate(
        kernel,
        gate,
        f"%%capture_fd --tail 3 -v logs\n{IMPORTS}\nfor i in range(9): print(i)\n"
        f"print('e', file=sys.stderr)\n{gate.wait}\n_ = os.system('echo child')",
        has_drawn("^7\n8\ne$"),
    )
    states = drawn(reply.own)
    assert all(len(state.splitlines()) <= 3 for state in states)
    assert re.fullmatch(r"child\nfinished in \d+\.\d s: 11 lines, 26 B, all in logs", states[-1])
    # The final state is a new display, in the place of the one that was updated until then.
    kinds = [m["msg_type"] for m in outputs(reply)]
    assert kinds == ["display_data", *["update_display_data"] * (len(kinds) - 2), "display_data"]
    assert outputs(reply)[-2]["content"]["data"] == {}
    ids = [m["content"]["transient"]["display_id"] for m in outputs(reply)]
    assert len(set(ids[:-1])) == 1 and len(set(ids)) == 2
    assert kernel.value("len(logs)") == 11


def test_tail_keeps_the_colours_and_progress_shows_none(kernel: Kernel) -> None:
    code = "print('\\x1b[31mred\\x1b[0m line')\nraise ValueError"
    reply = kernel.run(f"%%capture_fd --tail 3 logs\n{code}")
    assert drawn(reply.own)[-1].startswith("\x1b[31mred\x1b[0m line\nfailed after")
    reply = kernel.run(f"%%capture_fd --progress logs\n{code}")
    # Of a failure the last lines stay, as text and as HTML.
    (data,) = (data for data in reply.displays if "failed" in data.get("text/plain", ""))
    assert data["text/plain"].startswith("\x1b[31mred\x1b[0m line\nfailed after")
    assert ">red line\nfailed after" in data["text/html"]
    reply = kernel.run(f"%%capture_fd --progress logs\n{code.partition('raise')[0]}")
    assert re.fullmatch(r"finished in .* · all in logs · red line", drawn(reply.own)[-1])


def test_progress_is_one_line_in_place(kernel: Kernel, gate: Gate) -> None:
    reply, _early = run_to_gate(
        kernel,
        gate,
        f"%%capture_fd --progress -v logs\nfor i in range(9): print('step', i)\n{gate.wait}\n"
        "print('done')",
        has_drawn("step 8"),
    )
    states = drawn(reply.own)
    line = r"\d+\.\d s · (\d+) lines? · \d+ B · .*B/s( · .*)?"
    assert all(re.fullmatch(line, state) for state in states[:-1])
    final = r"finished in \d+\.\d s · 10 lines · \d+ B · all in logs · done"
    assert re.fullmatch(final, states[-1])
    assert reply.of_type("stream") == []


@pytest.mark.parametrize("option", ["--tail 2", "--progress"])
def test_a_bar_without_a_line_end_is_seen(kernel: Kernel, gate: Gate, option: str) -> None:
    reply, _ = run_to_gate(
        kernel,
        gate,
        f"%%capture_fd {option} -v logs\nprint('\\r10%\\r20%', end='')\n"
        "print('\\r30%', end='\\r')\n"
        f"{gate.wait}",
        has_drawn(r"\b30%$"),
    )
    assert "10%" not in drawn(reply.own)[0]
    assert "1 line" in drawn(reply.own)[-1]


@pytest.mark.parametrize(
    ("option", "red"), [("--tail 2", "\x1b[31mred\x1b[0m"), ("--progress", "red")]
)
def test_the_last_lines_are_text_and_colours_alone(
    kernel: Kernel, gate: Gate, option: str, red: str
) -> None:
    reply, _ = run_to_gate(
        kernel,
        gate,
        f"%%capture_fd {option} -v logs\n"
        f"print('\\x1b[31mred\\x1b[0m <b>bold</b>\\x07\\x1b]0;title\\x07')\n{gate.wait}",
        has_drawn(rf"{re.escape(red)} <b>bold</b>\\x07$"),
    )
    for data in reply.displays:
        # Progress is markup, in which nothing of the text is: it takes one row at any width.
        markup = data.pop("text/html", "<pre></pre>") if option == "--progress" else ""
        assert "<b>" not in markup and markup.count("<") in (0, 2) and "\x1b" not in markup
        assert list(data) == ["text/plain"]
    assert not any("title" in state for state in drawn(reply.own))
    assert not any("\x1b" in state.replace(red, "") for state in drawn(reply.own))


@pytest.mark.parametrize("option", ["--tail 2", "--progress"])
def test_a_flood_is_counted(kernel: Kernel, option: str) -> None:
    reply = kernel.ok(
        f"%%capture_fd {option} -v logs\nimport subprocess\n"
        "_ = subprocess.run('seq 5000000; head -c 20000000 /dev/zero', shell=True)"
    )
    assert re.search(r"s(: | · )(5,000,001 lines(,| ·) )?58\.9 MB", drawn(reply.own)[-1])
    assert_rate(reply)


@pytest.mark.parametrize("option", ["--tail 2", "--progress"])
def test_displays_and_results_stand_beside_the_view(kernel: Kernel, option: str) -> None:
    reply = kernel.run(f"%%capture_fd {option} -v logs\nprint('a')\ndisplay('d')\n'r'")
    # The view is updated as soon as that is due, on a busy machine between these.
    kinds = [m["msg_type"] for m in outputs(reply) if m["msg_type"] != "update_display_data"]
    assert kinds[:3] == ["display_data", "display_data", "execute_result"]
    assert reply.result == "'r'"


def test_a_view_takes_late_output_and_then_rests(kernel: Kernel, gate: Gate) -> None:
    command = f"{gate.shell}; echo late; echo later"
    kernel.ok(
        f"%%capture_fd --progress -v logs\nimport subprocess\n"
        f"child = subprocess.Popen({command!r}, shell=True)"
    )
    # The time of the cell has ended: a child that says nothing costs no messages.
    quiet = kernel.until(lambda _: False, quiet=True)
    assert drawn(quiet) == []
    gate.open()
    kernel.until(has_drawn("2 lines .* later$"))


@pytest.mark.ipython
def test_executing_a_notebook_keeps_the_final_state(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [
        "%load_ext ipyfdcapture",
        "%%capture_fd --tail 2 -v logs\nimport os\nos.system('seq 9');",
        "%%capture_fd --progress -v logs\nos.system('seq 9');",
        "%%capture_fd --live -v logs\nos.system('seq 400000');",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(
        notebook, timeout=LIMIT_S, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    tail, progress, flood = (cell.outputs for cell in notebook.cells[1:])
    for shown in (tail, progress, flood):
        assert [o.data for o in shown if "data" in o][:-1] in ([], [{}])
    tail, progress, flood = (
        [o for o in each if o.get("data") != {}] for each in (tail, progress, flood)
    )
    assert [o.output_type for o in tail] == ["display_data"]
    assert re.fullmatch(
        r"9\nfinished in .* s: 9 lines, 18 B, all in logs", tail[0].data["text/plain"]
    )
    assert [o.output_type for o in progress] == ["display_data"]
    assert re.search(r"9 lines · 18 B · all in logs · 9$", progress[0].data["text/plain"])
    assert [o.output_type for o in flood] == ["stream", "display_data"]
    assert re.match("… (400,000 lines, )?2.69 MB in all; ", flood[1].data["text/plain"])
    assert flood[1].data["text/plain"].endswith("\n400000")


# -- files --------------------------------------------------------------------------------------


def test_a_file_is_appended_to_as_it_comes(kernel: Kernel, gate: Gate, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_bytes(b"before\n")
    msg_id = kernel.send(
        f"%%capture_fd --file {file} -v logs\nimport os\nprint('h\\xe9llo')\n"
        f"_ = os.write(2, b'\\xff')\n{gate.wait}\nprint('end')"
    )
    eventually(lambda: file.read_bytes() == b"before\nh\xc3\xa9llo\n\xff", "the first bytes")
    gate.open()
    reply = kernel.finish(msg_id)
    assert reply.status == "ok" and outputs(reply) == []
    assert file.read_bytes() == b"before\nh\xc3\xa9llo\n\xffend\n"


def test_a_file_name_with_spaces_and_a_home_works(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "a name.txt"
    kernel.ok(f'%%capture_fd --file "{file}" -v logs\nprint(1)')
    assert file.read_text() == "1\n"


BAD = {
    "tail of no number": ("--tail=x", "--tail x"),
    "tail of nothing": ("--tail 0", "--tail 0"),
    "tail without a number, and live": ("--tail --live", "exclude each other"),
    "live and tail": ("--live --tail 5", "exclude each other"),
    "live and progress": ("--live --progress", "exclude each other"),
    "tail and progress": ("--tail 2 --progress", "exclude each other"),
    "a file in no directory": ("--file /no/such/dir/x", "/no/such/dir/x: No such file"),
    "a directory as file": ("--file /tmp", "/tmp: Is a directory"),
    "a pipe that nobody reads": ("--file PIPE", "PIPE: No such device or address"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_the_cell_does_not_run(
    kernel: Kernel, tmp_path: Path, options: str, said: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reply = kernel.run(f"%%capture_fd {options.replace('PIPE', str(pipe))}\nran = 1")
    assert reply.status == "error" and reply.error[0] == "UsageError"
    text = "".join(message["text"] for message in reply.of_type("stream"))
    assert len(text.strip().splitlines()) == 1
    assert said.replace("PIPE", str(pipe)) in text
    assert kernel.value("'ran' in globals()") is False
    assert "again" in kernel.ok("print('again')").stream("stdout")


def test_what_comes_after_a_pause_is_shown_at_once_whoever_empties_the_pipes(
    script: Script,
) -> None:
    name = "live/what_comes_after_a_pause_is_shown_at_once_whoever_empties_the_pipes"
    assert script(name) == "shown\n"


# -- in Python: functions, streams, loggers -----------------------------------------------------


@pytest.fixture(scope="class")
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the process makes once, at first use, is there."""
    tmp_path_factory.getbasetemp()
    with capture_fd():
        pass


@pytest.mark.usefixtures("warm", "no_leaks")
class TestInPython:
    def test_a_function_gets_each_line_as_it_comes(self) -> None:
        lines: list[Line] = []
        came = threading.Event()

        def on_line(line: Line) -> None:
            lines.append(line)
            came.set()

        with capture_fd(on_line=on_line) as logs:
            os.write(1, b"first\n")
            assert came.wait(LIMIT_S)
            os.write(2, b"second\r\nunfinished")
        assert [(line, line.source) for line in lines] == [
            ("first", "stdout"),
            ("second", "stderr"),
            ("unfinished", "stderr"),
        ]
        assert [str(line) for line in logs] == ["first", "second", "unfinished"]

    @pytest.mark.parametrize("make", [io.StringIO, io.BytesIO])
    def test_a_stream_gets_the_text_or_the_bytes(self, make: Callable[[], Any]) -> None:
        stream = make()
        with capture_fd(live=stream) as logs:
            os.write(1, "h\u20acllo".encode()[:2])
            os.write(1, "h\u20acllo".encode()[2:])
        assert stream.getvalue() == (logs.text if make is io.StringIO else logs.raw)
        assert not stream.closed

    @pytest.mark.parametrize("option", ["live", "on_line", "file"])
    def test_a_log_that_was_shown_goes_with_the_last_reference(
        self, option: str, tmp_path: Path
    ) -> None:
        options: dict[str, Any] = {
            "live": io.StringIO(),
            "on_line": lambda line: None,
            "file": tmp_path / "file",
        }
        gc.collect()
        gc.disable()  # no circle keeps it until somebody collects those
        try:
            with capture_fd(**{option: options[option]}) as logs:
                print("x")
            recording = weakref.ref(logs.recording)
            del logs
            eventually(lambda: recording() is None, "the recording is gone")
        finally:
            gc.enable()

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "UTF_7", "gb18030", "latin9"])
    def test_what_python_writes_in_an_encoding_is_read_in_it(self, encoding: str) -> None:
        stream = io.StringIO()
        with capture_fd(encoding=encoding, live=stream) as logs:
            print("h\u20acllo\nwörld")
            print("two")
        assert logs.text == logs.stdout == stream.getvalue() == "h\u20acllo\nwörld\ntwo\n"
        assert [str(line) for line in logs] == logs.text.splitlines()
        assert [str(line) for line in logs.grep("wörld")] == ["wörld"]

    @pytest.mark.parametrize("interval", [3600, float("inf")])
    def test_the_end_does_not_wait_for_the_next_look(self, interval: float) -> None:
        stream = io.StringIO()
        with capture_fd(live=stream, live_interval=interval):
            os.write(1, b"x\n")
        assert stream.getvalue() == "x\n"
        assert not live_threads()

    @pytest.mark.parametrize("drain", ["process", "thread"])
    def test_what_comes_after_a_pause_is_shown_at_once_and_the_rest_at_the_next_look(
        self, drain: str
    ) -> None:
        stream = io.StringIO()
        with capture_fd(live=stream, live_interval=3600, drain=drain) as logs:
            os.write(1, b"first\n")
            eventually(lambda: stream.getvalue() == "first\n", "the first line")
            os.write(1, b"second\n")
            assert logs.text == "first\nsecond\n"
            assert stream.getvalue() == "first\n"
        assert stream.getvalue() == logs.text
        assert not live_threads()

    @pytest.mark.parametrize("mode", ["w", "wb"])
    def test_an_open_file_is_flushed_and_left_open(self, tmp_path: Path, mode: str) -> None:
        with open(tmp_path / "file", mode) as file:
            with capture_fd(live=file):
                os.write(1, b"x\n")
            assert (tmp_path / "file").read_text() == "x\n"
            assert not file.closed
        (tmp_path / "file").unlink()

    @pytest.mark.parametrize("mode", ["w", "wb"])
    def test_an_open_file_has_late_output_to_its_last_byte(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "file"
        encoding = None if "b" in mode else "utf-8"
        with open(path, mode, encoding=encoding) as file:
            with capture_fd(live=file) as logs:
                child = waiting_child(r"printf 'late\\303'")
            child.communicate(b"\n")
            assert logs.wait(LIMIT_S)
            expected = logs.raw if "b" in mode else logs.text.encode()
            eventually(lambda: path.read_bytes() == expected, "the late output")

    def test_a_stream_may_be_closed_when_no_more_is_to_come(self) -> None:
        stream = io.StringIO()
        with told() as news:
            with capture_fd(live=stream) as logs:
                os.write(1, b"x\n")
                child = waiting_child("exit")
            assert stream.getvalue() == "x\n"
            stream.close()
            child.communicate(b"\n")
            assert logs.wait(LIMIT_S)
            eventually(lambda: not live_threads(), "the end of the live view")
        assert news == []

    def test_a_stream_that_cannot_be_flushed_is_written_to(self) -> None:
        class Writer:
            def __init__(self) -> None:
                self.text = ""

            def write(self, text: str) -> None:
                self.text += text

        writer = Writer()
        with told() as news, capture_fd(live=writer):
            os.write(1, b"x\n")
        assert (writer.text, news) == ("x\n", [])

    def test_a_logger_gets_a_record_a_line(self) -> None:
        records: list[logging.LogRecord] = []
        logger = logging.Logger("native")
        handler = logging.Handler()
        handler.emit = records.append  # type: ignore[method-assign]
        logger.addHandler(handler)
        with capture_fd(live=logger):
            os.write(1, b"100% out\n")
            os.write(2, b"err\n")
        assert sorted((r.levelname, r.getMessage(), r.source) for r in records) == [  # type: ignore[attr-defined]
            ("INFO", "100% out", "stdout"),
            ("WARNING", "err", "stderr"),
        ]

    @pytest.mark.parametrize("live", ["nope", 3, object(), b"iopub"])
    def test_what_is_no_target_is_refused(self, live: Any) -> None:
        with pytest.raises(ValueError, match="live must be"):
            capture_fd(live=live)

    @pytest.mark.ipython
    def test_the_notebook_is_refused_where_there_is_none(self) -> None:
        with pytest.raises(ValueError, match="needs a Jupyter kernel"):
            capture_fd(live="iopub")

    def test_a_file_that_cannot_be_opened_is_refused_with_everything_as_it_was(self) -> None:
        with (
            pytest.raises(CaptureError, match="/no/such/x: No such file"),
            capture_fd(file="/no/such/x", live=io.StringIO()),
        ):
            pass

    def test_a_failing_function_is_told_of_once_and_goes_on(self) -> None:
        lines = []

        def fail(line: Line) -> None:
            lines.append(line)
            raise ValueError("no")

        with told() as news, capture_fd(on_line=fail) as logs:
            os.write(1, b"1\n2\n3\n")
        assert lines == ["1", "2", "3"] == list(logs)
        assert len(news) == 1 and "on_line failed: ValueError: no" in news[0]

    def test_a_failing_stream_is_told_of_once(self) -> None:
        class Broken(io.StringIO):
            def write(self, text: str) -> int:
                raise OSError(28, "disk full")

        with told() as news, capture_fd(live=Broken()) as logs:
            for _ in range(3):
                os.write(1, b"x\n")
        assert len(news) == 1 and "disk full" in news[0]
        assert logs.text == "x\n" * 3

    def test_a_blocking_target_holds_up_neither_writer_nor_log_and_is_told_of_once(self) -> None:
        release = threading.Event()
        begun = threading.Event()

        def block(line: Line) -> None:
            begun.set()
            release.wait(LIMIT_S)

        with told() as news, capture_fd(on_line=block) as logs:
            os.write(1, b"x\n")
            assert begun.wait(LIMIT_S)
            for _ in range(10):
                os.write(1, b"y" * 999_999 + b"\n")
        assert len(news) == 1 and "does not take what it is given" in news[0]
        assert logs.nbytes == 2 + 10_000_000
        release.set()

    def test_a_place_that_fails_is_let_go_of(self, tmp_path: Path) -> None:
        full = Redirection(1, os.open("/dev/full", os.O_WRONLY))
        try:
            with told() as news, capture_fd(live="terminal", file="/dev/full"):
                os.write(1, b"x\n")
        finally:
            full.undo()
        assert len(news) == 2

    def test_a_place_that_does_not_block_gets_everything_as_it_takes_it(
        self, python: Python
    ) -> None:
        code = """
            import os, subprocess
            from ipyfdcapture import capture_fd
            read_end, write_end = os.pipe()
            os.set_blocking(write_end, False)
            reader = subprocess.Popen(["sh", "-c", "sleep 0.3; wc -c"], stdin=read_end)
            os.dup2(write_end, 1)
            with capture_fd(live="terminal", stderr=False):
                os.write(1, b"x" * 3_000_000)
            os.close(1)
            os.close(write_end)
            reader.wait()
        """
        assert int(python(code)) == 3_000_000

    def test_a_slow_function_that_goes_on_gets_every_line(self) -> None:
        # Altogether longer than a target that makes no progress is waited for.
        lines = []

        def slow(line: Line) -> None:
            threading.Event().wait(0.1)
            lines.append(line)

        with told() as news, capture_fd(on_line=slow):
            os.write(1, b"".join(b"%d\n" % i for i in range(30)))
        assert lines == [str(i) for i in range(30)]
        assert news == []

    def test_a_function_that_prints_is_not_captured_even_where_a_line_is_unfinished(
        self, tmp_path: Path
    ) -> None:
        lines = []
        came = threading.Event()

        def on_line(line: Line) -> None:
            print("mine", flush=True)
            lines.append(line)
            came.set()

        with capture_fd(on_line=on_line) as logs:
            print("unfinished", end="")
            os.write(1, b"...\n")
            assert came.wait(LIMIT_S)
            print("more", end="")
        assert logs.text == "unfinished...\nmore"
        assert lines == ["unfinished...", "more"]

    def test_text_that_waits_for_its_line_end_is_kept_when_a_view_looks(self) -> None:
        stream = io.StringIO()
        with capture_fd(live=stream) as logs:
            print("unfinished", end="")
            eventually(lambda: stream.getvalue() == "unfinished", "the unfinished line")
        assert logs.text == "unfinished"

    def test_a_child_that_never_stops_writing_does_not_keep_the_capture_from_ending(self) -> None:
        count = []
        with capture_fd(on_line=lambda line: count.append(len(line))) as logs:
            child = subprocess.Popen(["yes", "x" * 10_000])
            eventually(lambda: len(count) > 1000, "a flood")
        child.kill()
        child.wait()
        logs.wait(LIMIT_S)
        eventually(lambda: sum(count) + len(count) >= logs.nbytes, "all lines")
        # The line that was unfinished when the capture ended is given as two.
        at = next((i for i, length in enumerate(count) if length != 10_000), len(count))
        assert set(count[:at] + count[at + 2 : -1]) <= {10_000}

    def test_a_line_that_never_ends_does_not_fill_memory(self) -> None:
        lengths = []
        with capture_fd(on_line=lambda line: lengths.append(len(line))) as logs:
            subprocess.run("head -c 20000000 /dev/zero", shell=True, check=True)
        assert sum(lengths) == 20_000_000 == logs.nbytes
        assert max(lengths) <= 1 << 20

    @pytest.mark.parametrize("moment", ["__init__", "undo"])
    def test_a_thread_keeps_its_capture_while_one_of_another_begins_or_ends(
        self, moment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = threading.get_ident()
        between, printed = threading.Event(), threading.Event()
        usual = getattr(Redirection, moment)

        def with_a_pause(self: Redirection, *args: Any) -> None:
            # Between what is done to the streams and to the descriptor.
            if moment == "__init__":
                usual(self, *args)
            if threading.get_ident() != here and (args or (self.fd,))[0] == 1:
                between.set()
                assert printed.wait(LIMIT_S)
            if moment == "undo":
                usual(self, *args)

        two = []

        def other() -> None:
            with capture_fd() as logs:
                print("the other thread")
            two.append(logs)

        with capture_fd() as one:
            monkeypatch.setattr(Redirection, moment, with_a_pause)
            thread = threading.Thread(target=other)
            thread.start()
            assert between.wait(LIMIT_S)
            print("this thread")
            printed.set()
            thread.join(LIMIT_S)
            print("still this thread")
        assert one.text == "this thread\nstill this thread\n"
        assert two.pop().text == "the other thread\n"

    def test_what_a_limit_dropped_before_it_was_given_is_told(self) -> None:
        release = threading.Event()
        lines = []

        def on_line(line: Line) -> None:
            lines.append(line)
            release.wait(LIMIT_S)

        with told() as news, capture_fd(on_line=on_line, max_bytes=10_000) as logs:
            os.write(1, b"x\n")
            eventually(lambda: lines, "the first line")
            for _ in range(1000):
                os.write(1, b"y" * 9_999 + b"\n")
            assert logs.nbytes <= 20_000
            release.set()
        assert any("missed" in each and "max_bytes" in each for each in news), news


def live_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "live" in each.name]


def waiting_child(command: str) -> subprocess.Popen[bytes]:
    """Start a shell that runs a command once it is given a line."""
    return subprocess.Popen(f"read line; {command}", shell=True, stdin=subprocess.PIPE)


@contextlib.contextmanager
def told() -> Iterator[list[str]]:
    """Collect what is told as warnings."""
    news: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield news
    news += [str(each.message) for each in caught]


def test_an_interrupt_ends_the_waiting_for_a_slow_target(script: Script) -> None:
    shown = script("live/an_interrupt_ends_the_waiting_for_a_slow_target")
    assert shown == "interrupted 100000\n"


def test_each_capture_tells_what_went_wrong(script: Script) -> None:
    """By default, Python shows a warning of one text once for each line of code."""
    assert script("live/each_capture_tells_what_went_wrong") == "end\n"


def test_a_thread_that_dies_as_it_begins_is_told_of(script: Script) -> None:
    assert script("live/a_thread_that_dies_as_it_begins_is_told_of") == "end\n"


def test_a_late_warning_that_is_an_error_leaves_nothing_behind(script: Script) -> None:
    assert script("live/a_late_warning_that_is_an_error_leaves_nothing_behind") == "end\n"


def test_a_forked_child_does_not_wait_for_a_lock_of_the_thread(script: Script) -> None:
    name = "live/a_forked_child_does_not_wait_for_a_lock_of_the_thread"
    assert script(name) == "child\nend\n"


def test_in_plain_python_live_goes_where_the_descriptors_led(script: Script) -> None:
    shown = script("live/in_plain_python_live_goes_where_the_descriptors_led")
    assert shown == "python\nraw\nchild\n17\n" * 3


def test_a_display_does_not_wait_for_a_function(kernel: Kernel, gate: Gate) -> None:
    kernel.ok(
        "from ipyfdcapture import capture_fd\nimport threading\nheld = threading.Event()\n"
        "def block(line): held.wait(60)"
    )
    reply = kernel.ok(
        "with capture_fd(on_line=block) as logs:\n    print('x')\n"
        "    for i in range(3): display(i)\n    held.set()"
    )
    assert [d["text/plain"] for d in reply.displays] == ["0", "1", "2"]
    assert "does not take" not in reply.stream("stderr")


# -- in the terminal ----------------------------------------------------------------------------


def test_the_terminal_shows_output_as_it_comes(terminal: Terminal, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    terminal.send(
        f"%%capture_fd --live -v logs\nimport os\n_ = os.system('echo first')\n{gate.wait}\n"
        "print('second')\n6 * 7"
    )
    terminal.expect("first")
    gate.open()
    shown = terminal.finish()
    assert re.search(r"second\s+Out\[\d+\]: 42", shown), shown
    assert terminal.value("logs.text") == repr("first\nsecond\n")


def test_a_flood_in_the_terminal_is_bounded_as_in_a_notebook(terminal: Terminal) -> None:
    shown = terminal.run("%%capture_fd --live -v logs\nfor i in range(5000): print('line', i)")
    counted = (
        "line 999\n(… .* so far; .*\n)*… 5,000 lines, 48.9 kB in all; the rest is in logs. The last"
    )
    assert re.search(counted, shown.replace("\r", ""))
    assert shown.rstrip().endswith("line 4998\nline 4999")
    assert len(re.findall(r"line \d+\n", shown)) <= 1021
    assert terminal.value("len(logs)") == "5000"


def test_in_the_terminal_a_bar_may_move_for_long(fresh_terminal: Terminal) -> None:
    """What is drawn over is no flood: within a line, and of several lines."""
    terminal = fresh_terminal
    terminal.run("%config CaptureFd.live_max_bytes = 1000")
    terminal.run("%config CaptureFd.live_max_lines = 20")
    shown = terminal.run(
        "%%capture_fd --live -v logs\n"
        "for i in range(3000): print(f'\\r{i}', end='')\n"
        "print()\n"
        "for i in range(300): print(f'\\x1b[1A\\x1b[2K{i} of several')\n"
        "print('the end')"
    )
    assert "in all" not in shown and shown.rstrip().endswith("299 of several\nthe end")


def test_the_terminal_shows_the_last_lines_and_folds_them(
    terminal: Terminal, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    terminal.send(
        f"%%capture_fd --tail 2 -v logs\nfor i in range(8): print('line', i)\n"
        f"print('\\x1b[32mline 8\\x1b[0m')\n{gate.wait}"
    )
    terminal.expect(r"\x1b\[32mline 8\x1b\[0m")
    gate.open()
    shown = terminal.finish()
    assert re.search(r"line 8\s+finished in \d+\.\d s: 9 lines, 72 B, all in logs", shown), shown
    assert "line 0" not in shown


def test_a_view_in_the_terminal_leaves_no_descriptor_behind(fresh_terminal: Terminal) -> None:
    terminal = fresh_terminal
    terminal.run("%%capture_fd --tail 2 logs\nprint('warm')")
    terminal.run("del logs, _logs")
    terminal.run("import helpers.leaks as leaks")
    terminal.run("before = leaks.snapshot()")
    terminal.run("before = leaks.snapshot()")
    for option in ("--tail 2", "--progress"):
        for line in ("print('x')", "1/0"):
            terminal.run(f"%%capture_fd {option} logs\n{line}")
    terminal.run("del logs, _logs")
    terminal.run("left = leaks.settled_difference(before)")
    assert terminal.value("left") == "[]"


def test_the_terminal_shows_progress(terminal: Terminal, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    terminal.send(f"%%capture_fd --progress -v logs\nprint('step 1')\n{gate.wait}\nprint('step 2')")
    terminal.expect("step 1")
    gate.open()
    assert re.search(r"s · 2 lines · 14 B · all in logs · step 2", terminal.finish())


@pytest.mark.parametrize("option", ["--tail 3", "--progress"])
def test_in_the_terminal_a_traceback_and_the_last_lines_are_both_there(
    terminal: Terminal, option: str
) -> None:
    screen = terminal.run(
        f"%%capture_fd {option} -v logs\nfor i in range(30): print('line', i)\n"
        "raise RuntimeError('no convergence')"
    ).replace("\r", "")
    # A line of progress may stand there for a moment, until the lines are drawn over it.
    kept = r"(\d.* s · .*\n)*(line \d+\n)*line 28\nline 29\nfailed after"
    assert re.search(r"RuntimeError: no convergence\s+" + kept, screen)


@pytest.mark.ipython
def test_where_nothing_can_be_redrawn_the_end_state_is_printed_once(python: Python) -> None:
    shown = python(
        """
        import os
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "ipyfdcapture")
        for option in ("--tail 2", "--progress"):
            shell.run_cell(f"%%capture_fd {option} -v logs\\nfor i in range(9): print(i)")
        """
    )
    last, first, second = plain(shown).splitlines()
    assert last == "8"
    assert re.fullmatch(r"finished in 0\.\d s: 9 lines, 18 B, all in logs", first)
    assert re.fullmatch(r"finished in 0\.\d s · 9 lines · 18 B · all in logs · 8", second)


def test_signals_do_not_end_a_live_view(kernel: Kernel, gate: Gate) -> None:
    msg_id = kernel.send(
        "%%capture_fd --live -v logs\nprint('first')\nimport threading\n"
        "try:\n    while True: threading.Event().wait(0.1)\n"
        f"except KeyboardInterrupt:\n    print('interrupted')\n{gate.wait}"
    )
    early = kernel.until(has_text("first"))
    os.killpg(kernel.pid, signal.SIGINT)
    early += kernel.until(has_text("interrupted"))
    gate.open()
    assert kernel.finish(msg_id).status == "ok"


assert sys.platform != "win32"
