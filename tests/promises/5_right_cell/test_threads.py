"""Python output told apart by thread and by task."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import gc
import io
import logging
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
import unittest.mock
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

import pytest
from helpers.leaks import open_fds
from helpers.wait import LIMIT_S

from ipyfdcapture import (
    Captured,
    CaptureError,
    FdCapture,
    ThreadStreamProxy,
    capture_fd,
    capture_thread,
    clear_thread_streams,
    install_thread_streams,
    set_thread_streams,
    uninstall_thread_streams,
)
from ipyfdcapture.recording import spool
from ipyfdcapture.recording.writer import RecordingWriter


@pytest.fixture
def original() -> io.StringIO:
    """What threads without streams of their own write to stdout."""
    return io.StringIO()


@pytest.fixture
def installed(original: io.StringIO) -> None:
    """The proxies are installed, over ``original``."""


@pytest.fixture
def warm() -> None:
    """What the process makes once, at first use, is there."""
    spool.directory()


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up what the test asks for, and fail if it leaves a proxy or a hook behind.

    Inside the test function, because pytest changes ``sys.stdout`` between set-up and test.
    """
    test = request.node.obj

    @functools.wraps(test)
    def in_place(**fixtures: Any) -> None:
        before = state()
        with contextlib.ExitStack() as stack:
            if "original" in request.fixturenames:
                stack.enter_context(contextlib.redirect_stdout(request.getfixturevalue("original")))
            found = state()
            if "installed" in request.fixturenames:
                install_thread_streams()
            try:
                test(**fixtures)
            finally:
                clear_thread_streams()
                uninstall_thread_streams()
                after = state()
        assert after == found
        assert state() == before

    monkeypatch.setattr(request.node, "obj", in_place)


def state() -> tuple[object, ...]:
    return sys.stdout, sys.stderr, threading.Thread.start, ThreadPoolExecutor.submit


def in_thread(function: Callable[[], Any]) -> Any:
    """Run a function in a new thread that inherits nothing; return what it returns."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(LIMIT_S)


def joined(*functions: Callable[[], Any]) -> None:
    """Run each function in a thread of its own, started here, until all have ended."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(each,)) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive(), "a deadlock"
    if errors:
        raise errors[0]


class TestInstallation:
    def test_uninstall_puts_back_the_very_objects(self) -> None:
        found = sys.stdout, sys.stderr
        install_thread_streams()
        assert isinstance(sys.stdout, ThreadStreamProxy)
        assert isinstance(sys.stderr, ThreadStreamProxy)
        uninstall_thread_streams()
        assert (sys.stdout, sys.stderr) == found

    def test_installing_twice_is_installing_once(self) -> None:
        found = sys.stdout
        install_thread_streams()
        proxy = sys.stdout
        install_thread_streams()
        assert sys.stdout is proxy
        uninstall_thread_streams()
        assert sys.stdout is found

    def test_uninstalling_twice_is_uninstalling_once(self) -> None:
        install_thread_streams()
        uninstall_thread_streams()
        with contextlib.redirect_stdout(io.StringIO()) as later:
            uninstall_thread_streams()
            assert sys.stdout is later

    def test_uninstall_puts_back_the_original_in_place_of_what_came_later(
        self, original: io.StringIO
    ) -> None:
        install_thread_streams()
        sys.stdout = io.StringIO()
        uninstall_thread_streams()
        assert sys.stdout is original

    def test_a_proxy_that_is_put_back_after_the_uninstall_hands_on_to_the_original(
        self, original: io.StringIO
    ) -> None:
        install_thread_streams()
        with contextlib.redirect_stdout(io.StringIO()):
            uninstall_thread_streams()
        assert isinstance(sys.stdout, ThreadStreamProxy)
        mine = io.StringIO()
        set_thread_streams(mine)
        print("through")
        assert (original.getvalue(), mine.getvalue()) == ("through\n", "")
        install_thread_streams()
        uninstall_thread_streams()
        assert sys.stdout is original

    def test_the_last_capture_takes_out_what_the_first_put_in(self) -> None:
        found = sys.stdout
        with capture_thread():
            with capture_thread():
                pass
            assert isinstance(sys.stdout, ThreadStreamProxy)
        assert sys.stdout is found

    def test_a_capture_leaves_alone_what_somebody_put_over_its_proxy(
        self, original: io.StringIO
    ) -> None:
        capture = capture_thread()
        capture.__enter__()
        with contextlib.redirect_stdout(io.StringIO()) as later:
            capture.__exit__(None, None, None)
            assert sys.stdout is later
        print("through")
        assert original.getvalue() == "through\n"
        sys.stdout = original

    def test_a_capture_that_is_still_active_gets_nothing_after_the_uninstall(
        self, original: io.StringIO
    ) -> None:
        with capture_thread() as logs:
            print("before")
            uninstall_thread_streams()
            print("after")
        assert (logs.stdout, original.getvalue()) == ("before\n", "after\n")
        assert sys.stdout is original

    def test_a_capture_from_before_an_installation_does_not_end_it(self) -> None:
        with capture_thread():
            uninstall_thread_streams()
            install_thread_streams()
            proxy = sys.stdout
        assert sys.stdout is proxy

    def test_a_stdout_of_none_takes_everything(self) -> None:
        with contextlib.redirect_stdout(None):
            install_thread_streams()
            print("nowhere", flush=True)
            with capture_thread() as logs:
                print("somewhere")
            uninstall_thread_streams()
            assert sys.stdout is None
        assert logs.stdout == "somewhere\n"

    def test_a_wrapper_that_somebody_put_on_a_hook_stays_and_works(self) -> None:
        found = threading.Thread.start
        install_thread_streams()
        ours = threading.Thread.start
        calls: list[threading.Thread] = []

        def theirs(thread: threading.Thread) -> None:
            calls.append(thread)
            ours(thread)

        threading.Thread.start = theirs  # type: ignore[method-assign]
        try:
            uninstall_thread_streams()
            assert threading.Thread.start is theirs
            set_thread_streams(io.StringIO(), None)
            stacks: list[str] = []
            thread = threading.Thread(target=lambda: stacks.extend(traceback.format_stack()))
            thread.start()
            thread.join(LIMIT_S)
            clear_thread_streams()
            assert not any("ipyfdcapture" in frame for frame in stacks), "the hook is at work"
            for _ in range(2):
                with capture_thread() as logs:
                    joined(lambda: print("from the thread"))
                assert logs.stdout == "from the thread\n"
                assert threading.Thread.start is theirs
        finally:
            threading.Thread.start = found  # type: ignore[method-assign]
        assert len(calls) == 3

    def test_the_hooks_do_nothing_where_nothing_is_set(self, installed: None) -> None:
        thread = threading.Thread(target=print, args=("through",))
        thread.start()
        assert "run" not in vars(thread)
        thread.join(LIMIT_S)


