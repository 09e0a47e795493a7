"""The tables that solvers and training runs print, found without a pattern.

To add one, add a `Layout` to `LAYOUTS`, and a log of the real program to ``tests/data/tables/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .columns import Origin, Table, Value
from .reading import Reading
from .seen import as_seen

#: Of a line that is longer no table is made.
_MAX_CHARACTERS = 2000
#: What stands in a cell that has no value.
_MISSING = frozenset({"", "-", "--", "---", "?", "Large", "unknown", "n/a", "N/A", "None", "none"})
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|[+-]?nan"
#: A number with its unit, a mark behind it, or a factor.
_MEASURE = re.compile(rf"({_NUMBER})(%|s|\*|[kKMG]|[fFhHnNRrtTwW])?", re.IGNORECASE)
_FACTORS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_N = rf"(?:{_NUMBER})"

Cells = dict[str, str | None]


@dataclass(frozen=True)
class Layout:
    """One kind of table."""

    #: Who writes it.
    name: str
    #: Returns the cells of a row, or None for a line that is none.
    cells: Callable[[str], Cells | None]


def _by(pattern: str) -> Callable[[str], Cells | None]:
    """Return what takes a row apart by an expression that fits all of it.

    Groups of one name and numbers behind it (``depth_2``) are one column.
    """
    match = re.compile(pattern, re.IGNORECASE).fullmatch

    def cells(line: str) -> Cells | None:
        found = match(line)
        if found is None:
            return None
        row: Cells = {}
        for name, text in found.groupdict().items():
            column = re.sub(r"_\d$", "", name)
            row[column] = row.get(column) or text
        return row

    return cells


def _scip(line: str) -> Cells | None:
    parts = line.split("|")
    if len(parts) < 10 or (first := _SCIP_FIRST.fullmatch(parts[0])) is None:
        return None
    names: tuple[str, ...] = _SCIP_COLUMNS
    if len(parts) != len(names):  # which columns there are is an option of SCIP
        names = tuple(f"column{i}" for i in range(1, len(parts) + 1))
    rest = dict(zip(names[1:], map(str.strip, parts[1:]), strict=True))
    return {"found_by": first[1].strip() or None, "seconds": first[2], **rest}


_SCIP_FIRST = re.compile(r"(.?)\s*([\d.]+)s ?")
_SCIP_COLUMNS = (
    *("seconds", "node", "left", "lp_iter", "lp_iter_per_node", "mem_or_heur", "mdpt", "vars"),
    *("cons", "rows", "cuts", "sepa", "confs", "strbr", "dualbound", "primalbound", "gap", "compl"),
)


def _rounds(line: str) -> Cells | None:
    """Rows of XGBoost and LightGBM: ``[3]``, then names and values behind tabs.

    Of a cross-validation each value is a mean and a standard deviation: ``0.445+0.002``.
    """
    head = _ROUND.match(line)
    if head is None:
        return None
    cells: Cells = {"round": head[1]}
    for part in line[head.end() :].split("\t"):
        name, colon, value = part.rpartition(":")
        found = _MEAN.fullmatch(value.strip())
        if not colon or found is None:
            return None
        cells[name.strip()] = found[1]
        if found[2] is not None:
            cells[f"{name.strip()}-std"] = found[2]
    return cells


_MEAN = re.compile(rf"({_N})(?: ?\+ ?({_N}))?", re.IGNORECASE)
_ROUND = re.compile(r"(?:\[\d\d:\d\d:\d\d\] )?\[(\d+)\]\t")


def _keras(line: str) -> Cells | None:
    head = _KERAS.match(line)
    if head is None:
        return None
    cells: Cells = {"step": head[1], "steps": head[2]}
    for part in line[head.end() :].split(" - "):
        name, colon, value = part.partition(": ")
        if colon and re.fullmatch(_N, value.strip()):
            cells[name.strip(" -")] = value.strip()
    return cells if len(cells) > 2 else None


_KERAS = re.compile(r" *(\d+)/(\d+) (?=[-\[━╸╺ ])(?=.* - \w+: )")


def _tqdm(line: str) -> Cells | None:
    found = _TQDM.search(line)
    if found is None:
        return None
    cells: Cells = {
        "bar": found["bar"] or None,
        "percent": found["percent"],
        "n": found["n"],
        "total": found["total"],
        "elapsed": _clock(found["elapsed"]),
        "remaining": _clock(found["remaining"]),
        "rate": found["rate"],
    }
    for part in (found["more"] or "").split(", "):
        name, equals, value = part.partition("=")
        if equals:
            cells[name.strip()] = value.strip()
    return cells


_TQDM = re.compile(
    r"^(?:(?P<bar>.*?): +)? *(?P<percent>\d+)%\|[^|]*\|"
    r" *(?P<n>[\d.]+[kMG]?)/(?P<total>[\d.]+[kMG]?)"
    r" \[(?P<elapsed>[\d:]+)<(?P<remaining>[\d:?]+), *(?P<rate>[\d.?]+\s?[kMG]?)[^],]*"
    r"(?:, (?P<more>[^]]*))?\]"
)


def _clock(text: str) -> str | None:
    """Return a time such as ``1:02:03`` in seconds."""
    if "?" in text:
        return None
    seconds = 0
    for part in text.split(":"):
        seconds = 60 * seconds + int(part or 0)
    return str(seconds)


LAYOUTS = (
    Layout(
        "HiGHS branch and bound",
        _by(
            r" ?(?P<found_by>[a-z])? +(?P<processed>\d+) +(?P<in_queue>\d+) +(?P<leaves>\d+)"
            rf" +(?P<explored>[\d.]+%) +(?P<best_bound>{_N}) +(?P<best_solution>{_N})"
            r" +(?P<gap>[\d.]+%|\w+) +(?P<cuts>\d+) +(?P<in_lp>\d+) +(?P<conflicts>\d+)"
            r" +(?P<lp_iterations>\d+k?) +(?P<seconds>[\d.]+s)"
        ),
    ),
    Layout(
        "HiGHS simplex",
        _by(
            rf" +(?P<iteration>\d+) +(?P<objective>{_N}) (?P<infeasibilities>P[rh]\d?: .*\))"
            r" +(?P<seconds>[\d.]+s)"
        ),
    ),
    Layout(
        "HiGHS PDLP",
        _by(
            rf" +(?P<iteration>\d+) +(?P<primal_objective>{_N}) +(?P<dual_objective>{_N})"
            rf" +(?P<gap>{_N}) +(?P<primal_infeasibility>{_N}) +(?P<dual_infeasibility>{_N})"
            r" +(?P<seconds>[\d.]+s) \[(?P<kind>\w)\]"
        ),
    ),
    Layout(
        "Gurobi branch and bound",
        _by(
            r"(?P<found_by>[H*])? *(?P<explored>\d+) +(?P<unexplored>\d+)"
            rf"(?: +(?P<objective>{_N}|cutoff|infeasible|postponed) +(?P<depth>\d+)"
            r"(?: +(?P<infeasible>\d+))?| +(?P<depth_2>\d+))?"
            rf" +(?P<incumbent>{_N}|-) +(?P<best_bound>{_N}) +(?P<gap>[\d.]+%|-)"
            r" +(?P<iterations_per_node>[\d.]+|-) +(?P<seconds>\d+s)"
        ),
    ),
    Layout(
        "Gurobi simplex",
        _by(
            rf" +(?P<iteration>\d+) +(?P<objective>{_N}) +(?P<primal_infeasibility>[\d.]+e[+-]\d+)"
            r" +(?P<dual_infeasibility>[\d.]+e[+-]\d+) +(?P<seconds>\d+s)"
        ),
    ),
    Layout(
        "interior point (HiGHS, Gurobi)",
        _by(
            rf" *(?P<iteration>\d+)\*? +(?P<primal_objective>{_N}) +(?P<dual_objective>{_N})"
            rf" +(?P<primal_infeasibility>{_N}) +(?P<dual_infeasibility>{_N})"
            rf" +(?P<complementarity>{_N}) +(?P<seconds>\d+s)"
        ),
    ),
    Layout(
        "CBC",
        _by(
            r"(?:Cbc0010I )?After (?P<nodes>\d+) nodes, (?P<on_tree>\d+) on tree,"
            rf" (?P<best_solution>{_N}) best solution, best possible (?P<best_bound>{_N})"
            r" \((?P<seconds>[\d.]+) seconds\)"
        ),
    ),
    Layout(
        "CBC feasibility pump",
        _by(
            rf"(?:Cbc0038I )?Pass +(?P<pass>\d+): suminf\. +(?P<infeasibility>{_N})"
            rf" \((?P<infeasible>\d+)\) obj\. (?P<objective>{_N}) iterations (?P<iterations>\d+)"
        ),
    ),
    Layout("SCIP", _scip),
    Layout(
        "Ipopt",
        _by(
            rf" *(?P<iter>\d+)r? +(?P<objective>{_N}) +(?P<inf_pr>{_N}) +(?P<inf_du>{_N})"
            rf" +(?P<lg_mu>{_N}) +(?P<d_norm>{_N}) +(?P<lg_rg>{_N}|-) +(?P<alpha_du>{_N})"
            rf" +(?P<alpha_pr>{_N})(?P<step>[a-z])? *(?P<ls>\d+)(?: .*)?"
        ),
    ),
    Layout(
        "CP-SAT",
        _by(
            rf"#(?P<event>Bound|\d+) +(?P<seconds>[\d.]+s) +best:(?P<best>{_N})"
            rf" +next:\[(?P<next_low>{_N})?,?(?P<next_high>{_N})?\] *(?P<by>.*)"
        ),
    ),
    Layout("XGBoost, LightGBM", _rounds),
    Layout("Keras", _keras),
    Layout("tqdm", _tqdm),
)


class _Headed:
    """Tables of programs that are not known: a line of names, then lines of as many numbers.

    A line of names stays that of the rows below it, whatever is written in between, until there
    is another that fits.
    """

    def __init__(self) -> None:
        self._heads: dict[str, list[list[str]]] = {}

    def row_of(self, source: str, line: str) -> Cells | None:
        """Return the cells of a row; None for any other line, which is looked at for names."""
        values = line.replace("|", " ").split()
        if len(values) < 2 or len(line) > _MAX_CHARACTERS:
            return None
        if not all(map(_is_value, values)):
            self._take_head(source, line)
            return None
        for names in self._heads.get(source, ()):
            if len(names) == len(values) and _DIGIT.search(line.encode()):
                self._heads[source] = [names]
                return dict(zip(names, values, strict=True))
        return None

    def _take_head(self, source: str, line: str) -> None:
        # The names may hold spaces if more than one parts them.
        heads = [_WIDE.split(line.strip(" |\t")), line.replace("|", " ").split()]
        wanted = [
            _distinct(head) for head in heads if len(head) > 1 and not any(map(_is_value, head))
        ]
        if wanted:
            self._heads[source] = [*wanted, *self._heads.get(source, [])[:2]]


_WIDE = re.compile(r" *\| *| {2,}|\t+|, *")


def _is_value(text: str) -> bool:
    return text in _MISSING or _MEASURE.fullmatch(text) is not None


def _distinct(names: list[str]) -> list[str]:
    """Return names with a number behind those that were there before."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return found


