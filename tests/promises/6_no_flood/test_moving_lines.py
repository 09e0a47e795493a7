r"""Lines in which the cursor moves, for front ends: those know ``\r`` and colours alone."""

from __future__ import annotations

import re

import pytest
from helpers.logs import make_log
from hypothesis import example, given
from hypothesis import strategies as st

from ipyfdcapture.live.moving_lines import MovingLines
from ipyfdcapture.log.view.ansi import runs_of

CARGO = ["\x1b[96mBuilding\x1b[0m [    ] 0/1: a long name\r", "\x1b[K\x1b[31merror\x1b[0m: no\n"]
NPM = ["\u2819", "\x1b[1G\x1b[0K\u2839", "\x1b[1G\x1b[0K", "installed\n"]
SPINNER = ["- working", "\b\b\b\b\b\b\b\b\b| working", 9 * "\b" + "\x1b[Kdone\nend"]


def in_a_front_end(text: str) -> list[str]:
    """Return the lines that a front end shows, and fail where it would not understand.

    As JupyterLab has it, what follows a carriage return replaces as many characters, those of
    escape sequences counted.
    """
    lines = []
    for line in text.split("\n"):
        row: list[str] = []
        for part in line.split("\r"):
            row[: len(part)] = part
        shown = re.sub(r"\x1b\[[0-9;]*m", "", "".join(row)).rstrip()
        assert "\x1b" not in shown and "\b" not in shown
        lines.append(shown)
    return lines


def shown_for(parts: list[str]) -> str:
    moving = MovingLines()
    return "".join(moving.take(0, part) for part in parts)


@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        (CARGO, ["error: no", ""]),
        (NPM, ["installed", ""]),
        (SPINNER, ["done", "end"]),
        (["a\n", "\x1b[4Gb\x1b[1Gc", "d"], ["a", "cd b"]),
        (["a\x1b[23;0;0t\r\x1b[?1lb", "\x1b[?25h\n"], ["b", ""]),
    ],
    ids=["cargo", "npm", "a spinner", "columns", "what no front end knows"],
)
def test_what_was_erased_is_not_seen(parts: list[str], seen: list[str]) -> None:
    assert in_a_front_end(shown_for(parts)) == seen


MOVES = [f"\x1b[{move}" for move in ("K", "1K", "2K", "G", "3G", "2C", "D", "31m", "1m", "0m")]
WRITTEN = st.lists(st.sampled_from(["ab", "\u20ac", " ", "\r", "\b", "\n", *MOVES]))


@example(["ab", "\r", "\x1b[31m", "\x1b[K"], 1)  # where a colour covers what is erased
@given(WRITTEN, st.integers(1, 4))
def test_what_is_seen_is_what_a_terminal_shows(written: list[str], size: int) -> None:
    parts = ["".join(written[i : i + size]) for i in range(0, len(written), size)]
    if not re.search("\b|\x1b\\[[0-9]*[KGCD]", "".join(written)):
        assert shown_for(parts) == "".join(parts)
        return
    style, seen = runs_of("")[1], []
    for line in "".join(written).split("\n"):
        runs, style = runs_of(line, style)
        seen.append("".join(text for text, _ in runs).rstrip())
    # Front ends themselves err about colours that are drawn over.
    assert in_a_front_end(re.sub(r"\x1b\[[0-9;]*m", "", shown_for(parts))) == seen


def test_colours_go_on_from_line_to_line() -> None:
    shown = shown_for(["\x1b[31mred\nred", "\x1b[3G\x1b[K", "\nred\x1b[0m plain\n"])
    assert shown.endswith("\r\x1b[0m\x1b[31mre\x1b[0m \x1b[0;31m\nred\x1b[0m plain\n")


def test_a_line_that_is_too_long_to_be_shown_again_is_shown_once() -> None:
    shown = shown_for(["x" * 600, "y" * 600, "\x1b[K", "z\n", "a\b"])
    assert shown == "x" * 600 + "y" * 600 + "z\na"


def test_of_much_at_once_the_start_is_looked_at() -> None:
    much = "ab\b\x1b[Kc\n" * 100_000
    shown = shown_for([much, "d\be\n"])
    assert in_a_front_end(shown[:20_000])[:5000] == ["ac"] * 5000
    assert shown.endswith(much[-500:] + "e\n")


def test_the_view_of_a_long_spinner_shows_its_end() -> None:
    """A view reads no more than the ends of a line that is long."""
    spins = "".join(f"\b\b\b{n:3}" for n in range(200))
    log = make_log([(0, f"   {spins}\x1b[1G\x1b[Kdone\n".encode())])
    data = log._repr_mimebundle_()
    assert data["text/plain"].endswith("1 \u2502 done")
    assert ">done</span>" in data["text/html"]
