"""Measure the viewer over 10 million lines (1 GB), in JupyterLab and headless Chromium.

Run as ``python tests/benchmarks/bench_viewer.py [LINES]``, with the extra ``lab`` installed. It
prints a table of medians of five, beside what is to be reached and whether it is.
"""

# ruff: noqa: E402
from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from common import describe_run, plain_table
from helpers.browser import CHROMIUM, open_browser
from helpers.notebook import NotebookPage, NotebookServer
from solver_log import record

LINES = 10_000_000
PAGE_LINES = 1_000_000
ROUNDS = 5

#: What the page runs: resolves with the milliseconds that something took, frames included.
TIMED = """
    const done = arguments[arguments.length - 1];
    const start = performance.now();
    const view = () => [...document.querySelectorAll('.fdv')].pop();
    const until = (met) => new Promise((resolve) => {
        const look = () => met() ? requestAnimationFrame(() => resolve(performance.now() - start))
            : requestAnimationFrame(look);
        look();
    });
"""
RUN_CELL = """
    for (const old of document.querySelectorAll('.fdv')) old.classList.add('old');
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.deselectAll();
    notebook.activeCellIndex = 1;
    window.jupyterapp.commands.execute('notebook:run-cell');
    until(() => document.querySelector('.fdv:not(.old) .fdv-row .fdv-n')).then(done);
"""
JUMP = """
    const marks = view().querySelector('.fdv-marks');
    const box = marks.getBoundingClientRect();
    const number = () => Number(
        (view().querySelector('.fdv-row .fdv-n')?.textContent ?? '0').replaceAll(',', ''));
    marks.dispatchEvent(new MouseEvent('click', {
        bubbles: true, clientX: box.left + 2, clientY: box.top + arguments[0] * box.height}));
    until(() => Math.abs(number() - arguments[0] * arguments[1]) < arguments[1] / 50).then(done);
"""
SEARCH = """
    const field = view().querySelector('.fdv-search');
    field.value = arguments[0];
    field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
    const text = () => view().querySelector('.fdv-count').textContent;
    const before = text();
    until(() => /\\d/.test(text()) && text() !== before).then((first) =>
        until(() => /\\d/.test(text()) && !text().includes('+')).then((all) => done([first, all])));
"""
CLEAR = """
    const field = view().querySelector('.fdv-search');
    field.value = '';
    field.dispatchEvent(new Event('input'));
    until(() => !view().querySelector('.fdv-count').textContent).then(done);
"""
LEVEL = """
    const choice = view().querySelector('[title="least level"]');
    choice.value = 'warning';
    choice.dispatchEvent(new Event('change'));
    const foot = () => view().querySelector('.fdv-foot').textContent;
    until(() => view().querySelector('.fdv-marks i')).then((first) =>
        until(() => !/levels \\d+ %/.test(foot())).then((all) => done([first, all])));
"""
FRAMES = """
    const grid = view().querySelector('.fdv-grid');
    const frames = [];
    let last = performance.now();
    const scroll = (now) => {
        frames.push(now - last);
        last = now;
        grid.scrollTop += 40;
        if (frames.length < 180) requestAnimationFrame(scroll);
        else done(frames.slice(5).sort((a, b) => a - b)[Math.floor(0.95 * (frames.length - 5))]);
    };
    requestAnimationFrame(scroll);
"""
#: Runs before a saved page: notes when its first rows are on the screen, whatever is still read.
FIRST_ROWS = """
    const look = () => requestAnimationFrame(() => {
        if (document.querySelector('.fdv-row .fdv-n'))
            requestAnimationFrame(() => { window.firstRows = performance.now(); });
        else look();
    });
    look();
"""
ANONYMOUS = (
    "int(next(l for l in open('/proc/self/smaps_rollup') if l.startswith('Anonymous')).split()[1])"
)


def main() -> None:
    assert CHROMIUM, "needs Chromium"
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        with open_browser(directory / "profile", "--enable-precise-memory-info") as browser:
            browser.set_script_timeout(300)
            measure_notebook(browser, directory, lines, rows)
            measure_page(browser, directory, rows)
    print(f"{lines:,} lines of 100 bytes; {describe_run(['jupyterlab', 'ipykernel', 'anywidget'])}")
    print(plain_table(["work", "median", "slowest", "target", "verdict"], rows))


