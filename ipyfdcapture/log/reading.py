"""A log, or a narrower view of one, at one moment: what every operation reads."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain

from .decoding import DECODE_BYTES, decode
from .folding import seen_in_the_end
from .line import Line
from .lines import BLOCK_BYTES, Batch, Lines, Row, content
from .seen import Sight
from .strands import release_pages

#: So many lines that lie apart are read together.
_BLOCK_ROWS = 256


class Block:
    r"""Some lines that follow each other. Each fact of them is found when it is asked for.

    Parameters
    ----------
    indices
        Their indices in the whole log.
    body
        Their bytes, without line ends, with a ``\n`` between two.
    origins
        Returns the number of the source of each, and when its first byte was read.
    sight
        How bytes become text.
    is_ended
        Whether the last has a line end.
    left_out
        How many bytes are missing in the middle of the last: only its start and its end were
        wanted.
    """

    def __init__(
        self,
        indices: Sequence[int],
        body: bytes,
        origins: Callable[[], tuple[Sequence[int], Sequence[int]]],
        sight: Sight,
        is_ended: bool = True,
        left_out: int = 0,
    ) -> None:
        self.indices = indices
        self.body = body
        self.sight = sight
        self.is_ended = is_ended
        self.left_out = left_out
        self._find_origins = origins

    @cached_property
    def contents(self) -> list[bytes]:
        """Their bytes, without line ends."""
        return self.body.split(b"\n")

    @property
    def sources(self) -> Sequence[int]:
        """The numbers of their sources."""
        return self._origins[0]

    @property
    def times(self) -> Sequence[int]:
        """When the first byte of each was read: ns since the epoch."""
        return self._origins[1]

    @cached_property
    def _origins(self) -> tuple[Sequence[int], Sequence[int]]:
        return self._find_origins()

    @property
    def texts(self) -> list[str]:
        """Their text, as it was written."""
        return self.sight.texts_of(self.body)

    @property
    def plain(self) -> str:
        r"""Their text, as it is seen, with a ``\n`` behind each line."""
        if self.sight.is_plain(self.body):
            return self.sight.text_of(self.body) + "\n"
        return "\n".join(self.plains) + "\n"

    @property
    def plains(self) -> list[str]:
        """Their text, as it is seen."""
        return self.seen(self.texts)

    def seen(self, texts: list[str]) -> list[str]:
        """Return their text as it is seen, given their `texts`: the same list if it is the same."""
        return self.sight.seen(self.body, texts)


def _block_of(rows: list[Row], sight: Sight) -> Block:
    return Block(
        [row.nth for row in rows],
        b"\n".join([content(row.raw) for row in rows]),
        lambda: ([row.source for row in rows], [row.time for row in rows]),
        sight,
        rows[-1].raw.endswith(b"\n"),
        rows[-1].left_out,
    )


def _some_origins(lines: Lines, batch: Batch, some: slice) -> tuple[Sequence[int], Sequence[int]]:
    sources, times = lines.origins(batch)
    return sources[some], times[some]


@dataclass(frozen=True, slots=True)
class Reading:
    """A log, or a narrower view of one, at one moment. Hold it for one operation only."""

    lines: Lines
    #: Which of the lines.
    indices: Sequence[int]
    #: How the lines are encoded, as for `bytes.decode`.
    encoding: str
    errors: str
    #: Whether it is a whole log.
    whole: bool
    #: When the capture started, and ended (None: it runs): ns since the epoch.
    started: int
    ended: int | None

    @property
    def sight(self) -> Sight:
        """How its bytes become text, and text as it is seen."""
        return Sight(self.encoding, self.errors)

    def rows(self) -> Iterator[Row]:
        """Yield its lines as they lie in the recording."""
        return self.lines.read(self.indices)

    def at(self, stretches: Sequence[range]) -> Reading:
        """Return some stretches of its lines, given by their positions in it."""
        parts = (self.indices[some.start : some.stop] for some in stretches)
        indices = next(parts) if len(stretches) == 1 else array("I", chain.from_iterable(parts))
        return replace(self, indices=indices, whole=False)

    def make_lines(self, indices: Sequence[int]) -> Iterator[Line]:
        """Yield the lines with the given indices, as users get them."""
        reading = replace(self, indices=indices)
        names = self.sources
        for block in reading.blocks():
            sources = map(names.__getitem__, block.sources)
            numbers = map((1).__add__, block.indices)
            yield from Line.make(block.texts, sources, numbers, block.times)

    def line(self, index: int) -> Line:
        """Return one line."""
        row = next(self.lines.read((index,)))
        return Line(self.text(row), self.source(row), row.nth + 1, row.time)

    def decode(self, raw: bytes) -> str:
        """Return the text of a line, or of a part of one."""
        return raw.decode(self.encoding, self.errors)

    def text(self, row: Row) -> str:
        """Return the text of a line without its line end."""
        return content(row.raw).decode(self.encoding, self.errors)

    def text_parts(self, wanted: set[int] | None = None) -> Iterator[str]:
        """Yield the text in parts, of some sources or of all (None).

        A whole log gives what was written in order of arrival, a narrower view its lines.
        """
        if self.whole:
            return decode(self.lines, self.encoding, self.errors, wanted)
        return map(self.decode, self.raw_lines(wanted))

    def raw_parts(self) -> Iterator[bytes]:
        """Yield the bytes that `text_parts` decodes, in parts."""
        if not self.whole:
            yield from self.raw_lines()
            return
        data = self.lines.snapshot.data
        for start in range(0, len(data), DECODE_BYTES):
            yield bytes(data[start : start + DECODE_BYTES])
            release_pages(data)

    def raw_lines(self, wanted: set[int] | None = None) -> Iterator[bytes]:
        """Yield the lines of some sources or of all (None); only the last may lack a line end."""
        previous = b"\n"
        for row in self.rows():
            if wanted is None or row.source in wanted:
                if not previous.endswith(b"\n"):
                    yield b"\n"
                previous = row.raw
                yield row.raw

    def plain_parts(self) -> Iterator[str]:
        """Yield its lines as they are seen, in parts; only the last may lack a line end.

        Lines that are drawn over by others, as bars of several lines are, are seen once: if all
        lines are there that follow each other.
        """
        is_ended = True

        def blocks() -> Iterator[Block]:
            nonlocal is_ended
            for block in self.blocks():
                is_ended = block.is_ended
                yield block

        follow_each_other = isinstance(self.indices, range) and self.indices.step == 1
        parts = seen_in_the_end(blocks()) if follow_each_other else (b.plain for b in blocks())
        last = ""
        for part in parts:
            yield last
            last = part
        yield last if is_ended else last.removesuffix("\n")

    def blocks(self, most: int | None = None) -> Iterator[Block]:
        """Yield its lines, many at a time: a tenth of the work of one at a time.

        Of a line that is longer than a block of the log, only ``most`` bytes of its start and of
        its end are kept in memory (None: all of it); it is the last of its block then.
        """
        sight = self.sight
        if isinstance(self.indices, range) and self.indices.step == 1:
            yield from self._blocks_of_range(self.indices, sight, most)
            return
        some: list[Row] = []
        nbytes = 0
        for row in self.lines.read(self.indices, most):
            some.append(row)
            nbytes += len(row.raw)
            if len(some) == _BLOCK_ROWS or nbytes > BLOCK_BYTES or row.left_out:
                yield _block_of(some, sight)
                some, nbytes = [], 0
        if some:
            yield _block_of(some, sight)

    def _blocks_of_range(self, indices: range, sight: Sight, most: int | None) -> Iterator[Block]:
        for batch in self.lines.batches(indices.start, indices.stop):
            body = batch.body
            if b"\r" in body:
                body = body.replace(b"\r\n", b"\n")
            stop = batch.first + batch.count
            is_ended, left_out = True, 0
            if batch.begun and stop - 1 in indices:
                if most is None:
                    cut = batch.cut_line()
                else:
                    cut, left_out = batch.ends_of_cut_line(most)
                is_ended = cut.endswith(b"\n")
                body += content(cut)
            else:
                body = body.removesuffix(b"\n")
                stop -= bool(batch.begun)
            numbers = range(max(indices.start, batch.first), min(indices.stop, stop))
            if not numbers:
                continue
            some = slice(numbers.start - batch.first, numbers.stop - batch.first)
            if len(numbers) < stop - batch.first:
                body = b"\n".join(body.split(b"\n")[some])
            origins = partial(_some_origins, self.lines, batch, some)
            yield Block(numbers, body, origins, sight, is_ended, left_out)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the log's sources."""
        return self.lines.snapshot.sources

    def numbers(self, names: Container[str]) -> set[int]:
        """Return the numbers of the sources with these names."""
        return {i for i, name in enumerate(self.sources) if name in names}

    def source(self, row: Row) -> str:
        """Return the name of the source of a line."""
        return self.lines.snapshot.sources[row.source]
