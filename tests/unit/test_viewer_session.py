"""The viewer's session, held against `grep`, `source`, `between` and `levels`."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import logs
from helpers.logs import Chunk, make_log
from helpers.viewer import NO_FILTER, asked, shared_scan
from helpers.wait import eventually
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipyfdcapture import capture_fd, open_log
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.levels import CODES, LEVELS, level_of
from ipyfdcapture.log.lines import content
from ipyfdcapture.log.view.ansi import PLAIN, Style, runs_of
from ipyfdcapture.log.view.excerpt import row_text
from ipyfdcapture.log.view.marks import SIGNS, levels_of
from ipyfdcapture.viewer import finder, page, scan, waiting
from ipyfdcapture.viewer.columns import LEVELS as LEVELS_KEY
from ipyfdcapture.viewer.columns import Key
from ipyfdcapture.viewer.finder import Finder
from ipyfdcapture.viewer.masks import Mask, widened
from ipyfdcapture.viewer.rows import WHOLE_BYTES, RowWriter, _flags, _number
from ipyfdcapture.viewer.session import FIRST_ROWS
from ipyfdcapture.viewer.wire import Message

RUNS = settings(
    deadline=None, max_examples=500 if os.environ.get("IPYFDCAPTURE_FULL") == "1" else 25
)
WORDS = [b"a", b"B", b"ab", b"error: bad", b"[info] x", b"warning: y", b"\xff", b"\x1b[1mb", b" "]
LINES = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(WORDS)), max_size=25)
PARTS = st.sampled_from(
    [slice(None), slice(1, None), slice(0, 9), slice(None, None, 2), slice(9, 1, -1)]
)

#: What makes lines that are longer than what is read of them, drawn over, coloured, or no UTF-8.
LONG_BITS = [
    *(b"error: bad", b"[info] x", b"warning: y", b" ", b"\r", b"\n", b"\x1b[31m", b"\x1b[K"),
    *("é".encode() * 300, b"\x9b31m", b"x" * 600, b"y" * 9_000, b"z" * 70_000),
]
LONG_CHUNKS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.sampled_from(LONG_BITS), min_size=1, max_size=6).map(b"".join),
    ),
    max_size=8,
)


def log_of(lines: list[tuple[int, bytes]]) -> Captured:
    return make_log([(source, line + b"\n") for source, line in lines])


def numbers(log: Captured) -> list[int]:
    return sorted(line.number for line in log)


@pytest.fixture(scope="module", autouse=True)
def one_process(request: pytest.FixtureRequest) -> Iterator[None]:
    with shared_scan():
        yield


@RUNS
@given(logs.chunks, st.sampled_from(["a", "B", "é", "€", "[", "\\"]), st.booleans())
def test_a_search_finds_what_grep_finds(chunks: list[Chunk], text: str, case: bool) -> None:
    log = make_log(chunks)
    expected = numbers(log.grep(text, ignore_case=not case))
    with asked(log) as view:
        status = view.search(text, case=case)
        assert status["found"]["count"] == len(expected)
        assert [index + 1 for index in view.steps("match")] == expected
        assert [index + 1 for index in view.steps("match", back=True)] == expected[::-1]
        assert view.filter(only=True) == expected


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_file_that_was_opened_is_searched(tmp_path: Path, is_moved: bool) -> None:
    path = tmp_path / "job.out"
    path.write_bytes(b"one\nERROR: two\n" * 3)
    log = open_log(path)
    if is_moved:
        path.rename(tmp_path / "job.old")
        path.write_bytes(b"another\n" * 6)
    with asked(log) as view:
        assert view.search("two")["found"]["count"] == 3
        assert view.filter(level="error") == [2, 4, 6]


@RUNS
@given(logs.chunks, st.sampled_from(["^a", "b$", "a|€", "[^ -~]", "^$"]), st.booleans(), PARTS)
def test_an_expression_finds_what_grep_finds(
    chunks: list[Chunk], expression: str, case: bool, part: slice
) -> None:
    log = make_log(chunks)[part]
    expected = numbers(log.grep(re.compile(expression), ignore_case=not case))
    with asked(log) as view:
        view.search(expression, regex=True, case=case)
        assert view.filter(only=True) == expected


@RUNS
@given(LINES, PARTS, st.sampled_from(LEVELS))
def test_the_least_level_shows_it_and_worse(
    lines: list[tuple[int, bytes]], part: slice, level: str
) -> None:
    log = log_of(lines)[part]
    wanted = LEVELS[LEVELS.index(level) :]
    expected = sorted(line.number for line in log if level_of(line.encode()) in wanted)
    with asked(log) as view:
        status = view.settle()
        counts = dict(zip(LEVELS, status["levels"][1:], strict=True))
        assert {name: count for name, count in counts.items() if count} == log.levels()
        every = view.numbers()
        assert [every[index] for index in view.steps("level", level=level)] == expected
        assert view.filter(level=level) == expected


@RUNS
@given(LINES, PARTS, st.sampled_from(LEVELS), st.sampled_from(["a", "e", "o"]))
def test_shown_and_hidden_matches_are_all_that_there_are(
    lines: list[tuple[int, bytes]], part: slice, level: str, text: str
) -> None:
    log = log_of(lines)[part]
    with asked(log, text, level) as view:
        found = view.settle()["found"]
        assert found["count"] == len(view.steps("match"))
        assert found["count"] + found["hidden"] == len(log.grep(text, ignore_case=True))


def test_matches_in_lines_that_a_filter_hides_are_counted_apart() -> None:
    log = log_of([(0, b"a"), (0, b"ERROR: a"), (1, b"a"), (0, b"b")])
    with asked(log, level="error") as view:
        found = view.search("a")["found"]
        assert (found["count"], found["hidden"]) == (1, 2)
        for wanted, counts in (
            ({"sources": [1]}, (1, 2)),
            ({"exclude": [{"text": "a"}]}, (0, 3)),
            ({"only": True}, (3, 0)),
            ({}, (3, 0)),
        ):
            view.filter(**wanted)
            found = view.ask("status")["found"]
            assert (found["count"], found["hidden"]) == counts


@RUNS
@given(LONG_CHUNKS, st.sampled_from(["utf-8", "latin-1"]))
@example([(0, b"\x9b31merror: coloured\n")], "latin-1")
def test_a_line_has_one_level_whoever_asks(chunks: list[Chunk], encoding: str) -> None:
    log = make_log(chunks, encoding=encoding)
    found = {line.number: name for name in LEVELS for line in log.grep(level=f"={name}")}
    expected = [CODES[found.get(number)] for number in range(1, len(log) + 1)]
    with asked(log) as view:
        status = view.settle()
        assert status["levels"][1:] == [expected.count(CODES[name]) for name in LEVELS]
        rows = view.ask("rows", start=0, count=1000)["rows"]
        assert [row[3] for row in rows] == expected
        assert [index for name in LEVELS[:1] for index in view.steps("level", level=name)] == [
            index for index, code in enumerate(expected) if code
        ]
    for part in (log, log[:], log[::2]):
        reading = part._read()
        codes = [expected[nth] for nth in reading.indices]
        counts = {name: codes.count(CODES[name]) for name in LEVELS}
        assert part.levels() == {name: count for name, count in counts.items() if count}
        assert levels_of(reading).counts == {name: counts[name] for name in SIGNS}
        serious = [nth for nth in reading.indices if expected[nth] >= CODES["warning"]]
        assert list(page._serious(reading, reading.indices)) == serious


@RUNS
@given(LINES, PARTS, st.sets(st.integers(0, 2)), st.floats(-2, 30), st.floats(-2, 30))
def test_filters_are_those_of_source_and_between(
    lines: list[tuple[int, bytes]], part: slice, sources: set[int], first: float, last: float
) -> None:
    log = log_of(lines)[part]
    of_sources = set(numbers(log.of_sources(sources)))
    between = set(numbers(log.between(first, last)))
    with asked(log) as view:
        assert view.filter(sources=sorted(sources)) == sorted(of_sources)
        assert view.filter(first=first, last=last) == sorted(between)
        both = view.filter(sources=sorted(sources), first=first, last=last)
        assert both == sorted(of_sources & between)


@RUNS
@given(LINES, st.integers(0, 3))
def test_filters_combine(lines: list[tuple[int, bytes]], context: int) -> None:
    log = log_of(lines)
    everything = set(numbers(log))
    with asked(log) as view:
        view.search("b")
        with_neighbours = numbers(log.grep("b", context=context))
        assert view.filter(only=True, context=context) == with_neighbours
        excluded = [{"text": "error"}]
        assert view.filter(exclude=excluded) == sorted(everything - set(numbers(log.grep("error"))))
        assert view.filter(within=[{"text": "b", "case": True}]) == numbers(log.grep("b"))
        found = view.search("a")["found"]
        both = set(numbers(log.grep("a"))) & set(numbers(log.grep("b")))
        assert found["count"] == len(both)


@RUNS
@given(logs.chunks, st.integers(0, 30), st.integers(0, 30))
def test_rows_are_the_lines(chunks: list[Chunk], start: int, count: int) -> None:
    log = make_log(chunks)
    with asked(log) as view:
        rows = view.ask("rows", start=start, count=count)["rows"]
        assert [row[0] for row in rows] == [x.number for x in log[start : start + count]]
        assert [row[2] for row in rows] == [
            (x.time_ns - logs.STARTED) // 1000 for x in log[start : start + count]
        ]
        json.dumps(rows).encode()  # even of bytes that are no text
        shown = [row[4] if isinstance(row[4], str) else plain_of(row[4]) for row in rows]
        assert view.text(start, start + count) == "".join(f"{line}\n" for line in shown)
        info = view.ask("info")
        assert info["rows"] == view.ask("rows", start=0, count=FIRST_ROWS)["rows"]


@RUNS
@given(logs.chunks, PARTS, st.sampled_from([1, 3, 50]))
def test_lines_are_cut_and_coloured_as_if_all_were_drawn(
    chunks: list[Chunk], part: slice, most: int
) -> None:
    log = make_log(chunks)
    reading = log._read()
    styles: dict[int, Style] = {}
    expected: list[tuple[str, int, list[Style]]] = []
    for row in reading.lines.read(range(len(log))):
        text, left_out = row_text(reading, row._replace(raw=content(row.raw)), most)
        before = styles.get(row.source, PLAIN)
        runs, _ = runs_of(text, before)
        styles[row.source] = runs_of(reading.text(row), before)[1]
        shown = "".join(text for text, _ in runs)
        expected.append((shown, left_out, [style for text, style in runs for _ in text]))
    wanted = sorted(line.number - 1 for line in log[part])
    rows = RowWriter(reading).rows(wanted, most)
    assert [row[0] - 1 for row in rows] == wanted
    for (*_, written, left_out), (text, missing, style) in zip(
        rows, [expected[nth] for nth in wanted], strict=True
    ):
        runs = [[written, 0, -1, -1]] if isinstance(written, str) else written
        assert (plain_of(runs), left_out) == (text, missing)
        flags = [run[1:] for run in runs for _ in run[0]]
        assert flags == [[_flags(each), _number(each.fg), _number(each.bg)] for each in style]


def plain_of(runs: list[Any]) -> str:
    return "".join(run[0] for run in runs)


@RUNS
@given(st.lists(st.integers(0, 1), max_size=300), st.integers(0, 20), st.integers(1, 7))
def test_masks_are_the_sets_that_they_stand_for(bits: list[int], context: int, step: int) -> None:
    mask = Mask()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipyfdcapture.viewer.masks._STEP", step)
        for first in range(0, len(bits), 5):
            mask.extend(bytes(bits[first : first + 5]))
        members = [i for i, bit in enumerate(bits) if bit]
        assert mask.count == len(members)
        assert [mask.rank(i) for i in range(len(bits) + 1)] == [
            sum(bits[:i]) for i in range(len(bits) + 1)
        ]
        for start in range(len(members) + 1):
            assert mask.members(start, 3) == members[start : start + 3]
    near = bytes(any(bits[max(0, i - context) : i + context + 1]) for i in range(len(bits)))
    assert widened(bytes(bits), context) == near


# -- a log that grows -------------------------------------------------------------------------


@RUNS
@given(logs.chunks, st.integers(0, 12))
def test_a_log_that_has_grown_is_as_if_it_were_looked_at_once(
    chunks: list[Chunk], cut: int
) -> None:
    whole, part = make_log(chunks), make_log(chunks[:cut])
    with asked(part) as view:
        view.search("a")
        view.filter(only=True)
        # The same log, some chunks later.
        part.recording = whole.recording
        view.session.is_complete = False
        with view.session.lock:
            view.session.look()
        status = view.settle()
        assert status["lines"] == len(whole)
        assert view.numbers() == numbers(whole.grep("a"))
        assert status["levels"][1:] == [whole.levels().get(level, 0) for level in LEVELS]


def test_a_running_capture_keeps_the_view_moving() -> None:
    with capture_fd() as logs:
        os.write(1, b"first\n")
        with asked(logs) as view:
            view.ask("follow", on=True)
            assert view.settle()["lines"] == 1
            os.write(1, b"begun")
            view.event(lambda event: event.get("lines") == 2, "the second line")
            os.write(1, b" and ended, warning: x\nwarning: the third\n")
            grown = view.event(lambda event: event.get("lines") == 3, "the third line")
            assert [row[4] for row in grown["rows"]][-1] == "warning: the third"
            view.search("ended")
            assert view.filter(only=True) == [2]
            view.event(lambda event: event.get("levels", [0] * 7)[4] == 1, "its level")
    assert logs.wait(30)


def test_a_limited_capture_is_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOVING_S", 0.05)
    with capture_fd(max_bytes=1000) as logs, asked(logs) as view:
        view.search("2")
        for i in range(500):
            os.write(1, f"line {i}\n".encode())
        view.event(lambda event: event.get("lines", 0) > 100, "more than the limit holds")
        eventually(lambda: view.settle()["lines"] == len(logs), "the last line")
        assert view.filter(only=True) == numbers(logs.grep("2"))
    assert logs.wait(30)


# -- what goes wrong --------------------------------------------------------------------------


def test_a_step_waits_for_the_filter_as_for_the_search() -> None:
    log = make_log([(0, b"a\n"), (1, b"b\n")])
    with asked(log) as view:
        view.search("b")
        view.filter(sources=[1])
        assert view.ask("step", what="match", start=-1)["index"] == 0
        with view.session.lock:
            view.session.shown._mask = Mask()  # the filter has looked at nothing yet
            reply = view.ask("step", what="match", start=-1)
        assert reply["index"] is None
        assert not reply["is_done"]


def test_who_goes_to_a_line_waits_until_the_filter_gets_there() -> None:
    log = log_of([(0, b"a"), (1, b"b"), (0, b"c"), (1, b"d")])
    with asked(log) as view:
        view.filter(sources=[1])
        assert view.ask("locate", number=3) == {"re": 1, "index": 1, "is_done": True}
        assert view.ask("locate", number=99) == {"re": 1, "index": 1, "is_done": True}
        with view.session.lock:
            view.session.shown._mask = mask = Mask()
            mask.extend(b"\0\1")
            assert view.ask("locate", number=2) == {"re": 1, "index": 0, "is_done": True}
            for beyond in ({"number": 3}, {"number": 99}, {"seconds": 1e9}):
                reply = view.ask("locate", **beyond)
                assert reply == {"re": 1, "index": None, "is_done": False}


def test_who_steps_to_a_level_waits_for_levels_before_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted: list[list[int]] = []
    send = Finder._send

    def noted(self: Finder, what: str, number: int, **content: Any) -> None:
        if what == "want":
            wanted.append(content["tasks"])
        send(self, what, number, **content)

    monkeypatch.setattr(Finder, "_send", noted)
    with asked(make_log([(0, b"a\n"), (0, b"error: b\n")])) as view, view.session.lock:
        finder = view.session.finder
        view.ask("search", pattern={"text": "b", "regex": False, "case": True})
        assert wanted[-1] == [finder.found(view.session.shown.search_key).task]  # type: ignore[union-attr]
        assert not view.ask("step", what="level", start=-1)["is_done"]
        assert finder.found(LEVELS_KEY).task in wanted[-1]  # type: ignore[union-attr]
        view.ask("search", pattern=None)
        assert wanted[-1] == []
        view.ask("filter", **(NO_FILTER | {"level": "error"}))
        assert wanted[-1] == [finder.found(LEVELS_KEY).task]  # type: ignore[union-attr]


def test_a_search_that_nobody_waits_for_is_given_up() -> None:
    log = make_log([(0, b"a\n"), (1, b"b\n")])
    with asked(log) as view, view.session.lock:
        finder = view.session.finder

        def search(text: str) -> Key:
            view.ask("search", pattern={"text": text, "regex": False, "case": True})
            key = view.session.shown.search_key
            assert key is not None
            return key

        half, whole = search("b"), search("bb")
        assert finder.found(half) is None
        assert set(finder._tasks.values()) == {LEVELS_KEY, whole}
        view.ask("filter", **(NO_FILTER | {"within": [vars(whole.pattern)]}))
        view.ask("search", pattern=None)
        assert finder.found(whole) is not None


def test_marks_come_while_a_scan_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[Message] = []
    take = Finder.take

    def take_half(self: Finder, message: Message) -> None:
        if "start" in message.content:
            pieces.append(message)
            half = message.payload[: len(message.payload) // 2]
            message = Message(message.content | {"done": False}, half)
        take(self, message)

    monkeypatch.setattr(Finder, "take", take_half)
    log = make_log([(0, b"error: a\n"), (0, b"b\n"), (0, b"warning: c\n"), (0, b"d\n")])
    with asked(log) as view:
        with view.session.lock:
            view.ask("filter", **(NO_FILTER | {"level": "warning"}))
            nothing = view.ask("marks", buckets=9)
            assert (nothing["levels"], nothing["matches"]) == ([], [])
        half = view.event(lambda event: event.get("scanned") == 2, "half of the levels")
        assert (half["shown"], half["filtered"]) == (1, 2)
        assert view.ask("marks", buckets=9)["levels"] == [LEVELS.index("error") + 1]
        with view.session.lock:
            for piece in pieces:
                take(view.session.finder, piece)
            view.session.extend_shown()
        both = [LEVELS.index("error") + 1, LEVELS.index("warning") + 1]
        assert view.ask("marks", buckets=9)["levels"] == both


def test_a_request_that_comes_again_after_a_later_one_changes_nothing() -> None:
    def pattern(text: str) -> dict[str, Any]:
        return {"pattern": {"text": text, "regex": False, "case": True}}

    # The answers to the first two were lost: they are asked again, behind those that came later.
    with asked(log_of([(0, b"a"), (1, b"ab"), (0, b"b")])) as view:
        view.ask("search", id=1, **pattern("a"))
        view.ask("filter", id=2, **(NO_FILTER | {"only": True}))
        view.ask("search", id=3, **pattern("b"))
        view.ask("filter", id=4, **NO_FILTER)
        view.ask("select", id=5, start=0, stop=3)
        view.ask("select", id=6, start=1, stop=2)
        for reply in (
            view.ask("search", id=1, **pattern("a")),
            view.ask("filter", id=2, **(NO_FILTER | {"only": True})),
            view.ask("select", id=5, start=0, stop=3),
        ):
            assert reply["lines"] == 3
        view.settle()
        assert view.numbers() == [1, 2, 3]
        assert [index + 1 for index in view.steps("match")] == [2, 3]
        assert list(view.session.selected()) == ["ab"]


def test_the_first_lines_do_not_wait_for_a_process_to_start() -> None:
    log = log_of([(0, b"a"), (0, b"error: b")])
    with asked(log) as view:
        first = view.session.handle({"do": "info", "id": 1})
        assert [row[4] for row in first["rows"]] == ["a", "error: b"]
        assert view.session.finder.scan is None
        view.session.begin()
        view.event(lambda event: event.get("scanned") == 2, "the levels")
    with asked(log, level="error") as view:  # which lines are shown must be found first
        assert view.session.handle({"do": "info", "id": 1})["shown"] < 2
        view.event(lambda event: event.get("shown") == 1, "the error")


def test_the_last_status_says_that_no_other_follows() -> None:
    with asked(log_of([(0, b"a"), (0, b"error: b")])) as view:
        first = view.ask("info")
        assert not first["is_final"]
        last = view.event(lambda event: event.get("is_final"), "the last status")
        assert last["levels"][LEVELS.index("error") + 1] == 1
        assert last["timeline"] is not None
        searched = view.ask("search", pattern={"text": "b"})
        assert not searched["is_final"]
        view.event(lambda event: event.get("is_final") and event["found"], "the last status")
        assert view.ask("status")["found"]["count"] == 1
    with capture_fd() as logs, asked(logs) as view:
        os.write(1, b"begun\n")
        eventually(lambda: view.settle()["scanned"] == 1, "all that there is")
        assert not view.ask("status")["is_final"]
    assert logs.wait(30)


def test_a_bad_expression_is_stopped_and_told_of() -> None:
    log = log_of([(0, b"x" * 60)] * 30 + [(0, b"y")])
    with asked(log) as view:
        found = view.search("(x+x+)+y", regex=True)["found"]
        assert "more than 0.1 s" in found["error"]
        assert "no expression" in view.search("(", regex=True)["found"]["error"]
        assert view.search("y")["found"]["count"] == 1


def test_lines_that_take_too_long_are_counted_and_the_others_found() -> None:
    log = log_of([(0, b"x" * 60)] * 3 + [(0, b"xxy")])
    with asked(log) as view:
        found = view.search("(x+x+)+[yz]", regex=True)["found"]
        assert (found["slow"], found["count"], found["error"]) == (3, 1, "")


def test_spans_tell_where_an_expression_matches() -> None:
    with asked(log_of([(0, b"abcab")])) as view:
        view.search("a.", regex=True)
        assert view.ask("spans", texts=["abcab", "none"]) == {"re": 1, "later": True}
        assert view.event(lambda event: "spans" in event, "spans")["spans"] == [
            [[0, 2], [3, 5]],
            [],
        ]


def test_a_killed_scan_process_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    log = log_of([(0, b"x" * 60)] * 3 + [(0, b"xxy")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipyfdcapture.viewer.finder.Scan", scan.Scan)
        with asked(log) as view:
            view.settle()
            pid = eventually(lambda: view.session.finder.scan._state.pid, "the process")  # type: ignore[union-attr]
            os.kill(pid, 9)
            view.event(lambda event: True, "a status")
            eventually(lambda: _is_other(view, pid), "another process")
            assert view.search("xxy")["found"]["count"] == 1


def _is_other(view: Any, pid: int) -> bool:
    view.search("x")
    process = view.session.finder.scan
    return process is not None and process._state.pid not in (None, pid)


def test_a_closed_view_holds_nothing_that_was_found() -> None:
    with asked(log_of([(0, b"error: a"), (1, b"b")])) as view:
        view.search("b")
        view.filter(level="error")
        assert view.session.finder.found(LEVELS_KEY) is not None
        view.session.close()
        assert view.session.finder._columns == {}
        assert view.session.shown._mask is None


def test_what_was_looked_for_is_kept_as_far_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder, "MOST_KEPT_BYTES", 8)
    with asked(log_of([(0, b"a"), (1, b"b")])) as view:  # so there is room for four
        for text in "abcdef":
            view.search(text)
        kept = [key.pattern.text for key in view.session.finder._columns if key.pattern]
        assert kept == ["d", "e", "f"]
        view.filter(within=[{"text": text} for text in "abcdef"])
        assert len(view.session.finder._columns) == 8  # what is looked for is not forgotten


def test_no_process_and_no_thread_is_left(no_leaks: None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipyfdcapture.viewer.finder.Scan", scan.Scan)
        log = log_of([(0, b"x" * 60)] * 300)
        with asked(log) as view:
            view.ask("search", pattern={"text": "(x+x+)+y", "regex": True})
            pid = eventually(lambda: view.session.finder.scan._state.pid, "the process")  # type: ignore[union-attr]
    eventually(lambda: not _is_alive(pid), "the end of the process")
    ours = "ipyfdcapture-viewer"
    eventually(lambda: ours not in {t.name for t in threading.enumerate()}, "no thread of ours")
    log.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_closed_log_gives_one_quiet_line() -> None:
    log = log_of([(0, b"a")])
    with asked(log) as view:
        view.settle()
        log.close()
        assert "was closed" in view.ask("rows", start=0, count=1)["gone"]
        assert "was closed" in view.event(lambda event: "gone" in event, "the line")["gone"]


def test_what_is_marked_is_a_captured() -> None:
    log = log_of([(0, b"a"), (1, b"ab"), (0, b"b")])
    with asked(log) as view:
        assert len(view.session.selected()) == 0
        view.search("b")
        view.filter(only=True)
        view.ask("select", start=0, stop=2)
        assert list(view.session.selected()) == ["ab", "b"]
        assert isinstance(view.session.selected(), Captured)


def test_a_long_line_is_cut_and_given_whole() -> None:
    with asked(log_of([(0, b"x" * 100_000)])) as view:
        row = view.ask("rows", start=0, count=1)["rows"][0]
        assert len(row[4]) + row[5] == 100_000
        assert row[5] > 0
        whole = view.ask("line", number=1)["row"]
        assert (len(whole[4]), whole[5]) == (100_000, 0)


def test_a_line_that_is_too_long_to_be_given_whole_says_so() -> None:
    with asked(log_of([(0, b"x" * (WHOLE_BYTES + 1_234))])) as view:
        assert view.ask("rows", start=0, count=1)["rows"][0][5] > 0
        whole = view.ask("line", number=1)["row"]
        assert (len(whole[4]), whole[5]) == (WHOLE_BYTES, -1_234)
        text = view.text(0, 1)
        assert (len(text.rstrip()), text[WHOLE_BYTES:]) == (
            WHOLE_BYTES + 19,
            " … 1,234 bytes more\n",
        )


def test_colours_go_on_from_line_to_line() -> None:
    lines = [b"\x1b[31mred", b"still", *[b"more"] * 5, b"\x1b[0mplain"]
    with asked(log_of([(0, line) for line in lines])) as view:
        rows = view.ask("rows", start=5, count=3)["rows"]
        assert [row[4] for row in rows] == [[["more", 0, 1, -1]]] * 2 + ["plain"]


# -- hostile requests -------------------------------------------------------------------------

VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["__class__", "levels", "error", "x" * 20_000, 1 << 70, -1]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = """
    id view start stop count number texts pattern what back level sources exclude within only
    context first last seconds buckets on
