"""Prompts in a captured cell: ``input()``, ``getpass()``, and those of ``pdb`` and ``%debug``.

While one waits for an answer the capture is paused, so that the prompt is seen; and before it, the
last lines that were captured since the last one: they lead to it. What a debugger says is seen so.
"""

from __future__ import annotations

import builtins
import contextlib
import getpass
import threading
from collections.abc import Iterator
from typing import Any

from ..capture.flushing import flush_all
from ..capture.session import CaptureSession
from ..output.router import outside
from ..system.interrupts import deferred_interrupts
from ..system.replacing import around


def let_prompts_through(capture: CaptureSession) -> None:
    """Pause a capture that has started while a prompt waits for an answer, until it ends."""
    prompts = _Prompts(capture)
    with deferred_interrupts():  # what is there goes with the capture
        for owner, name in ((builtins, "input"), (getpass, "getpass")):
            capture.before_end(around(owner, name, prompts.wait))


class _Prompts:
    def __init__(self, capture: CaptureSession) -> None:
        self._capture = capture
        self._is_shown = any(target.name != "file" for target in capture.options.live)
        self._lines = capture.options.tail_lines
        self._seen = 0  # lines that were shown before an earlier prompt
        self._thread: int | None = None  # that waits

    @contextlib.contextmanager
    def wait(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """A prompt is about to be shown."""
        here = threading.get_ident()
        if self._thread is not None or not self._capture.is_active:
            yield
            return
        self._thread = here
        try:
            self._capture.catch_up()
            if not self._is_shown:
                self._show_what_leads_here()
            self._capture.pause()
            yield
        finally:
            self._capture.resume()
            self._thread = None

    def _show_what_leads_here(self) -> None:
        from ..log.view.replay import replay

        flush_all()
        log = self._capture.captured
        total = len(log)
        first = max(self._seen, total - self._lines)
        if first < total:
            with outside(self._capture.serial):
                replay(log[first:]._read(), raw=False)
        self._seen = total
