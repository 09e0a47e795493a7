"""Which lines a view shows: those that its filter wants, as far as scans have found them.

Lines have three numbers here. A *line* is counted in the whole log; a *position* in what is viewed
(the log, or the narrower view that `explore` was called on); an *index* in what is shown, which a
filter narrows further.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ..log.reading import Reading
from . import columns
from .columns import LEVELS, Column, Condition, Key
from .finder import Finder
from .masks import Mask
from .requests import Filter, Pattern

#: Moments (µs) before and after all others.
_FIRST_US, _LAST_US = -(1 << 62), 1 << 62


class Shown:
    """The lines that one view shows.

    Parameters
    ----------
    finder
        Looks through the log.
    search, filter
        What is searched for at first, and what is shown.
    """

    def __init__(self, finder: Finder, search: Pattern | None, filter: Filter) -> None:
        self.search = search
        self.filter = filter
        #: The lines that are viewed, ascending.
        self.positions: Sequence[int] = range(0)
        #: Changes when an index no longer stands for the line that it stood for.
        self.generation = 0
        self._finder = finder
        self._started = 0
        self._mask: Mask | None = None  # None: all are shown

    # -- what is to be shown --------------------------------------------------------------------

    def look_at(self, reading: Reading) -> None:
        """Take a log, or what it has grown to."""
        self._started = reading.started
        self.positions = ascending(reading.indices)

    def begin(self) -> None:
        """Begin to show what the filter wants, unless that is under way."""
        if self._mask is None:
            self._show()

    def forget(self) -> None:
        """Forget what is shown."""
        self._mask = None

    def begin_anew(self) -> None:
        """Show what the filter wants from the first line on."""
        self.generation += 1
        self._show()

    def narrow(self, wanted: Filter) -> None:
        """Show other lines."""
        if wanted != self.filter:
            self.filter = wanted
            self.begin_anew()

    def search_for(self, pattern: Pattern | None) -> None:
        """Search for something else, which may be what is shown."""
        before, self.search = self.search, pattern
        if self.filter.only and before != pattern:
            self.begin_anew()
        else:
            self._note_wanted()

    def extend(self) -> None:
        """Show what the filter wants of what was found by now."""
        mask = self._mask
        if mask is None:
            return
        conditions = self._conditions()
        stop = columns.known(conditions, len(self.positions), self._finder.is_idle)
        for start in range(len(mask), stop, columns.SLICE):
            mask.extend(columns.combined(conditions, start, min(start + columns.SLICE, stop)))

    def _show(self) -> None:
        self._note_wanted()
        self._mask = Mask() if self._wanted() else None
        self.extend()

    def _note_wanted(self) -> None:
        """Have what is searched for, and what is shown by, looked for before the rest."""
        keys = {key for key, _, _ in self._wanted()}
        if self.search_key is not None:
            keys.add(self.search_key)
        self._finder.want(keys)
        if self.search_key is not None:
            self._finder.ask(self.search_key)

    def _conditions(self) -> list[Condition]:
        """Return what the filter wants, as conditions on columns."""
        ask = self._finder.ask
        return [Condition(ask(key), table, context) for key, table, context in self._wanted()]

    def _wanted(self) -> list[tuple[Key, bytes | None, int]]:
        """Return what the filter wants: what to look for, and a `Condition`'s table and context."""
        chosen = self.filter
        wanted: list[tuple[Key, bytes | None, int]] = []
        if chosen.level is not None:
            wanted.append((LEVELS, columns.at_least(chosen.level), 0))
        if chosen.sources is not None:
            wanted.append((Key("sources", sources=chosen.sources), None, 0))
        if chosen.first is not None or chosen.last is not None:
            first = self._moment_us(chosen.first, _FIRST_US)
            last = self._moment_us(chosen.last, _LAST_US)
            wanted.append((Key("between", first=first, last=last), None, 0))
        for pattern in chosen.exclude:
            wanted.append((Key("search", pattern), columns.OTHERS, 0))
        for pattern in chosen.within:
            wanted.append((Key("search", pattern), None, 0))
        if chosen.only and self.search is not None:
            wanted.append((Key("search", self.search), None, chosen.context))
        return wanted

    def _moment_us(self, seconds: float | None, default: int) -> int:
        return default if seconds is None else (self._started + round(seconds * 1e9)) // 1000

    # -- what is shown --------------------------------------------------------------------------

    @property
    def search_key(self) -> Key | None:
        """What is searched for, as the finder takes it."""
        return None if self.search is None else Key("search", self.search)

    @property
    def is_narrowed(self) -> bool:
        """Whether something is to be found before it is known what is shown."""
        return bool(self._wanted())

    @property
    def count(self) -> int:
        """How many lines are shown."""
        return len(self.positions) if self._mask is None else self._mask.count

    @property
    def known(self) -> int:
        """Of how many positions, from the first on, it is known whether they are shown."""
        return len(self.positions) if self._mask is None else len(self._mask)

    @property
    def is_known(self) -> bool:
        """Whether it is known of all lines whether they are shown."""
        return self.known == len(self.positions)

    def members(self, start: int, count: int) -> Sequence[int]:
        """Return the positions of shown lines, from an index on."""
        if self._mask is None:
            return range(len(self.positions))[start : start + count]
        return self._mask.members(start, count)

    def index(self, position: int) -> int:
        """Return where a position is, or would be, in what is shown."""
        return position if self._mask is None else self._mask.rank(position)

    def lines(self, positions: Sequence[int]) -> Sequence[int]:
        """Return the lines at some positions: as a range if there is no hole in them."""
        if isinstance(self.positions, range):
            first = self.positions.start
            if isinstance(positions, range):
                return range(first + positions.start, first + positions.stop)
            lines = array("I", [first + position for position in positions])
        elif isinstance(positions, range):
            lines = array("I", self.positions[positions.start : positions.stop])
        else:
            lines = array("I", map(self.positions.__getitem__, positions))
        if lines and lines[-1] - lines[0] == len(lines) - 1:
            return range(lines[0], lines[-1] + 1)
        return lines

    def counts_of(self, column: Column) -> tuple[int, int]:
        """Return how many shown, and how many hidden lines were found, as far as both are known."""
        if self._mask is None or not column.count:
            return column.count, 0
        known = min(len(self._mask), len(column.bytes))
        shown = columns.total(self.among(Condition(column)), known)
        later = len(column.bytes) - known - column.bytes.count(0, known)
        return shown, column.count - later - shown

    def among(self, condition: Condition) -> list[Condition]:
        """Return a condition on shown lines alone."""
        return [condition, *([] if self._mask is None else [Condition(self._mask)])]


def ascending(indices: Sequence[int]) -> Sequence[int]:
    """Return the numbers of lines in ascending order: as a range if there is no hole in them."""
    if isinstance(indices, range):
        indices = indices if indices.step > 0 else indices[::-1]
        return indices if indices.step == 1 else array("I", indices)
    if len(indices) > 1 and indices[0] > indices[-1]:
        return array("I", sorted(indices))
    return indices
