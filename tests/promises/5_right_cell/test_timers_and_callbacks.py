"""What a cell's timers and callbacks print is in its log (promise 5), though nothing waits for it:
they may never be called, so the log is complete without them, and grows when they are."""

from __future__ import annotations

import contextlib
import contextvars
import errno
import io
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.kernel import Kernel
from helpers.program import in_a_program
from helpers.scripts import kill_helper
from helpers.wait import LIMIT_S

from ipyfdcapture import (
    Captured,
    capture_fd,
    install_thread_streams,
    open_log,
    uninstall_thread_streams,
)
from ipyfdcapture.capture import late_log
from ipyfdcapture.drain.job import DrainJob
from ipyfdcapture.recording.recording import Recording

#: Each has ``work`` called after the cell, by the second, which runs in a later cell.
CALLBACKS = {
    "call_later": ("asyncio.get_running_loop().call_later(0.01, work)", ""),
    "call_at": ("loop = asyncio.get_running_loop(); loop.call_at(loop.time(), work)", ""),
    "call_soon": ("asyncio.get_running_loop().call_soon(work)", ""),
    "future": ("future.add_done_callback(lambda future: work())", "future.set_result(None)"),
    "reader": (
        "asyncio.get_running_loop().add_reader(ends[0], lambda: (os.read(ends[0], 1), work()))",
        "os.write(ends[1], b'x')",
    ),
    "context": ("context = contextvars.copy_context()", "context.run(work)"),
    "thread in a context": (
        "context = contextvars.copy_context()",
        "threading.Thread(target=context.run, args=(work,)).start()",
    ),
    "task of a callback": (
        "async def working(): work()\n"
        "future.add_done_callback(lambda future: tasks.append(asyncio.ensure_future(working())))",
        "future.set_result(None)",
    ),
}
SETUP = """
import asyncio, contextvars, os, sys, threading
loop, ends, tasks = asyncio.get_running_loop(), os.pipe(), []
future, done = loop.create_future(), asyncio.Event()
def work():
    print("late"); print("late", file=sys.stderr)
    loop.call_soon_threadsafe(done.set)
"""


@pytest.mark.parametrize("header", ["", "%%capture_fd -v other\n"], ids=["plain", "captured"])
@pytest.mark.parametrize(("starts", "calls"), CALLBACKS.values(), ids=CALLBACKS)
def test_what_a_callback_prints_is_in_the_log_of_its_cell(
    kernel: Kernel, starts: str, calls: str, header: str
) -> None:
    kernel.ok(SETUP)
    kernel.ok(f"%%capture_fd -v logs\nprint('in')\n{starts};")
    assert kernel.value("(logs.complete, logs.wait())") == (True, True)
    reply = kernel.ok(
        f"{header}print('next'); {calls}\n_ = await asyncio.wait_for(done.wait(), 30)"
    )
    assert reply.shown == ("" if header else "next\n")
    assert kernel.value("(logs.stdout, logs.stderr, logs.complete)") == (
        "in\nlate\n",
        "late\n",
        True,
    )
    if header:
        assert kernel.value("other.text") == "next\n"
    kernel.ok("loop.remove_reader(ends[0]); os.close(ends[0]); os.close(ends[1])")


@pytest.mark.parametrize("has_proxies", [False, True], ids=["", "beside streams of threads"])
def test_it_is_shown_where_it_would_be_without_a_capture_if_its_cell_was_shown_live(
    kernel: Kernel, has_proxies: bool
) -> None:
    starts = "future.add_done_callback(lambda future: work());"
    calls = "future.set_result(None); _ = await asyncio.wait_for(done.wait(), 30)"

    def stdout(first: str, second: str) -> tuple[list[tuple[int, str]], Any]:
        kernel.ok(SETUP)
        replies = [kernel.ok(f"{first}{starts}"), kernel.ok(f"{second}{calls}")]
        whose = {reply.msg_id: cell for cell, reply in enumerate(replies)}
        return [
            (whose[message["parent_header"]["msg_id"]], message["content"]["text"])
            for reply in replies
            for message in reply.messages
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout"
        ], kernel.value("logs.stdout") if first else None

    live = "%%capture_fd --live -v logs\n"
    plain, _ = stdout("", "")
    assert [text for _, text in plain] == ["late\n"]
    kernel.ok("import ipyfdcapture")
    if has_proxies:
        kernel.ok("ipyfdcapture.install_thread_streams()")
    try:
        assert stdout(live, "") == (plain, "late\n")
        assert stdout(live, "%%capture_fd -v other\n") == (plain, "late\n")
    finally:
        kernel.ok("ipyfdcapture.uninstall_thread_streams()")
    assert kernel.value("other.text") == ""