def measure_notebook(browser: Any, directory: Path, lines: int, rows: list[list[str]]) -> None:
    server = NotebookServer(directory / "server")
    try:
        code = [
            "import sys\n"
            f"sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
            "import solver_log\n"
            f"logs = solver_log.record({str(directory)!r}, {lines})\n"
            "len(logs)",
            "view = logs.explore(); view",
        ]
        server.write("bench.ipynb", code)
        page = NotebookPage(browser, server, "bench.ipynb")
        page.start(0)
        while page.count(0) is None:
            time.sleep(0.1)
        before = int(page.value(ANONYMOUS))

        def timed(script: str, *arguments: Any) -> Any:
            return browser.execute_async_script(TIMED + script, *arguments)

        def shown() -> float:
            took = timed(RUN_CELL)
            time.sleep(1)
            return float(took)

        add(rows, "explore() to painted rows", [shown() for _ in range(ROUNDS)], 400)
        levels = []
        for _ in range(ROUNDS):
            timed(RUN_CELL)
            levels.append(timed(LEVEL))
        add(rows, "least level: first marks", [first for first, _ in levels], 300)
        add(rows, "least level: whole, first time", [whole for _, whole in levels], 6000)
        timed(RUN_CELL)
        browser.execute_async_script(
            TIMED + "until(() => /\\d warning/.test(view().textContent)"
            " && !/levels \\d+ %/.test(view().textContent)).then(done)"
        )
        jumps = [timed(JUMP, part, lines) for part in (0.5, 0.1, 0.9, 0.3, 0.7)]
        add(rows, "a jump anywhere, painted", jumps, 150)
        searches = []
        for i in range(ROUNDS):
            searches.append(timed(SEARCH, f"nowhere to be found {i}"))
            timed(CLEAR)
        add(rows, "literal, no match: first count", [first for first, _ in searches], 200)
        add(rows, "literal, no match: whole", [whole for _, whole in searches], 1500)
        found = timed(SEARCH, "residual")
        add(rows, "literal, every line matches: whole (once)", [found[1]], None)
        add(rows, "frames while scrolling, 95 %", [timed(FRAMES) for _ in range(ROUNDS)], 25)
        heap = browser.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"] / 1e6
        add_size(rows, "heap of the page", heap, 60)
        grown = (int(page.value(ANONYMOUS)) - before) / 1e3
        add_size(rows, "kernel, after all of this: more", grown, 80)
    finally:
        server.close()


def measure_page(browser: Any, directory: Path, rows: list[list[str]]) -> None:
    log = record(str(directory), PAGE_LINES)
    path = directory / "page.html"
    started = time.perf_counter()
    log.save(path)
    saved = time.perf_counter() - started
    add(rows, "saved page of 1 M lines: to write", [1000 * saved], None)
    add_size(rows, "saved page: size", path.stat().st_size / 1e6, 30)
    first, search = [], []
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST_ROWS})
    for _ in range(ROUNDS):
        browser.get("about:blank")
        browser.get(path.as_uri())
        browser.execute_async_script(TIMED + "until(() => window.firstRows).then(() => done())")
        first.append(browser.execute_script("return window.firstRows"))
        search.append(browser.execute_async_script(TIMED + SEARCH, "nowhere to be found")[1])
    add(rows, "saved page: first rows", first, 1500)
    add(rows, "saved page: search, no match", search, 3000)
    os.unlink(path)


def add(rows: list[list[str]], what: str, took: list[float], target: float | None) -> None:
    """Add a row of times in ms."""
    show: Callable[[float], str] = lambda ms: f"{ms:,.0f} ms"  # noqa: E731
    middle = statistics.median(took)
    aim = ["", ""] if target is None else [show(target), verdict(middle, target)]
    rows.append([what, show(middle), show(max(took)), *aim])
    print(f"{what}: {', '.join(map(show, took))}", flush=True)


def add_size(rows: list[list[str]], what: str, size: float, target: float) -> None:
    """Add a row of a size in MB."""
    rows.append([what, f"{size:.0f} MB", "", f"{target:.0f} MB", verdict(size, target)])
    print(f"{what}: {size:.0f} MB", flush=True)


def verdict(value: float, target: float) -> str:
    """Say whether a target is reached, or how far it is."""
    return "reached" if value <= target else f"missed: {value / target:.1f} times"


if __name__ == "__main__":
    main()
