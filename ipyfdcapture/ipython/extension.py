"""``%load_ext`` and ``%unload_ext``: what is added to a shell, and taken away again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError

from ..drain import ahead
from ..errors import CaptureError
from ..recording import crashes
from ..system.interrupts import deferred_interrupts
from ..system.replacing import around
from ..system.user_warnings import warn_user
from .captures import Captures
from .cells import Cells
from .completion import install_completion
from .config import CaptureFd
from .every_cell import EveryCell
from .first_use import load_when_idle
from .kept_output import KeptOutput
from .left_behind import LeftBehind
from .magics import CaptureFdMagics
from .names import MAGIC
from .tracebacks import without_our_frames
from .transform import CellTransformer

if TYPE_CHECKING:
    from ..drain.drain import Drain

_extensions: dict[int, CaptureFdExtension] = {}  # by the id of their shell


def load(shell: InteractiveShell) -> None:
    """Add the magics to ``shell``."""
    with deferred_interrupts():  # what is added is what `unload` takes away
        unload(shell)
        extension = _extensions[id(shell)] = CaptureFdExtension(shell)
        extension.load()
    extension.warm_up()


def unload(shell: InteractiveShell) -> None:
    """Take away what `load` added."""
    with deferred_interrupts():
        extension = _extensions.pop(id(shell), None)
        if extension is not None:
            extension.unload()


class CaptureFdExtension:
    """All that is added to one shell: magics, transformer, events, configuration."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.config = _configured(shell)
        captures = Captures(shell, self.config, crashes.notebook_key())
        self._cells = Cells(shell)
        self._every_cell = EveryCell(captures, self._cells)
        self._magics = CaptureFdMagics(captures, self._cells)
        self._transformer = CellTransformer(
            shell, self._magics.begin_cell, lambda: bool(self._cells.running)
        )
        self._left_behind = LeftBehind(captures.notebook, self.config)
        self._undo = contextlib.ExitStack()

    def load(self) -> None:
        """Add everything."""
        self._add_magics()
        self._transformer.install()
        self._undo.callback(self._transformer.remove)
        configurables: list[Any] = self.shell.configurables
        configurables.append(self.config)
        self._undo.callback(_remove, configurables, self.config)
        self._undo.callback(around(self.shell, "showtraceback", without_our_frames))
        self._undo.callback(install_completion(self.shell))
        for event, callback in self._callbacks():
            self.shell.events.register(event, callback)
            self._undo.callback(self._unregister, event, callback)

    def unload(self) -> None:
        """Take everything away again. A capture that is active ends here."""
        self._cells.stop_captures()  # the cell that unloads may be captured itself
        self._undo.close()

    def warm_up(self) -> None:
        """Start what captures would wait for, and announce crashed kernels."""
        config = self.config
        tell_what_crashed = self._left_behind.search()  # beside the start of the helper
        if config.drain != "thread":
            try:
                ahead.start()
            except OSError:
                self._announce_fallback()
        tell_what_crashed()
        load_when_idle()

    def _announce_fallback(self) -> None:
        """Say what takes the place of the helper, which cannot be started."""
        from ..drain.choosing import get_drain

        with contextlib.suppress(CaptureError):
            _show_notices(get_drain(self.config.drain))

    def _add_magics(self) -> None:
        for kind, function in (
            ("line", self._magics.line_magic),
            ("cell", self._magics.cell_magic),
        ):
            table = self.shell.magics_manager.magics[kind]
            original = table.get(MAGIC)
            table[MAGIC] = function
            self._undo.callback(_put_back, table, original)

    # -- events -------------------------------------------------------------------------------

    def _callbacks(self) -> list[tuple[str, Callable[..., None]]]:
        return [
            ("pre_execute", self._cells.begin),
            ("pre_run_cell", self._cell_has_info),
            ("post_execute", self._silent_cell_has_ended),
            ("post_run_cell", self._cell_has_ended),
        ]

    def _unregister(self, event: str, callback: Callable[..., None]) -> None:
        with contextlib.suppress(ValueError):
            self.shell.events.unregister(event, callback)

    def _cell_has_info(self, info: Any) -> None:
        cell = self._cells.innermost
        if cell is None:
            return
        cell.info = info
        if len(self._cells.running) == 1:
            cell.kept = KeptOutput()
        if self.config.every_cell and len(self._cells.running) == 1:
            self._every_cell.begin(cell)

    def _silent_cell_has_ended(self) -> None:
        cell = self._cells.innermost
        if cell is not None and cell.info is None:
            self._cells.end(failed=not self.shell.last_execution_succeeded)

    def _cell_has_ended(self, result: Any) -> None:
        if result is not None and not result.info.raw_cell.strip():
            return  # a blank cell does not begin either
        self._left_behind.tell()
        if self._cells.running:
            cell = self._cells.innermost
            try:
                error = None if result is None else result.error_in_exec
                self._cells.end(
                    failed=result is None or not result.success,
                    interrupted=isinstance(error, KeyboardInterrupt),
                )
            finally:  # a warning may be an error
                if cell is not None:
                    if cell.failures:
                        from .on_error import show_failures

                        show_failures(cell.failures, self.config)
                    if cell.kept is not None:
                        cell.kept.show_what_came(self.shell)


def _show_notices(drain: Drain) -> None:
    """Warn of what is to be said of a drain; where warnings are errors, print it.

    An error would undo the load of the extension.
    """
    try:
        drain.notices.show()
    except Exception as error:
        print(f"ipyfdcapture: {error}")


def _configured(shell: InteractiveShell) -> CaptureFd:
    """Return the configuration. Warns about invalid traits; they keep their defaults."""
    try:
        return CaptureFd(parent=shell)
    except TraitError:
        config = CaptureFd()
        config.parent = shell
    for name, value in shell.config.get("CaptureFd", {}).items():
        try:
            setattr(config, name, value)
        except TraitError as error:
            warn_user(f"{error} It keeps its default.")
    return config


def _remove(items: list[Any], item: object) -> None:
    with contextlib.suppress(ValueError):
        items.remove(item)


def _put_back(table: dict[str, Any], original: Any) -> None:
    if original is None:
        table.pop(MAGIC, None)
    else:
        table[MAGIC] = original
