"""What a live view makes of what comes, when it does not look at all of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import tempfile
import termios
from collections.abc import Iterator
from typing import Protocol

import pytest
from helpers.fixtures import Python
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.live import stream_view
from ipyfdcapture.live.follower import Follower
from ipyfdcapture.live.last_lines import LastLines
from ipyfdcapture.live.moving_block import MovingBlock
from ipyfdcapture.live.progress_view import ProgressView
from ipyfdcapture.live.stream_view import StreamView
from ipyfdcapture.live.tail_view import TailView
from ipyfdcapture.live.target import Target
from ipyfdcapture.live.terminal import TerminalScreen
from ipyfdcapture.live.text import SourceTexts
from ipyfdcapture.log.view.ansi import PLAIN, plain, style_after
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording, State, Writing
from ipyfdcapture.recording.tail_reader import Chunk
from ipyfdcapture.recording.writer import RecordingWriter

SOURCES = ["stdout", "stderr", "child/stdout", "child/stderr"]
NEVER_S = 3600.0
MANY = 1 << 40  # lines: more than there will be


class Screen:
    """Keeps what a view shows."""

    def __init__(self) -> None:
        self.written = {False: "", True: ""}
        self.states: list[list[str]] = []
        self.is_final = False
        self.cleared_count = 0

    def give_way(self) -> None:
        pass

    def cleared(self) -> None:
        self.cleared_count += 1

    def close(self) -> None:
        pass

    def write(self, stderr: bool, text: str) -> None:
        self.written[stderr] += text

    def beside(self) -> Screen:
        return self

    def draw(self, lines: list[str], final: bool) -> None:
        self.states.append(lines)
        self.is_final = final


class Growing:
    """A recording that the test writes, with a view that looks when the test says so."""

    def __init__(self, max_bytes: int | None = None, encoding: str = "utf-8") -> None:
        self._directory = tempfile.TemporaryDirectory()
        metadata = Metadata(sources=tuple(SOURCES), encoding=encoding, max_bytes=max_bytes)
        self.recording, data, index = Recording.create(self._directory.name, metadata)
        self._writer = RecordingWriter(self.recording.path, data, index, max_bytes)
        self.follower: Follower | None = None

    def follow(self, target: Target) -> None:
        self.follower = Follower(self.recording, target, NEVER_S, "view")
        self.follower.start()

    def write(self, source: str, data: bytes) -> None:
        self._writer.append(data, SOURCES.index(source))

    def look(self) -> None:
        assert self.follower is not None
        self.follower.catch_up()

    def end(self) -> None:
        if self.follower is not None:
            self.follower.capture_ended()
            self.follower = None

    def close(self) -> None:
        self.end()
        self._writer.close()
        self.recording.close()
        self._directory.cleanup()


class MakeGrowing(Protocol):
    def __call__(self, max_bytes: int | None = None, encoding: str = "utf-8") -> Growing: ...


@pytest.fixture
def make_growing() -> Iterator[MakeGrowing]:
    made: list[Growing] = []

    def make(max_bytes: int | None = None, encoding: str = "utf-8") -> Growing:
        made.append(Growing(max_bytes, encoding))
        return made[-1]

    yield make
    for each in made:
        each.close()


def numbered(first: int, stop: int) -> bytes:
    return "".join(f"line {i:07} \u20ac\n" for i in range(first, stop)).encode()


LINE_BYTES = len(numbered(0, 1))
LINES = 1_000_000


@pytest.fixture(scope="module")
def million() -> bytes:
    return numbered(0, LINES)


# -- the last lines -----------------------------------------------------------------------------


class Model:
    """What the last lines should be: slow and simple."""

    def __init__(self) -> None:
        self.complete: list[str] = []
        self._open: dict[str, bytes] = {}
        self._cut: set[str] = set()

    def take(self, source: str, data: bytes) -> None:
        *complete, rest = (self._open.pop(source, b"") + data).split(b"\n")
        if complete and source in self._cut:
            self._cut.discard(source)
            complete.pop(0)
        self.complete += [self._row(source, line) for line in complete]
        self._open[source] = rest

    def skip(self) -> None:
        self.complete.clear()
        self._open.clear()
        self._cut.update(SOURCES)

    def _row(self, source: str, line: bytes) -> str:
        if source in self._cut:
            line = line.lstrip(bytes(range(0x80, 0xC0)))  # the rest of a character
        label = "[child] " if "/" in source else ""
        text = line.decode("utf-8", "ignore")  # the last character may be half there
        return label + text if text else ""

    def rows(self, count: int) -> list[str]:
        unfinished = [self._row(source, line) for source, line in self._open.items()]
        return [*self.complete, *filter(None, unfinished)][-count:]


STEPS = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(1, 3 * LINE_BYTES), st.booleans()),
    max_size=30,
)


@settings(deadline=None)
@given(STEPS, st.integers(1, 6))
def test_the_last_lines_are_whole_lines_whatever_is_left_out(
    steps: list[tuple[str, int, bool]], count: int
) -> None:
    # Each source writes its numbered lines in pieces of any size, of which some are left out.
    content = numbered(0, 200)
    places = dict.fromkeys(SOURCES, 0)
    model = Model()
    with contextlib.closing(Growing()) as growing:
        last = LastLines(growing.recording, count, SourceTexts(growing.recording))
        for source, size, is_left_out in steps:
            data = content[places[source] : places[source] + size]
            places[source] += size
            if is_left_out:
                last.skip()
                model.skip()
            else:
                last.take(SOURCES.index(source), data)
                model.take(source, data)
            assert last.rows() == model.rows(count)


def test_of_much_at_once_the_end_is_whole(make_growing: MakeGrowing) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    last.take(1, b"an error\n")
    last.take(0, b"begun ")
    last.take(0, numbered(0, 10_000) + b"then \xe2\x82")
    assert last.rows() == ["line 0009998 \u20ac", "line 0009999 \u20ac", "then "]
    last.take(0, b"\xac.\n")
    assert last.rows()[-1] == "then \u20ac."


def test_what_stands_before_and_after_something_left_out_is_not_shown_as_one(
    make_growing: MakeGrowing,
) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 1_000_000, SourceTexts(growing.recording))
    for start in (0, 10_000, 20_000):
        last.take(0, numbered(start, start + 10_000))
    numbers = [int(row.split()[1]) for row in last.rows()]
    assert numbers == list(range(numbers[0], 30_000))
    assert len(numbers) > 1000


def test_of_a_line_that_never_ends_there_are_no_broken_pieces(make_growing: MakeGrowing) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    coloured = "\x1b[38;5;196m\u20ac\x1b[0m".encode()
    for begin in range(len(coloured)):
        last.skip()
        last.take(0, (coloured * 10_000)[begin:])
        for more in (b"", b"\xe2\x82", b"\xac and more"):
            last.take(0, more)
            (row,) = last.rows()
            assert re.fullmatch("\u20ac{100,499}\u2026+", plain(row))


def test_the_last_lines_keep_their_colours(make_growing: MakeGrowing) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    red, green, end = "\x1b[31m", "\x1b[32m", "\x1b[0m"
    last.take(0, f"{red}begins\nis left out\ngoes on\nends{end} here\n{green}10%\r20".encode())
    assert last.rows() == [f"{red}goes on{end}", f"{red}ends{end} here", f"{green}20{end}"]
    last.take(0, b"%\nstill\n")
    last.take(2, b"\x1b[1mbold\n")
    assert last.rows() == [f"{green}20%{end}", f"{green}still{end}", "[child] \x1b[1mbold" + end]
    last.skip()  # nobody knows what colour it has now
    last.take(0, b"\nplain\n")
    assert last.rows() == ["plain"]


def test_bars_of_several_lines_move_among_the_last_lines(make_growing: MakeGrowing) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    last.take(1, b"an error\n")
    last.take(0, b"begin\nfetch 0%\nbuild")  # as rich draws them: the last has no line end
    for percent in (10, 20):
        last.take(0, b"\r\x1b[2K\x1b[1A\x1b[2Kfetch %d%%\nbuild %d%%" % (percent, percent // 2))
        last.take(1, b"another\n")
        assert last.rows() == ["begin", f"fetch {percent}%", f"build {percent // 2}%"]
    last.take(0, b"\nend\n")
    last.take(1, b"last\n")
    assert last.rows() == ["build 10%", "end", "last"]
    last.take(0, b"a: Waiting\nb: Waiting\n")  # as docker draws them: up, and down again
    for number in range(50):
        last.take(0, b"\x1b[2A\x1b[2K\ra: %d\r\x1b[2B" % number)
        last.take(0, b"\x1b[1A\x1b[2K\rb: \x1b[32m%d\x1b[0m\r\x1b[1B" % number)
    assert last.rows() == ["last", "a: 49", "b: \x1b[32m49\x1b[0m"]
    last.skip()
    assert last.rows() == []
    last.take(0, b"\x1b[1A")
    assert last.rows() == []
    last.take(0, b"\x1b[1A" + b"x" * 100_000)
    last.take(0, b"\nthe end\n")
    assert last.rows()[-1] == "the end"


def test_a_spinner_turns_for_long_among_the_last_lines(make_growing: MakeGrowing) -> None:
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    for number in range(2000):
        last.take(0, b"\x1b[1G\x1b[K\x1b[32m%d\x1b[0m turns" % number)
        last.take(1, b"\b\b\b\b%4d" % number)
        assert last.rows() == [f"\x1b[32m{number}\x1b[0m turns", f"{number:4}"]


def test_rows_in_many_colours_are_bounded(make_growing: MakeGrowing) -> None:
    """They are drawn again and again. A colour for each character would take twenty times as long
    as the text."""
    growing = make_growing()
    last = LastLines(growing.recording, 3, SourceTexts(growing.recording))
    rainbow = "".join(f"\x1b[38;2;1;2;{n % 256}m#" for n in range(600))
    last.take(0, rainbow.encode())
    (row,) = last.rows()
    assert re.fullmatch("#{100,499}\u2026+", row)
    screen = Screen()
    block = MovingBlock(screen)
    block.take(rainbow * 2)
    block.draw()
    assert screen.states == [["#" * 999 + "\u2026"]]


# -- views --------------------------------------------------------------------------------------

SUMMARY = r"\u2026 (?:([\d,]+) lines?, )?([\d.]+ \w?B) in all; the rest is in logs. The last lines:"


def summary_of(state: str) -> tuple[int | None, str]:
    """Return how many lines (None: not known) and bytes the line that counts tells of."""
    found = re.fullmatch(SUMMARY, state)
    assert found is not None, state
    return int(found[1].replace(",", "")) if found[1] else None, found[2]


@pytest.mark.parametrize("max_bytes", [None, 10_000, 3_000_000, 100_000_000])
def test_the_counts_are_right_whatever_is_not_looked_at(
    make_growing: MakeGrowing, million: bytes, max_bytes: int | None
) -> None:
    growing, screen = make_growing(max_bytes), Screen()
    growing.follow(StreamView(screen, 1000, MANY, 3, "logs"))
    for step in range(0, len(million), 5_000_000):
        growing.write("stdout", million[step : step + 5_000_000])
        growing.look()
    growing.end()
    # Of most, only the end was looked at: its lines are not counted, and none are made up.
    assert summary_of(screen.states[-1][0]) == (None, "17 MB")
    assert screen.states[-1][1:] == numbered(LINES - 3, LINES).decode().splitlines()
    assert all(state[0].endswith("so far; the rest is in logs") for state in screen.states[:-1])
    shown = screen.written[False]
    assert shown == million[: len(shown.encode())].decode()


@pytest.mark.parametrize("piece", ["a line \u20ac\n", "10%\r20%\n", "."])
def test_what_waits_is_not_gone_through_again_for_each_piece(
    make_growing: MakeGrowing, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    growing, screen = make_growing(), Screen()
    view = StreamView(screen, 1_000_000, MANY, 3, "logs")
    view.open(growing.recording)
    gone_through = []
    usual = stream_view.collapse_redraws

    def collapse(text: str) -> str:
        gone_through.append(len(text))
        return usual(text)

    monkeypatch.setattr(stream_view, "collapse_redraws", collapse)
    sources = [SOURCES.index(name) for name in ("stdout", "child/stdout")]
    view.show([Chunk(sources[i % 2], 0, piece.encode()) for i in range(1000)])
    view.capture_ended()
    # What would draw over a label is not shown as it is.
    seen = piece.strip("\n").rpartition("\r")[2]
    assert screen.written[False].count(seen) == 1000
    assert screen.written[False].count(f"[child] {seen}") == (1 if seen == "." else 500)
    assert sum(gone_through) <= 1000 * len(f"[child] {piece}")


def test_a_line_that_waits_for_its_end_is_drawn_over(make_growing: MakeGrowing) -> None:
    growing, screen = make_growing(), Screen()
    view = StreamView(screen, 100, MANY, 3, "logs")
    view.open(growing.recording)
    view.show([Chunk(0, 0, b"begun\n")])
    for step in range(100):
        view.show([Chunk(0, 0, b"\r%2d" % step), Chunk(0, 0, b" %")])
    view.capture_ended()
    assert screen.written[False] == "begun\n\r99 %"


@pytest.mark.parametrize("make", [TailView, ProgressView])
def test_the_short_views_count_right_too(
    make_growing: MakeGrowing, million: bytes, make: type[TailView]
) -> None:
    growing, screen = make_growing(10_000), Screen()
    view = TailView(screen, 3, "logs") if make is TailView else ProgressView(screen, 3, "logs")
    growing.follow(view)
    for step in range(0, len(million), 5_000_000):
        growing.write("stdout", million[step : step + 5_000_000])
        growing.look()
    growing.end()
    last = numbered(LINES - 3, LINES).decode().splitlines()
    assert screen.states[-2] == last if make is TailView else screen.states[-1][0].endswith(last[2])
    assert "17 MB" in screen.states[-1][-1]
    assert "line" not in screen.states[-1][-1].replace("line 0", "")


@pytest.mark.parametrize("view", ["live", "tail", "progress"])
def test_as_long_as_all_is_looked_at_the_lines_are_counted(
    make_growing: MakeGrowing, million: bytes, view: str
) -> None:
    growing, screen = make_growing(), Screen()
    growing.follow(
        {
            "live": StreamView(screen, 1000, MANY, 3, "logs"),
            "tail": TailView(screen, 3, "logs"),
            "progress": ProgressView(screen, 3, "logs"),
        }[view]
    )
    for step in range(0, 1_700_000, 170_000):
        growing.write("stdout", million[step : step + 170_000])
        growing.look()
    growing.end()
    row = screen.states[-1][-1 if view == "tail" else 0]
    assert "100,000 lines" in row and "1.7 MB" in row


def test_what_a_limit_dropped_before_it_was_looked_at_is_counted(
    make_growing: MakeGrowing, million: bytes
) -> None:
    # The view might show it all; but it is gone.
    growing, screen = make_growing(max_bytes=10_000), Screen()
    growing.follow(StreamView(screen, 100_000_000, MANY, 3, "logs"))
    growing.write("stdout", million)
    growing.end()
    assert summary_of(screen.states[-1][0]) == (None, "17 MB")
    shown = screen.written[False]
    assert million.startswith(shown.encode())


def test_what_is_shown_is_bounded_in_lines_too(make_growing: MakeGrowing) -> None:
    for lines, shown in ((9, 9), (10, 10), (11, 10), (500, 10)):
        for at_once in (True, False):
            growing, screen = make_growing(), Screen()
            growing.follow(StreamView(screen, 1_000_000, 10, 3, "logs"))
            for data in [numbered(0, lines)] if at_once else numbered(0, lines).splitlines(True):
                growing.write("stdout", data)
                growing.look()
            growing.end()
            assert screen.written[False] == numbered(0, shown).decode()
            assert bool(screen.states) == (lines > shown)
            if screen.states:
                assert screen.states[-1][0].startswith(f"\u2026 {lines} lines, ")
                last = numbered(max(shown, lines - 3), lines).decode().splitlines()
                assert screen.states[-1][1:] == last


def test_an_unfinished_line_counts_as_one(make_growing: MakeGrowing) -> None:
    growing, screen = make_growing(), Screen()
    growing.follow(StreamView(screen, 1_000_000, 2, 3, "logs"))
    for part in (b"one\n", b"two", b" goes on", b" and ends\nthree", b"\nfour\n"):
        growing.write("stdout", part)
        growing.look()
    growing.end()
    assert screen.written[False] == "one\ntwo goes on and ends\n"
    assert screen.states[-1][1:] == ["three", "four"]


@pytest.mark.parametrize("view", ["tail", "progress"])
@pytest.mark.parametrize("ended", ["finished", "failed", "interrupted"])
def test_the_last_lines_of_a_failure_stay(make_growing: MakeGrowing, view: str, ended: str) -> None:
    for keeps in (True, False):
        growing, screen = make_growing(), Screen()
        make = TailView if view == "tail" else ProgressView
        growing.follow(make(screen, 3, "logs", keeps_failures=keeps))
        growing.write("stdout", numbered(0, 9))
        growing.look()
        failed = ended != "finished"
        growing.recording.finish(1, failed=failed, interrupted=ended == "interrupted")
        growing.end()
        last = numbered(6, 9).decode().splitlines()
        *rows, summary = screen.states[-1]
        word = "finished in" if ended == "finished" else f"{ended} after"
        assert re.match(rf"{word} \d+\.\d s(:| \u00b7) 9 lines(,| \u00b7) ", summary)
        assert "all in logs" in summary
        if failed and keeps:
            assert rows == last
        else:
            assert rows == ([last[-1]] if view == "tail" else [])
            assert view == "tail" or summary.endswith(last[-1])


def test_labelled_lines_are_shown_once_across_the_limit(make_growing: MakeGrowing) -> None:
    growing, screen = make_growing(), Screen()
    growing.follow(StreamView(screen, 20 * LINE_BYTES, MANY, 1000, "logs"))
    growing.write("child/stderr", b"open ")
    growing.write("child/stdout", numbered(0, 50) + b"line 00")
    growing.write("stdout", b"mine\n")
    growing.look()
    growing.write("child/stdout", numbered(50, 52)[len("line 00") :])
    growing.write("child/stderr", b"and closed\n")
    growing.end()
    found = screen.written[False].splitlines() + screen.states[-1][1:]
    assert found == [
        *(f"[child] {line}" for line in numbered(0, 50).decode().splitlines()),
        "mine",
        *(f"[child] {line}" for line in numbered(50, 52).decode().splitlines()),
        "[child] open and closed",
    ]
    assert screen.states[-1][0].startswith("\u2026 54 lines, ")


def test_late_output_past_the_limit_stands_with_the_last_lines(make_growing: MakeGrowing) -> None:
    growing, screen = make_growing(), Screen()
    recording = growing.recording
    recording.writing = StillWriting()
    growing.follow(StreamView(screen, 100, MANY, 3, "logs"))
    growing.write("stdout", numbered(0, 50))
    assert growing.follower is not None
    growing.follower.capture_ended()
    growing.write("stdout", b"late\n")
    growing.look()
    recording.writing = None
    growing.look()
    growing.end()
    before, *after = screen.states[-2:] if len(screen.states) > 2 else screen.states
    expected = numbered(48, 50).decode().splitlines()
    assert before[1:] == numbered(47, 50).decode().splitlines()
    assert [state[1:] for state in after] == [[*expected, "late"]] * len(after)


def test_a_cell_that_clears_what_it_shows_may_show_as_much_again(
    make_growing: MakeGrowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing, screen = make_growing(), Screen()
    growing.follow(StreamView(screen, 5 * LINE_BYTES, MANY, 3, "logs"))
    assert growing.follower is not None
    growing.write("stdout", numbered(0, 10))
    growing.look()
    # At once, it would be no limit at all.
    growing.follower.cleared()
    growing.write("stdout", numbered(10, 20))
    growing.look()
    assert screen.written[False] == numbered(0, 5).decode()
    monkeypatch.setattr("ipyfdcapture.live.stream_view._ALLOWANCE_S", 0.0)
    growing.follower.cleared()
    growing.write("stdout", numbered(20, 30))
    growing.look()
    assert screen.written[False] == (numbered(0, 5) + numbered(20, 25)).decode()
    assert screen.cleared_count == 2
    growing.end()
    assert summary_of(screen.states[-1][0])[0] == 30


@pytest.mark.parametrize("encoding", ["gb18030", "utf-7"])
@pytest.mark.parametrize("view", ["live", "tail"])
def test_an_encoding_of_wide_characters_is_shown_as_text(
    make_growing: MakeGrowing, view: str, encoding: str
) -> None:
    growing, screen = make_growing(encoding=encoding), Screen()
    target = (
        StreamView(screen, 1000, MANY, 2, "logs") if view == "live" else TailView(screen, 2, "logs")
    )
    growing.follow(target)
    for _ in range(3):
        growing.write("stdout", "a line \u010a\n".encode(encoding) * 300_000)  # 3 MB
        growing.look()
    state = screen.states[-1]
    growing.end()
    assert (screen.states[-1][1:] if view == "live" else state) == ["a line \u010a"] * 2


class StillWriting(Writing):
    """A child that lives."""

    def update(self) -> State:
        return State(writing=True)

    def wait(self, timeout: float | None) -> bool:
        return False

    def release(self) -> None:
        pass


def test_a_terminal_says_what_a_limit_dropped_before_it_was_shown(python: Python) -> None:
    shown = python(
        """
        import os
        from ipyfdcapture import capture_fd

        os.dup2(1, 2)
        with capture_fd(live="terminal", live_interval=3600, max_bytes=10_000):
            for _ in range(30):
                os.write(1, b"x" * 99_999 + b"\\n")
        """
    )
    assert re.search(r"\u2026 [\d.]+ \wB that max_bytes has dropped \u2026\n", shown)


# -- a terminal -----------------------------------------------------------------------------------


@pytest.fixture
def small_terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 20 columns and 5 rows: the end that programs write to, and what shows it."""
    shown, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 20, 0, 0))
    yield terminal, shown
    os.close(shown)
    os.close(terminal)


