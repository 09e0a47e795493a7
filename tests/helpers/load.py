"""Captures whose content is known, round after round, and what came out of them.

Each writer writes numbered lines under its own name, so that a line that is missing, doubled,
damaged or out of order shows. A round is one use of the package: a capture with many writers,
captures in several threads at once, labelled children. What the system refuses meanwhile (no
descriptors, no room) is allowed as far as it is told: a refused capture, `dropped` bytes.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import errno
import faulthandler
import functools
import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from ipyfdcapture import (
    Captured,
    CaptureError,
    FdCapture,
    capture_fd,
    capture_thread,
    run_all,
)

from .kept import KeptProcess
from .leaks import settled_difference, snapshot
from .wait import LIMIT_S, eventually

FDS = {"stdout": 1, "stderr": 2}
#: What a child runs: NAME, COUNT, and the descriptor.
_CHILD = 'i=0; while [ $i -lt "$1" ]; do echo "$0 $i"; i=$((i+1)); done >&"$2"'
#: The same in two parts; the second only when it is told to go on.
_SURVIVOR = (
    'i=0; while [ $i -lt "$1" ]; do if [ $i -eq "$3" ]; then read go; fi;'
    ' echo "$0 $i"; i=$((i+1)); done >&"$2"'
)
_WAIT_S = 0.01
#: In a kernel ZeroMQ has some of these for each thread that has sent anything.
_ZEROMQ = "anon_inode:[event"
#: So long after it was due, an interrupt does not come any more.
_INTERRUPT_LOST_S = 5.0
#: In how many of the rounds that allow it warnings are errors.
_STRICT = 0.2
#: Captures that are looked at a second time, some rounds later.
_KEPT = 4


class Writer:
    """Writes the lines ``NAME 0``, ``NAME 1``, ... to one stream.

    Attributes
    ----------
    lines, perhaps
        How many it has written for certain, and how many at most (it may have been interrupted).
    """

    def __init__(self, name: str, source: str, count: int) -> None:
        self.name = name
        self.source = source
        self.count = count
        self.lines = 0
        self.perhaps = 0

    def nbytes(self, lines: int) -> int:
        """Return the size of its first lines."""
        digits = sum(len(str(i)) for i in range(lines))
        return lines * (len(self.name) + 2) + digits

    def write_native(self, library: ctypes.CDLL) -> None:
        self.perhaps = self.count
        self.lines = library.write_lines(FDS[self.source], self.name.encode(), self.count)
        self.perhaps = self.lines

    def write_raw(self) -> None:
        self._write_each(lambda line: os.write(FDS[self.source], line.encode()))

    def write_python(self) -> None:
        self._write_each(lambda line: getattr(sys, self.source).write(line))

    def _write_each(self, write: Callable[[str], object]) -> None:
        self.write_by(lambda line: write(line + "\n"), range(self.count))

    def write_by(self, write: Callable[[str], object], numbers: Iterable[int]) -> None:
        """Have ``write`` write some of the lines, which it gets without their ends."""
        for i in numbers:
            self.perhaps = i + 1
            write(f"{self.name} {i}")
            self.lines = i + 1

    def command(self) -> list[str]:
        """Return the program that writes the lines as a child."""
        return ["/bin/sh", "-c", _CHILD, self.name, str(self.count), str(FDS[self.source])]

    def write_in_child(self) -> None:
        try:
            child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return
        self.perhaps = self.count
        if child.wait() == 0:
            self.lines = self.count


#: What the system says when there are no descriptors, no processes, or no room on the disk.
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EFBIG)


class Load:
    """Runs rounds and keeps count."""

    def __init__(self, seed: int, library: str, report: Path) -> None:
        self.dice = random.Random(seed)
        self.counts: collections.Counter[str] = collections.Counter()
        self.problems: list[str] = []
        self._library = ctypes.CDLL(library)
        self._library.write_lines.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_long]
        self._library.write_lines.restype = ctypes.c_long
        self._report = report
        self._interruptible = False
        self._kept: collections.deque[tuple[Captured, list[Writer]]] = collections.deque()
        self._told: list[str] = []
        self._number = 0
        self._memory: list[int] = []
        self._objects: list[int] = []
        self._rounds: list[Callable[[], None]] = [
            self.many_writers,
            self.many_writers,
            self.many_threads,
            self.labelled_children,
            self.a_child_that_lives_on,
            self.quick_ones,
            self.one_descriptor,
            self.python_by_thread,
            self.a_process_that_is_kept,
            self.a_thread_that_lives_on,
            self.a_method_that_is_kept,
        ]

    def settle_in(self) -> None:
        """Take note of what is told in this process from now on, and show all stacks at SIGUSR1."""
        # Past whatever is captured.
        self._terminal = os.fdopen(os.dup(2), "w")
        faulthandler.register(signal.SIGUSR1, self._terminal, all_threads=True)
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: self._told.append(str(message))
        sys.unraisablehook = self._on_unraisable

    def _on_unraisable(self, fault: Any) -> None:
        # An interrupt may hit a finalizer of Python's own, and where warnings are errors, a thread
        # that warns tells it here. Nothing else has any business there.
        if isinstance(fault.exc_value, RuntimeWarning):
            self._told.append(str(fault.exc_value))
        elif not isinstance(fault.exc_value, KeyboardInterrupt):
            self.problem(f"{fault.err_msg} {fault.object!r}: {fault.exc_value!r}")

    # -- rounds ---------------------------------------------------------------------------------

    def round(self) -> None:
        """Run one, of a kind that chance decides."""
        kind = self.dice.choice(self._rounds)
        self._told.clear()
        try:
            kind()
        except KeyboardInterrupt:
            self.counts["interrupted"] += 1
        except CaptureError:
            self.counts["refused"] += 1
        except Exception:
            self.problem(traceback.format_exc())
        finally:
            self._interruptible = False
        self.counts["rounds"] += 1

    def many_writers(self) -> None:
        """One capture, with all options, and writers of every kind at once."""
        lines: list[str] = []
        options: dict[str, Any] = {
            "drain": self.dice.choice(["process", "thread", "auto", "auto"]),
            "merge": self.dice.random() < 0.3,
            "max_bytes": self.dice.choice([None, None, None, None, 1000, 100_000]),
            "on_line": self.dice.choice([None, None, lines.append]),
        }
        writers = self.writers(self.dice.randint(0, 6))
        started = False
        capture = capture_fd(**options)
        interrupted = False
        try:
            with self._warnings_as_errors(), self._interrupts(), capture:
                started = True
                self.write(writers)
        except RuntimeWarning as warning:  # told when the capture has ended
            self._told.append(str(warning))
        except KeyboardInterrupt:
            self.counts["interrupted"] += 1
            interrupted = True
            if capture._session.is_active:  # the interrupt came between its start and the block
                capture.stop()
        if not started:
            return
        logs = capture.captured
        self.check(logs, writers, **options)
        if options["max_bytes"] is not None:
            return
        if options["on_line"] and not interrupted and not self._told:
            await_answer(logs)
            expected = patiently(lambda: list(logs))
            if sorted(lines) != sorted(expected):
                self.problem(f"on_line got {len(lines)} lines of {len(expected)}")
        self._keep(logs, writers)

    def many_threads(self) -> None:
        """Captures in several threads at once, within one around them all.

        Python's output belongs to the capture of its thread, native output to the newest: each
        line is in one of them.
        """
        logs: list[Captured] = []
        refused: list[object] = []
        native = self.writers(self.dice.randint(1, 3), kinds=["native", "raw", "child"])
        own = self.writers(self.dice.randint(1, 4), kinds=["python"])
        drains = [self.dice.choice(["process", "thread"]) for _ in own]

        def capture(writer: Writer, drain: str) -> None:
            try:
                with capture_fd(drain=drain) as found:
                    logs.append(found)
                    writer.write_python()
            except CaptureError as error:
                refused.append(error)
                return
            self.check_own(found, writer)

        outer = capture_fd()
        with outer as around:
            logs.append(around)
            work = [Work(self._write_as, writer) for writer in native]
            pairs = zip(own, drains, strict=True)
            run_all_of(work + [Work(capture, *pair) for pair in pairs])
        self.counts["refused"] += len(refused)
        self.check_all(logs, [*native, *own])

    def labelled_children(self) -> None:
        """Children under labels."""
        writers = self.writers(self.dice.randint(1, 6), kinds=["child"])
        with self._interrupts():
            results, logs = run_all(
                {writer.name: writer.command() for writer in writers},
                max_parallel=self.dice.choice([None, 2]),
            )
        ran = []
        for writer, result in zip(writers, results, strict=True):
            if result.returncode is not None:
                writer.perhaps = writer.count
                ran.append(writer)
            if result.returncode == 0:
                writer.lines = writer.count
        self.check(logs, ran, labelled=True)

    def a_child_that_lives_on(self) -> None:
        """What it writes after the end of the capture arrives later."""
        writer = self.writers(1, kinds=["child"])[0]
        part = self.dice.randint(0, writer.count)
        command = [*writer.command(), str(part)]
        command[2] = _SURVIVOR
        child = None
        with capture_fd() as logs, self._no_room_allowed():
            child = subprocess.Popen(command, stdin=subprocess.PIPE)
        if child is None:
            return
        writer.perhaps = writer.count
        assert child.stdin is not None
        with child.stdin, contextlib.suppress(BrokenPipeError):
            os.write(child.stdin.fileno(), b"go\n")
        if child.wait() == 0:
            writer.lines = writer.count
        if not patiently(lambda: logs.wait(LIMIT_S)):
            self.problem("a child ended, and its log did not")
        self.check(logs, [writer])

    def quick_ones(self) -> None:
        """Captures of next to nothing, one after another."""
        for _ in range(self.dice.randint(1, 30)):
            writers = self.writers(1, most=3, kinds=["raw", "python"])
            drain = self.dice.choice(["process", "thread"])
            with self._interrupts(), capture_fd(drain=drain) as logs:
                self._write_as(writers[0])
            self.check(logs, writers)

    def one_descriptor(self) -> None:
        """`FdCapture`, whose callback gets each line."""
        lines: list[str] = []
        writers = self.writers(self.dice.randint(1, 3), kinds=["native", "raw"])
        for writer in writers:
            writer.source = "stdout"
        with self._interrupts(), FdCapture(1, callback=lines.append) as capture:
            self.write(writers)
        logs = capture.captured
        if not self._told and len(lines) != sum(w.lines for w in writers) and not logs.dropped:
            self.problem(f"the callback got {len(lines)} of {sum(w.lines for w in writers)} lines")
        self.check(logs, writers)

    def python_by_thread(self) -> None:
        """`capture_thread`: what each thread writes through Python."""
        refused = []

        def capture(writer: Writer) -> None:
            try:
                with capture_thread() as logs:
                    writer.write_python()
                self.check(logs, [writer])
            except CaptureError as error:
                refused.append(error)

        # A thread that gets no log writes where the others do.
        with capture_fd() as around:
            writers = self.writers(self.dice.randint(1, 4), kinds=["python"])
            run_all_of([Work(capture, writer) for writer in writers])
        self.counts["refused"] += len(refused)
        patiently(around.close)

    def a_process_that_is_kept(self) -> None:
        """What it writes while a later capture runs is in its own log, and in that one too."""
        drains = [self.dice.choice(["process", "thread"]) for _ in range(2)]
        writer = Writer(f"kept{self._next_number()}", "stdout", self.dice.choice([1, 10, 100]))
        kept = None
        with capture_fd(drain=drains[0]) as first, self._no_room_allowed():
            kept = KeptProcess()
        if kept is None:
            return
        own = self.writers(1, most=300, kinds=["raw", "python"])
        second = None
        with kept:
            with contextlib.suppress(CaptureError), capture_fd(drain=drains[1]) as second:
                writer.write_by(kept.write, range(writer.count // 2))
                self._write_as(own[0])
            writer.write_by(kept.write, range(writer.lines, writer.count))
        if not patiently(lambda: first.wait(LIMIT_S)):
            self.problem("a kept process ended, and its log did not")
        self.check(first, [writer])
        if second is not None:
            self._check_company(second, own[0], writer)

    def _check_company(self, logs: Captured, own: Writer, kept: Writer) -> None:
        """A log has its own lines, and of a kept process some, once and in order.

        Not all: where a drain is late, or has no descriptors, they are in the earlier log alone.
        """
        await_answer(logs)
        if patiently(lambda: logs.dropped):  # its last line is cut
            return
        lines = [
            line.split(b" ")
            for text in patiently(lambda: _both_streams(logs))
            for line in text.splitlines()
        ]
        mine = [int(number) for name, number in lines if name == own.name.encode()]
        theirs = [int(number) for name, number in lines if name == kept.name.encode()]
        self.counts["captures"] += 1
        if mine != list(range(own.lines)):
            self.counts["lost"] += own.nbytes(own.lines) - own.nbytes(len(mine))
            self.problem(f"{own.name}: {len(mine)} lines of {own.lines} beside a kept process")
        if theirs != sorted(set(theirs)):
            self.problem(f"{kept.name}: a line twice, or out of order: {theirs}")

    def a_thread_that_lives_on(self) -> None:
        """What it prints after the end of its capture is in the log of that one."""
        writer = Writer(f"late{self._next_number()}", "stdout", self.dice.choice([2, 10, 300]))
        own = self.writers(1, most=300, kinds=["python"])
        half, go = threading.Event(), threading.Event()

        def run() -> None:
            writer.write_by(_print_line, range(writer.count // 2))
            half.set()
            assert go.wait(LIMIT_S)
            writer.write_by(_print_line, range(writer.count // 2, writer.count))

        thread = threading.Thread(target=run)
        try:
            with capture_fd() as first:
                thread.start()
                assert half.wait(LIMIT_S)
            with contextlib.suppress(CaptureError), capture_fd() as second:
                go.set()
                self._write_as(own[0])
                thread.join()
                self.check_own(second, own[0])
        finally:
            go.set()
            if thread.ident is not None:
                thread.join()
        # Where there are no descriptors for it, the rest is shown where the process prints.
        writer.lines = writer.count // 2
        self.check(first, [writer])

    def a_method_that_is_kept(self) -> None:
        """What is printed by a method from an earlier capture is in the log of the later one."""
        write = []
        writers = self.writers(1, most=300, kinds=["python"])
        with capture_fd():
            write.append(getattr(sys, writers[0].source).write)
        with self._interrupts(), capture_fd() as logs:
            writers[0].write_by(lambda line: write[0](line + "\n"), range(writers[0].count))
        self.check(logs, writers)

    # -- in a kernel ------------------------------------------------------------------------------

    def body(self, interrupted: bool) -> None:
        """What a captured cell does; waits for an interrupt if one is to come."""
        self._told.clear()
        self._cell_writers = self.writers(self.dice.randint(1, 5))
        # In one call, or an interrupt cuts it in two.
        self.write(self._cell_writers, lambda: os.mkdir(self._report.with_suffix(".begun")))
        if interrupted:
            # One long sleep would miss an interrupt that comes just as it begins. One that comes
            # while Python runs a finalizer is lost to it.
            until = time.monotonic() + _INTERRUPT_LOST_S
            while time.monotonic() < until:
                time.sleep(_WAIT_S)

    def check_cell(self, logs: Captured, **options: Any) -> None:
        self.counts["rounds"] += 1
        self.check(logs, self._cell_writers, **options)

    # -- writing ----------------------------------------------------------------------------------

    def writers(
        self, count: int, *, most: int = 20_000, kinds: list[str] | None = None
    ) -> list[Writer]:
        """Make writers with names of their own."""
        made = []
        for _ in range(count):
            kind = self.dice.choice(kinds or ["native", "native", "raw", "python", "child"])
            self._next_number()
            lines = self.dice.choice([0, 1, 10, 300, 3000, 20_000])
            limit = {"child": 3000, "python": 3000, "raw": 3000}.get(kind, most)
            source = self.dice.choice(["stdout", "stderr"])
            made.append(Writer(f"{kind}{self._number}", source, min(lines, limit, most)))
        return made

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _write_as(self, writer: Writer) -> None:
        if writer.name.startswith("native"):
            writer.write_native(self._library)
        elif writer.name.startswith("raw"):
            writer.write_raw()
        elif writer.name.startswith("child"):
            writer.write_in_child()
        else:
            writer.write_python()

    def write(self, writers: list[Writer], begun: Callable[[], object] = lambda: None) -> None:
        """Have all write at once, the first that can be interrupted in this thread.

        ``begun`` is called once all have: the condition by which Python waits for a thread to start
        may fail to lock itself again if it is interrupted, and raises `RuntimeError` then.
        """
        here = next((w for w in writers if w.name.startswith("python")), None)
        elsewhere = [w for w in writers if w is not here]
        work = [Work(self._write_as, writer) for writer in elsewhere]

        def between() -> None:
            begun()
            with self._interrupts():
                if here is not None:
                    here.write_python()
                for thread in work:
                    thread.await_end()

        # A thread that was half started could not be waited for.
        was, self._interruptible = self._interruptible, False
        run_all_of(work, between)
        self._interruptible = was

    # -- checking ---------------------------------------------------------------------------------

    def check(
        self,
        logs: Captured,
        writers: list[Writer],
        *,
        merge: bool = False,
        max_bytes: int | None = None,
        labelled: bool = False,
        **_: Any,
    ) -> None:
        """Hold a log against what was written."""
        await_answer(logs)
        texts = patiently(lambda: _texts(logs, writers, merge, labelled))
        dropped = patiently(lambda: logs.dropped)
        size = sum(map(len, texts))
        least = sum(w.nbytes(w.lines) for w in writers)
        most = sum(w.nbytes(w.perhaps) for w in writers)
        self.counts["captures"] += 1
        self.counts["bytes"] += size
        announced = dropped if max_bytes is None else 0
        self.counts["dropped"] += announced
        if announced:
            self.counts["captures that dropped"] += 1
        if not least <= size + dropped <= most:
            self.counts["lost"] += max(0, least - size - dropped)
            self.problem(
                f"{size} bytes and {dropped} dropped of {least} to {most}: "
                + ", ".join(f"{w.name} {w.lines}" for w in writers)
            )
        if max_bytes is None:
            self._check_lines(texts, writers, cut=bool(dropped))

    def check_own(self, logs: Captured, writer: Writer) -> None:
        """A thread's own lines are in its own log; others' may be too."""
        await_answer(logs)
        texts = patiently(lambda: [logs.stdout.encode(), logs.stderr.encode()])
        found = [line for text in texts for line in text.split(b"\n")]
        mine = [line for line in found if line.startswith(writer.name.encode() + b" ")]
        if len(mine) != writer.lines and not logs.dropped:
            self.problem(f"{writer.name} has {len(mine)} of {writer.lines} lines in its own log")

    def check_all(self, logs: list[Captured], writers: list[Writer]) -> None:
        """Each line is in one of several logs."""
        found: collections.Counter[bytes] = collections.Counter()
        dropped = 0
        for each in logs:
            await_answer(each)
            for text in patiently(functools.partial(_both_streams, each)):
                found.update(text.split(b"\n"))
                self.counts["bytes"] += len(text)
            dropped += patiently(functools.partial(getattr, each, "dropped"))
            self.counts["captures"] += 1
        self.counts["dropped"] += dropped
        del found[b""]
        if dropped:
            return
        for writer in writers:
            name = writer.name.encode()
            missing = [i for i in range(writer.lines) if found[b"%b %d" % (name, i)] != 1]
            if missing:
                self.counts["lost"] += writer.nbytes(writer.lines) * len(missing) // writer.lines
                self.problem(f"{writer.name}: {len(missing)} lines not once, first {missing[0]}")

    def _check_lines(self, texts: list[bytes], writers: list[Writer], cut: bool) -> None:
        """Each writer's lines are whole and in order; only the last may be missing if ``cut``."""
        known = {writer.name.encode(): writer for writer in writers}
        next_line = dict.fromkeys(known, 0)
        for text in texts:
            lines = text.split(b"\n")
            if lines.pop() and not cut:
                self.problem(f"a line without an end: {text[-100:]!r}")
            for line in lines:
                name, _, number = line.partition(b" ")
                if name not in known or number != b"%d" % next_line[name]:
                    expected = next_line.get(name)
                    self.problem(f"a line in the wrong place: {line[:100]!r}, not {expected}")
                    return
                next_line[name] += 1
        for name, writer in known.items():
            if not (next_line[name] >= writer.lines or cut) or next_line[name] > writer.perhaps:
                self.problem(f"{writer.name}: {next_line[name]} lines of {writer.lines}")

    def _keep(self, logs: Captured, writers: list[Writer]) -> None:
        """Look at it again some rounds later."""
        self._kept.append((logs, writers))
        if len(self._kept) > _KEPT:
            old, its = self._kept.popleft()
            dropped = old.dropped
            await_answer(old)
            texts = patiently(lambda: [old.raw])
            if sum(map(len, texts)) + dropped < sum(w.nbytes(w.lines) for w in its):
                self.problem(f"an old log has lost something: {old!r}")
            patiently(old.close)

    def problem(self, what: str) -> None:
        self.problems.append(f"round {self.counts['rounds']}: {what}; told: {self._told}"[:3000])

    # -- faults, as seen from here ----------------------------------------------------------------

    def on_interrupt(self, *_: object) -> None:
        """The handler of SIGINT: one interrupt for each round, where a round allows it."""
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def _interrupts(self) -> Iterator[None]:
        was, self._interruptible = self._interruptible, True
        try:
            yield
        finally:
            self._interruptible = was

    @contextlib.contextmanager
    def _warnings_as_errors(self) -> Iterator[None]:
        """Sometimes."""
        with warnings.catch_warnings():
            if self.dice.random() < _STRICT:
                self.counts["strict"] += 1
                warnings.simplefilter("error", RuntimeWarning)
            yield

    @contextlib.contextmanager
    def _no_room_allowed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise

    # -- a process of its own ---------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Run rounds for a time, and write the report as it goes."""
        self.settle_in()
        for kind in dict.fromkeys(self._rounds):
            kind()  # what is opened once and for all is open from here on
        signal.signal(signal.SIGINT, self.on_interrupt)
        before = self.now_held()
        self.counts.clear()
        until = time.monotonic() + seconds
        self.write_report()
        while time.monotonic() < until:
            for _ in range(20):
                self.round()
                self.write_report()
            self.look_for_leaks(before)
        self.write_report(done=True)

    def now_held(self) -> dict[str, Any]:
        """Let go of all logs, have a helper, and return what is held then."""
        self._close_kept()
        eventually(_captures, "a capture with a helper")
        held: dict[str, Any] = patiently(what_is_held)
        return held

    def look_for_leaks(self, before: dict[str, Any]) -> None:
        """Compare what is held with what was."""
        left = patiently(lambda: settled_difference(before, look=self.now_held, ignoring=_ZEROMQ))
        self.problems += [f"by round {self.counts['rounds']}, left behind: {line}" for line in left]
        if left:
            before.update(patiently(what_is_held))
        self._memory.append(patiently(memory_in_use))
        self._objects.append(sys.getallocatedblocks())

    def _close_kept(self) -> None:
        for logs, _ in self._kept:
            patiently(logs.close)
        self._kept.clear()

    def write_report(self, done: bool = False) -> None:
        """Write what is known so far, whole or not at all."""
        found = {
            "counts": self.counts,
            "problems": self.problems,
            "memory": self._memory,
            "objects": self._objects,
            "done": done,
        }
        with self._no_room_allowed():
            new = self._report.with_suffix(".new")
            new.write_text(json.dumps(found))
            new.rename(self._report)


