"""Bars of several lines, which draw over earlier lines: in the log, in its view, and live."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.gate import Gate
from helpers.kernel import Kernel
from helpers.logs import make_log
from helpers.process import TESTS_DIR
from helpers.real import need
from helpers.shown import drawn, has_drawn, sequence

from ipyfdcapture import Captured, capture_fd

SCRIPT = TESTS_DIR / "scripts" / "live" / "bars_of_several_lines.py"
#: As docker draws them: up to the bar, over it, and down again.
DOCKER = "".join(
    f"\x1b[{3 - bar}A\x1b[2K\rlayer{bar}: {10 * done}%\r\x1b[{3 - bar}B"
    for done in range(10)
    for bar in range(3)
)
LAYERS = "".join(f"layer{bar}: Waiting\n" for bar in range(3))


def log_of(*parts: str) -> Captured:
    """Return a log of what stdout wrote."""
    return make_log([(0, part.encode()) for part in parts])


def shown(log: Captured) -> list[str]:
    """Return the lines that the view shows as text."""
    text = log._repr_mimebundle_()["text/plain"]
    return [line.partition("│ ")[2] for line in text.splitlines() if "│ " in line]


def test_what_is_drawn_over_is_seen_once() -> None:
    log = log_of("begin\n", LAYERS, DOCKER, "end\n")
    seen = ["begin", "layer0: 90%", "layer1: 90%", "layer2: 90%", "end"]
    assert log.plain == "\n".join(seen) + "\n"
    assert shown(log) == seen
    assert len(log) == 5 and log.text.count("layer0") == 11


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("a\nb\n\x1b[2Ac\n", ["c", "b"]),
        ("aaa\nb\n\x1b[2Ac\n", ["caa", "b"]),
        ("a\nb\n\x1b[1F\x1b[Jc\n", ["a", "c"]),
        ("a\nb\nc\n\x1b[3F\x1b[J", []),
        ("a\n\x1bMb\n", ["b"]),
        ("ab\x1b[1A", ["ab"]),
        ("a\n\x1b[99Ab\n", ["b"]),
        ("a\nb\n\x1b[2A\x1b[1E\x1b[31mc\x1b[0m\n", ["a", "c"]),
        ("a\n\nb\n\x1b[3Ac\n", ["c", "", "b"]),
    ],
)
def test_a_cursor_that_goes_up_goes_where_a_terminal_has_it(written: str, seen: list[str]) -> None:
    plain = log_of(written).plain
    assert plain.split("\n")[: len(seen)] == seen and plain.strip("\n").count("\n") == max(
        len(seen) - 1, 0
    )


def test_each_source_draws_over_its_own_rows() -> None:
    log = make_log([(0, b"bar 1\n"), (1, b"error\n"), (0, b"\x1b[1A\x1b[2Kbar 2\n"), (1, b"end\n")])
    assert log.plain == "bar 2\nerror\nend\n"


def test_long_logs_before_and_after_stay_as_they_are() -> None:
    many = "".join(f"line {n}\n" for n in range(3000))
    log = log_of(many, LAYERS, DOCKER, many)
    assert log.plain == many + "".join(f"layer{bar}: 90%\n" for bar in range(3)) + many
    assert log.grep("line 7\n".strip()).plain.startswith("line 7\n")


def test_bars_at_the_start_of_a_log_are_seen_once_in_its_view() -> None:
    after = "".join(f"line {n}\n" for n in range(4))
    log = log_of(LAYERS, "\x1b[3A\x1b[Jpulled\n", LAYERS, "\x1b[3A\x1b[J", after)
    assert len(log) > 10  # more than the view shows
    assert shown(log) == log.plain.splitlines() == ["pulled", *after.splitlines()]


def test_a_part_of_a_log_whose_lines_do_not_follow_each_other_draws_nothing_over() -> None:
    log = log_of("a 1\nb 1\n\x1b[2Aa 2\nb 2\n")
    assert log.plain == "a 2\nb 2\n"
    assert [line.plain for line in log.grep("a")] == ["a 1", "a 2"]
    assert log.grep("a").plain == "a 1\na 2\n"


@pytest.mark.parametrize("tty", [True, False])
def test_the_bars_of_rich_are_seen_once(tty: bool) -> None:
    need("rich")
    code = (
        "from rich.console import Console\nfrom rich.progress import Progress\n"
        "with Progress(console=Console(force_terminal=True, width=70)) as bars:\n"
        "    some = [bars.add_task(name, total=9) for name in ('fetch', 'build')]\n"
        "    for _ in range(9):\n"
        "        for each in some: bars.advance(each)\n"
        "        bars.refresh()\n"
        "    bars.print('a line above them')\n"
    )
    with capture_fd(tty=tty) as logs:
        subprocess.run([sys.executable, "-c", code], check=True)
    rows = logs.plain.splitlines()
    assert [row.split()[0] for row in rows if row.strip()] == ["a", "fetch", "build"]
    assert all("100%" in row for row in rows[1:3])


def test_they_move_in_place_under_a_cell(kernel: Kernel) -> None:
    gates = [Gate(kernel.directory, f"bars-{n}") for n in range(2)]
    words = [sys.executable, str(SCRIPT), *(str(gate.path) for gate in gates)]
    msg_id = kernel.send(
        f"%%capture_fd --live --tty -v logs\n__import__('subprocess').run({words})"
    )
    early = kernel.until(has_drawn(r"first\S* 0%\nsecond 0%"))
    gates[0].open()
    early += kernel.until(has_drawn(r"first\S* 50%\nsecond 25%"))
    gates[1].open()
    reply = kernel.finish(msg_id)
    assert reply.status == "ok"
    reply.messages = early + reply.messages
    # No frame stands in what can only grow.
    assert reply.stream("stdout") == "before\n"
    assert drawn(reply.own)[-1] == "\x1b[32mfirst\x1b[0m 100%\nsecond 50%\nafter"
    assert next(kind for kind, _ in sequence(reply.own)) == "stdout"
    assert kernel.value("logs.plain") == "before\nfirst 100%\nsecond 50%\nafter\n"


def test_a_flood_of_them_is_bounded(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd --live -v logs\nimport os\n"
        "for n in range(200_000):\n"
        "    _ = os.write(1, b'\\x1b[2A\\x1b[2Kone %d\\n\\x1b[2Ktwo\\n' % n)"
    )
    assert sum(len(str(message["content"])) for message in reply.own) < 3_000_000
    assert "199999" in drawn(reply.own)[-1]
