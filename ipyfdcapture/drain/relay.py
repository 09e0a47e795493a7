"""Passing on what nobody keeps: from a pipe to the descriptor that it would have gone to."""

from __future__ import annotations

import _thread
import contextlib
import os

from ..system.descriptors import Descriptor
from ..system.pipes import read_some, waiting_bytes
from ..system.polling import wait_until_readable, wait_until_writable

#: Passed on at once. What a reader takes piece by piece, the writer gives piece by piece.
RELAY_BYTES = 4096


class Relay:
    """One pipe that is passed on, in a thread of its own.

    Nobody may be reading there: a terminal of a connection that is dead, a full pipe. Then the
    writer waits, as it would have without us. The thread waits as well; whoever empties the other
    pipes does not. (To make the descriptor non-blocking would make it so for all who share it.)

    Parameters
    ----------
    pipe, original
        From where, and to where. It owns both from `start` on.
    """

    def __init__(self, pipe: int, original: int) -> None:
        self._pipe = Descriptor(pipe)
        self._original = Descriptor(original)
        self._is_read = True  # whether anybody can still read what is passed on
        self._running = _thread.allocate_lock()
        self._reading = _thread.allocate_lock()  # held by whoever reads from the pipe
        self._taken = b""  # by `pause`, to be passed on after `resume`

    def start(self) -> None:
        """Begin. Raises `RuntimeError` if no thread can be had."""
        self._running.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except BaseException:
            self._running.release()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether the last writer has closed."""
        return not self._running.locked()

    def pause(self) -> bool:
        """Leave what comes to the caller until `resume`; tell whether there is still a writer.

        What is in the pipe by now is passed on after that.
        """
        self._reading.acquire()
        if self._pipe.is_ours() and not self.has_ended:
            left = waiting_bytes(self._pipe)
            with contextlib.suppress(BlockingIOError):
                while left > 0 and (chunk := read_some(self._pipe, left)):
                    self._taken += chunk
                    left -= len(chunk)
            return True
        self._reading.release()
        return False

    def resume(self) -> None:
        """Pass on again what comes."""
        self._reading.release()

    def wait(self) -> None:
        """Wait until the last writer has closed."""
        with self._running:
            pass

    def close(self) -> None:
        """Close both descriptors."""
        self._pipe.close()
        self._original.close()

    def _run(self) -> None:
        try:
            # Others may close all descriptors of a process, and their numbers be others' then.
            while self._pipe.is_ours() and (chunk := self._read()):
                self._pass_on(chunk)
        finally:
            with contextlib.suppress(OSError):
                self.close()
            self._running.release()

    def _read(self) -> bytes:
        while True:
            wait_until_readable(self._pipe)
            with contextlib.suppress(BlockingIOError), self._reading:
                taken, self._taken = self._taken, b""
                return taken or read_some(self._pipe, RELAY_BYTES)

    def _pass_on(self, chunk: bytes) -> None:
        try:
            while chunk and self._is_read and self._original.is_ours():
                try:
                    chunk = chunk[os.write(self._original, chunk) :]
                except BlockingIOError:
                    wait_until_writable(self._original)
        except OSError:  # nobody can read there any more
            self._is_read = False
