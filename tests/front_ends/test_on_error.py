"""A failing cell shows the last lines of its log below the traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from helpers.kernel import Kernel, Reply, plain
from helpers.shown import drawn, sequence
from helpers.terminal import Terminal

LINES = "for i in range(30): print('line', i)"
TITLE = "--- the last 20 of 30 captured lines, all in logs ---\n"
LAST = "".join(f"line {i}\n" for i in range(10, 30))

#: Ways to capture code that fails, each with the log in ``logs``.
WAYS = {
    "the cell": "%%capture_fd {options} -v logs\n{code}\n1/0",
    "a statement": "def work():\n    {code}\n    1/0\n%capture_fd {options} -v logs work()",
    "an expression": "def work():\n    {code}\n    1/0\nx = %capture_fd {options} -v logs work()",
    "under another magic": "%%time\n%%capture_fd {options} -v logs\n{code}\n1/0",
    "an error that it led to": "def work():\n    {code}\n    1/0\n"
    "try:\n    get_ipython().run_line_magic('capture_fd', '{options} -v logs work()')\n"
    "except ZeroDivisionError as error:\n    raise KeyError('no') from error",
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def configured(kernel: Kernel) -> Iterator[Kernel]:
    yield kernel
    kernel.ok("%config CaptureFd.on_error = 'show'\n%config CaptureFd.tail_lines = 20")


def shown(reply: Reply) -> list[tuple[str, str]]:
    """Return what stands under the cell, but for the times of ``%%time``."""
    return [part for part in sequence(reply.own) if "Wall time" not in part[1]]


def fill(way: str, options: str = "", code: str = LINES) -> str:
    return way.format(options=options, code=code)


def test_the_last_lines_stand_below_the_traceback(kernel: Kernel, way: str) -> None:
    (kind, _), *rest = shown(kernel.run(fill(way)))
    assert kind == "error"
    assert rest == [("stdout", TITLE + LAST)]
    assert kernel.value("(len(logs), _logs is logs)") == (30, True)


def test_those_of_stderr_are_shown_there(kernel: Kernel, way: str) -> None:
    kernel.ok("import os, sys")
    code = "print('out'); os.system('echo err >&2')"
    assert shown(kernel.run(fill(way, code=code)))[1:] == [
        ("stdout", "--- 2 captured lines, in logs ---\nout\n"),
        ("stderr", "err\n"),
    ]


def test_streams_that_take_turns_are_shown_in_order(kernel: Kernel, way: str) -> None:
    """Each stream of a kernel keeps what it is given for a while, and knows of no other."""
    kernel.ok("import os")
    code = "[os.system(f'echo {i} >&{1 + i % 2}') for i in range(6)]"
    texts = [text for _, text in shown(kernel.run(fill(way, code=code)))[1:]]
    title = "--- 6 captured lines, in logs ---\n"
    assert "".join(texts) == title + kernel.value("str(logs)")


@pytest.mark.parametrize("options", ["--on-error hide", "--live", "--tail 3", "--progress"])
def test_not_if_unwanted_or_seen_already(kernel: Kernel, way: str, options: str) -> None:
    reply = kernel.run(fill(way, options))
    assert "error" in [kind for kind, _ in shown(reply)]
    assert "captured lines" not in reply.shown
    assert reply.stream("stdout").count("line 29\n") == (options == "--live")


def test_nothing_is_shown_where_nothing_was_captured(kernel: Kernel, way: str) -> None:
    assert [kind for kind, _ in shown(kernel.run(fill(way, code="pass")))] == ["error"]


def test_the_traits_decide_unless_the_option_does(configured: Kernel, way: str) -> None:
    configured.ok("%config CaptureFd.on_error = 'hide'\n%config CaptureFd.tail_lines = 2")
    assert [kind for kind, _ in shown(configured.run(fill(way)))] == ["error"]
    title = "--- the last 2 of 30 captured lines, all in logs ---\n"
    assert shown(configured.run(fill(way, "--on-error show")))[1:] == [
        ("stdout", title + "line 28\nline 29\n")
    ]


def test_an_error_that_was_caught_shows_nothing(kernel: Kernel) -> None:
    kernel.ok("def work():\n    print('x')\n    1/0")
    kernel.run("work()")  # shows a traceback of its own
    run = "get_ipython().run_line_magic('capture_fd', '-v logs work()')"
    reply = kernel.ok(f"try:\n    {run}\nexcept ZeroDivisionError:\n    print('caught')")
    assert shown(reply) == [("stdout", "caught\n")]
    other = kernel.run(f"try:\n    {run}\nexcept ZeroDivisionError:\n    pass\nint('other')")
    assert [kind for kind, _ in shown(other)] == ["error"]
    assert "1 captured line" not in kernel.run("int('later')").shown


def test_a_cell_that_does_not_fail_shows_nothing(kernel: Kernel) -> None:
    assert shown(kernel.ok(f"%%capture_fd -v logs\n{LINES}")) == []
    assert shown(kernel.ok("%capture_fd -v logs print('x')")) == []


def test_without_a_name_it_names_the_latest(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fd\nprint('x')\n1/0")
    assert shown(reply)[1:] == [("stdout", "--- 1 captured line, in _logs ---\nx\n")]


def test_an_interrupted_cell_shows_them_too(kernel: Kernel) -> None:
    msg_id = kernel.send(
        "%%capture_fd -v logs\nprint('x')\nimport threading\n"
        "open('begun', 'w').close()\nwhile True: threading.Event().wait(0.1)"
    )
    kernel.await_file("begun")
    (kernel.directory / "begun").unlink()
    kernel.interrupt()
    reply = kernel.finish(msg_id)
    assert reply.error[0] == "KeyboardInterrupt"
    assert shown(reply)[1:] == [("stdout", "--- 1 captured line, in logs ---\nx\n")]


@pytest.mark.parametrize("option", ["--tail 3", "--progress"])
def test_a_view_says_that_the_cell_was_interrupted(kernel: Kernel, option: str) -> None:
    msg_id = kernel.send(
        f"%%capture_fd {option} -v logs\nprint('x')\nimport threading\n"
        "open('begun', 'w').close()\nwhile True: threading.Event().wait(0.1)"
    )
    kernel.await_file("begun")
    (kernel.directory / "begun").unlink()
    kernel.interrupt()
    reply = kernel.finish(msg_id)
    assert reply.error[0] == "KeyboardInterrupt"
    assert re.match(r"x\ninterrupted after \d+\.\d s", drawn(reply.own)[-1])


def test_with_every_cell_on_they_are_shown_once(kernel: Kernel) -> None:
    kernel.ok("%capture_fd --every-cell")
    reply = kernel.run(f"%%capture_fd -v logs\n{LINES}\n1/0")
    plain_cell = kernel.run(f"{LINES}\n1/0")
    kernel.ok("%capture_fd --off\n__import__('ipyfdcapture').history.clear()")
    assert shown(reply) == [("error", "ZeroDivisionError"), ("stdout", TITLE + LAST)]
    assert [kind for kind, _ in shown(plain_cell)] == ["stdout", "error"]


def test_two_captures_of_one_cell_show_each_line_once(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fd -v outer\n%%capture_fd -v inner\nprint('x')\n1/0")
    assert shown(reply)[1:] == [("stdout", "--- 1 captured line, in inner ---\nx\n")]


def test_they_are_short_and_harmless_whatever_they_hold(kernel: Kernel) -> None:
    reply = kernel.run(
        "%%capture_fd -v logs\nimport subprocess\n"
        "print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\x1b[2J <b>')\n"
        "_ = subprocess.run('head -c 50000000 /dev/zero | tr \"\\\\0\" 1', shell=True)\n1/0"
    )
    text = reply.stream("stdout")
    assert len(text) < 3000
    title, first, long = text.splitlines()
    assert title == "--- 2 captured lines, in logs ---"
    assert first.startswith("\x1b[31mred\x1b[0m ") and first.endswith("<b>")
    assert "title" not in first and "\x1b[2J" not in first
    assert re.fullmatch("1{1900,2000}\u2026", long)


def test_in_a_terminal_they_stand_below_the_traceback_too(terminal: Terminal) -> None:
    text = plain(terminal.run("%%capture_fd -v logs\nprint('x')\n1/0"))
    assert re.search(r"ZeroDivisionError: .*\s+--- 1 captured line, in logs ---\s+x\s", text), text
