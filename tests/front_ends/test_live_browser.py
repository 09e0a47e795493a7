"""What stands under each cell in JupyterLab, in a real browser, while cells run and afterwards.

The pictures of the documentation are made by ``tests/pictures.py``.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from helpers.browser import CHROMIUM, open_browser
from helpers.gate import Gate
from helpers.live_cells import FLOOD, LIVE, OTHER, PROGRESS, TAIL
from helpers.notebook import NotebookServer
from helpers.process import REPO_DIR
from helpers.wait import LIMIT_S, eventually

pytestmark = [
    pytest.mark.ipython,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

SETUP = """\
%load_ext ipyfdcapture
import subprocess, sys
from ctypes import CDLL, c_double
from demo import train
libc = CDLL(None)"""
SMALL = "%config CaptureFd.live_max_bytes = 12\n%config CaptureFd.tail_lines = 3"

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
def train(epochs):
    for epoch in range(1, epochs):
        print(f"epoch {{epoch}}/{{epochs}}: loss {{1 / epoch:.4f}}")
    open("{progress}").close()
    print(f"epoch {{epochs}}/{{epochs}}: loss {{1 / epochs:.4f}}")
"""


class LiveLab(NotebookServer):
    """A JupyterLab with one notebook of live cells."""

    def __init__(self, home: Path, cells: list[str], programs: dict[str, str]) -> None:
        # All cells are in the page, seen or not.
        super().__init__(home, settings={"notebook-extension/tracker": {"windowingMode": "none"}})
        for name, code in programs.items():
            (self.work / name).write_text(code)
            (self.work / name).chmod(0o755)
        self.write("live.ipynb", cells)


