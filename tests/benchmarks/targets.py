"""What was to be reached, beside what a run of the benchmarks has measured: a row a promise."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HEADER = ["what", "before", "now", "target", ""]


class Figures:
    """The figures of one run, by the benchmark that measured them; None for what it did not.

    Parameters
    ----------
    kept
        The directory with the JSON files of the run.
    """

    def __init__(self, kept: Path) -> None:
        self._felt = _read(kept / "bench_felt.json").get("figures", {})
        self._drain = _read(kept / "bench_drain.json").get("medians", {})
        results = _read(kept / "bench_captured.json").get("results", [])
        self._logs = {(result["name"], result["lines"]): result for result in results}

    def felt(self, work: str, way: str) -> float | None:
        """Return what passed, in ms."""
        found = self._felt.get(work, {}).get(way)
        return statistics.median(passed for passed, _ in found) if found else None

    def drain(self, work: str, way: str) -> float | None:
        """Return seconds, ms or MB."""
        figure = self._drain.get(work, {}).get(way)
        return None if figure is None else float(figure)

    def log(self, name: str, way: str, lines: int) -> float | None:
        """Return seconds for a log of so many lines."""
        result = self._logs.get((name, lines), {})
        return result.get("seconds" if way == "ours" else "before_seconds")

    def line(self, name: str, way: str) -> float | None:
        """Return µs for a line of the shortest log that was measured."""
        lines = min((lines for known, lines in self._logs if known == name), default=0)
        seconds = self.log(name, way, lines)
        return None if seconds is None else seconds / lines * 1e6


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


#: Returns the figure of one way, "ours" or "before".
Measured = Callable[[str], "float | None"]


def rows(figures: Figures) -> list[list[str]]:
    """Return a row for each target: what, before, now, the target, and whether it was reached."""
    found = []
    for title, unit, most, measured in _targets(figures):
        before, now = measured("before"), measured("ours")
        verdict = "" if now is None else "reached" if now <= most else "**missed**"
        found.append([title, _said(before, unit), _said(now, unit), _said(most, unit), verdict])
    return found


def _said(figure: float | None, unit: str) -> str:
    return "—" if figure is None else f"{figure:.3g} {unit}".strip()


def _targets(figures: Figures) -> Iterator[tuple[str, str, float, Measured]]:
    yield from _of_cells(figures)
    yield from _of_logs(figures)
    yield from _of_bulk(figures)


def _of_cells(figures: Figures) -> Iterator[tuple[str, str, float, Measured]]:
    felt = figures.felt

    def beyond_peer(work: str) -> Measured:
        return lambda way: _both(felt(work, way), felt(work, "peer"), lambda a, b: a - b)

    def by_peer(work: str) -> Measured:
        return lambda way: _both(felt(work, way), felt(work, "peer"), lambda a, b: a / b)

    yield "`--live`: the first line after a pause", "ms", 5, lambda way: felt("first-line", way)
    yield "an empty captured cell, over a plain one", "ms", 1.5, beyond_peer("cell")
    yield (
        "an empty cell under `--every-cell`, over a plain one",
        "ms",
        2.5,
        beyond_peer("every-cell"),
    )
    yield "enter and leave, by wurlitzer's time", "x", 1, by_peer("enter")
    yield (
        *("enter and leave within 49 others, by the time of one alone", "x", 1.25),
        lambda way: _both(felt("nested", way), felt("enter", way), lambda a, b: a / b),
    )
    yield "`%load_ext ipyfdcapture`", "ms", 15, lambda way: felt("load", way)
    yield "1,000 children, by `subprocess.run` in threads", "x", 1.2, by_peer("children")


#: By the name of a step of `bench_captured`: its title, and µs a line.
_LOG_TARGETS = {
    "turns: grep, no line matches": ("`grep` where two sources take turns", 0.5),
    "turns: levels()": ("`levels()` where two sources take turns", 0.9),
    "levels()": ("`levels()`", 0.32),
    "words: levels()": ("`levels()`, no two lines alike", 1.3),
    "for line in logs": ("`for line in logs`", 0.6),
    "save, .jsonl": ("`.jsonl`", 1.5),
    "save, .parquet": ("`.parquet`", 1.5),
    "save, .html": ("`.html`", 1.5),
    "to_pandas()": ("pandas", 0.8),
    "pyarrow.table(logs)": ("Arrow", 0.9),
    "grep, a literal in few lines": ("an expression with a literal in few lines", 0.167),
    "grep, a literal in each line": ("an expression with a literal in each line", 0.345),
    "grep, every line matches": ("a literal that each line has", 0.1),
}
#: The same of a hundred million lines, in seconds.
_LONG_TARGETS = {
    "len(logs), the first time": ("`len`, the first time", 6.8),
    "logs[middle]": ("a line in the middle", 0.001),
    "rich view": ("the view", 0.1),
    "grep, one line matches": ("`grep`, one line matches", 10.0),
}
LONG_LINES = 100_000_000


def _of_logs(figures: Figures) -> Iterator[tuple[str, str, float, Measured]]:
    for name, (title, most) in _LOG_TARGETS.items():
        yield f"{title}, a line", "us", most, _of_line(figures, name)
    yield (
        *("`levels()` of ten million lines", "s", 3.2),
        lambda way: figures.log("levels()", way, 10_000_000),
    )
    for name, (title, most) in _LONG_TARGETS.items():
        yield f"of a hundred million lines: {title}", "s", most, _of_long(figures, name)


def _of_line(figures: Figures, name: str) -> Measured:
    return lambda way: figures.line(name, way)


def _of_long(figures: Figures, name: str) -> Measured:
    return lambda way: figures.log(name, way, LONG_LINES)


def _of_bulk(figures: Figures) -> Iterator[tuple[str, str, float, Measured]]:
    def by_before(work: str) -> Measured:
        def measured(way: str) -> float | None:
            own = figures.drain(work, "helper" if way == "ours" else "before")
            return _both(own, figures.drain(work, "before"), lambda a, b: a / b)

        return measured

    yield (
        *("raw writes, by the bare C drain", "x", 1.15),
        lambda way: _both(
            figures.drain("raw", "helper" if way == "ours" else "before"),
            figures.drain("raw", "c"),
            lambda a, b: a / b,
        ),
    )
    for work, title in (
        ("raw", "raw writes"),
        ("printf", "`printf`"),
        ("python", "`os.write`"),
        ("print", "`print` in a cell"),
        ("child", "a child of 1 GB"),
    ):
        yield f"{title}, by the time before (no worse, but for noise)", "x", 1.1, by_before(work)
    yield (
        *("memory that 1 GiB takes", "MB", 8),
        lambda way: figures.drain("memory", "helper" if way == "ours" else "before"),
    )


def _both(
    one: float | None, other: float | None, combine: Callable[[float, float], float]
) -> float | None:
    return None if one is None or other is None else combine(one, other)
