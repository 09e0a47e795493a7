"""A thread that notices when the helper dies, or keeps a writer waiting."""

from __future__ import annotations

import _thread
import errno
import os
import threading
from collections.abc import Callable

from ..system import clock
from ..system.descriptors import Descriptor, Socket, write_once
from ..system.pipes import out_of_the_way
from ..system.polling import Waiter
from ..system.threads import empty_pipes

#: How long to wait for the thread to see that it is no longer needed.
_END_S = 5.0
#: How often to look whether the system's part of it has ended as well.
_TASK_END_S = 0.00005
#: How often to look whether a writer waits for a helper that does nothing. A user who waits for a
#: cell begins to wonder after some ten seconds: twice that, and `..channel.ANSWER_S`.
_LOOK_S = 5.0
#: How long to wait before trying again to take over from a helper that was killed.
_RETRY_S = 0.02


class Watcher:
    """Calls ``on_death`` once the other end of ``control`` is gone, until it returns True.

    Until then it calls ``look`` now and then.

    It lives as long as the helper does: to start and end a thread at each capture would take as
    long as all else that a capture does. Not a `threading.Thread`: nobody has to wait for it when
    the process ends. It steps aside when the process forks, see `ipyfdcapture.drain.choosing`.

    Raises `OSError` if no thread can be started.
    """

    def __init__(
        self, control: Socket, on_death: Callable[[], bool], look: Callable[[], object]
    ) -> None:
        self._on_death = on_death
        self._look = look
        self._woken, self._wake = (Descriptor(out_of_the_way(fd)) for fd in os.pipe())
        # Not in the thread, which may begin when the socket is closed already.
        self._waiter = Waiter(closed=[control.fileno()], readable=[self._woken])
        self._running = _thread.allocate_lock()
        self._running.acquire()
        self._task = 0  # the system's number of the thread
        try:
            self._thread = _thread.start_new_thread(self._run, ())
        except RuntimeError as error:
            self._close()
            raise OSError(errno.EAGAIN, str(error)) from error

    def _run(self) -> None:
        self._task = threading.get_native_id()
        try:
            while not (ready := self._waiter.wait(_LOOK_S)):
                empty_pipes(self._look)
            while self._woken not in ready and not empty_pipes(self._on_death):
                # Nobody empties the pipes now, and who writes may be waiting.
                clock.sleep(_RETRY_S)
                ready = self._waiter.wait(0)
        finally:
            self._running.release()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        if self._wake.is_ours():  # else it has ended when that was closed
            write_once(self._wake, b"\0")
        if self._thread != _thread.get_ident():
            self._running.acquire(timeout=_END_S)
            self._await_end_of_task()
        self._close()

    def _await_end_of_task(self) -> None:
        # The system's part of a thread outlives Python's for a moment, and counts in a fork.
        deadline = clock.monotonic() + _END_S
        while os.path.exists(f"/proc/self/task/{self._task}") and clock.monotonic() < deadline:
            clock.sleep(_TASK_END_S)

    def _close(self) -> None:
        self._waiter.close()
        self._wake.close()
        self._woken.close()
