"""Captures in any order and company, against a simple model of what each must hold."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import subprocess
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import psutil
import pytest
from helpers.fixtures import FULL
from helpers.leaks import open_fds
from helpers.process import await_end, pumps
from helpers.wait import LIMIT_S, eventually
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel

_libc = ctypes.CDLL(None)
_OUT, _ERR = 1, 2
#: What waits for a helper that is stopped waits so long. One that is only slow is waited for.
_STOPPED_S = 0.3
_SURVIVOR = 'while read line; do echo "$line"; echo told >&3; done'


@dataclass
class Active:
    """The model of one capture: what each of its sources must hold."""

    capture: Any
    logs: Any
    fds: tuple[int, ...]
    merge: bool
    wrote: dict[int, list[str]] = field(default_factory=lambda: {_OUT: [], _ERR: []})
    stopped: bool = False
    #: Whether it has late text, which comes by a pipe of its own: then the order may be another.
    has_late_text: bool = False
    #: What processes kept from earlier captures wrote while this was the newest.
    passed_on: set[str] = field(default_factory=set)

    def add(self, fd: int, text: str) -> None:
        self.wrote[_OUT if self.merge else fd].append(text)

    def check(self) -> None:
        self.await_answer()
        names = ("stdout",) if self.merge else ("stdout", "stderr")
        for fd, name in zip((_OUT, _ERR), names, strict=False):
            own = self.logs.source(name).text
            if self.has_late_text:
                assert sorted(own.splitlines(True)) == sorted(self.wrote[fd])
            else:
                assert own == "".join(self.wrote[fd])
        kept = {f"{line}\n" for line in self.logs if line.source.startswith("capture ")}
        assert kept <= self.passed_on
        own_lines = len(self.wrote[_OUT]) + len(self.wrote[_ERR])
        assert len(self.logs) == own_lines + len(kept)
        assert self.logs.dropped == 0

    def await_answer(self) -> None:
        """Wait until a helper that was stopped has recorded what it was asked for."""

        def has_answered() -> bool:
            writing = self.logs.recording.writing  # as it is after a look
            return not self.logs.recording.update().writing or not writing.awaits_answer

        eventually(has_answered, "the answer of a helper")


class Writer:
    """A thread that prints what it is given, and the captures that ran when it was started.

    The newest of them has what it prints also after its end; the others as long as they run.
    """

    def __init__(self, around: list[Active]) -> None:
        self.around = around
        self._asked: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            fd, text = asked
            print(text, end="", file=sys.stdout if fd == _OUT else sys.stderr, flush=True)
            self._done.put(None)

    def target(self, fd: int) -> Active | None:
        return next(
            (
                each
                for each in self.around
                if fd in each.fds and (each is self.around[0] or not each.stopped)
            ),
            None,
        )

    def print(self, fd: int, text: str) -> None:
        self._asked.put((fd, text))
        self._done.get(timeout=LIMIT_S)

    def end(self) -> None:
        self._asked.put(None)
        self._thread.join(LIMIT_S)


@dataclass
class Survivor:
    """A child that lives on, and the capture that was on top when it was started."""

    process: subprocess.Popen[str]
    told: int
    target: Active | None


class Captures(RuleBasedStateMachine):
    """The process's own descriptors lead to a file meanwhile, which is the bottom of the stack."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.captures: list[Active] = []
        self.survivors: list[Survivor] = []
        self.unread: set[str] = set()  # what a stopped helper may pass on to whoever runs later
        self.writers: list[Writer] = []
        self.kept: list[tuple[int, Any]] = []  # streams that were in sys
        self.stopped_helpers: list[psutil.Process] = []
        self.bottom: list[str] = []
        # Not a NamedTemporaryFile: its name is deleted by whatever forked child ends first.
        number, self.path = tempfile.mkstemp()
        self.file = os.fdopen(number, "a+")
        self.saved = [os.dup(_OUT), os.dup(_ERR)]
        self.streams = sys.stdout, sys.stderr
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(self.file.fileno(), _OUT)
        os.dup2(self.file.fileno(), _ERR)
        sys.stdout = os.fdopen(os.dup(_OUT), "w", buffering=1)
        sys.stderr = os.fdopen(os.dup(_ERR), "w", buffering=1)
        self.inside = sys.stdout, sys.stderr
        self.catching = warnings.catch_warnings()
        self.catching.__enter__()
        warnings.simplefilter("ignore")

    # -- the model -------------------------------------------------------------------------------

    @property
    def active(self) -> list[Active]:
        return [capture for capture in self.captures if not capture.stopped]

    def top(self, fd: int) -> Active | None:
        return next((each for each in reversed(self.active) if fd in each.fds), None)

    def newest(self, fd: int) -> list[Active]:
        """Return the newest capture, and the newest that takes a stream: both may get it."""
        top = self.top(fd)
        return [*self.active[-1:], *([] if top is None else [top])]

    def expect(self, fd: int, text: str) -> None:
        top = self.top(fd)
        if top is None:
            self.bottom.append(text)
        else:
            top.add(fd, text)

    def text(self, who: str) -> str:
        self.number += 1
        return f"{who} {self.number} \u20ac\n"

    # -- starting and stopping -------------------------------------------------------------------

    @precondition(lambda self: len(self.active) < 6)
    @rule(
        fds=st.sampled_from([(1, 2), (1,), (2,)]),
        merge=st.booleans(),
        drain=st.sampled_from(["auto", "process", "thread"]),
    )
    def start(self, fds: tuple[int, ...], merge: bool, drain: str) -> None:
        capture = capture_fd(stdout=1 in fds, stderr=2 in fds, merge=merge, drain=drain)
        logs = capture.__enter__()
        self.captures.append(
            Active(capture, logs, fds, merge and fds == (1, 2), passed_on=set(self.unread))
        )

    @precondition(lambda self: self.active)
    @rule(which=st.integers(min_value=0, max_value=5), elsewhere=st.booleans())
    def stop(self, which: int, elsewhere: bool) -> None:
        target = self.active[which % len(self.active)]
        if elsewhere:
            thread = threading.Thread(target=target.capture.__exit__, args=(None, None, None))
            thread.start()
            thread.join()
        else:
            target.capture.__exit__(None, None, None)
        target.stopped = True
        self.let_helpers_go_on()
        target.check()

    @precondition(lambda self: self.captures)
    @rule(which=st.integers(min_value=0))
    def look(self, which: int) -> None:
        self.let_helpers_go_on()
        self.captures[which % len(self.captures)].check()

    # -- writing ---------------------------------------------------------------------------------

    @rule(fd=st.sampled_from([_OUT, _ERR]))
    def write(self, fd: int) -> None:
        text = self.text("write")
        os.write(fd, text.encode())
        self.expect(fd, text)

    @rule(fd=st.sampled_from([_OUT, _ERR]), size=st.integers(min_value=1, max_value=300_000))
    def write_much(self, fd: int, size: int) -> None:
        self.let_helpers_go_on()  # or it would wait until they are ended
        text = self.text("much" + "x" * size)
        left = memoryview(text.encode())
        while left:
            left = left[os.write(fd, left) :]
        self.expect(fd, text)

    @rule(fd=st.sampled_from([_OUT, _ERR]))
    def print(self, fd: int) -> None:
        text = self.text("print")
        print(text, end="", file=sys.stdout if fd == _OUT else sys.stderr, flush=True)
        self.expect(fd, text)

    @precondition(lambda self: len(self.kept) < 4)
    @rule(fd=st.sampled_from([_OUT, _ERR]))
    def keep_a_stream(self, fd: int) -> None:
        self.kept.append((fd, sys.stdout if fd == _OUT else sys.stderr))

    @precondition(lambda self: self.kept)
    @rule(which=st.integers(min_value=0, max_value=3))
    def write_to_a_kept_stream(self, which: int) -> None:
        """What stood in for another during a capture leads on; the other never led there."""
        fd, stream = self.kept[which % len(self.kept)]
        text = self.text("kept")
        stream.write(text)
        stream.flush()
        if stream in self.inside:
            self.bottom.append(text)
        else:
            self.expect(fd, text)

    @precondition(lambda self: len(self.writers) < 3)
    @rule()
    def start_a_writer(self) -> None:
        self.writers.append(Writer(self.active[::-1]))

    @precondition(lambda self: self.writers)
    @rule(which=st.integers(min_value=0, max_value=2), fd=st.sampled_from([_OUT, _ERR]))
    def print_in_a_writer(self, which: int, fd: int) -> None:
        writer = self.writers[which % len(self.writers)]
        text = self.text("writer")
        writer.print(fd, text)
        target = writer.target(fd)
        if (sys.stdout if fd == _OUT else sys.stderr) in self.inside:
            self.bottom.append(text)  # what stood in for it is gone, and it led nowhere else
        elif target is None:
            self.expect(fd, text)
        else:
            target.add(fd, text)
            target.has_late_text |= target.stopped

    @precondition(lambda self: self.writers)
    @rule()
    def end_a_writer(self) -> None:
        self.writers.pop(0).end()

    @rule()
    def print_from_c(self) -> None:
        text = self.text("printf")
        _libc.printf(b"%s", text.encode())
        _libc.fflush(None)
        self.expect(_OUT, text)

    @rule(fd=st.sampled_from([_OUT, _ERR]))
    def write_in_threads(self, fd: int) -> None:
        for _ in range(3):
            text = self.text("thread")
            thread = threading.Thread(target=os.write, args=(fd, text.encode()))
            thread.start()
            thread.join()
            self.expect(fd, text)

    @rule(fd=st.sampled_from([_OUT, _ERR]))
    def run_a_child(self, fd: int) -> None:
        text = self.text("child")
        subprocess.run(["sh", "-c", f'printf %s "$0" >&{fd}', text], check=True)
        self.expect(fd, text)

    @rule(fd=st.sampled_from([_OUT, _ERR]), stops=st.booleans())
    def fork(self, fd: int, stops: bool) -> None:
        text = self.text("fork")
        active = self.active
        child = os.fork()
        if not child:
            status = 1
            try:
                os.write(fd, text.encode())
                if stops and active:
                    active[-1].capture.__exit__(None, None, None)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        self.expect(fd, text)

    # -- children that live on -------------------------------------------------------------------

    @precondition(lambda self: len(self.survivors) < 3)
    @rule()
    def start_a_survivor(self) -> None:
        told, tell = os.pipe()
        process = subprocess.Popen(
            ["sh", "-c", f"exec 3>/dev/fd/{tell}; {_SURVIVOR}"],
            stdin=subprocess.PIPE,
            pass_fds=[tell],
            text=True,
        )
        os.close(tell)
        self.survivors.append(Survivor(process, told, self.top(_OUT)))

    @precondition(lambda self: self.survivors)
    @rule(which=st.integers(min_value=0, max_value=2))
    def tell_a_survivor(self, which: int) -> None:
        survivor = self.survivors[which % len(self.survivors)]
        text = self.text("survivor")
        assert survivor.process.stdin is not None
        survivor.process.stdin.write(text)
        survivor.process.stdin.flush()
        assert os.read(survivor.told, 100) == b"told\n"
        if survivor.target is None:
            self.bottom.append(text)
            return
        survivor.target.add(_OUT, text)
        if survivor.target.stopped:
            for each in self.active if self.stopped_helpers else self.newest(_OUT):
                each.passed_on.add(text)
            if self.stopped_helpers:
                self.unread.add(text)

    # -- bad days --------------------------------------------------------------------------------

    @rule()
    def kill_the_helper(self) -> None:
        for helper in pumps(os.getpid()):
            helper.kill()
            await_end(helper.pid)

    @rule()
    def stop_the_helper(self) -> None:
        """Until a log is looked at, or much is written: captures begin and end meanwhile."""
        for helper in pumps(os.getpid()):
            helper.suspend()
            self.stopped_helpers.append(helper)
            channel.ANSWER_S = _STOPPED_S

    @rule()
    def let_helpers_go_on(self) -> None:
        channel.ANSWER_S = LIMIT_S
        while self.stopped_helpers:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.stopped_helpers.pop().resume()

    # -- always ----------------------------------------------------------------------------------

    @invariant()
    def the_bottom_holds_what_nobody_took(self) -> None:
        self.file.flush()
        with open(self.path, encoding="utf-8") as file:
            assert file.read() == "".join(self.bottom)

    def teardown(self) -> None:
        try:
            self.let_helpers_go_on()
            for active in self.active:
                active.capture.__exit__(None, None, None)
                active.stopped = True
            where = [os.fstat(fd).st_ino for fd in (_OUT, _ERR)]
            streams = sys.stdout, sys.stderr
        finally:
            for writer in self.writers:
                writer.end()
            for survivor in self.survivors:
                assert survivor.process.stdin is not None
                survivor.process.stdin.close()
                survivor.process.wait(30)
                os.close(survivor.told)
            inside = self.inside
            inode = os.fstat(self.file.fileno()).st_ino
            os.dup2(self.saved[0], _OUT)
            os.dup2(self.saved[1], _ERR)
            sys.stdout, sys.stderr = self.streams
            for fd in self.saved:
                os.close(fd)
            for stream in inside:
                stream.close()
            self.catching.__exit__(None, None, None)
        assert where == [inode, inode]
        assert streams == inside
        for each in self.captures:
            assert each.logs.wait(30)
            each.check()
            each.logs.close()
        self.captures.clear()
        with open(self.path, encoding="utf-8") as file:
            assert file.read() == "".join(self.bottom)
        self.file.close()
        os.unlink(self.path)


@pytest.mark.timeout(1200 if FULL else 120)
def test_captures_hold_what_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "ANSWER_S", LIMIT_S)
    before = len(open_fds())
    Captures.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=500 if FULL else 40,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        # No shrinking: a step takes real processes, and a failing run may wait for its limit.
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
        print_blob=True,
    )
    Captures.TestCase().runTest()  # type: ignore[attr-defined]
    # The helper of a process, and its spool, live as long as that.
    assert len(open_fds()) <= before + 8
