"""The pictures of the documentation, and of what to look at before a release.

    python tests/pictures.py                  # makes those of docs/images again
    python tests/pictures.py --review look    # failure, flood, tail, progress and completion

The second makes pictures in JupyterLab and Notebook 7, light and dark, in the directory ``look``.
Both need JupyterLab, Selenium, SciPy and Chromium (``pip install -e ".[test,lab,demo]"``), the
first a C++ compiler as well. All is shown with the defaults. The pictures of the viewer are made by
``tests/front_ends/test_viewer_notebook.py``.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS_DIR = Path(__file__).resolve().parent
for place in (str(TESTS_DIR), str(TESTS_DIR.parent)):
    if place not in sys.path:
        sys.path.insert(0, place)

from helpers.browser import open_browser  # noqa: E402
from helpers.gate import Gate  # noqa: E402
from helpers.live_cells import FLOOD, LIVE, OTHER, PROGRESS, TAIL  # noqa: E402
from helpers.notebook import PATHS, NotebookPage, NotebookServer  # noqa: E402
from helpers.wait import eventually  # noqa: E402

IMAGES = TESTS_DIR.parent / "docs" / "images"
#: All cells are in the page, seen or not.
SETTINGS: dict[str, dict[str, Any]] = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "completer-extension/manager": {"providerTimeout": 60_000},  # ms
}
#: What marks the active cell, and its buttons, are no part of what is shown.
HIDE_MARKS = """
    const style = document.createElement('style');
    style.textContent = '.jp-Collapser, .jp-cell-toolbar { visibility: hidden }';
    document.head.append(style);
