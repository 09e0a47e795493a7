"""The format of a recording: what its files hold, and the arithmetic of where a byte lies.

A *recording* is a pair of append-only files:

- ``NAME.data``: the bytes, in the order in which they were read;
- ``NAME.index``: one `ENTRY` for each chunk: when it was read (ns since the epoch), where it
  starts, and which source it came from. A chunk runs to the start of the next, the last one to
  the end of the data. An entry is written *before* its bytes, so every byte that reached the
  data file has a time and a source, however suddenly the writer died.

With ``max_bytes``, the data file holds the first half. What follows goes to two tail files,
``NAME.tail0`` and ``NAME.tail1``, written in turn: when one is full, the other is emptied and
written next. At any time the two hold at least the last half, in bounded space.

A disk that is full ends a recording: what comes is read and dropped. How much, and why, is kept
in the time of the index's last change, which takes no room (`dropped_bytes`).
"""

from __future__ import annotations

import os
import struct
import time

#: Time (ns since the epoch), start of the chunk (bytes), number of its source.
ENTRY = struct.Struct("<QQQ")


#: A tail file is at least this long, so that a tiny limit does not mean tiny reads.
MIN_TAIL_BYTES = 1 << 20


#: A time of a file's last change (ns since the epoch) below this is no time: it tells of bytes that
#: were dropped, their number times 256 plus the system's error number.
_NO_TIME_NS = 1 << 60  # 2006


def dropped_bytes(index: int | str) -> tuple[int, int]:
    """Return how many bytes were dropped for want of room, and the system's error number."""
    changed = os.stat(index).st_mtime_ns
    if changed >= _NO_TIME_NS or time.time_ns() < _NO_TIME_NS:  # on a machine without a clock
        return 0, 0
    count, number = divmod(changed, 256)
    return max(count, 1), number


def split_limit(max_bytes: int) -> tuple[int, int]:
    """Return how many bytes ``max_bytes`` leaves for the first part and for the last."""
    return max_bytes - max_bytes // 2, max_bytes // 2


def tail_file_bytes(max_bytes: int) -> int:
    """Return the size of each of the two tail files, in bytes."""
    return max(split_limit(max_bytes)[1], MIN_TAIL_BYTES)
