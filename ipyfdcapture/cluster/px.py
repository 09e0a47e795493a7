"""``%%px`` with captured engines: one log for each client, and the part that a cell wrote."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError

from ..log.captured import Captured
from .workers_log import WorkersLog

_OPTION = "--capture"


class PxExtension:
    """What the extension adds to one shell.

    Parameters
    ----------
    shell
        The shell.
    capture
        Makes the log of a client.
    """

    def __init__(self, shell: Any, capture: Callable[[Any], WorkersLog]) -> None:
        import ipyparallel

        self._shell = shell
        self._capture = capture
        self._logs: dict[int, tuple[Any, WorkersLog]] = {}
        self._wrapped: dict[str, Any] = {}
        self._result_class = ipyparallel.AsyncResult
        self._result_class.captured = property(self.captured)
        shell.events.register("pre_run_cell", self._look_for_views)
        self._look_for_views()

    def close(self) -> None:
        """Take everything away."""
        with contextlib.suppress(ValueError):
            self._shell.events.unregister("pre_run_cell", self._look_for_views)
        with contextlib.suppress(AttributeError):
            del self._result_class.captured
        magics = self._shell.magics_manager.magics["cell"]
        for name, original in self._wrapped.items():
            magics[name] = original
        for _, log in self._logs.values():
            log.close()

    def _look_for_views(self, info: object = None) -> None:
        """Capture the engines of views that were activated since."""
        magics = self._shell.magics_manager.magics["cell"]
        for name, function in list(magics.items()):
            owner = getattr(function, "__self__", None)
            view = getattr(owner, "view", None)
            if name.startswith("px") and view is not None and name not in self._wrapped:
                self._wrapped[name] = function
                magics[name] = self._capturing(function, owner)
                self._log_of(view.client)

    def _log_of(self, client: Any) -> WorkersLog:
        if id(client) not in self._logs:
            self._logs[id(client)] = client, self._capture(client)
        return self._logs[id(client)][1]

    def _capturing(self, magic: Callable[..., Any], owner: Any) -> Callable[..., Any]:
        @functools.wraps(magic)
        def px(line: str, cell: str) -> Any:
            line, name = _without_option(line)
            if name is None:
                return magic(line, cell)
            owner.last_result = None
            try:
                return magic(line, cell)
            finally:
                if owner.last_result is not None:
                    self._bind_once_done(name, owner.last_result)

        return px

    def _bind_once_done(self, name: str, result: Any) -> None:
        """Give the user what a cell wrote: at once, or with ``--noblock`` when it has ended."""
        bind = functools.partial(self._bind, name)
        if result.done():
            bind(result)
        else:
            result.add_done_callback(bind)

    def _bind(self, name: str, result: Any) -> None:
        self._shell.user_ns[name] = self.captured(result)

    def captured(self, result: Any) -> Captured:
        """Return what the tasks of a result have written, by engine."""
        log = self._log_of(result._client)
        return log.parts(result.msg_ids)


def _without_option(line: str) -> tuple[str, str | None]:
    words = line.split()
    if _OPTION not in words:
        return line, None
    at = words.index(_OPTION)
    name = words[at + 1] if at + 1 < len(words) else ""
    if not name.isidentifier():
        raise UsageError(f"%%px {_OPTION} takes the name of a variable, not {name!r}")
    return " ".join(words[:at] + words[at + 2 :]), name
