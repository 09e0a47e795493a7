"""What a captured log promises beyond its lines: facts, growth, limits, copies, bad input."""

from __future__ import annotations

import copy
import datetime
import gc
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from helpers.logs import SECOND, STARTED, make_log, make_log_at
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.capture.handle import Capture
from ipyfdcapture.capture.options import CaptureOptions
from ipyfdcapture.capture.session import CaptureSession
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.line import Line
from ipyfdcapture.log.lines import LineIndex, Lines, joined
from ipyfdcapture.recording import spool
from ipyfdcapture.recording.files import recording_files
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording, State, Writing
from ipyfdcapture.recording.writer import RecordingWriter

LOG = [(0, b"one\ntw"), (1, b"warning: x\n"), (0, b"o\r\n"), (2, b"child\n"), (0, b"last")]


class Writer(Writing):
    """A drain that this test plays by hand."""

    def __init__(self, max_bytes: int | None = None) -> None:
        metadata = Metadata(sources=("stdout", "stderr"), started=STARTED, max_bytes=max_bytes)
        self.recording, data, index = Recording.create(spool.directory(), metadata)
        self._writer = RecordingWriter(self.recording.path, data, index, max_bytes)
        self.recording.writing = self
        self.alive = True

    def write(self, chunk: bytes, source: int = 0) -> None:
        self._writer.append(chunk, source)

    def update(self) -> State:
        return State(writing=self.alive)

    def wait(self, timeout: float | None) -> bool:
        return not self.alive

    def release(self) -> None:
        self.alive = False

    def end(self) -> None:
        self.alive = False
        self.recording.finish(time.time_ns())
        self._writer.close()


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    if writer.alive:
        writer.end()


class TestLine:
    def test_it_is_a_str_with_source_time_and_number(self) -> None:
        line = make_log(LOG)[1]
        assert line == "two"
        assert isinstance(line, str)
        assert (line.source, line.number) == ("stdout", 2)
        assert line.time == datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc)
        assert line.time.tzinfo is not None
        assert line.time_ns == STARTED

    def test_it_survives_pickle(self) -> None:
        line = make_log(LOG)[2]
        again = pickle.loads(pickle.dumps(line))
        assert (again, again.source, again.number, again.time) == (
            "warning: x",
            "stderr",
            3,
            line.time,
        )


class TestAsCapturedIO:
    def test_what_ipython_s_own_has_is_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = make_log([(0, b"out\n"), (1, b"err\n")])
        assert (log.stdout, log.stderr, str(log)) == ("out\n", "err\n", "out\nerr\n")
        assert log.outputs == []
        log.show()
        assert capsys.readouterr() == ("out\n", "err\n")
        log()
        assert capsys.readouterr() == ("out\n", "err\n")

    def test_outputs_are_rich_outputs(self) -> None:
        log = make_log([])
        log = Captured(log.recording, [{"data": {"text/plain": "7"}, "metadata": {}}])
        (output,) = log.outputs
        assert type(output).__name__ == "RichOutput"
        assert output.data == {"text/plain": "7"}
        assert bool(log)
        assert log[:].outputs == []

    def test_with_merge_both_are_stdout(self) -> None:
        log = make_log([(0, b"a\nb\n")], sources=["stdout+stderr"])
        assert (log.stdout, log.stderr, log.text) == ("a\nb\n", "", "a\nb\n")
        assert list(log.source("stdout")) == ["a", "b"]
        assert list(log.source("stderr")) == []