# -- in programs ----------------------------------------------------------------------------------


@pytest.fixture
def warm() -> None:
    """What the process makes once, at first use, is there."""
    with capture_fd():
        pass


Kept = tuple[Captured, Callable[..., Any]]
Keep = Callable[[], Kept]


@pytest.fixture(params=["process", "thread"])
def keep(request: pytest.FixtureRequest, warm: None, no_leaks: None) -> Keep:
    """Return a complete log, and what calls a function in a context that belongs to it."""

    def make() -> Kept:
        with capture_fd(drain=request.param) as logs:
            print("in")
            context = contextvars.copy_context()
        assert logs.complete
        return logs, context.run

    return make


@in_a_program
def test_a_log_that_was_read_grows_and_what_was_made_of_it_does_not(
    keep: Keep, tmp_path: Path
) -> None:
    logs, run = keep()
    assert (logs.text, len(logs), logs.new().text) == ("in\n", 1, "in\n")
    view, copy = logs.head(), pickle.loads(pickle.dumps(logs))
    logs.save(tmp_path / "run.log")
    run(print, "late")
    assert (logs.text, len(logs), logs[-1], logs.complete) == ("in\nlate\n", 2, "late", True)
    run(print, "la", end="")
    run(print, "ter")
    assert logs.new().text == "late\nlater\n"
    assert (view.text, copy.text, (tmp_path / "run.log").read_text()) == ("in\n",) * 3
    assert open_log(tmp_path / "run.log").text == "in\n"
    assert [str(line) for line in logs.grep("late")] == ["late", "later"]


@in_a_program
def test_what_is_kept_of_a_stream_leads_there_too(keep: Keep) -> None:
    logs, run = keep()
    write, flush = sys.stdout.write, sys.stdout.flush
    run(write, "kept")
    run(flush)
    assert logs.text == "in\nkept"
    run(sys.stdout.buffer.write, b" \xff bytes")
    assert logs.raw == b"in\nkept \xff bytes"


@in_a_program
def test_what_was_kept_of_a_stream_amid_the_capture_leads_there_too(
    warm: None, no_leaks: None
) -> None:
    with capture_fd() as logs:
        write, flush, run = sys.stdout.write, sys.stdout.flush, contextvars.copy_context().run
        write("in\n")
    assert logs.complete
    run(write, "late\n")
    with capture_fd() as other:
        run(write, "la")
        run(flush)
        write("other\n")
        with capture_fd():  # the newest is another meanwhile
            run(write, "ter\n")
    assert (logs.text, other.text) == ("in\nlate\nlater\n", "other\n")


@in_a_program
def test_what_is_kept_of_a_stream_does_not_write_to_a_capture_that_is_paused(
    warm: None, no_leaks: None
) -> None:
    with capture_fd() as around:
        capture = capture_fd()
        with capture as logs:
            write = sys.stdout.write
            write("in\n")
            with capture.paused():
                write("let through\n")
            write("in again\n")
    assert (logs.text, around.text) == ("in\nin again\n", "let through\n")


@contextlib.contextmanager
def streams_of_threads() -> Iterator[None]:
    install_thread_streams()
    try:
        yield
    finally:
        uninstall_thread_streams()


