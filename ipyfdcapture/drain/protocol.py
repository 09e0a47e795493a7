"""The words between a drain and its pump.

They go over the control socket, a stream socket. The drain sends requests: a JSON object a line,
with descriptors attached, or numbered where pump and drain are in one process. A request that has a
``reply`` number gets one line with that number as its answer: what the request asks for, or
`Failed`.
"""

# Annotations are evaluated here: to keep those of a `TypedDict` as text takes three times as long,
# and the helper waits for it.

import json
from collections.abc import Mapping
from typing import Literal, TypedDict

#: What both sides must have in common: a helper is started from what is installed by then, which
#: may not be what this process has loaded. To be raised with each change of what follows.
VERSION = 2

#: Descriptors that go with one request at most (the system's limit, SCM_MAX_FD of Linux, is 253).
MOST_FDS = 240


class Envelope(TypedDict, total=False):
    """What any request may have beside its own words."""

    fds: int  # how many descriptors come with it
    own: list[int]  # their numbers, in a pump of the same process, which owns them from now on
    reply: int  # the number of the answer that is wanted


class HelloRequest(Envelope):
    """Say that it is a pump that was started, and no other program. Answer: `Hello`."""

    do: Literal["hello"]


class SpoolRequest(Envelope):
    """Remove a directory once the owner is gone.

    Descriptor: the lock in it that tells others that it is in use.
    """

    do: Literal["spool"]
    path: str


class RecordRequest(Envelope):
    """Begin a recording, or go on with it.

    Descriptors: data, index, and both ends of the transit if there is one.
    """

    do: Literal["record"]
    id: int  # the number of the recording, here and in what follows
    path: str
    max_bytes: int | None
    crash_dir: str | None  # where it goes if the owner crashes meanwhile (None: nowhere)
    stopped: bool


class AddRequest(Envelope):
    """Empty pipes into a recording.

    Descriptors: for each source the read end, then its original descriptor if so listed.
    """

    do: Literal["add"]
    id: int
    sources: list[int]
    originals: list[int]


class CopyRequest(Envelope):
    """Record in ``id``, too, what comes by pipes of recordings that have stopped. Answer: `Copied`.

    Of all recordings that a pipe is copied to, it is the newest that gets it.
    """

    do: Literal["copy"]
    id: int
    copies: list[tuple[int, int, int]]  # another recording, a source of it, and its number in `id`
    shown: bool  # whether it is shown there, and so not with its own recording
    since: int | None  # ns since the epoch: a pump that was killed has copied since then


class WakeRequest(Envelope):
    """Write a byte into a pipe when something was recorded, unless one was written just before.

    Descriptors: its read end, so that there always is one, and its write end.
    """

    do: Literal["wake"]
    id: int


class ForgetRequest(Envelope):
    """Do nothing more with a recording that has stopped: another pump goes on with it.

    Answer: an empty one, once it is so.
    """

    do: Literal["forget"]
    id: int


class ConfirmRequest(Envelope):
    """Tell what was taken. Answer: `Confirmed`."""

    do: Literal["confirm"]
    id: int


class SyncRequest(Envelope):
    """Move everything that was in the pipes when the request came. Answer: `Synced`.

    Releases the recording if it has stopped, no writer lives, and no pipe is lacking.
    """

    do: Literal["sync"]
    id: int
    stopped: bool
    sources: list[int]  # those whose pipes the pump should have, or have had


class ReleaseRequest(Envelope):
    """Keep nothing more. A writer that lives on is passed through to its original descriptor."""

    do: Literal["release"]
    id: int


class ByeRequest(Envelope):
    """The owner ends in peace: there is no crash to keep."""

    do: Literal["bye"]


Request = (
    HelloRequest
    | SpoolRequest
    | RecordRequest
    | AddRequest
    | CopyRequest
    | WakeRequest
    | ForgetRequest
    | ConfirmRequest
    | SyncRequest
    | ReleaseRequest
    | ByeRequest
)


class Hello(TypedDict):
    """The pump is there."""

    version: int  # its `VERSION`


class Confirmed(TypedDict):
    """Which pipes the pump has, and how many more it can have."""

    taken: list[int] | None  # sources whose pipes are or were emptied (None: no such recording)
    room: int  # so many more descriptors can be taken for sure


class Copied(TypedDict):
    """Which of the pipes that were to be copied are gone."""

    gone: list[int]  # released recordings that have no writer any more


class Synced(TypedDict):
    """How a recording stands."""

    dropped: int  # bytes
    dropped_why: str | None
    open: list[int]  # sources whose writers live
    lacking: list[int]  # sources whose pipes it never had: who asks has them still
    unknown: bool  # whether it never had the recording, or has forgotten it
    spliced: bool  # whether bytes were moved, and none were in the pump's memory alone


class Failed(TypedDict):
    """A request could not be served."""

    error: str


def encode(message: Mapping[str, object]) -> bytes:
    """Return a request or an answer as it is sent."""
    return json.dumps(message).encode() + b"\n"