class TestSetStreams:
    def test_a_thread_writes_to_its_own_streams_and_others_to_the_original(
        self, installed: None, original: io.StringIO
    ) -> None:
        out, err = io.StringIO(), io.StringIO()
        set_thread_streams(out, err)
        print("mine")
        print("my error", file=sys.stderr)
        clear_thread_streams()
        print("the original's")
        assert out.getvalue() == "mine\n"
        assert err.getvalue() == "my error\n"
        assert original.getvalue() == "the original's\n"

    def test_another_thread_falls_through(self, installed: None, original: io.StringIO) -> None:
        ready, done = threading.Event(), threading.Event()

        def other() -> None:
            ready.wait(LIMIT_S)
            print("other")
            done.set()

        thread = threading.Thread(target=other)  # started before: it inherits nothing
        thread.start()
        out = io.StringIO()
        set_thread_streams(stdout=out)
        ready.set()
        assert done.wait(LIMIT_S)
        thread.join(LIMIT_S)
        assert (out.getvalue(), original.getvalue()) == ("", "other\n")

    def test_none_and_the_proxy_itself_leave_a_name_alone(
        self, installed: None, original: io.StringIO
    ) -> None:
        err = io.StringIO()
        set_thread_streams(sys.stdout, err)
        print("out")
        set_thread_streams(None, err)
        print("out")
        print("err", file=sys.stderr)
        assert (original.getvalue(), err.getvalue()) == ("out\nout\n", "err\n")

    def test_the_latest_call_counts(self, installed: None) -> None:
        first, second = io.StringIO(), io.StringIO()
        set_thread_streams(first, None)
        set_thread_streams(second, None)
        print("x")
        assert (first.getvalue(), second.getvalue()) == ("", "x\n")

    def test_a_call_for_one_name_leaves_the_other_as_it_was(
        self, installed: None, original: io.StringIO
    ) -> None:
        out, err, second = io.StringIO(), io.StringIO(), io.StringIO()
        go_on = threading.Event()

        def child() -> None:
            assert go_on.wait(LIMIT_S)
            print("child")
            print("child", file=sys.stderr)

        set_thread_streams(stdout=out)
        set_thread_streams(stderr=err)
        print("x")
        print("x", file=sys.stderr)
        assert (out.getvalue(), err.getvalue()) == ("x\n", "x\n")
        thread = threading.Thread(target=child)
        thread.start()
        set_thread_streams(stdout=second)
        print("y")
        go_on.set()
        thread.join(LIMIT_S)
        assert second.getvalue() == "y\n"
        assert err.getvalue() == "x\nchild\n"  # what the child has was not replaced
        assert original.getvalue() == "child\n"
        clear_thread_streams()
        print("z")
        assert original.getvalue() == "child\nz\n"

    def test_calls_in_turns_leave_nothing_behind(self, installed: None) -> None:
        streams = [io.StringIO() for _ in range(50)]
        kept = [weakref.ref(stream) for stream in streams]
        for i, stream in enumerate(streams):
            set_thread_streams(**{("stdout", "stderr")[i % 2]: stream})
        del stream, streams
        assert sum(each() is not None for each in kept) == 2
        clear_thread_streams()
        assert sum(each() is not None for each in kept) == 0

    def test_clearing_without_setting_is_harmless(self, installed: None) -> None:
        clear_thread_streams()
        in_thread(clear_thread_streams)

    def test_clearing_ends_it_for_threads_that_got_the_streams(
        self, installed: None, original: io.StringIO
    ) -> None:
        cleared = threading.Event()
        out = io.StringIO()
        set_thread_streams(out, None)

        def child() -> None:
            print("early")
            assert cleared.wait(LIMIT_S)
            print("late")

        thread = threading.Thread(target=child)
        thread.start()
        clear_thread_streams()
        cleared.set()
        thread.join(LIMIT_S)
        assert "late" not in out.getvalue()
        assert "late" in original.getvalue()

    def test_a_child_that_clears_does_not_clear_its_parent(self, installed: None) -> None:
        out, childs = io.StringIO(), io.StringIO()
        set_thread_streams(out, None)

        def child() -> None:
            set_thread_streams(childs, None)
            print("child")
            clear_thread_streams()
            clear_thread_streams()
            print("as its parent")

        joined(child)
        print("parent")
        assert out.getvalue() == "as its parent\nparent\n"
        assert childs.getvalue() == "child\n"

    def test_work_sent_to_a_loop_in_another_thread_has_that_threads_streams(
        self, installed: None, original: io.StringIO
    ) -> None:
        out = io.StringIO()
        ready: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()

        async def serve() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.stop_serving = stop.set  # type: ignore[attr-defined]
            ready.put(loop)
            await stop.wait()

        def session() -> None:
            set_thread_streams(out, None)
            asyncio.run(serve())

        async def work() -> None:
            print("sent")

        def send() -> None:
            loop = ready.get(timeout=LIMIT_S)
            asyncio.run_coroutine_threadsafe(work(), loop).result(LIMIT_S)
            loop.call_soon_threadsafe(loop.stop_serving)  # type: ignore[attr-defined]

        joined(session, send)
        assert (out.getvalue(), original.getvalue()) == ("sent\n", "")

    def test_a_thread_that_dies_without_clearing_leaves_nothing(self, installed: None) -> None:
        kept: list[weakref.ref[TextIO]] = []

        def session() -> None:
            out = io.StringIO()
            kept.append(weakref.ref(out))
            set_thread_streams(out, out)
            print("x")

        joined(*[session] * 5)
        gc.collect()
        assert [ref() for ref in kept] == [None] * 5


