"""What a log answers: levels, rates and silences, tables, the difference to another log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..system.interrupts import loading
from .recorded import RecordedLines

if TYPE_CHECKING:  # see `.captured`
    import re

    from .columns import Table
    from .difference import Diff
    from .line import Gap
    from .timing import Rate


class AnalysedLines(RecordedLines):
    """Lines of a recording that can be asked."""

    def levels(self) -> dict[str, int]:
        """Count the lines that say how serious they are, by level.

        Returns
        -------
        dict
            From ``trace``, ``debug``, ``info``, ``warning``, ``error``, ``critical``, those that
            occur, in this order. `ipyfdcapture.log.levels` lists the formats that are understood.

        Examples
        --------
        >>> logs.levels()
        {'warning': 1}
        """
        with loading(__package__, "levels"):
            from .levels import count_levels

        return count_levels(self._read())

    def rate(self, interval: float | None = None) -> list[Rate]:
        """Return how much came when.

        Parameters
        ----------
        interval
            Seconds that each entry covers; None: what gives up to 60 entries.

        Returns
        -------
        list of Rate
            ``start``, ``seconds``, ``lines`` and ``nbytes``, from the start to the end without
            a hole. A line counts when its first byte came.

        Raises
        ------
        ValueError
            If the interval is not above 0, or so short that it gives over a million entries.

        Examples
        --------
        >>> for entry in logs.rate(interval=3):
        ...     print(entry.start - logs.started, entry.lines, entry.nbytes)
        0:00:00 3 53
        0:00:03 3 37
        0:00:06 0 0
        """
        from .timing import rate

        return rate(self._read(), interval)

    def gaps(self, n: int = 5) -> list[Gap]:
        """Return the longest silences, the longest first.

        Of a whole log: when no source wrote anything, from the start of the capture to its end.
        Of a narrower view: from one of its lines to the next.

        Parameters
        ----------
        n
            How many.

        Returns
        -------
        list of Gap
            ``start``, ``seconds``, and the lines ``before`` and ``after`` (None: there is none).

        Raises
        ------
        TypeError, ValueError
            If ``n`` is not a whole number of at least 0.

        Examples
        --------
        >>> longest = logs.source("stdout").gaps(1)[0]
        >>> longest.seconds, longest.before, longest.after
        (2.0, 'iteration 1: loss 0.5', 'iteration 2: loss 0.25')
        """
        from .narrowing import checked_count
        from .timing import gaps

        return gaps(self._read(), checked_count(n))

    def extract(
        self,
        pattern: str | re.Pattern[str],
        *,
        to: str | None = None,
        plot: bool = False,
        line_limit: float = 1.0,
    ) -> Any:
        r"""Return a table with a row for each match of a regular expression.

        Its groups are columns, under their names; a column of numbers holds numbers. Beside them
        are the ``number`` of the line, its ``time`` and its ``source``: with ``log_`` before these
        names if a group has one of them.

        Parameters
        ----------
        pattern
            A regular expression, as text or compiled. It is searched for in each line as it is
            seen, without colours; in a line of more than 16 MiB piece by piece, cut between words.
        to
            What to return: ``"pandas"``, ``"polars"``, ``"arrow"`` or ``"dicts"`` (a list of
            dictionaries). None: the first of these that is there.
        plot
            Whether to draw each column of numbers over time as well; needs matplotlib.
        line_limit
            How long to search one line, in seconds. One that takes longer is left out, and told.

        Returns
        -------
        DataFrame, Table or list of dict
            The rows, in the order of the lines.

        Raises
        ------
        ValueError
            If it is no regular expression, or ``to`` is none of these.
        ImportError
            If a library that is asked for is missing.

        Warns
        -----
        UserWarning
            If the search of lines took too long, or lines were searched piece by piece.

        Examples
        --------
        >>> rows = logs.extract(r"iteration (?P<i>\d+): loss (?P<loss>[\d.]+)", to="dicts")
        >>> [(row["i"], row["loss"], row["number"]) for row in rows]
        [(1, 0.5, 2), (2, 0.25, 4)]
        """
        from .columns import checked_kind
        from .extraction import extract

        kind = checked_kind(to)
        _check_limit(line_limit)
        return self._frame(extract(self._read(), pattern, line_limit), kind, plot)

    def table(self, name: str | None = None, *, to: str | None = None, plot: bool = False) -> Any:
        """Return the table that a solver or a training run printed.

        Known are those of HiGHS, Gurobi, CBC, SCIP, Ipopt, CP-SAT, XGBoost, LightGBM, Keras and
        tqdm. Of any other program it is a line of names, followed by lines of as many numbers;
        `extract` finds what is neither. What a cell lacks is missing, a percentage is its number,
        and a time is in seconds.

        Parameters
        ----------
        name
            Which, by the beginning of its name (``"gurobi simplex"``; ``"columns iter, loss"``
            for one of a program that is not known). None: the longest of those that are known,
            or else of the others.
        to, plot
            As in `extract`.

        Raises
        ------
        ValueError
            If there is no such table.

        Examples
        --------
        >>> from ipyfdcapture import open_log
        >>> rounds = "[0]\\ttrain-rmse:0.24\\n[1]\\ttrain-rmse:0.20\\n"
        >>> import pathlib
        >>> _ = pathlib.Path("train.log").write_text(rounds)
        >>> rows = open_log("train.log").table(to="dicts")
        >>> [(row["round"], row["train-rmse"]) for row in rows]
        [(0, 0.24), (1, 0.2)]
        """
        from .columns import checked_kind
        from .tables import find_tables, table_named

        kind = checked_kind(to)
        return self._frame(table_named(find_tables(self._read()), name), kind, plot)

    def diff(self, other: RecordedLines, ignore: str | tuple[str, ...] | list[str] = ()) -> Diff:
        """Compare with another log, line by line, whatever the sources.

        Parameters
        ----------
        other
            The other log, or a narrower view of one.
        ignore
            What not to look at: any of ``"numbers"``, ``"times"``, ``"addresses"`` and
            ``"paths"``.

        Returns
        -------
        Diff
            It shows both side by side, is true if they differ, and has the ``changes``.

        Raises
        ------
        TypeError
            If the other is no log.
        ValueError
            If ``ignore`` names something else.

        Examples
        --------
        >>> first, second = logs.grep("iteration 1"), logs.grep("iteration 2")
        >>> bool(first.diff(second)), bool(first.diff(second, ignore="numbers"))
        (True, False)
        >>> print(first.diff(second))
        @@ -1 +1 @@
        -iteration 1: loss 0.5
        +iteration 2: loss 0.25
        """
        from .difference import difference

        if not isinstance(other, RecordedLines):
            raise TypeError(f"a log is compared with another log, not {other!r}")
        return difference(self._read(), other._read(), ignore)

    def _frame(self, table: Table, kind: str, plot: bool) -> Any:
        from .columns import frame

        if plot:
            from .plot import plot as draw

            draw(table, self.recording.metadata.started)
        return frame(table, kind)


def _check_limit(seconds: object) -> None:
    from ..checks import check_seconds

    check_seconds("line_limit", seconds)
