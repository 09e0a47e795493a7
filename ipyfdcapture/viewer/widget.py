"""The viewer in a notebook: a widget by anywidget, with the static view before it.

The two are outputs of their own. In one output, front ends would prefer the widget even where its
kernel is gone, and a notebook that is opened again would show an error in place of the log. Nothing
of the log is a trait of the widget: it would land in the notebook's file.
"""

from __future__ import annotations

import importlib.util
import threading
import uuid
from typing import TYPE_CHECKING, Any

from ..log.captured import Captured
from ..log.levels import checked_level
from .assets import css, live_module
from .requests import MOST_PATTERN, Pattern
from .session import Session

if TYPE_CHECKING:
    import anywidget

#: So many views of one widget may live at once; the oldest gives way.
MOST_VIEWS = 8
_MOST_ID = 100
_LEAST_HEIGHT, _MOST_HEIGHT = 100, 4000
INSTALL = 'pip install "ipyfdcapture[viewer]"'
HINT = f"the viewer needs anywidget: {INSTALL}; here is the static view"


class LogView:
    """A log in the browser, as `Captured.explore` returns it.

    Shown when it is the value of a cell, or by ``display(view)``; each place where it is shown
    searches and filters on its own.

    Parameters
    ----------
    log
        The log.
    search, level
        What to look for at first, and the least level to show.
    height
        The height of the lines, in pixels.
    follow
        Whether to stay at the end as the log grows.
    """

    def __init__(
        self, log: Captured, search: str | None, level: str | None, height: int, follow: bool
    ) -> None:
        self._log = log
        self._search = _checked_search(search)
        self._level = None if level is None else checked_level(level)
        if not isinstance(height, int) or not _LEAST_HEIGHT <= height <= _MOST_HEIGHT:
            raise ValueError(
                f"a height is from {_LEAST_HEIGHT} to {_MOST_HEIGHT} pixels, not {height!r}"
            )
        self._height = height
        self._follow = follow
        self._goto: int | None = None
        self._id = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._pusher: Session | None = None
        self._widget: anywidget.AnyWidget | None = None
        self._is_closed = False
        self._parent: dict[str, Any] = {}

    @property
    def widget(self) -> anywidget.AnyWidget | None:
        """The widget, for front ends that take one; None if anywidget is missing."""
        if self._widget is None and not self._is_closed:
            try:
                self._widget = _make_widget(self._id, self._height, self._follow)
            except ImportError:
                return None
            self._widget.on_msg(self._receive)
            if self._follow:
                self._follow_now()
        return self._widget

    @property
    def selected(self) -> Captured:
        """The lines that are marked in the browser, as a `Captured`; none if none are."""
        with self._lock:
            session = next(reversed(self._sessions.values()), None)
        return self._log[:0] if session is None else session.selected()

    def goto(self, number: int) -> None:
        """Show a line by its number in the whole log, counted from 1."""
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"a line number is 1 or more, not {number!r}")
        self._goto = number
        self._send("*", {"goto": number})

    def close(self) -> None:
        """End the view; the static view stands again."""
        self._is_closed = True
        with self._lock:
            sessions = [*self._sessions.values(), *([self._pusher] if self._pusher else [])]
            self._sessions.clear()
            self._pusher = None
        for session in sessions:
            session.close()
        if self._widget is not None:
            self._widget.close()

    def __repr__(self) -> str:
        return f"<LogView of {self._log!r}>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if kernel_shell() is None:
            print(self._log._repr_mimebundle_()["text/plain"])
            return
        display(self._static(), raw=True)
        if self.widget is None:
            print(HINT)
        else:
            data, metadata = self._live()
            display(data, metadata=metadata, raw=True)

    def show_under_cell(self, shell: Any) -> None:
        """Show it under the cell that is running, past whatever is captured.

        Parameters
        ----------
        shell
            The kernel's shell.
        """
        self._parent = shell.get_parent()
        transient = {"display_id": self._id}
        self._publish(shell, "display_data", self._static(), {}, transient)
        self._publish(shell, "display_data", *self._live(), {})

    def update_static(self, shell: Any) -> None:
        """Have the static view, shown by `show_under_cell`, show the log as it is now."""
        transient = {"display_id": self._id}
        self._publish(shell, "update_display_data", self._static(), {}, transient)

    def _publish(
        self,
        shell: Any,
        kind: str,
        data: dict[str, Any],
        metadata: dict[str, Any],
        transient: dict[str, Any],
    ) -> None:
        content = {"data": data, "metadata": metadata, "transient": transient}
        kernel = shell.kernel
        topic = f"display_data.{self._id}".encode()
        kernel.session.send(kernel.iopub_socket, kind, content, parent=self._parent, ident=topic)

    def _static(self) -> dict[str, Any]:
        bundle = self._log._repr_mimebundle_()
        if "text/html" in bundle:
            bundle["text/html"] = f'<div class="fdlog-of-{self._id}">{bundle["text/html"]}</div>'
        return dict(bundle)

    def _live(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the viewer's data and metadata: those tell Colab where its widgets come from."""
        assert self.widget is not None
        shown: Any = self.widget._repr_mimebundle_() or {}
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        # Where no front end can draw it, this says how to get it back.
        text = "run the cell again to search this log in the browser"
        return data | {"text/plain": text}, metadata

    def _display_(self) -> object:
        """Give marimo the widget."""
        return self.widget if self.widget is not None else self._log

    # -- messages -------------------------------------------------------------------------------

    def _receive(self, widget: Any, content: Any, buffers: Any) -> None:
        """Answer a message from the browser; it may come in any thread."""
        view = content.get("view") if isinstance(content, dict) else None
        if not isinstance(view, str) or not 0 < len(view) <= _MOST_ID or view == "*":
            return
        with self._lock:
            pusher, self._pusher = self._pusher, None
        if pusher is not None:  # the view speaks: its own session goes on
            pusher.close()
        session = self._session(view)
        reply = session.handle(content)
        if content.get("do") == "bye":
            with self._lock:
                self._sessions.pop(view, None)
            return
        if self._goto is not None and content.get("do") == "info":
            self._send(view, reply)
            reply = {"goto": self._goto}
        self._send(view, reply)
        session.begin()

    def _session(self, view: str) -> Session:
        with self._lock:
            session = self._sessions.pop(view, None)
            if session is None:
                session = Session(
                    self._log, lambda event: self._send(view, event), self._search, self._level
                )
            self._sessions[view] = session  # the last that was used is the last
            old = list(self._sessions)[:-MOST_VIEWS]
            gone = [self._sessions.pop(name) for name in old]
        for each in gone:
            each.close()
        return session

    def _follow_now(self) -> None:
        """Push what comes to every view, though none of them was heard: the kernel is busy."""
        self._pusher = Session(
            self._log, lambda event: self._send("*", event), self._search, self._level
        )
        self._pusher.handle({"do": "follow", "on": True})
        self._pusher.push()

    def _send(self, view: str, content: dict[str, Any]) -> None:
        if self._widget is not None and not self._is_closed:
            self._widget.send(content | {"view": view})


def _make_widget(log_id: str, height: int, follow: bool) -> anywidget.AnyWidget:
    import anywidget
    import traitlets

    class ViewerWidget(anywidget.AnyWidget):
        """The widget: what it is made of, and no line of any log."""

        _esm = live_module()
        _css = css()
        log_id = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int().tag(sync=True)
        follow = traitlets.Bool().tag(sync=True)

    return ViewerWidget(log_id=log_id, height=height, follow=follow)


def _checked_search(search: str | None) -> Pattern | None:
    if search is None:
        return None
    if not isinstance(search, str) or not 0 < len(search) <= MOST_PATTERN:
        raise ValueError(
            f"search is a text of 1 to {MOST_PATTERN:,} characters, not {search!r:.50}"
        )
    return Pattern(search)


def kernel_shell() -> Any:
    """Return the shell of the kernel that we run in; None if it is none."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def can_be_shown() -> bool:
    """Tell whether a viewer can be shown here: in a kernel, with anywidget."""
    return kernel_shell() is not None and importlib.util.find_spec("anywidget") is not None
