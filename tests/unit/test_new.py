"""`Captured.new`: what came since it was last asked for; each byte once, in order."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from helpers.logs import make_log
from helpers.wait import LIMIT_S

from ipyfdcapture import Captured, capture_fd, capture_thread
from ipyfdcapture.log import unread
from ipyfdcapture.recording.metadata import Metadata


def test_while_it_runs_and_after() -> None:
    with capture_fd() as logs:
        print("one")
        first = logs.new()
        os.write(1, b"two\n")
        print("error", file=sys.stderr)
        second = logs.new()
        nothing = logs.new()
        print("last")
    assert (first.text, first.stdout, first.stderr) == ("one\n", "one\n", "")
    assert (second.stdout, second.stderr) == ("two\n", "error\n")
    assert (nothing.text, len(nothing), bool(nothing)) == ("", 0, False)
    assert logs.new().text == "last\n"
    assert logs.new().text == ""
    assert len(logs) == 4


def test_lines_know_their_times_and_sources_and_count_from_one() -> None:
    with capture_fd() as logs:
        print("one")
        logs.new()
        print("two", file=sys.stderr)
        line = logs.new()[0]
    assert (line, line.source, line.number) == ("two", "stderr", 1)
    assert line.time_ns == logs[1].time_ns


def test_a_line_that_is_not_finished_comes_in_two() -> None:
    with capture_fd() as logs:
        sys.stdout.write("your name: ")
        asked = logs.new().text
        print("Ada")
    assert (asked, logs.new().text) == ("your name: ", "Ada\n")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "shift_jis"])
def test_a_character_is_never_cut_in_two(encoding: str) -> None:
    written = "日本\n".encode(encoding)
    with capture_fd(encoding=encoding) as logs:
        parts = []
        for byte in written:
            os.write(1, bytes([byte]))
            os.write(2, b".")
            parts.append(logs.new())
    parts.append(logs.new())
    assert "".join(part.stdout for part in parts) == "日本\n"
    assert all("\ufffd" not in part.text for part in parts)


def test_what_never_becomes_a_character_comes_at_the_end() -> None:
    with capture_fd() as logs:
        os.write(1, b"x\xe2\x82")
        assert logs.new().raw == b"x"
    assert logs.new().raw == b"\xe2\x82"


def test_late_output_of_a_child_is_new() -> None:
    with capture_fd() as logs:
        child = subprocess.Popen(["sh", "-c", "read x; echo late"], stdin=subprocess.PIPE)
        print("early")
    assert logs.new().text == "early\n"
    child.communicate(b"\n")
    assert logs.wait(LIMIT_S)
    assert logs.new().text == "late\n"


def test_all_of_it_is_what_was_written_however_it_is_asked_for() -> None:
    parts: list[str] = []
    with capture_fd() as logs:
        writers = [threading.Thread(target=_write_lines, args=(n,)) for n in range(4)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            parts.append(logs.new().text)
    parts.append(logs.new().text)
    assert "".join(parts) == logs.text
    assert sorted("".join(parts).splitlines()) == sorted(
        f"{n} {i}" for n in range(4) for i in range(500)
    )


def _write_lines(number: int) -> None:
    for i in range(500):
        os.write(1, f"{number} {i}\n".encode())


def test_two_threads_that_ask_get_each_byte_once() -> None:
    parts: list[str] = []
    with capture_fd() as logs:

        def ask() -> None:
            for _ in range(50):
                parts.append(logs.new().text)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        _write_lines(0)
        for asker in askers:
            asker.join(LIMIT_S)
    parts.append(logs.new().text)
    assert sorted("".join(parts).splitlines()) == sorted(logs.text.splitlines())


def test_an_interrupt_amid_it_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = make_log([(0, b"one\n"), (1, b"two\n")])

    class Interrupted(unread.RecordingBuilder):
        def __init__(self, directory: str, metadata: Metadata) -> None:
            super().__init__(directory, metadata)
            self.add = self.interrupt

        def interrupt(self, source: int, data: bytes | memoryview, time: int) -> None:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(unread, "RecordingBuilder", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.new()
    assert log.new().text == "one\ntwo\n"


class TestALimitedLog:
    def test_what_was_dropped_before_it_was_asked_for_is_counted(self) -> None:
        with capture_fd(max_bytes=1000) as logs:
            os.write(1, b"first\n")
            first = logs.new()
            for i in range(1000):
                os.write(1, b"line %d\n" % i)
            second = logs.new()
            os.write(1, b"last\n")
        third, nothing = logs.new(), logs.new()
        assert (first.text, first.dropped) == ("first\n", 0)
        assert second.text.endswith("line 999\n")
        assert len(second.raw) + second.dropped == sum(len(f"line {i}\n") for i in range(1000))
        assert (third.text, third.dropped) == ("last\n", 0)
        assert (nothing.text, nothing.dropped) == ("", 0)

    def test_it_has_all_as_long_as_it_is_asked_for_often(self) -> None:
        parts = []
        with capture_fd(max_bytes=1000) as logs:
            for i in range(100):
                os.write(1, b"%090d\n" % i)
                parts.append(logs.new())
        parts.append(logs.new())
        assert [int(line) for part in parts for line in part] == list(range(100))
        assert sum(part.dropped for part in parts) == 0
        assert logs.dropped > 0


class TestWhatItReturns:
    def test_it_is_there_when_the_log_is_closed_and_goes_to_another_process(self) -> None:
        with capture_fd() as logs:
            print("one")
        new = logs.new()
        logs.close()
        assert pickle.loads(pickle.dumps(new)).text == new.text == "one\n"
        assert new.complete and new.is_whole
        with pytest.raises(ValueError, match="closed"):
            logs.new()

    def test_it_can_be_asked_what_is_new_itself(self) -> None:
        new = make_log([(0, b"one\n")]).new()
        assert (new.new().text, new.new().text) == ("one\n", "")

    def test_a_copy_and_a_pickle_begin_anew(self) -> None:
        log = make_log([(0, b"one\n")])
        log.new()
        for other in (copy.copy(log), pickle.loads(pickle.dumps(log))):
            assert other.new().text == "one\n"

    def test_displays_are_new_once(self) -> None:
        log = make_log([(0, b"one\n")])
        log._outputs.append({"data": {"text/plain": "1"}})
        assert len(log.new().outputs) == 1
        log._outputs.append({"data": {"text/plain": "2"}})
        assert [output.data for output in log.new().outputs] == [{"text/plain": "2"}]

    @pytest.mark.parametrize(
        "narrow",
        [lambda log: log[:1], lambda log: log.source("stdout"), lambda log: log.grep("o")],
        ids=["slice", "source", "grep"],
    )
    def test_a_narrower_view_has_nothing_new(self, narrow: Callable[[Captured], Captured]) -> None:
        view = narrow(make_log([(0, b"one\n"), (1, b"two\n")]))
        with pytest.raises(ValueError, match="a narrower view gets nothing new") as caught:
            view.new()
        assert "\n" not in str(caught.value)


def test_of_one_thread() -> None:
    with capture_thread() as logs:
        print("one")
        first = logs.new().text
        print("two", end="")
        second = logs.new().text
    assert (first, second, logs.new().text) == ("one\n", "two", "")