def _texts(logs: Captured, writers: list[Writer], merge: bool, labelled: bool) -> list[bytes]:
    if merge:
        return [logs.raw]
    if labelled:
        return [logs.source(f"{w.name}/{w.source}").raw for w in writers]
    return [logs.stdout.encode(), logs.stderr.encode()]


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")


class Work(threading.Thread):
    """A thread whose end can be waited for by one that is interrupted: before Python 3.12, a
    `join` that is interrupted takes the thread for ended. A condition may fail to lock itself
    again, so not an event."""

    def __init__(self, target: Callable[..., object], *args: object) -> None:
        super().__init__(target=target, args=args)
        self._works = threading.Lock()
        self._works.acquire()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._works.release()

    def await_end(self) -> None:
        """Wait, until it has ended or an interrupt comes; to be called once."""
        self._works.acquire()


def run_all_of(work: list[Work], between: Callable[[], object] = lambda: None) -> None:
    """Start threads, call ``between``, and wait for all, even if that is interrupted."""
    for thread in work:
        thread.start()
    try:
        between()
    finally:
        for thread in work:
            thread.join()


def _both_streams(logs: Captured) -> list[bytes]:
    # Not `stdout` and `stderr`: those have what processes of ended captures wrote meanwhile, too.
    return [logs.source(name).text.encode() for name in ("stdout", "stderr")]