class TestProxy:
    def test_it_is_a_text_stream_to_whoever_asks(self, installed: None) -> None:
        assert isinstance(sys.stdout, io.TextIOBase)
        assert isinstance(sys.stdout, io.IOBase)

    def test_everything_a_stream_has_is_the_current_streams(
        self, installed: None, tmp_path: Any
    ) -> None:
        out = tmp_path / "out"
        with out.open("w", encoding="utf-16", errors="ignore", buffering=1) as stream:
            set_thread_streams(stream, None)
            assert sys.stdout.encoding == "utf-16"
            assert sys.stdout.errors == "ignore"
            assert sys.stdout.newlines is None
            assert sys.stdout.line_buffering is True
            assert sys.stdout.name == stream.name
            assert sys.stdout.fileno() == stream.fileno()
            assert sys.stdout.isatty() is False
            assert (sys.stdout.readable(), sys.stdout.writable()) == (False, True)
            assert sys.stdout.seekable() is True
            assert sys.stdout.closed is False
            assert "reconfigure" in dir(sys.stdout)
            sys.stdout.reconfigure(errors="strict")  # type: ignore[union-attr]
            assert stream.errors == "strict"
            sys.stdout.writelines(["a\n", "b\n"])
            sys.stdout.flush()
        assert out.read_text("utf-16") == "a\nb\n"

    def test_attributes_are_set_and_deleted_on_the_current_stream(
        self, installed: None, original: io.StringIO
    ) -> None:
        class Stream(io.StringIO):
            pass

        mine = Stream()
        set_thread_streams(mine, None)
        sys.stdout.parent = 1  # type: ignore[attr-defined]
        assert mine.parent == 1  # type: ignore[attr-defined]
        clear_thread_streams()
        assert not hasattr(sys.stdout, "parent")
        set_thread_streams(mine, None)
        del sys.stdout.parent  # type: ignore[attr-defined]
        assert not hasattr(mine, "parent")

    def test_a_method_that_was_kept_writes_for_whoever_calls_it(
        self, installed: None, original: io.StringIO
    ) -> None:
        mine = io.StringIO()
        set_thread_streams(mine, None)
        kept = [sys.stdout.write, lambda text: sys.stdout.writelines([text])]
        clear_thread_streams()
        for write in kept:
            write("original")
        assert (mine.getvalue(), original.getvalue()) == ("", "original" * 2)

    def test_a_buffer_that_was_kept_writes_for_whoever_calls_it(self) -> None:
        original, mine = io.BytesIO(), io.BytesIO()
        with contextlib.redirect_stdout(io.TextIOWrapper(original)):
            install_thread_streams()
            stream = io.TextIOWrapper(mine)
            set_thread_streams(stream, None)
            buffer = sys.stdout.buffer
            assert isinstance(buffer, io.BufferedIOBase)
            buffer.write(b"mine")
            clear_thread_streams()
            buffer.write(b"original")
            uninstall_thread_streams()
            assert (mine.getvalue(), original.getvalue()) == (b"mine", b"original")

    def test_it_has_a_buffer_only_if_the_stream_has(self, installed: None) -> None:
        assert not hasattr(sys.stdout, "buffer")

    def test_closing_it_closes_the_threads_stream_alone(
        self, installed: None, original: io.StringIO
    ) -> None:
        mine = io.StringIO()
        set_thread_streams(mine, None)
        with sys.stdout as stream:
            assert isinstance(stream, ThreadStreamProxy)
            stream.write("x")
        assert mine.closed and sys.stdout.closed
        with pytest.raises(ValueError, match="closed"):
            sys.stdout.write("x")
        with pytest.raises(ValueError, match="closed"), sys.stdout:
            pass
        clear_thread_streams()
        assert not original.closed

    def test_dropping_it_closes_nothing(self, original: io.StringIO) -> None:
        install_thread_streams()
        uninstall_thread_streams()
        gc.collect()
        assert not original.closed

    def test_it_cannot_be_pickled_and_says_so(self, installed: None) -> None:
        with pytest.raises(TypeError, match="ThreadStreamProxy"):
            pickle.dumps(sys.stdout)

    @pytest.mark.parametrize("undo", ["set", "delete"])
    def test_a_method_can_be_replaced_and_put_back_as_on_any_stream(
        self, installed: None, original: io.StringIO, undo: str
    ) -> None:
        stream: Any = sys.stdout
        seen: list[str] = []
        for _ in range(2):
            found = stream.write

            def write(text: str, found: Any = found) -> int:
                seen.append(text)
                return int(found(text))

            stream.write = write
        print("x", end="")
        mine = io.StringIO()
        set_thread_streams(mine, None)
        print("y", end="")  # not patched: it is another's
        for _ in range(2):
            if undo == "set":
                stream.write = found
            else:
                del stream.write
        clear_thread_streams()
        print("z", end="")
        assert [text for text in seen if text] == ["x", "x"]
        assert (original.getvalue(), mine.getvalue()) == ("xz", "y")
        assert "write" not in vars(original)

    def test_each_thread_replaces_and_puts_back_the_method_of_its_own_stream(
        self, installed: None, original: io.StringIO
    ) -> None:
        stream: Any = sys.stdout
        mine = io.StringIO()
        found = stream.write
        stream.write = lambda text: found(text.upper())
        set_thread_streams(mine, None)
        stream.write = lambda text: found(text * 2)
        clear_thread_streams()
        stream.write = found
        print("a", end="")
        set_thread_streams(mine, None)
        print("b", end="")
        stream.write = found
        print("c", end="")
        assert (original.getvalue(), mine.getvalue()) == ("a", "bbc")

    def test_a_replaced_method_is_put_back_below_what_somebody_put_on_it(
        self, installed: None, original: io.StringIO
    ) -> None:
        stream: Any = sys.stdout
        found = stream.write
        stream.write = lambda text: found(text.upper())
        ours = original.write
        original.write = lambda text: ours(f"<{text}>")  # type: ignore[method-assign]
        stream.write = found
        print("b", end="")
        assert original.getvalue().replace("<>", "") == "<b>"

    def test_what_python_asks_of_the_object_itself_is_not_delegated(self, installed: None) -> None:
        assert not hasattr(sys.stdout, "__dict__")

    def test_mock_can_patch_it(self, installed: None, original: io.StringIO) -> None:
        with unittest.mock.patch.object(sys.stdout, "write") as write:
            print("x")
        print("y")
        assert [call.args for call in write.call_args_list] == [("x",), ("\n",)]
        assert original.getvalue() == "y\n"

    def test_it_reads_where_the_stream_does(self, installed: None) -> None:
        set_thread_streams(io.StringIO("a\nb\n"), None)
        assert next(sys.stdout) == "a\n"
        assert list(sys.stdout) == ["b\n"]

    def test_a_logging_handler_made_for_all_writes_to_each_threads_stream(
        self, installed: None
    ) -> None:
        handler = logging.StreamHandler(sys.stdout)
        with capture_thread() as logs:
            handler.emit(logging.makeLogRecord({"msg": "mine"}))
        assert logs.stdout == "mine\n"

    def test_a_handler_made_in_one_capture_writes_for_the_next(self, original: io.StringIO) -> None:
        with capture_thread() as first:
            handler = logging.StreamHandler(sys.stdout)
            handler.emit(logging.makeLogRecord({"msg": "one"}))
        handler.emit(logging.makeLogRecord({"msg": "between"}))
        with capture_thread() as second:
            handler.emit(logging.makeLogRecord({"msg": "two"}))
        assert (first.stdout, original.getvalue(), second.stdout) == ("one\n", "between\n", "two\n")

    def test_a_stream_that_fails_fails_for_its_own_thread_alone(
        self, installed: None, original: io.StringIO
    ) -> None:
        class Broken(io.StringIO):
            def write(self, text: str) -> int:
                raise OSError("broken")

        set_thread_streams(Broken(), None)
        with pytest.raises(OSError, match="broken"):
            print("x")
        clear_thread_streams()
        print("fine")
        assert original.getvalue() == "fine\n"


