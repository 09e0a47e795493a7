"""Any log file as a `Captured`: where it stays, what it gives back, and what is wrong with it."""

from __future__ import annotations

import datetime
import gzip
import os
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import logs
from helpers.logs import Chunk, make_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipyfdcapture import Captured, open_log
from ipyfdcapture.log import timestamps
from ipyfdcapture.log.line import Line
from ipyfdcapture.recording import copying

QUICK = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
UTC = datetime.timezone.utc


def write(path: Path, data: bytes, modified: str = "2026-03-01T12:00:00+00:00") -> Path:
    path.write_bytes(data)
    moment = datetime.datetime.fromisoformat(modified).timestamp()
    os.utime(path, (moment, moment))
    return path


def model_texts(data: bytes) -> list[str]:
    lines = data.split(b"\n")
    last = lines.pop()
    lines = [line.removesuffix(b"\r") for line in lines] + ([last] if last else [])
    return [line.decode("utf-8", "replace") for line in lines]


@pytest.fixture
def mapped() -> Iterator[None]:
    """Nothing is copied: to make a recording of bytes is an error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "ChunkAppender", None)
        yield


class TestPlainFiles:
    @QUICK
    @given(data=st.binary() | st.text("ab\n\r€").map(str.encode))
    def test_any_bytes_are_a_log_that_is_not_copied(
        self, tmp_path: Path, data: bytes, mapped: None
    ) -> None:
        if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"(\xb5/\xfd", b"PAR1")):
            return  # UTF-16, gzip, Zstandard, Parquet
        if b"\0\n" in data or b"\n\0" in data:
            return  # it may be UTF-16 without a mark, of which one is warned
        log = open_log(write(tmp_path / "x.log", data))
        assert log.raw == data
        assert list(log) == model_texts(data)
        assert log.complete and log.duration == 0

    def test_it_is_narrowed_searched_pickled_and_saved_as_any_log(self, tmp_path: Path) -> None:
        log = open_log(write(tmp_path / "x.log", b"one\nERROR: two\nthree\n"))
        assert list(log.grep(level="error", context=1).tail(2)) == ["ERROR: two", "three"]
        assert pickle.loads(pickle.dumps(log)) == log
        assert pickle.loads(pickle.dumps(log.tail(1))) == log.tail(1)
        log.save(tmp_path / "y.txt")
        assert (tmp_path / "y.txt").read_bytes() == log.raw

    def test_closing_and_forgetting_it_leave_the_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        open_log(path).close()
        del [*open_log(path)][:]
        assert path.read_bytes() == b"one\n"

    def test_it_stays_readable_when_the_file_is_renamed_or_removed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        log = open_log(path)
        path.rename(tmp_path / "x.log.1")
        (tmp_path / "x.log.1").unlink()
        assert log.text == "one\n"

    def test_what_is_appended_later_is_not_looked_at(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        log = open_log(path)
        with path.open("ab") as file:
            file.write(b"two\n")
        assert log.text == "one\n"

    @pytest.mark.parametrize("after", [b"", b"on", b"two\n", b"two\nmore\n"])
    def test_one_that_was_cut_or_written_anew_is_an_error_not_a_wrong_line(
        self, tmp_path: Path, after: bytes
    ) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        log = open_log(path)
        assert log.text == "one\n"
        path.write_bytes(after)
        for _ in range(2):
            with pytest.raises(OSError, match="after it was opened: open it again"):
                len(log.text)

    def test_one_that_is_cut_while_it_is_read_is_an_error_not_the_end_of_the_process(
        self, tmp_path: Path, no_leaks: None
    ) -> None:
        path = write(tmp_path / "x.log", b"one line\n" * 20_000)
        log = open_log(path)
        lines = iter(log)
        assert next(lines) == "one line"
        os.truncate(path, 1000)
        with pytest.raises(OSError, match="cut while it was read: open it again"):
            list(lines)
        why = "the file was cut to 1,000 bytes after it was opened: open it again"
        assert repr(log) == f"<Captured: {why}>"
        log.close()

    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux has such files")
    def test_a_file_without_a_size_is_read(self) -> None:
        assert open_log("/proc/self/status").grep("Name:")

    def test_a_mark_at_the_start_does_not_hide_a_level(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"\xef\xbb\xbfERROR: one\ntwo\n")
        assert open_log(path).levels() == {"error": 1}

    def test_home_is_known(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        write(tmp_path / "x.log", b"one\n")
        assert open_log("~/x.log").text == "one\n"

    def test_another_encoding_may_be_given(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", "é\n".encode("latin-1"))
        assert open_log(path, encoding="latin-1")[0] == "é"

    def test_utf_16_with_its_mark_becomes_utf_8(self, tmp_path: Path) -> None:
        for encoding in ("utf-16-le", "utf-16-be"):
            text = "\ufeffone\r\ntwo €\r\n".encode(encoding)
            path = write(tmp_path / "x.log", text)
            assert list(open_log(path)) == ["one", "two €"]
            packed = write(tmp_path / "x.log.gz", gzip.compress(text))
            assert list(open_log(packed)) == ["one", "two €"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark_is_named_and_read_if_asked(
        self, tmp_path: Path, encoding: str
    ) -> None:
        text = "\r\n".join(["03:04:05 one €", "03:04:35 zwei ü", ""]).encode(encoding)
        plain = write(tmp_path / "x.log", text)
        packed = write(tmp_path / "x.log.gz", gzip.compress(text))
        for path in (plain, packed):
            asked = f"UTF-16 without a mark: open it with encoding='{encoding}'"
            with pytest.warns(UserWarning, match=asked) as told:
                assert open_log(path).raw == text
            assert len(told) == 1 and told[0].filename == __file__
            log = open_log(path, encoding=encoding.upper(), times="auto")
            assert list(log) == ["03:04:05 one €", "03:04:35 zwei ü"]
            assert log.duration == 30
        with pytest.raises(ValueError, match="only a text file can be followed"):
            open_log(plain, encoding=encoding, follow=True)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf_16_be"])
    def test_utf_16_may_be_named_where_it_has_a_mark(self, tmp_path: Path, encoding: str) -> None:
        text = "one\ntwo €\n".encode(encoding)
        marked = text if encoding == "utf-16" else "\ufeff".encode(encoding) + text
        for data in (marked, gzip.compress(marked)):
            assert list(open_log(write(tmp_path / "x", data), encoding=encoding)) == [
                "one",
                "two €",
            ]

    @pytest.mark.parametrize(
        "data", [b"a\0b\0c\0", b"\0\n\0\0" * 9, b"one\0\ntwo\0\n", b"\n\0\0\0" * 9]
    )
    def test_zeros_alone_do_not_make_it_utf_16(self, tmp_path: Path, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_log(write(tmp_path / "x.log", data)).raw == data


class TestWhatIsNoLog:
    def test_is_told_in_one_line(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for path, error in (
            (tmp_path, IsADirectoryError),
            (tmp_path / "missing", FileNotFoundError),
            (tmp_path / "fifo", OSError),
            (Path("/dev/null"), OSError),
        ):
            with pytest.raises(error) as raised:
                open_log(path)
            assert len(str(raised.value).splitlines()) == 1

    def test_bad_arguments_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        with pytest.raises(ValueError, match="times is 'auto'"):
            open_log(path, times="lines")
        with pytest.raises(ValueError, match="follow must be True or False"):
            open_log(path, follow=1)  # type: ignore[arg-type]
        for encoding in ("nope", "utf-16\0", 16):
            with pytest.raises(ValueError, match="give an encoding"):
                open_log(path, encoding=encoding)  # type: ignore[arg-type]

    def test_nothing_is_left_open(self, tmp_path: Path, no_leaks: None) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        open_log(path).close()
        with pytest.raises(ValueError, match="no times"):
            open_log(path, times="auto")
        open_log(path, follow=True).close()


class TestCompressed:
    @QUICK
    @given(data=st.binary(), cut=st.integers(1, 30))
    def test_gzip_gives_what_is_in_it_or_the_start_of_that(
        self, tmp_path: Path, data: bytes, cut: int
    ) -> None:
        if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"(\xb5/\xfd", b"PAR1")):
            return  # UTF-16, gzip, Zstandard, Parquet
        if b"\0\n" in data or b"\n\0" in data:
            return  # it may be UTF-16 without a mark, of which one is warned
        packed = gzip.compress(data)
        assert open_log(write(tmp_path / "x.log.gz", packed)).raw == data
        path = write(tmp_path / "y", packed[:-cut])
        if len(packed) - cut < 2:
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                log = open_log(path)
            except ValueError as error:
                assert "nothing of it can be read: the compressed data is cut" in str(error)
                return
        assert data.startswith(log.raw)
        assert "cut short: the log has what could be read" in str(caught[0].message)

    def test_several_files_in_one_are_one(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 512
        assert list(open_log(write(tmp_path / "x.gz", packed))) == ["one", "two"]

    def test_damage_is_told_and_what_came_before_is_there(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(os.urandom(1 << 20), 0) + gzip.compress(b"x"))
        packed[-30:-10] = b"\xff" * 20
        with pytest.warns(UserWarning, match="damaged"):
            log = open_log(write(tmp_path / "x.gz", bytes(packed)))
        assert 0.9 * (1 << 20) < log.nbytes <= 1 << 20

    def test_zstandard_is_read_where_a_library_is(self, tmp_path: Path) -> None:
        zstandard = pytest.importorskip("zstandard")
        data = b"line\n" * 100_000
        packed = zstandard.compress(data) + zstandard.compress(b"more\n")
        assert open_log(write(tmp_path / "x.zst", packed)).raw == data + b"more\n"
        with pytest.warns(UserWarning, match="cut short"):
            log = open_log(write(tmp_path / "y.zst", packed[:-1]))
        assert log.raw.startswith(data)

    def test_times_are_found_in_it_too(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"2026-01-02 03:04:05Z a\n2026-01-02 03:04:08Z b\n")
        log = open_log(write(tmp_path / "x.gz", packed), times="auto")
        assert log.duration == 3 and log.text.startswith("2026")


class TestSavedLogs:
    @QUICK
    @given(logs.chunks)
    def test_give_back_lines_sources_and_times(self, tmp_path: Path, chunks: list[Chunk]) -> None:
        log = make_log(chunks)
        for name in ("x.jsonl", "x.parquet"):
            if name == "x.parquet":
                pytest.importorskip("pyarrow")
            log.save(tmp_path / name)
            again = open_log(tmp_path / name)
            if len(log):
                assert [facts(line) for line in again] == [facts(line) for line in log]

    def test_one_that_is_cut_is_told_and_read_up_to_there(self, tmp_path: Path) -> None:
        make_log([(0, b"one\ntwo\nthree\n")]).save(tmp_path / "x.jsonl")
        data = (tmp_path / "x.jsonl").read_bytes()
        (tmp_path / "x.jsonl").write_bytes(data[:-20])
        with pytest.warns(UserWarning, match="line 3 is cut or damaged: the log has what"):
            assert list(open_log(tmp_path / "x.jsonl")) == ["one", "two"]

    def test_other_objects_in_lines_are_a_plain_log(self, tmp_path: Path) -> None:
        log = open_log(write(tmp_path / "x.jsonl", b'{"level": "error"}\n[1]\n'))
        assert list(log) == ['{"level": "error"}', "[1]"]

    def test_a_compressed_one_is_known_too(self, tmp_path: Path) -> None:
        make_log([(0, b"one\n"), (1, b"two\n")]).save(tmp_path / "x.jsonl")
        packed = gzip.compress((tmp_path / "x.jsonl").read_bytes())
        log = open_log(write(tmp_path / "x.jsonl.gz", packed))
        assert [line.source for line in log] == ["stdout", "stderr"]

    def test_parquet_of_others_is_refused(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
        with pytest.raises(ValueError, match="its columns are not those of a log"):
            open_log(tmp_path / "x.parquet")
        write(tmp_path / "y.parquet", (tmp_path / "x.parquet").read_bytes()[:-10])
        with pytest.raises(ValueError, match="cannot be read as Parquet"):
            open_log(tmp_path / "y.parquet")


def facts(line: Line) -> tuple[str, str, int]:
    return str(line), line.source, line.time_ns // 1000


#: Lines of real programs, two of each, and the time between them in seconds.
STAMPED = [
    ("2026-01-02 03:04:05,123 INFO root: a", "2026-01-02 03:04:06,123 INFO root: b", 1),
    ("[2026-01-02 03:04:05.123456] [info] a", "[2026-01-02 03:04:05.623456] [info] b", 0.5),
    ("2026-01-02T03:04:05.5+02:00 a", "2026-01-02T02:04:05.5+01:00 b", 0),
    ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-02T03:04:05 ***",) * 2 + (0,),
    ("2026/01/02 03:04:05 [error] 7#7: a", "2026/01/02 03:05:05 [error] 7#7: b", 60),
    ("26/01/02 03:04:05 INFO SparkContext: a", "26/01/03 03:04:05 INFO SparkContext: b", 86400),
    ("127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] a", "::1 - - [02/Jan/2026:03:04:15 +0000]", 10),
    ("Fri Jan  2 03:04:05 2026 a", "Fri Jan  2 03:04:07 2026 b", 2),
    ("Fri Jan  2 03:04:05 UTC 2026", "Fri Jan  2 03:04:07 UTC 2026", 2),
    ("start: Fri Jan  2 03:04:05 CET 2026", "end: Fri Jan  2 04:04:05 CET 2026", 3600),
    ("Jan 02, 2026 11:04:05 AM a.Main main", "Jan 02, 2026 1:04:05\u202fPM a.Main main", 7200),
    ("1/2/2026 12:59:59 AM a", "1/2/2026 1:00:00 AM b", 1),
    ("[INFO] 02.01.2026 03:04:05,5 a", "[INFO] 02.01.2026, 03:04:06,0 b", 0.5),
    ("20260102-030405 a", "20260102-030406 b", 1),
    ("[20260102T030405.5Z] a", "[20260102T040406.5+01:00] b", 1),
    ('{"level":30,"time":1767323045123,"msg":"a"}', '{"level":30,"time":1767323046123}', 1),
    ("Jan  2 03:04:05 host kernel: a", "Jan  2 03:04:06 host kernel: b", 1),
    ("Dec 31 23:59:59 host kernel: a", "Jan  1 00:00:00 host kernel: b", 1),
    ("I0102 03:04:05.123456 1 a.cc:2] a", "E0102 03:04:06.123456 1 a.cc:2] b", 1),
    ('{"ts": 1767323045.5, "m": 1}', '{"ts": 1767323046.0, "m": 2}', 0.5),
    ("[    1.500000] usb 1-1: a", "[    4.000000] usb 1-1: b", 2.5),
    ("[03:04:05] WARNING: a", "[03:04:07] WARNING: b", 2),
    ("23:59:59.5 a", "00:00:00.5 b", 1),
]


class TestTimesInLines:
    @pytest.mark.parametrize(("first", "second", "seconds"), STAMPED)
    def test_are_found_in_the_layouts_of_programs(
        self, tmp_path: Path, first: str, second: str, seconds: float
    ) -> None:
        text = f"a title\n{first}\n  more\n{second}\n  more\n"
        log = open_log(write(tmp_path / "x.log", text.encode()), times="auto")
        times = [line.time for line in log]
        assert times[0] == times[1] == times[2] and times[3] == times[4]
        assert (times[3] - times[2]).total_seconds() == pytest.approx(seconds)
        assert log.duration == pytest.approx(seconds)
        assert times[4] <= datetime.datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert times[1] >= datetime.datetime(2025, 12, 31, tzinfo=UTC)

    def test_make_rate_gaps_and_between_work(self, tmp_path: Path) -> None:
        lines = [f"2026-01-02 03:00:{s:02} s{s}\n" for s in (0, 1, 2, 30, 31)]
        log = open_log(write(tmp_path / "x.log", "".join(lines).encode()), times="auto")
        assert log.gaps(1)[0].seconds == 28
        assert len(log.between(0, 2)) == 3
        assert [entry.lines for entry in log.rate(10)] == [3, 0, 0, 2]

    @QUICK
    @given(
        st.lists(st.tuples(st.integers(0, 10**6), st.text("ab:0 ", max_size=80)), min_size=1),
        st.integers(1, 300),
    )
    def test_are_those_of_a_line_by_line_reading(
        self, tmp_path: Path, entries: list[tuple[int, str]], part: int
    ) -> None:
        start = datetime.datetime(2026, 1, 2, tzinfo=UTC)
        moments = [start + datetime.timedelta(milliseconds=ms) for ms, _ in entries]
        lines = [
            f"{moment.isoformat(timespec='milliseconds')} {text}\n-{text}\n"
            for moment, (_, text) in zip(moments, entries, strict=True)
        ]
        path = write(tmp_path / "x.log", "".join(lines).encode())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timestamps, "_PART_BYTES", part + 40)
            log = open_log(path, times="auto")
            assert [line.time for line in log] == [moment for moment in moments for _ in (0, 1)]

    def test_that_are_nowhere_are_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no times were found"):
            open_log(write(tmp_path / "x.log", b"one\ntwo 12.5\n"), times="auto")
        assert len(open_log(write(tmp_path / "empty.log", b""), times="auto")) == 0

    def test_that_are_no_times_are_passed_over(self, tmp_path: Path) -> None:
        data = b"2026-02-28 01:00:00Z a\n2026-02-31 01:00:00Z b\n2026-02-28 01:00:01Z c\n"
        log = open_log(write(tmp_path / "x.log", data), times="auto")
        assert [(line.time - log.started).total_seconds() for line in log] == [0, 0, 1]


class TestFollowing:
    @QUICK
    @given(st.lists(st.text("ab\n€").map(str.encode)))
    def test_each_look_shows_what_the_file_holds(self, tmp_path: Path, parts: list[bytes]) -> None:
        path = write(tmp_path / "x.log", b"")
        log = open_log(path, follow=True)
        for i in range(len(parts)):
            with path.open("ab") as file:
                file.write(parts[i])
            written = b"".join(parts[: i + 1])
            assert log.raw == written
            assert list(log) == model_texts(written)
        assert not log.complete and not log.wait(0)
        log.close()

    def test_a_file_that_is_cut_or_replaced_goes_on_with_its_new_content(
        self, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "x.log", b"one\ntwo")
        log = open_log(path, follow=True)
        assert list(log) == ["one", "two"]
        path.write_bytes(b"3\n")
        assert list(log) == ["one", "two", "3"]
        path.rename(tmp_path / "x.log.1")
        assert list(log) == ["one", "two", "3"]
        path.write_bytes(b"four\n")
        assert list(log) == ["one", "two", "3", "four"]

    def test_times_are_found_in_what_comes(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"2026-01-02 03:04:05 a\n  more\n2026-01-02 03")
        log = open_log(path, follow=True, times="auto")
        assert len(log) == 2  # a line is shown once it is whole: its time stands in it
        with path.open("ab") as file:
            file.write(b":04:15 b\n")
        assert [(line.time - log[0].time).total_seconds() for line in log] == [0, 0, 10]

    def test_waiting_for_its_end_needs_a_limit(self, tmp_path: Path) -> None:
        log = open_log(write(tmp_path / "x.log", b""), follow=True)
        with pytest.raises(ValueError, match="give a timeout"):
            log.wait()

    def test_only_text_is_followed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.gz", gzip.compress(b"x"))
        with pytest.raises(ValueError, match="only a text file can be followed"):
            open_log(path, follow=True)

    def test_a_pickle_is_what_was_there(self, tmp_path: Path) -> None:
        path = write(tmp_path / "x.log", b"one\n")
        log = open_log(path, follow=True)
        kept: Captured = pickle.loads(pickle.dumps(log))
        path.write_bytes(b"one\ntwo\n")
        assert (list(kept), list(log)) == (["one"], ["one", "two"])
        assert kept.complete