class TestFacts:
    def test_of_a_complete_log(self) -> None:
        log = make_log(LOG)
        assert log.started.timestamp() == pytest.approx(STARTED / 1e9)
        assert log.duration == 5.0
        assert log.nbytes == 30
        assert log.dropped == 0
        assert log.complete
        assert log.wait()

    def test_of_one_that_is_still_written(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        assert not log.complete
        assert not log.wait(0)
        assert log.duration > 0
        writer.end()
        assert log.complete

    def test_of_one_that_a_crash_left(self) -> None:
        log = make_log(LOG, stopped=None, crashed=STARTED + (len(LOG) + 1) * SECOND)
        assert log.complete
        assert log.duration == 6.0
        assert "crashed" in repr(log)
        again = pickle.loads(pickle.dumps(log))
        assert (again.duration, repr(again)) == (6.0, repr(log))

    def test_repr_is_one_line(self) -> None:
        assert repr(make_log(LOG, cell=7)) == "<Captured: cell [7], 5 lines, 30 B, 5 s, complete>"
        assert repr(make_log(LOG, failed=True)).endswith(", failed>")
        assert repr(make_log(LOG).grep("o")) == "<Captured: 2 of 5 lines, 5 s, complete>"
        assert repr(make_log([(0, b"x")])) == "<Captured: 1 line, 1 B, 1 s, complete>"


class TestGrowth:
    def test_what_comes_later_is_read_later(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        assert (len(log), log.text, bool(log)) == (0, "", False)
        writer.write(b"one\ntw")
        assert list(log) == ["one", "tw"]
        view = log.tail(1)
        writer.write(b"o\nthree\n")
        assert list(log) == ["one", "two", "three"]
        assert list(view) == ["two"], "a view is of the lines that were there"

    def test_a_reader_that_began_is_not_disturbed(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        writer.write(b"one\ntwo\n")
        lines = iter(log)
        assert next(lines) == "one"
        writer.write(b"three\n")
        assert list(lines) == ["two"]

    def test_a_character_that_is_still_cut_becomes_whole(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        writer.write("€".encode()[:2])
        assert log.text == "\ufffd"
        writer.write("€".encode()[2:])
        assert log.text == "€"

    def test_no_descriptor_is_held_between_reads(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        writer.write(b"one\ntwo\n")
        gc.collect()  # what earlier tests held is gone
        before = len(os.listdir("/dev/fd"))
        views = [log.grep("o"), log[1:], log.source("stdout")]
        assert [len(view) for view in views] == [2, 1, 2]
        assert len(os.listdir("/dev/fd")) == before


class TestLimit:
    def test_what_stands_on_either_side_of_the_gap_is_not_one_line(self) -> None:
        writer = Writer(max_bytes=20)
        writer.write(b"".join(b"line %d\n" % i for i in range(10)))
        writer.end()
        log = Captured(writer.recording)
        assert log.raw == b"line 0\nlin" + b" 8\nline 9\n"
        assert [str(line) for line in log][:2] == ["line 0", "lin"]
        assert log[-1] == "line 9"
        assert log.dropped == 50
        assert "50 B dropped" in repr(log)

    def test_views_of_a_log_that_still_moves_keep_their_lines(self) -> None:
        writer = Writer(max_bytes=40)
        log = Captured(writer.recording)
        for i in range(20):
            writer.write(b"line %03d\n" % i)
            assert log[-1] == f"line {i:03d}"
        view = log.tail(2)
        for i in range(20, 40):
            writer.write(b"line %03d\n" % i)
        assert list(view) == ["line 018", "line 019"]
        assert list(view.grep("19")) == ["line 019"]
        writer.end()
        assert log[-1] == "line 039"
        assert len(log) == len(list(log))

    def test_its_files_are_the_owner_s_alone(self) -> None:
        before = os.umask(0)
        try:
            writer = Writer(max_bytes=20)
            writer.write(b"x" * 100)
            writer.end()
            log = Captured(writer.recording)
            assert len(log.raw) == 20
        finally:
            os.umask(before)
        files = recording_files(log.recording.path)
        assert {os.stat(file).st_mode & 0o777 for file in files} == {0o600}

    def test_the_size_is_known_without_joining_the_halves(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = Writer(max_bytes=20)
        log = Captured(writer.recording)
        sizes = []
        with monkeypatch.context() as patch:
            patch.delattr(Recording, "_join_halves")
            for _ in range(5):
                sizes.append(log.nbytes)
                writer.write(b"seven b")
            writer.end()
            sizes.append(log.nbytes)
        assert sizes == [0, 7, 14, 20, 20, 20]
        assert (len(log.raw), log.nbytes, log.dropped) == (20, 20, 15)

    def test_a_pickle_says_what_was_dropped(self) -> None:
        writer = Writer(max_bytes=20)
        writer.write(b"x" * 100)
        writer.end()
        log = Captured(writer.recording)
        again = pickle.loads(pickle.dumps(log))
        assert (again.dropped, again.raw, len(again)) == (80, b"x" * 20, 2)


def appended(before: Captured | None, written: bytes, max_bytes: int | None) -> Captured:
    """Capture what a cell with ``--append`` writes."""
    with appending(before, max_bytes=max_bytes) as log:
        os.write(1, written)
    return log


def appending(before: Captured | None, **options: Any) -> Capture:
    """Return a capture whose log continues another one."""
    chosen = CaptureOptions(descriptors=(1, 2), drain="thread", append_to=before, **options)
    return Capture(CaptureSession(chosen))


class TestAppending:
    def test_what_was_lost_before_stays_said(self) -> None:
        first = appended(None, b"".join(b"line %d\n" % i for i in range(10)), 20)
        log = appended(first, b"more\n", None)
        assert list(log) == ["line 0", "lin", " 8", "line 9", "more"]
        assert log.dropped == 50
        assert "50 B dropped" in repr(log)
        assert log.text == "line 0\nlin 8\nline 9\nmore\n"
        for copied in (copy.deepcopy(log), pickle.loads(pickle.dumps(log))):
            assert (list(copied), copied.dropped) == (list(log), 50)

    def test_what_a_fault_cost_before_stays_said(self) -> None:
        first = make_log([(0, b"begun")], sources=["stdout", "stderr"])
        first.recording.state = State(dropped=7, dropped_why="No space left on device")
        log = appended(first, b"other\n", None)
        assert list(log) == ["begun", "other"]
        assert "7 B dropped (No space left on device)" in repr(log)

    def test_a_character_is_not_put_together_across_a_gap(self) -> None:
        half = "あ".encode("shift_jis")[:1]
        first = make_log([(0, half)], sources=["stdout", "stderr"], encoding="shift_jis")
        first.recording.state = State(dropped=1)
        with appending(first, encoding="shift_jis") as log:
            os.write(1, b"a\nb\n")
        assert list(log)[-2:] == ["a", "b"]

    @settings(deadline=None, max_examples=30)
    @given(
        st.lists(
            st.tuples(st.integers(0, 40), st.none() | st.integers(1, 300)), min_size=2, max_size=5
        )
    )
    def test_several_times_adds_up_and_invents_no_line(
        self, cells: list[tuple[int, int | None]]
    ) -> None:
        log, written = None, b""
        for number, (lines, max_bytes) in enumerate(cells):
            cell = b"".join(b"<%d:%d>\n" % (number, line) for line in range(lines))
            log = appended(log, cell, max_bytes)
            written += cell
            assert log.nbytes + log.dropped == len(written)
            if max_bytes is not None:
                assert log.nbytes <= max_bytes
            assert all(line.encode() in written for line in log)
            if not log.dropped:
                assert log.raw == written


class TestCopies:
    def test_a_pickle_carries_the_log(self) -> None:
        log = make_log(LOG, cell=3)
        data = pickle.dumps(log)
        assert log.recording.path.encode() not in data
        again = pickle.loads(data)
        log.close()
        assert [(line, line.source, line.number) for line in again][1:3] == [
            ("two", "stdout", 2),
            ("warning: x", "stderr", 3),
        ]
        assert again.recording.metadata.cell == 3
        assert again.complete

    def test_a_pickle_is_read_in_another_process(self) -> None:
        code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).text, end='')"
        log = make_log(LOG)
        done = subprocess.run(
            [sys.executable, "-c", code], input=pickle.dumps(log), capture_output=True, check=True
        )
        assert done.stdout.decode().replace("\r\n", "\n") == log.text.replace("\r\n", "\n")

    def test_a_pickled_view_is_the_same_view(self) -> None:
        view = make_log(LOG).grep("o")
        again = pickle.loads(pickle.dumps(view))
        assert again == view
        assert [line.number for line in again] == [1, 2]

    def test_a_copy_shares_the_recording_and_a_deep_copy_has_its_own(self) -> None:
        log = make_log(LOG)
        shared, own = copy.copy(log), copy.deepcopy(log)
        assert shared == own == log
        log.close()
        assert shared.recording.closed
        assert own.text.startswith("one\n")


class TestEquality:
    def test_it_is_by_lines_and_sources_not_by_time_or_cuts(self) -> None:
        log = make_log([(0, b"a\nb\n"), (1, b"c\n")])
        assert log == make_log([(0, b"a"), (0, b"\nb\n"), (1, b"c\n")])
        assert log != make_log([(0, b"a\nb\n"), (0, b"c\n")])
        assert log != make_log([(0, b"a\nb\n"), (1, b"d\n")])
        assert log != make_log([(0, b"a\nb\n")])
        assert log.head(2) == make_log([(0, b"a\nb\n")])
        assert log != "a\nb\nc\n"

    def test_displays_count(self) -> None:
        log = make_log([(0, b"a\n")])
        with_display = Captured(log.recording, [{"data": {"text/plain": "7"}}])
        assert with_display != log
        assert with_display == copy.deepcopy(with_display)

    def test_it_has_no_hash_because_it_may_grow(self) -> None:
        with pytest.raises(TypeError, match="unhashable"):
            hash(make_log(LOG))


class TestClosing:
    def test_a_log_that_was_closed_is_complete(self, writer: Writer) -> None:
        log = Captured(writer.recording)
        writer.recording.finish(time.time_ns())
        assert not log.complete
        log.close()
        assert log.complete
        assert log.wait(0)

    def test_a_closed_log_says_so(self) -> None:
        log = make_log(LOG)
        view = log.head(1)
        log.close()
        log.close()
        assert repr(log) == repr(view) == "<Captured: closed>"
        assert log._repr_mimebundle_() == {"text/plain": "<Captured: closed>"}
        with pytest.raises(ValueError, match="closed"):
            _ = log.text
        with pytest.raises(ValueError, match="closed"):
            len(view)

    def test_its_files_go_with_the_last_view(self) -> None:
        log = make_log(LOG)
        path = log.recording.path + ".data"
        view = log.head(1)
        del log
        assert os.path.exists(path)
        del view
        assert not os.path.exists(path)


class TestTime:
    def test_rate_covers_all_time_and_all_output(self) -> None:
        log = make_log_at(
            [
                (0, b"a\nb", STARTED + SECOND // 2),
                (1, b"x\n", STARTED + SECOND),
                (0, b"c\n", STARTED + 3 * SECOND),
            ],
            stopped=STARTED + 4 * SECOND,
        )
        rates = log.rate(1)
        assert [(rate.lines, rate.nbytes) for rate in rates] == [
            (2, 3),
            (1, 2),
            (0, 0),
            (0, 2),
            (0, 0),
        ]
        assert rates[0].start == log.started
        assert {rate.seconds for rate in rates} == {1.0}
        assert [(rate.lines, rate.nbytes) for rate in log.source("stderr").rate(2)] == [
            (1, 2),
            (0, 0),
            (0, 0),
        ]

    def test_rate_without_an_interval_gives_a_readable_number_of_entries(self) -> None:
        assert len(make_log([(0, b"x\n")] * 1000).rate()) in range(20, 62)
        assert len(make_log([]).rate()) >= 1

    def test_gaps_are_the_longest_silences_and_the_lines_around_them(self) -> None:
        log = make_log_at(
            [
                (0, b"a\n", STARTED + 1 * SECOND),
                (0, b"b\nc\n", STARTED + 2 * SECOND),
                (1, b"d\n", STARTED + 7 * SECOND),
            ],
            stopped=STARTED + 10 * SECOND,
        )
        found = [(gap.seconds, gap.before, gap.after) for gap in log.gaps(2)]
        assert found == [(5.0, "c", "d"), (3.0, "d", None)]
        assert log.gaps(2)[0].start == log.started + datetime.timedelta(seconds=2)
        assert [(gap.seconds, gap.before, gap.after) for gap in log.gaps()[2:]] == [
            (1.0, None, "a"),
            (1.0, "a", "b"),
        ]

    def test_gaps_of_a_view_are_those_between_its_lines(self) -> None:
        view = make_log([(0, b"step\n"), (0, b"noise\n"), (0, b"step\n"), (0, b"step\n")]).grep(
            "step"
        )
        assert [(gap.seconds, gap.before, gap.after) for gap in view.gaps()] == [
            (2.0, "step", "step"),
            (1.0, "step", "step"),
        ]
        assert [line.number for gap in view.gaps(1) for line in gap[2:]] == [1, 3]

    def test_a_clock_that_was_set_back_confuses_nothing(self) -> None:
        log = make_log_at([(0, b"a\n", STARTED + 5 * SECOND), (0, b"b\n", STARTED - SECOND)])
        assert list(log.between(-2, 0)) == ["b"]
        assert sum(rate.lines for rate in log.rate(1)) == 2
        assert log._repr_mimebundle_()

    def test_between_takes_the_times_of_lines(self) -> None:
        log = make_log(LOG)
        assert log.between(log[2].time, log[3].time) == log[2:4]
        assert log.between(datetime.timedelta(seconds=3)) == log[3:]
        assert (
            log.between(end=log[1].time.replace(tzinfo=None) if _is_utc() else log[1].time)
            == log[:2]
        )


def _is_utc() -> bool:
    return datetime.datetime.now().astimezone().utcoffset() == datetime.timedelta(0)


class TestShow:
    def show(self, log: Captured, capsys: pytest.CaptureFixture[str], raw: bool = False) -> str:
        log.show(raw=raw)
        return capsys.readouterr().out

    def test_colours_stay_and_all_else_that_drives_a_terminal_goes(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = make_log([(0, b"\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07\x1bc\x1b[6n\x9b5A.\n")])
        assert self.show(log, capsys) == "\x1b[31mred\x1b[0m\ufffd5A.\n"
        assert self.show(log, capsys, raw=True) == log.stdout

    def test_a_colour_that_is_left_on_ends_with_each_line(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = make_log(
            [(0, b"\x1b[31mred\nstill\n"), (2, b"plain\n"), (0, b"red")],
            sources=["stdout", "x", "child/stdout"],
        )
        assert self.show(log, capsys) == (
            "\x1b[31mred\x1b[0m\n\x1b[31mstill\x1b[0m\nplain\n\x1b[31mred\x1b[0m"
        )

    def test_progress_is_shown_as_it_ended(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = make_log([(0, b" 10%\r 20%\r100%\nab\b\bX\n\x1b[2K\rlong text\rshort\x1b[K\n")])
        assert self.show(log, capsys) == "100%\nXb\nshort\n"

    def test_the_stderr_of_a_child_goes_to_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        make_log([(2, b"oops\n"), (0, b"fine\n")]).show()
        assert capsys.readouterr() == ("fine\n", "oops\n")


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda log: log.grep(3), TypeError, "a pattern is str, bytes or a compiled"),
        (lambda log: log.grep(), TypeError, "needs a pattern, or a level"),
        (lambda log: log.grep("x", context=-1), ValueError, "0 or more, not -1"),
        (
            lambda log: log.grep("x", source="gpu"),
            ValueError,
            "no source 'gpu' in this log; it has",
        ),
        (lambda log: log.grep(level="loud"), ValueError, "a level is one of trace, debug"),
        (lambda log: log.head(-1), ValueError, "0 or more, not -1"),
        (lambda log: log.tail("3"), TypeError, "is an int, not '3'"),
        (lambda log: log.source(1), TypeError, "named by a str, not 1"),
        (lambda log: log[5], IndexError, r"no line \[5\]: the log has 5 lines"),
        (lambda log: log.between("noon"), TypeError, "a moment is a datetime, a timedelta or"),
        *[
            (lambda log, wrong=wrong: log.between(0, wrong), ValueError, "years 1 to 9999")
            for wrong in (float("inf"), float("nan"), 1e30, datetime.datetime.min)
        ],
        (lambda log: log.rate(float("inf")), ValueError, "not inf"),
        (lambda log: log.rate(0), ValueError, "above 0 that cuts 5 s into at most 1,000,000"),
        (lambda log: log.rate(1e-8), ValueError, "not 1e-08"),
        (lambda log: 3 in log, TypeError, "is str or bytes, not 3"),
        (lambda log: log.gaps(-1), ValueError, "0 or more"),
    ],
)
def test_bad_input_is_one_clear_line(use: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        use(make_log(LOG))  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_streams_that_wrote_nothing_may_be_asked_for() -> None:
    log = make_log([(0, b"x\n")], sources=["stdout"])
    assert list(log.source("stderr")) == []
    assert log.stderr == ""


@pytest.mark.parametrize("word", ["quiz", "JAZZ", "e", "x~Y", "~", "\t"])
def test_a_text_of_rare_characters_is_found_in_either_case(word: str) -> None:
    for line in (word, word.upper(), word.lower(), word.swapcase()):
        log = make_log([(0, f"a {line} b\n...\n".encode())])
        assert len(log.grep(word)) == (word in line)
        assert len(log.grep(word, ignore_case=True)) == 1


def test_grep_knows_the_case_of_letters_beyond_ascii() -> None:
    log = make_log([(0, "ÉTÉ\nété\nhiver\n".encode())])
    assert list(log.grep("Été", ignore_case=True)) == ["ÉTÉ", "été"]


def test_grep_counts_like_levels() -> None:
    log = make_log([(0, b"a.c:1:2: warning: x\nplain\n"), (1, b"Error: y\nWarning: z\n")])
    assert log.levels() == {"warning": 2, "error": 1}
    assert [line.number for line in log.grep(level="=warning")] == [1, 4]
    assert [line.number for line in log.grep(level="warning")] == [1, 3, 4]
    assert [line.number for line in log.grep("x", level="=warn")] == [1]
    assert log.source("stderr").levels() == {"warning": 1, "error": 1}


def test_a_line_of_100_mb_is_one_line() -> None:
    line = b"x" * 100_000_000 + b"needle"
    log = make_log([(0, b"a\n"), (0, line), (1, b"err\n"), (0, b"end\nb\n")])
    assert len(log) == 4
    assert [found.number for found in log.grep("needleend")] == [2]
    assert len(log[1]) == len(line) + 3
    assert list(log.tail(2)) == ["err", "b"]
    assert log.nbytes == len(line) + 12
    bundle = log._repr_mimebundle_()
    assert len(bundle["text/html"]) < 200_000
    assert len(bundle["text/plain"]) < 5_000


def test_it_imports_no_ipython_no_pandas_and_nothing_heavy() -> None:
    code = (
        "import sys, ipyfdcapture.log.captured; "
        "print([m for m in ('IPython', 'pandas', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_compiled_expression_may_span_to_the_line_s_end() -> None:
    log = make_log([(0, b"a=1\r\nb=2\n")])
    assert list(log.grep(re.compile(r"\d$"))) == ["a=1", "b=2"]
    assert isinstance(log[0], Line)


class _Counted:
    """A column of an index that counts how many entries are looked at in passing."""

    def __init__(self, column: memoryview) -> None:
        self.column = column
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, key: slice) -> memoryview:
        part = self.column[key]
        self.looked_at += len(part)
        return part


class TestManyUnfinishedLines:
    """Children that rewrite a line of progress each: what they write is one line a child."""

    CHILDREN = 20
    UPDATES = 200

    def lines(self) -> tuple[Lines, _Counted]:
        children = range(self.CHILDREN)
        chunks = [(n, b"\r%02d" % n) for _ in range(self.UPDATES) for n in children]
        log = make_log(chunks, sources=[f"child {n}" for n in children])
        snapshot = log.recording.snapshot()
        sources = _Counted(snapshot.source_numbers)
        lines = Lines(replace(snapshot, source_numbers=sources), LineIndex())  # type: ignore[arg-type]
        sources.looked_at = 0
        return lines, sources

    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ipyfdcapture.log.lines.BLOCK_BYTES", 200)
        monkeypatch.setattr("ipyfdcapture.log.strands.PART_BYTES", 200)

    def test_one_is_read_without_the_others(self) -> None:
        lines, sources = self.lines()
        (row,) = lines.read([3])
        assert row.raw == b"\r03" * self.UPDATES
        assert sources.looked_at <= 3 * self.CHILDREN * self.UPDATES

    @pytest.mark.parametrize("read", ["rows", "batches", "sources"])
    def test_all_are_read_in_one_pass(self, read: str) -> None:
        lines, sources = self.lines()
        if read == "rows":
            assert len(list(lines.read(range(self.CHILDREN)))) == self.CHILDREN
        elif read == "batches":
            assert b"\r19\r19" in [batch.cut_line() for batch in lines.batches()][-1]
        else:
            assert joined(lines.ranges_by_source({3})) == range(3, 4)
        assert sources.looked_at <= 3 * self.CHILDREN * self.UPDATES


def test_it_is_a_sequence() -> None:
    from collections.abc import Sequence

    logs = make_log([(0, b"a\nb\na\n"), (1, b"e\n")])
    lines = list(logs)
    assert isinstance(logs, Sequence) and isinstance(logs.tail(1), Sequence)
    assert (logs.index("a"), logs.index("a", 1), logs.index("b", -3)) == (0, 2, 1)
    assert logs.index("a", 1, 3) == lines.index("a", 1, 3) == 2
    assert (logs.count("a"), logs.count("x"), logs.count(1)) == (2, 0, 0)
    with pytest.raises(ValueError, match="no line is 'x'"):
        logs.index("x")
    with pytest.raises(ValueError, match="no line is 'a'"):
        logs.index("a", 1, 2)
    match logs:
        case [first, *_, last]:
            assert (first, last) == ("a", "e")
    assert list(reversed(logs)) == lines[::-1]


def test_its_text_is_everything_in_order() -> None:
    logs = make_log([(0, b"out\n"), (1, b"err\n"), (0, b"more\n")])
    assert str(logs) == f"{logs}" == "out\nerr\nmore\n"
    assert (logs.stdout, logs.stderr) == ("out\nmore\n", "err\n")


@pytest.mark.parametrize("key", ["a", b"a", ""])
def test_a_text_is_no_index(key: object) -> None:
    logs = make_log([(0, b"a\n")])
    with pytest.raises(TypeError, match="an index is the position of a line, or a slice, not"):
        logs[key]  # type: ignore[index]