def find_tables(reading: Reading) -> list[Table]:
    """Return the tables of a log: those of programs that are known, then others, the longest first.

    One of a program that is not known has two rows or more.
    """
    tables: dict[str, Table] = {}
    headed: dict[str, Table] = {}
    heads = _Headed()
    epoch: dict[str, str | None] = {}
    latest = LAYOUTS[0]
    for row in reading.rows():
        origin = Origin(row.nth + 1, row.time, reading.source(row))
        has_digits = _DIGIT.search(row.raw) is not None
        if len(row.raw) > _MAX_CHARACTERS and not has_digits:
            continue
        for state in _states(reading.text(row)):
            if (begun := _EPOCH.match(state)) is not None:
                epoch = {"epoch": begun[1]}
            layout, cells = _row_of(state, latest) if has_digits else (latest, None)
            if cells is not None:
                latest = layout
                if layout.cells is _keras:
                    cells = epoch | cells
                table = tables.setdefault(layout.name, Table(layout.name))
                table.add(origin, {name: _missing(text) for name, text in cells.items()})
            elif (cells := heads.row_of(origin.source, state)) is not None:
                name = "columns " + ", ".join(cells)
                table = headed.setdefault(name, Table(name))
                table.add(origin, {name: _missing(text) for name, text in cells.items()})
    known = sorted(tables.values(), key=len, reverse=True)
    others = [table for table in headed.values() if len(table) > 1]
    for table in (*known, *others):
        table.columns = {name: measured(column) for name, column in table.columns.items()}
    return known + sorted(others, key=len, reverse=True)