#: What is in the place of ``sys.stdout``.
PLACES: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "a stream": contextlib.nullcontext,
    "a stream in memory": lambda: contextlib.redirect_stdout(io.StringIO()),
    "nothing": lambda: contextlib.redirect_stdout(None),
    "a proxy": streams_of_threads,
}


@in_a_program
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_bytes_that_are_no_text_are_kept_as_they_are(
    warm: None, no_leaks: None, place: Callable[[], contextlib.AbstractContextManager[Any]]
) -> None:
    with place():
        with capture_fd() as logs:
            stdout, run = sys.stdout, contextvars.copy_context().run
        assert logs.complete
        for data in (b"\xff", memoryview(b"\x00\xfe").cast("H"), bytearray(b"\n")):
            assert run(stdout.buffer.write, data) == memoryview(data).nbytes
        run(stdout.buffer.writelines, [b"\xfd", b"\n"])
        run(stdout.writelines, ["text", "\n"])
        del stdout
    assert logs.raw == b"\xff\x00\xfe\n\xfd\ntext\n"


@in_a_program
@pytest.mark.parametrize(
    ("owner", "name"),
    [(late_log, "open_pipe"), (Recording, "reopen"), (DrainJob, "open_transit")],
    ids=["the pipe", "the files", "the drain"],
)
def test_a_log_that_cannot_be_written_again_leaves_nothing_open_and_hides_nothing(
    warm: None, no_leaks: None, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with capture_fd() as logs:
        print("in")
        run = contextvars.copy_context().run
    with capture_fd() as other, monkeypatch.context() as patched:
        patched.setattr(owner, name, refuse)
        run(print, "late")
    assert (logs.text, other.text) == ("in\n", "late\n")


@in_a_program
def test_it_is_out_of_a_capture_that_runs_by_then(keep: Keep) -> None:
    logs, run = keep()
    with capture_fd() as other:
        print("other")
        run(print, "late")
    assert (other.text, logs.text) == ("other\n", "in\nlate\n")


@in_a_program
def test_once_the_log_is_closed_it_goes_where_it_would_without_a_capture(
    keep: Keep,
) -> None:
    logs, run = keep()
    run(print, "late")
    logs.close()
    with capture_fd() as other:
        run(print, "for nobody")
    assert other.text == "for nobody\n"


@in_a_program
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_forked_child_leaves_the_log_alone(drain: str) -> None:
    with capture_fd(drain=drain) as logs:
        print("in")
        run = contextvars.copy_context().run
    run(print, "late")

    def work() -> None:
        print("of a child", flush=True)
        os._exit(0)

    with capture_fd() as other:
        child = os.fork()
        if not child:
            run(work)
        os.waitpid(child, 0)
    run(print, "later")
    assert (other.text, logs.text) == ("of a child\n", "in\nlate\nlater\n")


@pytest.mark.parametrize("drain", ["process", "thread"])
@in_a_program
def test_a_forked_child_that_ends_the_capture_leaves_the_log_to_its_parent(drain: str) -> None:
    go = threading.Event()

    def work() -> None:
        go.wait(LIMIT_S)
        print("late")

    capture = capture_fd(drain=drain)
    logs = capture.start()
    thread = threading.Thread(target=work)
    thread.start()
    child = os.fork()
    if not child:
        capture.stop()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    capture.stop()
    go.set()
    thread.join(LIMIT_S)
    assert logs.wait(LIMIT_S)
    assert (logs.text, os.path.exists(logs.recording.path + ".data")) == ("late\n", True)


@in_a_program
def test_a_flood_needs_no_more_than_a_pipe_and_order_is_kept(keep: Keep) -> None:
    logs, run = keep()

    def flood() -> None:
        for number in range(20_000):
            print(number)

    before = len(os.listdir("/dev/fd"))  # a thread as host has both ends of all here
    for _ in range(2):
        run(flood)
        assert len(os.listdir("/dev/fd")) <= before + 16
    assert logs.complete and len(os.listdir("/dev/fd")) <= before
    assert logs.text == "in\n" + 2 * "".join(f"{number}\n" for number in range(20_000))
    assert len(logs.recording.sources) == 3  # however often it is looked at


@in_a_program
def test_logs_that_nobody_looks_at_take_a_bounded_number_of_descriptors(keep: Keep) -> None:
    kept = [keep() for _ in range(20)]
    before = len(os.listdir("/dev/fd"))
    for _ in range(2):
        for number, (_, run) in enumerate(kept):
            run(print, number)
    assert len(os.listdir("/dev/fd")) - before <= 8 * 10  # of 20 logs, 8
    assert [logs.text for logs, _ in kept] == [f"in\n{n}\n{n}\n" for n in range(20)]


@in_a_program
def test_who_looks_again_and_again_has_each_line_once(keep: Keep) -> None:
    logs, run = keep()
    for number in range(50):
        run(print, number)
        run(print, number, file=sys.stderr)
        assert (logs[-2], logs[-1], logs.complete) == (str(number), str(number), True)
    assert len(logs.recording.sources) == 4


@in_a_program
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_what_begins_after_a_capture_has_ended_is_none_of_its_own(
    warm: None, no_leaks: None, drain: str
) -> None:
    """Though a newer capture, which was started within it, does not take that stream."""
    with capture_fd(drain=drain) as around:
        outer, newer = capture_fd(drain=drain), capture_fd(drain=drain, stderr=False)
        outer_log, newer_log = outer.start(), newer.start()
        outer.stop()
        thread = threading.Thread(target=lambda: print("from a thread", file=sys.stderr))
        thread.start()
        thread.join(LIMIT_S)
        contextvars.copy_context().run(print, "from a callback", file=sys.stderr)
        newer.stop()
    assert (outer_log.text, newer_log.text) == ("", "")
    assert sorted(around) == ["from a callback", "from a thread"]


@in_a_program
def test_a_log_at_its_limit_takes_no_more_and_nothing_is_out_of_sight(
    warm: None, no_leaks: None
) -> None:
    with capture_fd(max_bytes=100) as logs:
        print("x" * 200)
        context = contextvars.copy_context()
    assert logs.dropped
    before = logs.text
    with capture_fd() as other:
        context.run(print, "late")
    assert (logs.text, other.text) == (before, "late\n")


@in_a_program
def test_while_a_child_lives_it_is_in_order_and_the_log_ends_with_the_child(
    warm: None,
    no_leaks: None,
) -> None:
    with capture_fd() as logs:
        context = contextvars.copy_context()
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    context.run(print, "late")
    assert (logs.text, logs.complete) == ("late\n", False)
    child.stdin.write(b"child\n")
    child.stdin.close()
    child.wait(LIMIT_S)
    context.run(print, "later")
    assert logs.wait(LIMIT_S)
    assert sorted(logs) == ["child", "late", "later"]


@in_a_program
def test_a_helper_that_was_killed_meanwhile_takes_nothing_with_it() -> None:
    with capture_fd(drain="process") as logs:
        print("in")
        context = contextvars.copy_context()
    assert logs.complete
    context.run(print, "before")
    kill_helper()
    context.run(print, "after")
    assert logs.text == "in\nbefore\nafter\n"


@in_a_program
def test_nothing_is_hooked_once_nothing_holds_the_context() -> None:
    methods = dict(vars(sys.stdout))
    with capture_fd() as logs:
        context: contextvars.Context | None = contextvars.copy_context()
    assert context is not None
    context.run(print, "late")
    del context
    assert dict(vars(sys.stdout)) == methods
    assert logs.text == "late\n"


@in_a_program
def test_finalizers_and_functions_at_exit_write_where_they_are_called(
    warm: None, no_leaks: None
) -> None:
    class Thing:
        pass

    with capture_fd() as first:
        thing = Thing()
        weakref.finalize(thing, print, "gone")
    with capture_fd() as second:
        del thing
    assert (first.text, second.text) == ("", "gone\n")
