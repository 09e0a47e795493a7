"""A log in which lines are drawn over: what is left of them in the end.

Each source is a terminal of its own. A row that is drawn over stands where it was drawn first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from .view.ansi import SCREEN, SCREEN_MARK
from .view.ansi import Row as SeenRow
from .view.moving_rows import MOST_ROWS, UP, MovingRows

#: Lines are held back for what may go up to them, but no more than this: no terminal shows it.
MOST_HELD_BYTES = 4 << 20

T = TypeVar("T")


class Fold(Generic[T]):
    """Takes lines one after another, each with whatever is known of it, and draws over them."""

    def __init__(self) -> None:
        self._terminals: dict[int, MovingRows] = {}
        self._drawn: dict[int, tuple[T, SeenRow]] = {}  # by the identity of the row

    def take(self, source: int, text: str, known: T) -> None:
        """Take a line, without its line end."""
        if "\x1b[?" in text:
            text = SCREEN.sub(SCREEN_MARK, text)
        terminal = self._terminals.setdefault(source, MovingRows())
        before = terminal.rows[:]
        terminal.write(text + "\n")
        after = {id(row): row for row in terminal.rows}
        for row in before:
            if id(row) not in after:
                del self._drawn[id(row)]
        for key, row in after.items():
            if key not in self._drawn:
                self._drawn[key] = (known, row)
        terminal.take_above(MOST_ROWS)

    def rows(self) -> list[tuple[T, SeenRow]]:
        """Return what is left, each row with what was known of the line that drew it first."""
        return list(self._drawn.values())


class Lines(Protocol):
    """Some lines that follow each other: a `Block` of a `Reading`."""

    indices: Sequence[int]
    body: bytes

    @property
    def sources(self) -> Sequence[int]:
        """The numbers of their sources."""

    @property
    def texts(self) -> list[str]:
        """Their text, as it was written."""

    @property
    def plain(self) -> str:
        r"""Their text, each line by itself as it is seen, with a ``\n`` behind each."""


def seen_in_the_end(blocks: Iterable[Lines]) -> Iterator[str]:
    r"""Yield the lines of a log as they are seen in the end, each with its ``\n``, in parts.

    Most logs have no line that goes up: their blocks are passed on, once what follows them cannot
    reach them any more.
    """
    held: list[Lines] = []
    since_up: int | None = None  # so many lines have come since one went up
    for block in blocks:
        held.append(block)
        if b"\x1b" in block.body and UP.search(block.body):
            since_up = 0
        elif since_up is not None:
            since_up += len(block.indices)
            if since_up >= MOST_ROWS or _nbytes(held) > MOST_HELD_BYTES:
                yield _folded(held)
                held, since_up = [], None
        while since_up is None and (
            sum(len(each.indices) for each in held[1:]) >= MOST_ROWS
            or _nbytes(held) > MOST_HELD_BYTES
        ):
            yield held.pop(0).plain
    if since_up is not None:
        yield _folded(held)
    else:
        yield from (block.plain for block in held)


def _nbytes(blocks: list[Lines]) -> int:
    return sum(len(block.body) for block in blocks)


def _folded(blocks: list[Lines]) -> str:
    fold: Fold[None] = Fold()
    for block in blocks:
        for source, text in zip(block.sources, block.texts, strict=True):
            fold.take(source, text, None)
    return "".join([row.text + "\n" for _, row in fold.rows()])
