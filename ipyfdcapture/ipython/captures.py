"""From a magic's options and the configuration to a capture, and from its log to a variable."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ..errors import CaptureError, reason
from ..recording import crashes
from ..system.interrupts import loading
from .config import CaptureFd
from .names import LATEST, MAGIC

# What captures is imported when the first capture is made: ``%load_ext`` does not wait for it.
if TYPE_CHECKING:
    from ..capture.session import CaptureSession
    from ..log.captured import Captured
    from ..viewer.widget import LogView
    from .options import MagicOptions

_PACKAGE = __name__.partition(".")[0]
#: The height of the lines of a viewer that a magic shows, in pixels.
VIEW_HEIGHT = 300


class Captures:
    """Makes the captures of one shell, and binds their logs.

    Parameters
    ----------
    shell
        Where the variables are.
    config
        What the options leave open.
    notebook
        What tells this notebook from others, for crash recovery.
    """

    def __init__(self, shell: InteractiveShell, config: CaptureFd, notebook: str) -> None:
        self.shell = shell
        self.config = config
        self.notebook = notebook
        self._views: dict[int, LogView] = {}  # of running captures, by the id of the recording

    def make(
        self,
        options: MagicOptions,
        cell: tuple[int | None, str | None] = (None, None),
        name: str = "",
        may_stand_in: bool = True,
    ) -> CaptureSession:
        """Make a capture, for `start`. Raises `UsageError`.

        Parameters
        ----------
        options
            What the user asked for.
        cell
            The number of the cell and its first line, as far as they are known.
        name
            What messages call the log. Empty: the variable that it is bound to.
        may_stand_in
            Whether another object may stand in ``sys`` for one that leads elsewhere.
        """
        from ..capture.options import CaptureOptions, descriptors_of, live_targets
        from ..capture.session import CaptureSession

        config = self.config
        number, first_line = cell
        append_to = self._log_to_append_to(options) if options.append else None
        try:
            is_live = options.live
            if options.explore:
                from ..viewer.widget import INSTALL, can_be_shown  # see `..viewer`

                if not can_be_shown():
                    print(f"--explore needs a notebook and anywidget ({INSTALL}); --live instead")
                    is_live = True
            live = live_targets(file=options.file)
            has_view = options.tail is not None or options.progress
            if is_live or has_view:
                with loading(_PACKAGE, "live.targets"):
                    from ..live.targets import LiveTarget, make_live, make_progress, make_tail
            if is_live:
                live = (LiveTarget("live", make_live), *live)
            if has_view:
                make = make_progress if options.progress else make_tail
                keeps = (options.on_error or config.on_error) == "show"
                live += (LiveTarget("view", partial(make, keeps_failures=keeps)),)
            chosen = CaptureOptions(
                descriptors=descriptors_of(not options.no_stdout, not options.no_stderr),
                python=not options.no_python,
                display=options.display,
                merge=options.merge,
                tty=config.tty if options.tty is None else options.tty,
                tty_size=config.tty_size,
                encoding=config.encoding,
                errors=config.errors,
                live=live,
                live_interval=config.live_interval,
                live_max_bytes=config.live_max_bytes,
                live_max_lines=config.live_max_lines,
                tail_lines=options.tail or config.tail_lines,
                max_bytes=config.max_bytes if options.max_bytes is None else options.max_bytes,
                drain=options.drain or config.drain,
                spool_dir=config.spool_dir,
                notebook=self.notebook,
                cell=number,
                first_line=first_line,
                name=name or options.log_name,
                crash_dir=self._crash_dir if config.keep_crashed else None,
                append_to=append_to,
                of_cell=True,
                may_stand_in=may_stand_in,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        except OSError as error:  # what shows output live could not be imported
            raise UsageError(f"cannot capture: {reason(error)}") from error
        return CaptureSession(chosen)

    @cached_property
    def _crash_dir(self) -> str:
        """Where recordings are kept that this kernel leaves if it crashes.

        Asked for once: Jupyter looks up the home directory each time.
        """
        return crashes.directory(self.notebook)

    def show(self, capture: CaptureSession, options: MagicOptions) -> None:
        """Show a viewer of a capture that has started, if that was asked for."""
        if not options.explore:
            return
        from ..viewer.widget import LogView, can_be_shown

        if can_be_shown():
            view = LogView(capture.captured, None, None, VIEW_HEIGHT, follow=True)
            self._views[id(capture.captured.recording)] = view
            view.show_under_cell(self.shell)

    def _log_to_append_to(self, options: MagicOptions) -> Captured | None:
        from ..log.captured import Captured

        name = options.log_name
        log: Any = self.shell.user_ns.get(name)
        if log is None:
            return None
        if not isinstance(log, Captured):
            raise UsageError(f"--append: {name} is not a captured log")
        if not log.is_whole:
            raise UsageError(f"--append: {name} is a part of a log: give the name of a whole one")
        if log.recording.closed:
            raise UsageError(f"--append: {name} was closed: its content is gone")
        return log

    def bind(self, captured: Captured, name: str | None = None) -> None:
        """Give the user a log: as the latest one, and under a name of its own."""
        view = self._views.pop(id(captured.recording), None)
        if view is not None:
            view.update_static(self.shell)
        self.shell.user_ns[LATEST] = captured
        if name is not None:
            self.shell.user_ns[name] = captured


def start(capture: CaptureSession) -> None:
    """Start a capture. Raises `UsageError`, and changes nothing, if the system refuses."""
    try:
        capture.start()
    except CaptureError as error:
        raise UsageError(f"{MAGIC}: {error}") from None