"""
KINDS = "info status rows line text search step filter marks locate follow select spans bye"
MESSAGES = st.builds(
    lambda kind, more: {"do": kind} | more,
    st.sampled_from(KINDS.split()) | VALUES,
    st.dictionaries(st.sampled_from(NAMES.split()), VALUES, max_size=6),
)


@settings(RUNS, max_examples=4 * RUNS.max_examples)
@given(st.lists(MESSAGES | VALUES, max_size=6))
def test_any_message_is_answered_and_does_no_harm(messages: list[Any]) -> None:
    log = log_of([(0, b"a"), (1, b"error: b")])
    with asked(log) as view:
        for message in messages:
            reply = view.session.handle(message)
            assert isinstance(reply, dict)
            json.dumps(reply)
    with asked(log) as view:
        assert view.numbers() == [1, 2]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"do": "rm"}, "a request is one of info, status, rows"),
        ({"do": "rows", "start": -1, "count": 2}, "start is a whole number"),
        ({"do": "rows", "start": 0, "count": 10**6}, "count is a whole number from 0 to 1,000"),
        ({"do": "search", "pattern": {"text": ""}}, "1 to 10,000 characters"),
        ({"do": "filter", "sources": [99]}, "sources are numbers below 3"),
        ({"do": "line", "number": 99}, "there is no line 99"),
        ([1], "a request is an object"),
    ],
)
def test_a_bad_request_is_told_what_was_wrong(message: Any, said: str) -> None:
    with asked(log_of([(0, b"a")])) as view:
        assert said in view.session.handle(message)["error"]