class TestCaptureThread:
    def test_it_takes_every_way_of_writing_in_order(self, original: io.StringIO) -> None:
        with capture_thread() as logs:
            print("print")
            sys.stdout.write("write\n")
            sys.stdout.buffer.write(b"buffer\n")
            print("stderr", file=sys.stderr)
            sys.stdout.writelines(["write", "lines\n"])
        print("after")
        assert logs.text == "print\nwrite\nbuffer\nstderr\nwritelines\n"
        assert logs.stderr == "stderr\n"
        assert original.getvalue() == "after\n"

    def test_the_log_can_be_read_while_it_grows(self) -> None:
        with capture_thread() as logs:
            print("one")
            assert logs.stdout == "one\n"
            assert not logs.complete
            print("two")
            assert logs.stdout == "one\ntwo\n"
        assert logs.complete
        assert logs.wait(0)

    def test_an_unfinished_line_is_there_for_whoever_looks(self) -> None:
        with capture_thread() as logs:
            print("out", end="")
            assert logs.stdout == "out"
            print("put ", end="")
            print("error ", end="", file=sys.stderr)
            print("flushed ", end="", flush=True)
            with ThreadPoolExecutor(1) as pool:  # a thread at the same time, with another number
                pool.submit(print, "whole").result(LIMIT_S)
            print("x" * 100_000, end="")
            size = os.path.getsize(f"{logs.recording.path}.data")
            assert size > 100_000, "held in memory"
            print("the last", end="")
        assert logs.text == "output error flushed whole\n" + "x" * 100_000 + "the last"
        assert logs.stderr == "error "

    def test_whatever_a_string_holds_can_be_printed(self) -> None:
        with capture_thread() as logs:
            print("€ \udcff \0 \r\n")
        assert logs.stdout == "€ \\udcff \0 \r\n\n"

    @pytest.mark.parametrize("by", ["a signal handler", "a finalizer"])
    def test_what_is_printed_while_a_line_is_recorded_comes_after_it(
        self, monkeypatch: pytest.MonkeyPatch, by: str
    ) -> None:
        class Circle:
            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                print("in between")

        def collect() -> None:
            Circle()
            gc.collect()

        def write_entry(writer: RecordingWriter, *entry: Any) -> None:
            usual(writer, *entry)
            if interruptions:
                interruptions.pop()()

        usual = RecordingWriter._write_entry
        monkeypatch.setattr(RecordingWriter, "_write_entry", write_entry)
        before = signal.signal(signal.SIGUSR1, lambda *_: print("in between"))
        interrupt = functools.partial(signal.raise_signal, signal.SIGUSR1)
        interruptions = [interrupt if by == "a signal handler" else collect]
        try:
            with capture_thread() as logs:
                print("one")
                print("two")
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert logs.text == "one\nin between\ntwo\n"

    def test_a_capture_that_ends_while_a_line_is_recorded_has_that_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_entry(writer: RecordingWriter, *entry: Any) -> None:
            usual(writer, *entry)
            if stack:
                stack.pop().close()

        usual = RecordingWriter._write_entry
        monkeypatch.setattr(RecordingWriter, "_write_entry", write_entry)
        stack = [contextlib.ExitStack()]
        logs = stack[0].enter_context(capture_thread())
        print("one")
        assert logs.text == "one\n"
        assert logs.complete

    def test_an_unfinished_line_of_another_thread_is_there_at_the_end(self) -> None:
        with ThreadPoolExecutor(1) as pool, capture_thread() as logs:
            pool.submit(functools.partial(print, "unfinished", end="")).result(LIMIT_S)
        assert logs.stdout == "unfinished"

    def test_another_thread_can_wait_for_the_end(self) -> None:
        ended: list[bool] = []
        waiting = threading.Event()

        def wait(logs: Captured) -> None:
            waiting.set()
            ended.append(logs.wait(LIMIT_S))

        with contextlib.ExitStack() as stack:
            logs = stack.enter_context(capture_thread())
            assert not logs.wait(0)
            thread = threading.Thread(target=wait, args=(logs,))
            thread.start()
            assert waiting.wait(LIMIT_S)
        thread.join(LIMIT_S)
        assert ended == [True]

    def test_bytes_that_are_no_text_are_kept_as_they_are(self) -> None:
        with capture_thread() as logs:
            sys.stdout.buffer.write(b"\xff\xfe")
            sys.stdout.buffer.write(memoryview(b"abcd").cast("H"))
        assert bytes(logs.raw) == b"\xff\xfeabcd"

    def test_the_stream_has_no_descriptor_and_is_no_terminal(self) -> None:
        with capture_thread():
            with pytest.raises(io.UnsupportedOperation):
                sys.stdout.fileno()
            assert not sys.stdout.isatty()
            assert sys.stdout.encoding == "utf-8"
            assert sys.stdout.writable()

    def test_an_exception_ends_it_and_goes_on(self, original: io.StringIO) -> None:
        with pytest.raises(ZeroDivisionError), capture_thread() as logs:
            print("before")
            raise ZeroDivisionError
        print("after")
        assert (logs.stdout, original.getvalue()) == ("before\n", "after\n")

    def test_the_innermost_gets_the_output(self) -> None:
        with capture_thread() as outer:
            print("outer")
            with capture_thread() as inner:
                print("inner")
            print("outer again")
        assert (outer.stdout, inner.stdout) == ("outer\nouter again\n", "inner\n")

    def test_blocks_may_end_in_any_order(self, original: io.StringIO) -> None:
        first, second = capture_thread(), capture_thread()
        outer, inner = first.__enter__(), second.__enter__()
        first.__exit__(None, None, None)
        print("inner")
        second.__exit__(None, None, None)
        print("original")
        assert (outer.stdout, inner.stdout) == ("", "inner\n")
        assert original.getvalue() == "original\n"

    def test_set_streams_inside_come_first_until_cleared(self) -> None:
        mine = io.StringIO()
        with capture_thread() as logs:
            set_thread_streams(mine, None)
            print("mine")
            clear_thread_streams()
            print("captured")
        assert (mine.getvalue(), logs.stdout) == ("mine\n", "captured\n")

    def test_a_capture_inside_set_streams_comes_first(self, installed: None) -> None:
        mine = io.StringIO()
        set_thread_streams(mine, None)
        with capture_thread() as logs:
            print("captured")
        print("mine")
        assert (mine.getvalue(), logs.stdout) == ("mine\n", "captured\n")

    def test_max_bytes_keeps_the_two_ends(self) -> None:
        with capture_thread(max_bytes=10) as logs:
            for i in range(1000):
                print(f"{i:04}", end="")
        assert logs.stdout.startswith("00000")
        assert logs.stdout.endswith("80999")
        assert logs.dropped == 4000 - 10

    @pytest.mark.parametrize("limit", [0, -1, "1M", 1.5])
    def test_an_unreadable_limit_is_refused_with_nothing_changed(self, limit: Any) -> None:
        found = sys.stdout
        with pytest.raises(ValueError, match="max_bytes"), capture_thread(max_bytes=limit):
            pass
        assert sys.stdout is found

    def test_closing_the_log_inside_sends_the_rest_to_the_surroundings(
        self, original: io.StringIO
    ) -> None:
        with capture_thread() as logs:
            print("gone")
            logs.close()
            print("through")
        assert original.getvalue() == "through\n"

    def test_nothing_is_left_behind(self, warm: None, no_leaks: None) -> None:
        with capture_thread() as logs:
            print("x")
            joined(lambda: print("y"))
        logs.close()

    def test_a_log_that_is_dropped_takes_its_files_with_it(
        self, warm: None, no_leaks: None
    ) -> None:
        with capture_thread():
            print("x")

    def test_a_log_that_is_dropped_waits_for_no_garbage_collector(self) -> None:
        gc.collect()
        gc.disable()
        try:
            with capture_thread() as logs:
                print("x")
            path = logs.recording.path
            del logs
            assert not os.path.exists(f"{path}.data")
        finally:
            gc.enable()

    def test_a_failing_start_changes_nothing(
        self, monkeypatch: pytest.MonkeyPatch, warm: None, no_leaks: None
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        with monkeypatch.context() as patch:
            patch.setattr("ipyfdcapture.recording.recording.Recording.create", fail)
            with pytest.raises(CaptureError, match="ulimit -n"), capture_thread():
                pass
        assert not isinstance(sys.stdout, ThreadStreamProxy)

    def test_a_forked_child_writes_nothing_into_the_parents_log(
        self, original: io.StringIO
    ) -> None:
        read_end, write_end = os.pipe()
        with capture_thread() as logs:
            print("parent")
            lock = logs.recording.writing._lock  # type: ignore[union-attr]
            lock.acquire()  # as another thread may have
            child = os.fork()
            if child:
                lock.release()
            else:
                signal.alarm(10)
                with contextlib.suppress(BaseException):
                    print("child")
                    os.write(write_end, original.getvalue().encode())
                os._exit(0)
            os.waitpid(child, 0)
            print("parent again")
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            assert pipe.read() == b"child\n"
        assert logs.stdout == "parent\nparent again\n"


class TestThreads:
    def test_threads_that_it_starts_are_in(self) -> None:
        class Subclass(threading.Thread):
            def run(self) -> None:
                print("subclass")

        with capture_thread() as logs:
            threads = [
                threading.Thread(target=print, args=("plain",)),
                Subclass(),
                threading.Timer(0, print, ("timer",)),
                threading.Thread(target=lambda: joined(lambda: print("grandchild"))),
            ]
            replaced = threading.Thread()
            replaced.run = lambda: print("replaced")  # type: ignore[method-assign]
            for thread in [*threads, replaced]:
                thread.start()
            for thread in [*threads, replaced]:
                thread.join(LIMIT_S)
        assert sorted(logs.stdout.split()) == sorted(
            ["plain", "subclass", "timer", "grandchild", "replaced"]
        )
        assert "run" in vars(replaced)
        assert not any("run" in vars(thread) for thread in threads)

    def test_a_traceback_of_such_a_thread_is_in(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError("in the thread")

        found = threading.excepthook
        threading.excepthook = threading.__excepthook__
        try:
            with capture_thread() as logs:
                thread = threading.Thread(target=fail)
                thread.start()
                thread.join(LIMIT_S)
        finally:
            threading.excepthook = found
        assert "ZeroDivisionError: in the thread" in logs.stderr

    def test_a_thread_that_runs_on_writes_to_the_surroundings(self, original: io.StringIO) -> None:
        ended = threading.Event()

        def run_on() -> None:
            assert ended.wait(LIMIT_S)
            print("late")

        with capture_thread() as outer:
            with capture_thread() as inner:
                thread = threading.Thread(target=run_on)
                thread.start()
            ended.set()
            thread.join(LIMIT_S)
        assert (inner.stdout, outer.stdout, original.getvalue()) == ("", "late\n", "")

    def test_a_stream_fetched_just_before_the_end_writes_to_the_surroundings(
        self, original: io.StringIO
    ) -> None:
        with capture_thread() as outer:
            with capture_thread() as inner:
                late = sys.stdout._target()  # type: ignore[attr-defined]
            late.write("€\n")
        late.write("$\n")
        assert (inner.stdout, outer.stdout, original.getvalue()) == ("", "€\n", "$\n")

    def test_a_thread_that_cannot_start_can_be_started_later(
        self, monkeypatch: pytest.MonkeyPatch, original: io.StringIO
    ) -> None:
        def fail(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        thread = threading.Thread(target=print, args=("later",))
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            with capture_thread(), pytest.raises(RuntimeError, match="new thread"):
                thread.start()
        assert "run" not in vars(thread)
        thread.start()
        thread.join(LIMIT_S)
        assert original.getvalue() == "later\n"

    @pytest.mark.parametrize("how", ["capture_thread", "set_thread_streams"])
    def test_what_it_submits_to_a_pool_is_in_and_nobody_elses(
        self, installed: None, original: io.StringIO, how: str
    ) -> None:
        mine = io.StringIO()

        def session() -> None:
            if how == "set_thread_streams":
                set_thread_streams(mine, None)
                use_pool()
                return
            with capture_thread() as logs:
                use_pool()
            mine.write(logs.stdout)

        def use_pool() -> None:
            # The pool starts its worker now. It serves others later.
            pool.submit(print, "mine").result(LIMIT_S)
            list(pool.map(print, ["mapped"]))
            used.set()
            assert served.wait(LIMIT_S)

        def other() -> None:
            assert used.wait(LIMIT_S)
            pool.submit(print, "another's").result(LIMIT_S)
            served.set()

        used, served = threading.Event(), threading.Event()
        with ThreadPoolExecutor(1) as pool:
            joined(session, other)
            pool.submit(print, "later").result(LIMIT_S)
        assert mine.getvalue() == "mine\nmapped\n"
        assert original.getvalue() == "another's\nlater\n"

    def test_a_pool_passes_on_arguments_results_and_errors(self) -> None:
        with capture_thread(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(dict, {"a": 1}, fn=2, streams=3).result(LIMIT_S) == {
                "a": 1,
                "fn": 2,
                "streams": 3,
            }
            with pytest.raises(ZeroDivisionError):
                pool.submit(divmod, 1, 0).result(LIMIT_S)


class TestTasks:
    def test_each_task_has_its_own(self, original: io.StringIO) -> None:
        async def session(number: int) -> str:
            with capture_thread() as logs:
                for i in range(20):
                    print(number, i)
                    await asyncio.sleep(0)
            return logs.stdout

        async def other() -> None:
            for _ in range(20):
                print("other")
                await asyncio.sleep(0)

        async def main() -> list[str]:
            *results, _ = await asyncio.gather(*map(session, range(20)), other())
            return results

        for number, text in enumerate(asyncio.run(main())):
            assert text == "".join(f"{number} {i}\n" for i in range(20))
        assert original.getvalue() == "other\n" * 20

    def test_tasks_and_threads_that_it_starts_are_in(self) -> None:
        async def main() -> str:
            loop = asyncio.get_running_loop()
            with capture_thread() as logs:
                print("task")
                await asyncio.create_task(child())
                await asyncio.to_thread(print, "to_thread")
                await loop.run_in_executor(None, print, "executor")
                called: asyncio.Future[None] = loop.create_future()
                loop.call_soon(lambda: called.set_result(print("callback")))
                await called
            return logs.stdout

        async def child() -> None:
            print("child")

        assert asyncio.run(main()) == "task\nchild\nto_thread\nexecutor\ncallback\n"

    def test_a_task_that_runs_on_writes_to_the_surroundings(self, original: io.StringIO) -> None:
        async def run_on(ended: asyncio.Event) -> None:
            print("early")
            await ended.wait()
            print("late")

        async def main() -> str:
            ended = asyncio.Event()
            with capture_thread() as logs:
                task = asyncio.create_task(run_on(ended))
                await asyncio.sleep(0)
            ended.set()
            await task
            return logs.stdout

        assert asyncio.run(main()) == "early\n"
        assert original.getvalue() == "late\n"

    def test_a_block_may_be_left_in_another_context(self, original: io.StringIO) -> None:
        async def generator() -> AsyncIterator[Any]:
            with capture_thread() as logs:
                yield logs

        async def main() -> Any:
            numbers = generator()
            logs = await asyncio.create_task(anext_of(numbers))
            await asyncio.create_task(numbers.aclose())  # type: ignore[attr-defined]
            print("after")
            return logs

        async def anext_of(generator: AsyncIterator[Any]) -> Any:
            return await generator.__anext__()

        assert asyncio.run(main()).complete
        assert original.getvalue() == "after\n"


class TestManyAtOnce:
    def test_64_threads_each_with_its_own(self, original: io.StringIO) -> None:
        start = threading.Barrier(64)
        results: dict[int, str] = {}

        def session(number: int) -> None:
            start.wait(LIMIT_S)
            with capture_thread() as logs:
                for i in range(50):
                    print(number, i)
            results[number] = logs.stdout

        joined(*[lambda number=number: session(number) for number in range(64)])
        for number in range(64):
            assert results[number] == "".join(f"{number} {i}\n" for i in range(50))
        assert original.getvalue() == ""

    def test_64_threads_in_one_lose_nothing_and_keep_each_line_whole(self) -> None:
        start = threading.Barrier(64)

        def write(number: int) -> None:
            start.wait(LIMIT_S)
            for i in range(50):
                print(number, i, "x" * (i * 7))

        with capture_thread() as logs:
            joined(*[lambda number=number: write(number) for number in range(64)])
        lines = logs.stdout.splitlines()
        assert sorted(lines) == sorted(
            f"{number} {i} {'x' * (i * 7)}" for number in range(64) for i in range(50)
        )
        for number in range(64):
            mine = [line for line in lines if line.split()[0] == str(number)]
            assert [int(line.split()[1]) for line in mine] == list(range(50)), "out of order"

    def test_sessions_started_and_stopped_in_a_loop_while_others_print(
        self,
        original: io.StringIO,
        rounds: Any,
        eager_threads: None,
        warm: None,
        no_leaks: None,
    ) -> None:
        """The case that broke others: no leak, no mix-up, no deadlock in 10,000 sessions."""
        workers = 8
        sessions = rounds(1_000, full=10_000) // workers
        finished = threading.Event()
        counts: dict[str, int] = {}
        alive: weakref.WeakSet[Any] = weakref.WeakSet()
        gc.collect()
        fds = len(open_fds())

        def bystander(name: str) -> None:
            counts[name] = 0
            while not finished.is_set():
                print(f"{name}\n", end="")
                counts[name] += 1

        def captured_session(token: str) -> None:
            with capture_thread() as logs:
                print(f"{token} 1")
                child = threading.Thread(target=print, args=(f"{token} child",))
                child.start()
                child.join(LIMIT_S)
                print(f"{token} 2")
            assert logs.stdout == f"{token} 1\n{token} child\n{token} 2\n"
            logs.close()

        def own_streams_session(token: str) -> None:
            stale = io.StringIO()
            set_thread_streams(stale, stale)
            mine = io.StringIO()
            alive.add(mine)
            set_thread_streams(mine, mine)  # refreshed
            stale.close()
            print(token)
            assert mine.getvalue() == f"{token}\n"
            # It dies without clearing.

        def worker(number: int) -> None:
            for i in range(sessions):
                token = f"session {number}.{i}"
                if i % 2:
                    captured_session(token)
                else:
                    joined(lambda token=token: own_streams_session(token))

        def all_workers() -> None:
            try:
                joined(*[lambda number=number: worker(number) for number in range(workers)])
            finally:
                finished.set()

        install_thread_streams()
        joined(all_workers, lambda: bystander("first"), lambda: bystander("second"))
        uninstall_thread_streams()
        for name, count in counts.items():
            assert count and original.getvalue().count(f"{name}\n") == count
        assert "session" not in original.getvalue()
        gc.collect()
        assert not alive
        assert len(open_fds()) == fds


class TestWithCaptureFd:
    def test_installed_before_and_uninstalled_after(self, original: io.StringIO) -> None:
        mine = io.StringIO()
        install_thread_streams()
        proxy = sys.stdout
        with capture_fd() as logs:
            assert sys.stdout is proxy
            print("captured")
            joined(lambda: (set_thread_streams(mine, None), print("mine")))
        assert sys.stdout is proxy
        print("original")
        uninstall_thread_streams()
        assert sys.stdout is original
        assert (logs.stdout, mine.getvalue()) == ("captured\n", "mine\n")
        assert original.getvalue() == "original\n"

    def test_installed_during_and_uninstalled_after(self, original: io.StringIO) -> None:
        with capture_fd() as logs:
            install_thread_streams()
            print("captured")
        print("original")
        with capture_thread() as thread_logs:
            print("mine")
        uninstall_thread_streams()
        assert sys.stdout is original
        assert (logs.stdout, thread_logs.stdout) == ("captured\n", "mine\n")
        assert original.getvalue() == "original\n"

    def test_installed_before_and_uninstalled_during(self, original: io.StringIO) -> None:
        install_thread_streams()
        with capture_fd() as logs:
            uninstall_thread_streams()
            print("captured")
        print("original")
        assert sys.stdout is original
        assert (logs.stdout, original.getvalue()) == ("captured\n", "original\n")

    def test_installed_and_uninstalled_during(self, original: io.StringIO) -> None:
        with capture_fd() as logs:
            install_thread_streams()
            uninstall_thread_streams()
            print("captured")
        assert sys.stdout is original
        assert logs.stdout == "captured\n"

    def test_a_capture_of_the_process_leaves_other_threads_theirs(
        self, original: io.StringIO
    ) -> None:
        inside, outside = threading.Event(), threading.Event()
        texts: list[str] = []

        def session() -> None:
            with capture_thread() as logs:
                assert inside.wait(LIMIT_S)
                print("mine")
                os.write(1, b"native\n")
                outside.set()
            texts.append(logs.text)

        def process() -> None:
            with capture_fd() as logs:
                print("the process's")
                inside.set()
                assert outside.wait(LIMIT_S)
            texts.append(logs.text)

        joined(session, process)
        assert sorted(texts) == ["mine\n", "the process's\nnative\n"]

    def test_what_wraps_the_original_gets_what_is_captured_too(self) -> None:
        class Both:
            def __init__(self, to: TextIO) -> None:
                self.to = to
                self.seen: list[str] = []

            def write(self, text: str) -> int:
                self.seen.append(text)
                return self.to.write(text)

        with open(1, "w", closefd=False) as stream:
            both: Any = Both(stream)
            with contextlib.redirect_stdout(both):
                install_thread_streams()
                with capture_fd() as logs:
                    print("printed")
                uninstall_thread_streams()
        assert (logs.text, "".join(both.seen)) == ("printed\n", "printed\n")

    def test_the_innermost_gets_what_its_thread_prints(self) -> None:
        with capture_thread() as outer:
            print("outer")
            with capture_fd() as logs:
                print("inner")
                print("inner error", file=sys.stderr)
                os.write(1, b"native\n")
                with capture_thread() as innermost:
                    print("innermost")
            print("outer again")
        assert outer.text == "outer\nouter again\n"
        assert logs.stdout == "inner\nnative\n"
        assert logs.stderr == "inner error\n"
        assert innermost.stdout == "innermost\n"

    def test_a_capture_that_another_thread_stops_gives_the_thread_its_own_back(self) -> None:
        with capture_thread() as logs:
            capture = capture_fd()
            inner = capture.start()
            print("inner")
            in_thread(capture.stop)
            print("mine")
        assert (inner.stdout, logs.stdout) == ("inner\n", "mine\n")

    def test_what_a_callback_prints_is_the_threads_and_does_not_loop(self) -> None:
        for python in (True, False):
            lines: list[str] = []

            def tell(line: str, lines: list[str] = lines) -> None:
                lines.append(line)
                print("told:", line)

            with capture_thread() as logs, FdCapture(1, tell, python=python):
                os.write(1, b"one\ntwo\n")
            assert lines == ["one", "two"]
            assert logs.stdout == "told: one\ntold: two\n"

    def test_without_python_the_thread_keeps_its_own(self) -> None:
        with capture_thread() as thread_logs, capture_fd(python=False) as logs:
            print("python")
            os.write(1, b"native\n")
        assert (thread_logs.stdout, logs.stdout) == ("python\n", "native\n")


class TestInAKernel:
    def test_users_in_threads_are_told_apart_and_the_cell_shows_the_rest(self, kernel: Any) -> None:
        reply = kernel.ok(
            "import sys, threading\n"
            "from ipyfdcapture import *\n"
            "found = sys.stdout\n"
            "results = {}\n"
            "def session(name):\n"
            "    with capture_thread() as logs:\n"
            "        print(name)\n"
            "    results[name] = logs.stdout\n"
            "install_thread_streams()\n"
            "threads = [threading.Thread(target=session, args=(f'user {i}',)) for i in range(4)]\n"
            "[t.start() for t in threads]\n"
            "print('the cell')\n"
            "[t.join() for t in threads]\n"
            "display(1)\n"
            "uninstall_thread_streams()\n"
        )
        assert reply.stream("stdout") == "the cell\n"
        assert kernel.value("results") == {f"user {i}": f"user {i}\n" for i in range(4)}
        assert kernel.value("sys.stdout is found")

    def test_an_installation_lasts_over_cells(self, kernel: Any) -> None:
        kernel.ok("import ipyfdcapture as t; t.install_thread_streams()")
        try:
            assert kernel.ok("print('shown')").stream("stdout") == "shown\n"
            cell = kernel.ok("with t.capture_thread() as logs:\n    print('captured')")
            assert cell.stream("stdout") == ""
            assert kernel.value("logs.stdout") == "captured\n"
        finally:
            kernel.ok("t.uninstall_thread_streams()")
