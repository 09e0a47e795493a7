"""Sets of lines: a byte for each, and what finds the n-th of millions without a list of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right

#: A byte of a mask: the line is in the set.
IN = b"\1"
#: The members are counted at every so many lines: to find one looks at no more than these.
_STEP = 1 << 12


class Mask:
    """A set of lines, which grows at its end.

    Ten million lines take 10 MB; whatever is asked takes microseconds.
    """

    def __init__(self) -> None:
        self.bytes = bytearray()
        #: How many members there are.
        self.count = 0
        self._before = array("Q")  # members before each step

    def __len__(self) -> int:
        """How many lines it knows, members or not."""
        return len(self.bytes)

    def extend(self, piece: bytes) -> None:
        """Add lines: `IN` for members, 0 for others."""
        start = len(self.bytes)
        self.bytes += piece
        for step in range(-(-start // _STEP) * _STEP, len(self.bytes), _STEP):
            self._before.append(self.count + self.bytes.count(IN, start, step))
        self.count += piece.count(IN)

    def rank(self, position: int) -> int:
        """Return how many members stand before a line."""
        position = min(position, len(self.bytes))
        step = min(position // _STEP, len(self._before) - 1)
        if step < 0:
            return 0
        return self._before[step] + self.bytes.count(IN, step * _STEP, position)

    def members(self, nth: int, count: int) -> list[int]:
        """Return up to ``count`` members, from the ``nth`` (counted from 0)."""
        if not 0 <= nth < self.count:
            return []
        step = bisect_right(self._before, nth) - 1
        position = step * _STEP - 1
        for _ in range(nth - self._before[step]):
            position = self.bytes.find(IN, position + 1)
        found: list[int] = []
        while len(found) < count:
            position = self.bytes.find(IN, position + 1)
            if position < 0:
                break
            found.append(position)
        return found


def both(one: bytes, other: bytes) -> bytes:
    """Return the mask of what is in both of two masks of one length."""
    joined = int.from_bytes(one, "little") & int.from_bytes(other, "little")
    return joined.to_bytes(len(one), "little")


def widened(mask: bytes, context: int) -> bytes:
    """Return a mask with up to ``context`` neighbours of each member on either side."""
    bits = int.from_bytes(mask, "little")
    for shift in _doublings(context):
        bits |= (bits << 8 * shift) | (bits >> 8 * shift)
    return (bits & ((1 << 8 * len(mask)) - 1)).to_bytes(len(mask), "little")


def _doublings(context: int) -> list[int]:
    """Return shifts that one after another reach exactly so far: 1, 2, 4, and the rest."""
    shifts, reach = [], 0
    while reach < context:
        shifts.append(min(reach + 1, context - reach))
        reach += shifts[-1]
    return shifts
