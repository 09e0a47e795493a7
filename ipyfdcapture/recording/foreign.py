"""A file that another program wrote, as a recording: its bytes stay where they are.

Only the index is ours. The file is read where somebody looks, so that a log of any size opens at
once; what was appended since it was opened is not looked at.

It is not mapped: a mapped file that is cut while it is looked at ends the process (SIGBUS), which
nothing can catch. What still changes is better followed (`ipyfdcapture.log.following`), which
copies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ..system.descriptors import AS_IT_IS, Descriptor, read_at
from ..system.finalizers import Finalizer
from ..system.pipes import out_of_the_way
from .files import write_all
from .mapping import EMPTY, Content, Window
from .metadata import Metadata
from .recording import Recording

#: So much of its start and of its end tells whether a file was written anew.
_COMPARE_BYTES = 4096
_READ_BYTES = 1 << 20

#: A pipe without a writer must not keep us waiting. (Windows has nothing of the kind.)
_READ = os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0) | AS_IT_IS


class ForeignFile:
    """A file held open: it stays readable when it is renamed or removed.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        fd = Descriptor(out_of_the_way(os.open(path, _READ)))
        try:
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, "it is a directory, not a log", path)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "a log is opened from a regular file", path)
            self.fd = fd
            #: Its length when it was opened, in bytes, and when it was last written, in ns since
            #: the epoch.
            self.size = status.st_size
            self.modified = self._modified = status.st_mtime_ns
            self._ends = self._read_ends()
        except BaseException:
            fd.close()
            raise
        self.close = Finalizer(self, fd.close)

    def check(self) -> None:
        """Raise `OSError` if what was opened is not there any more."""
        status = os.fstat(self.fd)
        if status.st_size < self.size:
            self._refuse(f"was cut to {status.st_size:,} bytes")
        if status.st_mtime_ns != self._modified:
            if self._read_ends() != self._ends:
                self._refuse("was written anew")
            self._modified = status.st_mtime_ns

    def read(self, size: int, position: int) -> bytes:
        """Return up to ``size`` bytes from a position on."""
        return read_at(self.fd, size, position)

    def content(self, size: int) -> Content:
        """Return its first bytes, each read when it is looked at."""
        return Window(self.fd, size) if size else EMPTY

    def is_there(self) -> bool:
        """Tell whether what was opened is still what has the name."""
        with contextlib.suppress(OSError):
            return os.path.samestat(os.stat(self.path), os.fstat(self.fd))
        return False

    def parts(self) -> Iterator[bytes]:
        """Yield what it holds."""
        position = 0
        while part := self.read(_READ_BYTES, position):
            position += len(part)
            yield part

    def _refuse(self, why: str) -> None:
        raise OSError(errno.ESTALE, f"the file {why} after it was opened: open it again", self.path)

    def _read_ends(self) -> tuple[bytes, bytes]:
        last = max(0, self.size - _COMPARE_BYTES)
        return (
            self.read(min(_COMPARE_BYTES, self.size), 0),
            self.read(self.size - last, last),
        )


class ForeignRecording(Recording):
    """A recording whose bytes are in another program's file.

    Parameters
    ----------
    path
        What the names of its own files start with: its index is there.
    metadata
        What is known of it.
    """

    file: ForeignFile

    @classmethod
    def of(
        cls, file: ForeignFile, directory: str, metadata: Metadata, entries: bytes
    ) -> ForeignRecording:
        """Make one, complete, with an index (packed entries) in ``directory``."""
        recording, data_fd, index_fd = super().create(directory, metadata)
        assert isinstance(recording, cls)
        recording.file = file
        try:
            write_all(index_fd, entries)
        except BaseException:
            recording.close()
            raise
        finally:
            os.close(data_fd)
            os.close(index_fd)
        return recording

    def _data_bytes(self) -> int:
        self.file.check()
        return self.file.size

    def _map_data(self, size: int) -> Content:
        return self.file.content(size)

    @property
    def why_gone(self) -> str | None:
        """Why there is nothing to read any more; None if there is."""
        if not self.closed:
            try:
                self.file.check()
            except OSError as error:
                return error.strerror
        return super().why_gone

    @property
    def data_path(self) -> str | None:
        """Where its bytes are; None if another file has taken that name."""
        return self.file.path if self.file.is_there() else None

    def close(self) -> None:
        """Let go of the file, which stays."""
        super().close()
        self.file.close()
