"""Where a pump runs: in a helper process of its own, or in a thread of this one."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

from ..system import clock
from ..system.descriptors import Socket
from ..system.pipes import out_of_the_way
from ..system.polling import is_closed
from ..system.threads import WorkThread, empty_pipes
from .__main__ import ORPHAN

if TYPE_CHECKING:
    from .pump import Pump

#: Where pipes may be emptied; "auto": in a helper process, where one can be had.
KINDS = ("auto", "process", "thread")
#: The program that the helper process runs, by its path.
_HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")

#: How many bytes of requests wait for a helper that is stopped. On Linux it is so by itself; macOS
#: begins with 8 KiB, which ten children fill.
_CONTROL_BYTES = 200 << 10
#: How long to wait for the pump's thread to see that it is no longer needed.
_THREAD_END_S = 5.0
#: How long to wait for the shell that starts the helper (it ends at once).
_LAUNCH_S = 30.0
#: Set for the helper alone. A program that finds it was started in place of Python: it must not
#: start itself again.
_MARK = "IPYFDCAPTURE_HELPER_OF"


class Host(Protocol):
    """A running pump, reached through ``control``."""

    control: Socket
    #: Whether the pump goes on when this process has ended.
    outlives_us: bool

    @property
    def is_usable(self) -> bool:
        """Whether the pump can take new recordings."""

    def end(self) -> None:
        """End the pump at once, whatever it has in hand, if it can be ended."""

    def close(self) -> None:
        """Close what leads to the pump: it ends when the last writer has closed."""

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's."""


def _control_pair() -> tuple[Socket, Socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < _CONTROL_BYTES:
            with contextlib.suppress(OSError):  # over a limit: the usual size will do
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CONTROL_BYTES)
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CONTROL_BYTES)
        return _out_of_the_way(ours), _out_of_the_way(theirs)


def _out_of_the_way(end: socket.socket) -> Socket:
    return Socket(out_of_the_way(end.detach()))


class ProcessHost:
    """The helper: one small process that serves all captures of this one.

    It is started without waiting for it, in its own session (Jupyter interrupts whole process
    groups), with nothing of Python's environment, and orphaned at once, so that ``os.wait()`` in
    the user's code never meets a child that is not the user's.

    Raises `OSError` if no process can be started.
    """

    outlives_us = True

    def __init__(self) -> None:
        # Under gevent, the thread that watches over the helper runs whenever the program waits.
        # Under eventlet there is no `select.poll`, nor anything that could stand in for it.
        _check_for_threads("eventlet.patcher", "thread", "is_monkey_patched")
        _check_that_it_is_python()
        self.control, theirs = _control_pair()
        self._group = 0
        self._user = os.geteuid()
        try:
            self._launch(theirs)
        except BaseException:
            self.control.close()
            raise
        finally:
            theirs.close()

    def _launch(self, theirs: socket.socket) -> None:
        fd = theirs.fileno()
        # As this process takes names of files: it may have been started with `PYTHONUTF8`, or have
        # changed its environment since.
        utf8 = sys.getfilesystemencoding() == "utf-8"
        python = [sys.executable, "-I", "-S", "-E", "-X", f"utf8={utf8:d}", _HELPER]
        numbers = [str(fd), str(os.getpid())]
        try:
            # The shell puts the helper into the background and ends, which makes it an orphan.
            self._run(["/bin/sh", "-c", '"$0" "$@" &', *python, *numbers], fd)
        except (FileNotFoundError, PermissionError):  # a container that has no shell
            # The helper does so itself, once Python has started: that is waited for.
            self._run([*python, ORPHAN, *numbers], fd)

    def _run(self, command: list[str], fd: int) -> None:
        launcher = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[fd],
            start_new_session=True,
            cwd="/",
            env={**os.environ, _MARK: str(os.getpid())},
        )
        self._group = launcher.pid
        status = clock.await_end(launcher, _LAUNCH_S)
        if status is None:
            launcher.kill()
            launcher.wait()
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if status:
            raise OSError(errno.EAGAIN, "the system allows no further process")

    @property
    def is_usable(self) -> bool:
        """Whether the pump can take new recordings."""
        # One of another user could not write what this one may, or too much.
        return self._user == os.geteuid() and self._is_alive()

    def _is_alive(self) -> bool:
        return self.control.is_ours() and not is_closed(self.control.fileno())

    def __str__(self) -> str:
        return sys.executable

    def end(self) -> None:
        """Kill it, and what it has started in its session."""
        if self._is_alive():  # so the session is still the helper's
            with contextlib.suppress(OSError):
                os.killpg(self._group, signal.SIGKILL)

    def close(self) -> None:
        """Close what leads to the pump."""
        self.control.close()

    def reset_after_fork(self) -> None:
        """In a forked child: close what is the parent's."""
        self.control.close()


def _check_that_it_is_python() -> None:
    """Raise `OSError` if ``sys.executable`` is known to be another program.

    Of others it shows when it does not say hello (`ipyfdcapture.drain.drain.Drain.greet`).
    """
    if not sys.executable:
        raise OSError(errno.ENOENT, "this Python does not know its own program")
    if getattr(sys, "frozen", False):
        raise OSError(errno.ENOEXEC, "this program is frozen, and no Python beside it")
    if _MARK in os.environ:
        raise OSError(errno.ELOOP, f"{sys.executable} is not Python but this program")


class ThreadHost:
    """A pump in a thread of this process. It cannot read while native code holds the GIL.

    Raises `OSError` if no thread can be started.
    """

    outlives_us = False

    def __init__(self) -> None:
        from .pump import Pump  # the helper has its own

        _check_for_threads("gevent.monkey", "threading", "is_module_patched")
        _check_for_threads("eventlet.patcher", "thread", "is_monkey_patched")
        self.control, theirs = _control_pair()
        self._pump: Pump = Pump(theirs, theirs.is_ours)
        work = functools.partial(empty_pipes, self._pump.run)
        self._thread = WorkThread(work, name="ipyfdcapture-drain")
        try:
            self._thread.start()
        except RuntimeError as error:  # how threading says that there is no thread to be had
            self.control.close()
            theirs.close()
            raise OSError(errno.EAGAIN, str(error)) from error

    @property
    def is_usable(self) -> bool:
        """Whether the pump can take new recordings."""
        return self.control.is_ours() and self._thread.is_alive()

    def __str__(self) -> str:
        return "the thread"

    def end(self) -> None:
        """Do nothing: a thread cannot be ended."""

    def close(self) -> None:
        """Close what leads to the pump."""
        self.control.close()
        # While a child lives on, so does the thread that passes its output through.
        if not self._thread.is_current() and not self._pump.is_emptying:
            self._thread.wait(_THREAD_END_S)

    def reset_after_fork(self) -> None:
        """In a forked child, which has no such thread: close its descriptors."""
        self.control.close()
        self._pump.close()


def _check_for_threads(module: str, name: str, is_patched: str) -> None:
    """Raise `OSError` where threads are coroutines: none runs while a cell waits in a write.

    Parameters
    ----------
    module, name, is_patched
        What patches them, the name of threads there, and its function that says whether it has.
    """
    patcher = sys.modules.get(module)
    if patcher is not None and getattr(patcher, is_patched)(name):
        who = module.partition(".")[0]
        raise OSError(errno.ENOTSUP, f"{who} has put its coroutines in the place of threads")
