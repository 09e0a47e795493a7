"""What crashed kernels have left: looked for at load, without holding that up."""

from __future__ import annotations

from collections.abc import Callable

from ..recording import crashes
from ..system.threads import WorkThread
from .config import CaptureFd
from .names import MAGIC

#: How long `%load_ext` waits for what lies there. A recording on another file system is copied,
#: and a file system may not answer at all: that goes on while the user works.
_WAIT_S = 0.15


class LeftBehind:
    """A search for recordings of crashed kernels, which deletes those that are too old.

    Parameters
    ----------
    notebook
        Whose recordings are announced.
    config
        What is kept, and where.
    """

    def __init__(self, notebook: str, config: CaptureFd) -> None:
        self._notebook = notebook
        self._config = config
        self._message: str | None = None

    def search(self) -> Callable[[], None]:
        """Begin; return what says what there is if that is known soon, else a later `tell` does."""
        thread = WorkThread(self._search, name="ipyfdcapture-crashes")
        try:
            thread.start()
        except RuntimeError:  # no thread to be had
            self._search()
            return self.tell

        def wait_and_tell() -> None:
            thread.wait(_WAIT_S)
            self.tell()

        return wait_and_tell

    def tell(self) -> None:
        """Say in one line what was found, once."""
        message, self._message = self._message, None
        if message is not None:
            print(message)

    def _search(self) -> None:
        config = self._config
        try:
            paths = crashes.prune(
                self._notebook,
                config.keep_crashed,
                config.keep_crashed_days,
                config.keep_crashed_bytes,
                config.spool_dir,
            )
            self._message = announcement(paths)
        except Exception as error:  # it must not keep anybody from working
            self._message = f"ipyfdcapture: cannot look for what crashed kernels left: {error}"


def announcement(paths: list[str]) -> str | None:
    """Return one line that says that crashed kernels of this notebook have left something."""
    if not paths:
        return None
    many = f"{len(paths)} recordings" if len(paths) > 1 else "a recording"
    return (
        f"ipyfdcapture: {many} of a kernel that crashed here: "
        f"%{MAGIC} --recover lists, %{MAGIC} --recover -v logs loads the newest"
    )
