"""What a full-screen program draws is one mark in what is shown, and nothing else is hidden."""

from __future__ import annotations

import os

import pytest

from ipyfdcapture.live.text import ShownTexts
from ipyfdcapture.log.view.ansi import plain, runs_of
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording

IN, OUT = "\x1b[?1049h\x1b[22;0;0t", "\x1b[?1049l\x1b[23;0;0t"
DRAWN = "\x1b[H\x1b[2J\x1b[4;11Hin the middle\r\x1b[6drow 0"
MARK = "[a full-screen program] "


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"{IN}{DRAWN}{OUT}\rafter", f"{MARK}after"),
        (f"before{IN}{DRAWN}{OUT}", f"before{MARK}"),
        (f"{IN}{DRAWN}{OUT}a{IN}{DRAWN}{OUT}b", f"{MARK}a{MARK}b"),
        (f"killed {IN}{DRAWN}", f"killed {MARK}"),
        (f"given back only{OUT}", "given back only"),
        ("\x1b[?25lcursor hidden\x1b[?25h", "cursor hidden"),
        ("\x1b[?47hx\x1b[?47ly", f"{MARK}y"),
    ],
)
def test_a_screen_is_one_mark(text: str, seen: str) -> None:
    assert plain(text) == seen


def test_colours_go_on_after_it() -> None:
    runs, _ = runs_of(f"\x1b[31mred{IN}\x1b[32m{DRAWN}{OUT}red")
    assert runs[0] == runs[2] and runs[1][0] == MARK


def test_many_screens_in_a_line_are_many_marks() -> None:
    assert plain(f"{IN}{DRAWN}{OUT}" * 5000) == MARK * 5000


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_live_shows_a_line_that_says_so(tmp_path: object, size: int) -> None:
    recording, *fds = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    try:
        texts = ShownTexts(recording)
        data = f"a\n{IN}{DRAWN}{OUT}b\n{IN}{DRAWN}\nkilled\n".encode()
        parts = [texts.take(0, data[at : at + size]) for at in range(0, len(data), size)]
        assert plain_lines("".join(parts)) == ["a", MARK, "b", MARK, "killed", ""]
    finally:
        for fd in fds:
            os.close(fd)
        recording.close()


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_live_leaves_out_links_and_titles_and_keeps_colours(tmp_path: object, size: int) -> None:
    recording, *fds = Recording.create(str(tmp_path), Metadata(sources=("stdout",)))
    try:
        texts = ShownTexts(recording)
        data = (
            b"\x1b]0;title\x07\x1b(B\x1b[31m[\x1b]8;;https://x\x1b\\-Wunused\x1b]8;;\x07]\x1b[m\n"
        )
        parts = [texts.take(0, data[at : at + size]) for at in range(0, len(data), size)]
        assert "".join(parts) == "\x1b[31m[-Wunused]\x1b[m\n"
    finally:
        for fd in fds:
            os.close(fd)
        recording.close()


def plain_lines(text: str) -> list[str]:
    return [plain(line) for line in text.split("\n")]