def await_answer(logs: Captured) -> None:
    """Wait until a helper that was stopped has recorded what it was asked for."""

    def has_answered() -> bool:
        writing: Any = logs.recording.writing  # as it is after a look
        return not patiently(logs.recording.update).writing or not writing.awaits_answer

    eventually(has_answered, "the answer of a helper")


def patiently(read: Callable[[], Any]) -> Any:
    """Return ``read()``, tried again while the system has no descriptors or room for it."""

    def attempt() -> list[Any]:
        try:
            return [read()]
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            time.sleep(_WAIT_S)
            return []

    return eventually(attempt, "descriptors or room")[0]


def what_is_held() -> dict[str, Any]:
    """Return what is open and alive here, as `snapshot` does; but a new helper has a new socket, so
    of pipes and sockets only the number."""
    held = snapshot()
    leads_to = (re.sub(r"\[\d+\]", "", each) for each in held["descriptors"].values())
    held["descriptors"] = dict(collections.Counter(leads_to))
    return held


def _captures() -> bool:
    """Have a helper, whatever has become of the last one."""
    with contextlib.suppress(CaptureError), capture_fd(drain="process"):
        return True
    return False


def memory_in_use() -> int:
    """Return the memory of this process, after what is free was given back."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # of the GNU C library
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    seed, seconds, library, report = sys.argv[1:]
    Load(int(seed), library, Path(report)).run(float(seconds))
