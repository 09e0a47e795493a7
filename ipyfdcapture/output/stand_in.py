"""What stands in ``sys`` for a stream that does not lead to the captured descriptor."""

from __future__ import annotations

import io
from typing import Any, cast

from .foreign import flush_quietly
from .routing import flush_routed, write_bytes, write_bytes_routed, write_routed
from .writing import DescriptorWriter


class StandIn(io.TextIOWrapper):
    """Takes the place of an object that is None, broken, or leads elsewhere, such as a `StringIO`.

    What is written to it goes where the router says; else to the object, which is not touched.
    Whoever keeps it may write to it for ever.
    """

    def __init__(self, name: str, fd: int, original: Any, encoding: str, errors: str) -> None:
        super().__init__(
            cast(Any, _Binary(name, fd, original, encoding)),
            encoding=encoding,
            errors=errors,
            newline="\n",
            line_buffering=True,
        )
        self.mode = "w"  # type: ignore[misc]
        self._name = name
        self._original = original

    def write(self, text: str, /) -> int:
        """Write where the router says."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        write_routed(self._name, self._write_to_original, text)
        return len(text)

    def flush(self) -> None:
        """Flush what it leads to."""
        if "_original" in vars(self):  # else it is being made
            flush_routed(self._name, lambda: flush_quietly(self._original))

    def __del__(self) -> None:
        """Nothing waits here; and the object is to be flushed when others do."""

    def _write_to_original(self, text: str) -> None:
        if self._original is not None:
            self._original.write(text)

    def __getattr__(self, name: str) -> Any:
        # What the object has beyond a text stream.
        if name in ("_original", "_name") or self._original is None:
            raise AttributeError(name)
        return getattr(self._original, name)


class _Binary(DescriptorWriter):
    """The binary side. It may be kept by itself, and does not keep the other."""

    def __init__(self, name: str, fd: int, original: Any, encoding: str) -> None:
        super().__init__(fd, f"<{name}>", owned=False)
        self._name = name
        self._original = original
        self._encoding = encoding

    def write(self, data: Any, /) -> int:
        written: int = write_bytes_routed(self._name, self._write_to_original, data, self._encoding)
        return written

    def _write_to_original(self, data: Any) -> int:
        if self._original is None:
            return memoryview(data).nbytes
        return write_bytes(self._original, data, self._encoding)