"""
#: Of a flood so much of its end is in a picture, in pixels of the page.
FLOOD_PX = 462

SETUP = """\
%load_ext ipyfdcapture
import subprocess, sys
from ctypes import CDLL, c_double
from demo import solve, train
libc = CDLL(None)"""
TERMINAL = """\
%%capture_fd --tty --live -v build
_ = subprocess.run(["g++", "-Wall", "-c", "mesh.cpp"])
_ = subprocess.run([sys.executable, "fetch.py"])"""
MODEL_SETUP = """\
%load_ext ipyfdcapture
import os
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp"""
MODEL = """\
%%capture_fd -v logs
random = np.random.default_rng(7)
weights = random.integers(5, 60, (8, 40))
milp(-random.integers(10, 100, 40), integrality=np.ones(40), bounds=Bounds(0, 1),
     constraints=LinearConstraint(weights, ub=weights.sum(axis=1) // 3), options={"disp": True})
print("\\x1b[1;32mOK\\x1b[0m exported to model.lp")
os.write(2, b"[ WARN:0@0.4] \\x1b[33m2 constraints\\x1b[0m are never active\\n");"""

SOLVER = """\
%%capture_fd -v logs
for step in range(200):
    print(f"step {step:4d}  residual {2.0 ** -step:.3e}")
print("\\x1b[1;31merror:\\x1b[0m the matrix is singular", file=sys.stderr)
raise ArithmeticError("no solution")"""

#: Cells that fail or end, in each view.
FAILURE = """\
%%capture_fd -v logs
solve(steps=200)"""
FAILURES = {
    "failure": FAILURE,
    "failure-live": FAILURE.replace("-v", "--live -v").replace("200", "5"),
    "failure-tail": FAILURE.replace("-v", "--tail 5 -v"),
    "failure-progress": FAILURE.replace("-v", "--progress -v"),
    "failure-statement": "%capture_fd -v logs solve(steps=3)",
    "slip": "%%capture_fd -live -v logs\nsolve(steps=3)",
}
#: The list of completions, once there are some.
COMPLETIONS = ".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item"

#: What the cells run: each goes on when its gate is opened.
SERVER = """\
#!/bin/sh
cat {late}
echo 'server: a request came, long after the cell had ended'
"""
BUILD = """\
#!/bin/sh
for part in $(seq 30); do echo "[$part/30] compiling part $part"; done
cat {tail}
"""
DEMO = """\
import os


def train(epochs):
    for epoch in range(1, epochs):
        print(f"epoch {{epoch}}/{{epochs}}: loss {{1 / epoch:.4f}}")
    open("{progress}").close()
    print(f"epoch {{epochs}}/{{epochs}}: loss {{1 / epochs:.4f}}")


def solve(steps):
    for step in range(steps):
        print(f"step {{step:4d}}  residual {{2.0 ** -step:.3e}}")
    os.write(2, b"\\x1b[1;31merror:\\x1b[0m the matrix is singular\\n")
    raise ArithmeticError("no solution")
"""
MESH = """\
#include <vector>
double area(const std::vector<double> &mesh) {
    int unused = 0;
    return mesh.area();
}
"""
FETCH = """\
import tqdm
for part in tqdm.tqdm(range(400), desc="mesh.vtk", unit=" parts", mininterval=0, ascii=False):
    pass
"""


class Studio:
    """A notebook with cells and programs beside it, in a browser."""

    def __init__(self, server: NotebookServer, browser: Any, home: Path, cells: list[str]) -> None:
        self.gates = {name: Gate(home, name) for name in ("late", "tail", "progress")}
        paths = {name: str(gate.path) for name, gate in self.gates.items()}
        for name, code in {
            "server": SERVER.format(**paths),
            "build": BUILD.format(**paths),
            "demo.py": DEMO.format(**paths),
            "mesh.cpp": MESH,
            "fetch.py": FETCH,
        }.items():
            (server.work / name).write_text(code)
            (server.work / name).chmod(0o755)
        server.write("pictures.ipynb", cells)
        self.page = NotebookPage(browser, server, "pictures.ipynb")

    def await_under(self, cell: int, text: str) -> None:
        """Wait until a text stands under a cell."""
        script = """
            const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[arguments[0]];
            return cell?.querySelector('.jp-OutputArea')?.innerText ?? '';
        """
        eventually(lambda: text in self.page.js(script, cell), f"{text!r} under cell {cell}")

    def picture(
        self, path: Path, cells: list[int], max_px: int = 100_000, selector: str = ""
    ) -> None:
        """Take a picture of some cells, of their last ``max_px``, or of what is in the last."""
        script = """
            const [shown, limit, selector] = arguments;
            const all = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
            all.forEach((cell, i) => { cell.style.display = shown.includes(i) ? '' : 'none'; });
            if (!document.querySelector('.jp-Completer:not(.lm-mod-hidden)')) {
                document.activeElement.blur();
            }
            const last = all[shown[shown.length - 1]];
            last.scrollIntoView({block: 'end'});
            const places = selector
                ? [last.querySelector(selector).getBoundingClientRect()]
                : shown.map(i => all[i].getBoundingClientRect());
            const end = places[places.length - 1].bottom;
            const top = Math.max(places[0].top, end - limit);
            const width = selector ? places[0].width : Math.min(places[0].width, 800);
            return {x: places[0].left, y: top, width,
                    height: end - top, scale: 1.25};
        """
        self.page.js(HIDE_MARKS)
        self._take(path, self.page.js(script, cells, max_px, selector))
        self.page.js("document.querySelectorAll('.jp-Cell').forEach(c => c.style.display = '')")

    def around_completer(self, path: Path) -> None:
        """Take a picture of the list of completions and the cell above it."""
        script = """
            const shown = document.querySelector('.jp-Completer:not(.lm-mod-hidden)');
            const list = shown.getBoundingClientRect();
            return {x: list.left - 200, y: list.top - 60, width: 800, height: 420, scale: 1.25};
        """
        self._take(path, self.page.js(script))

    def _take(self, path: Path, clip: Any) -> None:
        # Beyond the viewport, the page would be laid out anew, wider than what was measured.
        taken = self.page.browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
        path.write_bytes(base64.b64decode(taken["data"]))
        print(path)


@contextmanager
def studio(app: str, theme: str, cells: list[str]) -> Iterator[Studio]:
    """Yield a notebook of some cells, closed at the end."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        server = NotebookServer(home / "server", app, theme, settings=SETTINGS)
        try:
            with open_browser(home / "profile", "--window-size=1100,3600") as browser:
                yield Studio(server, browser, home, cells)
        finally:
            server.close()


def make_documentation() -> None:
    """Make the pictures of ``docs/images``."""
    cells = [SETUP, LIVE, OTHER, TAIL, PROGRESS, FLOOD, TERMINAL, SOLVER]
    with studio("jupyterlab", "Light", cells) as notebook:
        page = notebook.page
        for cell in (0, 1, 2):
            page.run(cell)
        notebook.gates["late"].open()
        notebook.await_under(1, "a request came")
        notebook.picture(IMAGES / "live.png", [1, 2])
        page.start(3)
        notebook.await_under(3, "[30/30]")
        notebook.picture(IMAGES / "live-tail.png", [3])
        notebook.gates["tail"].open()
        page.start(4)
        notebook.await_under(4, "39/40")
        notebook.picture(IMAGES / "live-progress.png", [4])
        notebook.gates["progress"].open()
        page.run(5)
        notebook.await_under(5, "The last lines:")
        notebook.picture(IMAGES / "live-flood.png", [5], FLOOD_PX)
        page.run(6)
        notebook.await_under(6, "400/400")
        notebook.picture(IMAGES / "terminal.png", [6])
        page.run(7)
        notebook.await_under(7, "error:")
        notebook.picture(IMAGES / "failure.png", [7])
    for theme in ("Light", "Dark"):
        with studio("jupyterlab", theme, [MODEL_SETUP, MODEL, "logs"]) as notebook:
            for cell in range(3):
                notebook.page.run(cell)
            path = IMAGES / f"view-{theme.lower()}.png"
            notebook.picture(path, [2], selector=".jp-RenderedHTMLCommon > *")


def make_review(directory: Path) -> None:
    """Make pictures of what a cell can look like, in both front ends and themes."""
    directory.mkdir(parents=True, exist_ok=True)
    for app in PATHS:
        for theme in ("Light", "Dark"):
            _review(app, theme, directory / f"{app}-{theme.lower()}")


def _review(app: str, theme: str, prefix: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    def path(name: str) -> Path:
        return prefix.with_name(f"{prefix.name}-{name}.png")

    failures = list(FAILURES.values())
    cells = [SETUP, TAIL, PROGRESS, FLOOD, *failures, "%%capture_fd --", "logs.", "logs"]
    complete = 4 + len(failures)
    with studio(app, theme, cells) as notebook:
        page = notebook.page
        page.run(0)
        for cell, name, text in ((1, "tail", "[30/30]"), (2, "progress", "39/40")):
            page.start(cell)
            notebook.await_under(cell, text)
            notebook.picture(path(f"{name}-running"), [cell])
            notebook.gates[name].open()
            notebook.await_under(cell, "all in")
            page.await_idle()
        notebook.picture(path("ended"), [1, 2])
        page.run(3)
        notebook.await_under(3, "The last lines:")
        notebook.picture(path("flood"), [3], FLOOD_PX)
        for cell in range(4, complete):
            page.run(cell)
        notebook.picture(path("failures"), list(range(4, complete)))
        page.run(complete + 2)
        notebook.picture(path("view"), [complete + 2])
        for cell in (complete, complete + 1):
            page.await_idle()
            page.js(
                "window.jupyterapp.shell.currentWidget.content.widgets[arguments[0]]"
                ".node.scrollIntoView({block: 'center'})",
                cell,
            )
            editor = page.all(".jp-Notebook .jp-CodeCell .jp-InputArea-editor .cm-content")[cell]
            editor.click()
            editor.send_keys(Keys.END, Keys.TAB)
            page.find(COMPLETIONS)
            notebook.around_completer(path(f"completion-{cell - complete}"))


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--review", metavar="DIRECTORY", type=Path)
    directory = parser.parse_args().review
    if directory is not None:
        make_review(directory)
    elif shutil.which("g++") is None:
        parser.error("a C++ compiler, g++, is needed")
    else:
        make_documentation()


if __name__ == "__main__":
    main()