class Page:
    """The notebook in the browser."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        browser.get(url + "doc/tree/live.ipynb")
        ready = "return !!document.querySelector('.jp-CodeCell') && !!window.jupyterapp"
        eventually(lambda: browser.execute_script(ready), "the notebook")
        has_kernel = """
            const session = window.jupyterapp.shell.currentWidget?.sessionContext;
            return !!session?.isReady && session.session?.kernel?.status === 'idle';
        """
        self._has_kernel = has_kernel
        self.await_idle()

    def await_idle(self) -> None:
        """Wait until the kernel waits, too."""
        status = (
            "return window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status"
        )
        try:
            eventually(lambda: self.browser.execute_script(self._has_kernel), "the kernel")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.browser.execute_script(status)}") from None

    def run_all(self) -> None:
        self.browser.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run(self, cell: int) -> None:
        """Run one cell once those before it have ended, and do not wait for its end."""
        self.await_idle()
        script = """
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = arguments[0];
            notebook.deselectAll();
            window.jupyterapp.commands.execute('notebook:run-cell');
        """
        self.browser.execute_script(script, cell)

    def kernel(self, method: str) -> None:
        """Interrupt or restart the kernel; return once that is done."""
        script = """
            const done = arguments[arguments.length - 1];
            const session = window.jupyterapp.shell.currentWidget.sessionContext;
            const asked = arguments[0] === 'restart'
                ? session.restartKernel() : session.session.kernel.interrupt();
            asked.then(() => done(''), error => done(String(error)));
        """
        self.browser.set_script_timeout(LIMIT_S)
        error = self.browser.execute_async_script(script, method)
        assert not error, error

    def under(self, cell: int) -> str:
        """Return the text that stands under a cell."""
        script = """
            const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[arguments[0]];
            const area = cell && cell.querySelector('.jp-OutputArea');
            return area ? area.innerText : '';
        """
        return str(self.browser.execute_script(script, cell))

    def await_under(self, cell: int, text: str) -> str:
        try:
            eventually(lambda: text in self.under(cell), f"{text!r} under cell {cell}")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.under(cell)!r}") from None
        return self.under(cell)


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[dict[str, Gate]]:
    yield {name: Gate(tmp_path, name) for name in ("late", "tail", "progress")}


class OpenPage(Protocol):
    def __call__(self, cells: list[str], programs: dict[str, str]) -> Page: ...


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[OpenPage]:
    pytest.importorskip("selenium")
    pytest.importorskip("jupyterlab")
    with contextlib.ExitStack() as closing:

        def open_it(cells: list[str], programs: dict[str, str]) -> Page:
            lab = LiveLab(tmp_path, cells, programs)
            closing.callback(lab.close)
            browser = closing.enter_context(open_browser(tmp_path / "profile"))
            return Page(browser, lab.url)

        yield open_it


def test_what_stands_under_each_cell(open_page: OpenPage, gates: dict[str, Gate]) -> None:
    paths = {name: str(gate.path) for name, gate in gates.items()}
    page = open_page(
        [
            SETUP,
            LIVE,
            OTHER,
            TAIL,
            PROGRESS,
            SMALL,
            FLOOD,
            "%config CaptureFd.live_max_bytes = 1_000_000\n"
            "%config CaptureFd.live_max_lines = 1_000_000_000",
            FLOOD,
            "'the end'",
        ],
        {
            "server": SERVER.format(**paths),
            "build": BUILD.format(**paths),
            "demo.py": DEMO.format(**paths),
        },
    )
    page.run_all()
    # While the cell runs: its last lines, in place.
    page.await_under(3, "[30/30] compiling part 30")
    assert page.under(3).split("\n") == [f"[{i}/30] compiling part {i}" for i in range(27, 31)]
    gates["tail"].open()
    last, end = page.await_under(3, "all in build").split("\n")
    assert last == "[30/30] compiling part 30"
    assert re.fullmatch(r"finished in \d+\.\d s: 30 lines, 762 B, all in build", end)
    page.await_under(4, "epoch 39/40: loss 0.0256")
    gates["progress"].open()
    # A flood: its start, a line that counts, its end.
    flood = page.await_under(6, "\n5000000")
    assert flood.split("\n")[:3] == ["1", "2", "3"]
    counts = "… (5,000,000 lines, )?38.9 MB in all; the rest is in flood. The last lines:"
    assert re.search(counts, flood)
    assert flood.index("The last lines:") < flood.index("4999998\n4999999\n5000000")
    assert flood.count("…") == 1
    page.await_under(9, "the end")
    large = page.await_under(8, "The last lines:")
    assert 900_000 < len(large) < 1_100_000
    # Late output stands under its own cell, whatever ran since.
    assert "a request came" not in page.under(1)
    gates["late"].open()
    live = page.await_under(1, "server: a request came, long after the cell had ended")
    assert live.split("\n")[:2] == ["Python: step 0", "C:      residual 1.000"]
    assert live.count("a warning") == 1
    stderr = page.browser.find_elements(
        "css selector", ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
    )
    assert [element.text for element in stderr] == ["Python: a warning"]
    other = page.under(2)
    assert other.split("\n")[0] == "another cell, run later <b>plain text</b>"
    assert other.rstrip().split("\n")[1:] == ["█" * 20 + " 100%"]


WAITING = """\
%%capture_fd {option} -v logs
print("begun by", os.getpid())
_ = subprocess.run("echo '\\x1b[31mred\\x1b[0m {wide}'; exec cat {gate}", shell=True)"""
WIDE = "\u6f22\u5b57 \N{SNAKE} e\u0301"


@pytest.mark.parametrize("option", ["--live", "--tail 4", "--progress"])
def test_a_cell_that_is_stopped_and_a_kernel_that_is_restarted(
    open_page: OpenPage, gates: dict[str, Gate], option: str
) -> None:
    waiting = WAITING.format(option=option, wide=WIDE, gate=gates["late"].path)
    page = open_page(
        [
            "%load_ext ipyfdcapture\nimport os, subprocess",
            waiting,
            "%%capture_fd --live -v after\nprint('after', len(logs))",
            "len(logs), len(logs.stderr)",
        ],
        {},
    )
    page.run(0)
    page.run(1)
    page.await_under(1, f"red {WIDE}")
    page.kernel("interrupt")
    interrupted = page.await_under(1, "KeyboardInterrupt")
    if option == "--live":
        assert interrupted.index(f"red {WIDE}") < interrupted.index("KeyboardInterrupt")
    page.run(2)
    page.await_under(2, "after 2")
    # In the middle of a cell: what it showed stands, and the next kernel begins anew.
    page.run(1)
    eventually(lambda: "KeyboardInterrupt" not in page.under(1), "the cell begins anew")
    page.await_under(1, f"red {WIDE}")
    page.kernel("restart")
    assert f"red {WIDE}" in page.under(1)
    page.run(3)
    page.await_under(3, "NameError")
    page.run(0)
    page.run(1)
    eventually(lambda: "KeyboardInterrupt" not in page.under(1), "the cell begins anew")
    page.await_under(1, f"red {WIDE}")
    gates["late"].open()
    page.run(3)
    page.await_under(3, "(2, 0)")


TERMINAL = """\
%%capture_fd --tty --live -v build
_ = subprocess.run(["g++", "-Wall", "-c", "mesh.cpp"])
_ = subprocess.run([sys.executable, "fetch.py"])"""
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


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_terminal_shows_colours_and_a_bar(open_page: OpenPage) -> None:
    pytest.importorskip("tqdm")
    screen = "_ = subprocess.run([sys.executable, 'full_screen.py'])"
    full_screen = (REPO_DIR / "tests" / "scripts" / "terminals" / "full_screen.py").read_text()
    page = open_page(
        [
            "%load_ext ipyfdcapture\nimport subprocess, sys",
            TERMINAL,
            f"%%capture_fd --tty --live -v screen\n{screen}",
            "build",
            "screen",
        ],
        {"mesh.cpp": MESH, "fetch.py": FETCH, "full_screen.py": full_screen},
    )
    page.run_all()
    live = page.await_under(1, "400/400")
    assert live.count("mesh.vtk") == 1 and "error:" in live
    coloured = page.browser.find_elements("css selector", ".ansi-red-intense-fg, .ansi-red-fg")
    assert any("error" in element.text for element in coloured)
    page.await_under(2, "after the screen")
    assert page.under(2).split() == ["[a", "full-screen", "program]", "after", "the", "screen"]
    page.await_under(4, "[a full-screen program] after the screen")
    page.await_under(3, "400/400")