def _row_of(line: str, latest: Layout) -> tuple[Layout, Cells | None]:
    """Return the layout of a line, and its cells; the next row usually is one like the last."""
    for layout in (latest, *LAYOUTS):
        if (cells := layout.cells(line)) is not None:
            return layout, cells
    return latest, None


_EPOCH = re.compile(r"Epoch (\d+)/\d+\s*$")
_DIGIT = re.compile(rb"\d")


def _states(text: str) -> Iterator[str]:
    """Yield what a line showed: a bar that was drawn over itself showed many things."""
    for state in re.split(r"[\r\b]+", text):
        if state and len(state) <= _MAX_CHARACTERS:
            yield as_seen(state).rstrip()


def _missing(text: str | None) -> str | None:
    return None if text is None or text.strip() in _MISSING else text.strip()


def measured(column: Iterable[Value]) -> list[Value]:
    """Return a column as numbers if each cell is one, perhaps with a unit; else as it is."""
    cells = list(column)
    numbers: list[Value] = []
    for cell in cells:
        found = None if cell is None else _MEASURE.fullmatch(str(cell))
        if cell is not None and found is None:
            return cells
        if found is None:
            numbers.append(None)
        elif found[2] in _FACTORS:
            numbers.append(repr(float(found[1]) * _FACTORS[found[2]]))
        else:
            numbers.append(found[1])
    return numbers


def table_named(tables: list[Table], name: str | None) -> Table:
    """Return the table of a layout, by its name or the beginning of it; None: the first.

    Raises `ValueError` if there is none.
    """
    if name is not None and not isinstance(name, str):
        raise ValueError(f"name is the name of a table, or None, not {name!r}")
    known = [layout.name for layout in LAYOUTS]
    names = [*known, *(table.name for table in tables)]
    if name is not None and not any(each.lower().startswith(name.lower()) for each in names):
        raise ValueError(f"no table is called {name!r}; there are {'; '.join(known)}")
    for table in tables:
        if name is None or table.name.lower().startswith(name.lower()):
            return table
    found = "; ".join(table.name for table in tables)
    raise ValueError(
        f"this log has no table of {name}; it has {found}"
        if found
        else f"no table was found (known are {'; '.join(known)}); extract(pattern) finds any"
    )
