"""What two sequences of numbers have in common, in order: bounded, and fast where they are alike.

Values that only one of them has are set aside: they match nothing. So is what is equal at both
ends. Between, values that occur once in each sequence are anchors: the longest chain of them that
is in the same order in both is kept (patience diff), and what lies between two anchors is looked
at on its own. Where there is none, Myers' algorithm looks for the shortest difference. After some
steps it settles for the best beginning, and goes on from there; when it has done so for too long,
what is left is told as replaced.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

#: Myers' algorithm takes the square of this many steps, and keeps a list for each.
STEPS = 100
#: So many steps in all: some seconds.
MOST_STEPS = 5_000_000

#: Positions in both from which so many values are equal.
Match = tuple[int, int, int]


def matches(a: Sequence[int], b: Sequence[int]) -> list[Match]:
    """Return the stretches that are equal, in order, as ``(start in a, start in b, length)``."""
    common = set(a).intersection(b)
    kept_a, kept_b = (
        array("q", [i for i, value in enumerate(sequence) if value in common])
        for sequence in (a, b)
    )
    if len(kept_a) == len(a) and len(kept_b) == len(b):
        return _matches(a, b)
    found = _matches([a[i] for i in kept_a], [b[i] for i in kept_b])
    return _joined(part for match in found for part in _in_whole(kept_a, kept_b, *match))


def _in_whole(
    kept_a: Sequence[int], kept_b: Sequence[int], at_a: int, at_b: int, length: int
) -> Iterator[Match]:
    """Yield a match of what was kept as stretches of the whole, split where something was not."""
    last_a, last_b = at_a + length - 1, at_b + length - 1
    if kept_a[last_a] - kept_a[at_a] == kept_b[last_b] - kept_b[at_b] == length - 1:
        yield kept_a[at_a], kept_b[at_b], length
        return
    half = length // 2
    yield from _in_whole(kept_a, kept_b, at_a, at_b, half)
    yield from _in_whole(kept_a, kept_b, at_a + half, at_b + half, length - half)


def _matches(a: Sequence[int], b: Sequence[int]) -> list[Match]:
    found: list[Match] = []
    waiting = [(0, len(a), 0, len(b), True)]
    steps_left = MOST_STEPS
    while waiting:
        low_a, high_a, low_b, high_b, is_new = waiting.pop()
        start = low_a
        while low_a < high_a and low_b < high_b and a[low_a] == b[low_b]:
            low_a += 1
            low_b += 1
        if low_a > start:
            found.append((start, low_b - (low_a - start), low_a - start))
        end = high_a
        while low_a < high_a and low_b < high_b and a[high_a - 1] == b[high_b - 1]:
            high_a -= 1
            high_b -= 1
        if high_a < end:
            found.append((high_a, high_b, end - high_a))
        if low_a == high_a or low_b == high_b:
            continue
        # To look for anchors takes all of the stretch: not again for each part of it.
        anchors = _anchors(a, b, low_a, high_a, low_b, high_b) if is_new else []
        if anchors:
            at_a, at_b = low_a, low_b
            for anchor_a, anchor_b in anchors:
                if at_a < anchor_a or at_b < anchor_b:
                    waiting.append((at_a, anchor_a, at_b, anchor_b, True))
                found.append((anchor_a, anchor_b, 1))
                at_a, at_b = anchor_a + 1, anchor_b + 1
            waiting.append((at_a, high_a, at_b, high_b, True))
        elif steps_left > 0:
            more, at_a, at_b, steps = _myers(a, b, low_a, high_a, low_b, high_b)
            found += more
            steps_left -= steps
            waiting.append((at_a, high_a, at_b, high_b, False))
    return _joined(sorted(found))


def _joined(found: Iterable[Match]) -> list[Match]:
    joined: list[Match] = []
    for at_a, at_b, length in found:
        if joined:
            last_a, last_b, last = joined[-1]
            if last_a + last == at_a and last_b + last == at_b:
                joined[-1] = last_a, last_b, last + length
                continue
        joined.append((at_a, at_b, length))
    return joined


def _anchors(
    a: Sequence[int], b: Sequence[int], low_a: int, high_a: int, low_b: int, high_b: int
) -> list[tuple[int, int]]:
    """Return the longest chain of values that occur once in each, in the order of both."""
    counts_a, counts_b = Counter(a[low_a:high_a]), Counter(b[low_b:high_b])
    once = {value for value, count in counts_a.items() if count == 1 and counts_b[value] == 1}
    if not once:
        return []
    in_b = {b[i]: i for i in range(low_b, high_b) if b[i] in once}
    pairs = [(i, in_b[a[i]]) for i in range(low_a, high_a) if a[i] in once]
    return _longest_increasing(pairs)


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    tops: list[int] = []  # the last second value of the best chain of each length
    indices: list[int] = []
    before = array("q", [-1]) * len(pairs)
    for i, (_, second) in enumerate(pairs):
        length = bisect_left(tops, second)
        if length == len(tops):
            tops.append(second)
            indices.append(i)
        else:
            tops[length] = second
            indices[length] = i
        before[i] = indices[length - 1] if length else -1
    chain = []
    i = indices[-1] if indices else -1
    while i >= 0:
        chain.append(pairs[i])
        i = before[i]
    return chain[::-1]


def _myers(
    a: Sequence[int], b: Sequence[int], low_a: int, high_a: int, low_b: int, high_b: int
) -> tuple[list[Match], int, int, int]:
    """Return what is equal on the shortest way, how far that leads, and how many steps it took."""
    size_a, size_b = high_a - low_a, high_b - low_b
    furthest = {1: 0}
    kept: list[dict[int, int]] = []
    best, best_d = (0, 0), 0
    d = 0
    while best != (size_a, size_b) and d <= STEPS:
        kept.append(furthest.copy())
        for k in range(-d, d + 1, 2):
            x = furthest[k + 1] if _is_down(furthest, k, d) else furthest[k - 1] + 1
            y = x - k
            while x < size_a and y < size_b and a[low_a + x] == b[low_b + y]:
                x += 1
                y += 1
            furthest[k] = x
            if x <= size_a and y <= size_b and x + y > sum(best):
                best, best_d = (x, y), d
        d += 1
    del kept[best_d + 1 :]
    return _walk_back(kept, *best, low_a, low_b), low_a + best[0], low_b + best[1], d * d // 2


def _is_down(furthest: dict[int, int], k: int, d: int) -> bool:
    """Whether the way to a diagonal leads through an element of ``b`` alone."""
    return k == -d or (k != d and furthest[k - 1] < furthest[k + 1])


def _walk_back(kept: list[dict[int, int]], x: int, y: int, low_a: int, low_b: int) -> list[Match]:
    """Return what is equal on the way to a place, from its end."""
    found = []
    d = len(kept) - 1
    while d >= 0 and (x > 0 or y > 0):
        furthest, k = kept[d], x - y
        if d == 0 or abs(k) > d:
            begun = 0
            before = 0, 0
        elif _is_down(furthest, k, d):
            begun = furthest[k + 1]
            before = begun, begun - k - 1
        else:
            begun = furthest[k - 1] + 1
            before = begun - 1, begun - k
        if x > begun:
            found.append((low_a + begun, low_b + begun - k, x - begun))
        x, y = before
        d -= 1
    return found
