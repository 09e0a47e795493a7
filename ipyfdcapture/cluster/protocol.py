"""What the client asks of a worker, and what it answers: plain data, which any engine carries.

Positions are those of the worker's recording: bytes from its start, whatever was dropped since.
A worker keeps its name when it is restarted, and begins a new recording; so everything is known
by the recording's *incarnation*, a word that no other recording has.
"""

from __future__ import annotations

from concurrent.futures import Future
from struct import Struct
from typing import Any, Protocol

#: Both sides must speak the same; the package's version may differ.
VERSION = 1

#: One chunk in the answer to ``read``: when it was read (ns since the epoch, by the worker's
#: clock), its length, and the number of its source.
CHUNK = Struct("<QQQ")

#: An answer has no more data than this: a worker's event loop and a scheduler pass it on whole.
MAX_READ_BYTES = 1 << 20

Request = dict[str, Any]
Answer = dict[str, Any]


class Cluster(Protocol):
    """The way to the workers: one class for each engine."""

    #: What messages call it: ``Dask``.
    name: str

    def look(self) -> Future[Answer]:
        """Ask the engine which workers there are. Do not wait; the answer has ``members``.

        Raises `ConnectionError` once the cluster or the connection to it is gone.
        """

    def ask(self, member: str, request: Request) -> Future[Answer]:
        """Ask one worker. Do not wait; the answer may never come."""

    def close(self) -> Future[Any] | None:
        """Have no more workers captured; do not wait. Returns what tells when that is done."""
