"""The numbers of a table as lines over time, drawn with matplotlib."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from .columns import Table, Value, as_numbers

#: More panels than this cannot be told apart.
MAX_PANELS = 12
_PANEL_INCHES = (7.0, 1.6)
#: What spans more than this is drawn to the power of ten.
_WIDE = 1e3


def plot(table: Table, started: int) -> Any:
    """Draw each column of numbers over time, one below the other, and return the figure.

    Parameters
    ----------
    table
        What to draw.
    started
        When the log starts, in ns since the epoch. If all rows have one time, they are drawn over
        the numbers of their lines.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If no column holds numbers.
    """
    pyplot = pyplot_module()
    columns = {name: as_numbers(column) for name, column in table.columns.items()}
    drawn = {name: column for name, column in columns.items() if _is_drawn(column)}
    if not drawn:
        raise ValueError("there is nothing to plot: no column holds numbers")
    names = list(drawn)[:MAX_PANELS]
    times = [(origin.time - started) / 1e9 for origin in table.origins]
    label = "seconds"
    if min(times) == max(times):
        times, label = [origin.number for origin in table.origins], "line"
    width, height = _PANEL_INCHES
    figure, panels = pyplot.subplots(
        len(names),
        1,
        sharex=True,
        squeeze=False,
        figsize=(width, height * len(names) + 0.6),
        layout="constrained",
    )
    for panel, name in zip(panels[:, 0], names, strict=True):
        points = [(x, y) for x, y in zip(times, drawn[name], strict=True) if _is_finite(y)]
        panel.plot(*zip(*points, strict=True), marker=".", linewidth=1)
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
        if _is_wide([y for _, y in points]):
            panel.set_yscale("log")
    panels[-1, 0].set_xlabel(label)
    return figure


def pyplot_module() -> Any:
    """Return ``matplotlib.pyplot``. Raises `ImportError` if it is missing."""
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        message = "this needs matplotlib: pip install matplotlib"
        raise ImportError(message, name="matplotlib") from error


def _is_finite(value: Value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_drawn(column: list[Value]) -> bool:
    return any(map(_is_finite, column)) and not any(isinstance(cell, str) for cell in column)


def _is_wide(values: list[Any]) -> bool:
    return bool(min(values) > 0 and max(values) / min(values) > _WIDE)
