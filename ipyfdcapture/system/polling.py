"""Waiting for the other end of a descriptor."""

from __future__ import annotations

import select

from .pipes import waiting_bytes


def at_end(pipe: int) -> bool:
    """Tell whether a pipe is empty and has no writer left."""
    waiter = select.poll()
    waiter.register(pipe, 0)  # only "no writer left" is asked for
    return bool(waiter.poll(0)) and not waiting_bytes(pipe)


def is_writable(fd: int) -> bool:
    """Tell whether a descriptor takes something now."""
    return bool(_poll_to_write(fd).poll(0))


def wait_until_writable(fd: int) -> None:
    """Wait until a descriptor takes something."""
    _poll_to_write(fd).poll()


def _poll_to_write(fd: int) -> select.poll:
    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    return waiter