LONG_LINES = {
    "plain": "x" * 100,
    "wide": "\u6f22\u5b57" * 30,
    "combining": "e\u0301" * 30,
    "mixed": "a\u6f22" * 30,
    "tabs": "\ta\tb\tc\td",
    "an emoji": "\N{SNAKE}" * 30,
    "colours": "\x1b[31mred\x1b[0m\t\x1b[1;44mon blue and \u6f22\x1b[0m" * 9,
}


@pytest.mark.parametrize("line", LONG_LINES.values(), ids=LONG_LINES.keys())
def test_what_is_drawn_fits_so_that_it_can_be_drawn_over(
    small_terminal: tuple[int, int], line: str
) -> None:
    wcwidth = pytest.importorskip("wcwidth")
    terminal, shown = small_terminal
    screen = TerminalScreen(terminal)
    screen.draw([line] * 9, final=False)
    screen.draw(["the end"], final=True)
    found = b""
    while not found.endswith(b"the end\r\n"):
        found += os.read(shown, 1 << 16)
    rows = found.decode().split("\r\n")
    assert len(rows) == 4 + 1 + 1  # with a row left for the cursor
    assert all(17 <= wcwidth.wcswidth(plain(row)) <= 19 for row in rows[:4])
    assert all(style_after(row) == PLAIN for row in rows[:4])
    assert all(("\x1b[31mred" in row) == ("red" in line) for row in rows[:4])
    assert rows[4:] == ["\x1b[4F\x1b[Jthe end", ""]
