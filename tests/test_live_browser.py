"""What stands under each cell in JupyterLab, in a real browser, while cells run and afterwards.

With IPYFDCAPTURE_PICTURES=DIRECTORY the pictures of the README are written there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.process import REPO_DIR
from helpers.wait import eventually
from test_live import Gate
from test_view_browser import ARGUMENTS, CHROMIUM, Lab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

SETUP = """\
%load_ext ipyfdcapture
import ctypes, subprocess, sys
libc = ctypes.CDLL(None)"""
LIVE = """\
%%capture_fd --live -v logs
for step in range(3):
    print("Python: step", step)
    libc.printf(b"C: residual %.3f\\n", ctypes.c_double(1 / (step + 1)))
print("a warning", file=sys.stderr)
server = subprocess.Popen("{late}; echo late: a request was served", shell=True)"""
OTHER = """\
%%capture_fd --live -v other
print("another cell")
print("\\x1b[32mgreen\\x1b[0m <b>plain text</b>")
for percent in range(0, 101, 5):
    print(f"\\r{'#' * (percent // 5):<20} {percent}%", end="")"""
FLOOD = """\
%%capture_fd --live -v flood
subprocess.run("seq 5000000", shell=True)"""
TAIL = """\
%%capture_fd --tail 4 -v build
for i in range(1, 31): print(f"[{i}/30] compiling part {i}")
GATE"""
PROGRESS = """\
%%capture_fd --progress -v run
for i in range(1, 31): print("iteration", i)
GATE"""
SMALL = "%config CaptureFd.live_max_bytes = 40\n%config CaptureFd.tail_lines = 3"


class LiveLab(Lab):
    """A JupyterLab with one notebook of live cells."""

    def __init__(self, home: Path, cells: list[str]) -> None:
        self._cells = cells
        super().__init__(home, "Light", None)  # type: ignore[arg-type]

    def _write_notebook(self, log: Any) -> None:
        import nbformat

        config = self.home / "jupyter_config_dir"
        (config / "jupyter_lab_config.py").write_text("c.LabApp.expose_app_in_browser = True\n")
        settings = config / "lab/user-settings/@jupyterlab/notebook-extension"
        settings.mkdir(parents=True)
        # All cells are in the page, seen or not.
        (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
        (self.home / "work").mkdir()
        kernel = {"name": "python3", "display_name": "Python 3"}
        cells = [nbformat.v4.new_code_cell(cell) for cell in self._cells]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.home / "work/live.ipynb")
        path = [str(REPO_DIR), os.environ.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)


class Page:
    """The notebook in the browser."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        browser.get(url + "doc/tree/live.ipynb")
        ready = "return !!document.querySelector('.jp-CodeCell') && !!window.jupyterapp"
        eventually(lambda: browser.execute_script(ready), "the notebook")
        idle = (
            "return !!document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')"
        )
        eventually(lambda: browser.execute_script(idle), "the kernel")

    def run_all(self) -> None:
        self.browser.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def under(self, cell: int) -> str:
        """Return the text that stands under a cell."""
        script = """
            const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[arguments[0]];
            const area = cell && cell.querySelector('.jp-OutputArea');
            return area ? area.innerText : '';
        """
        return str(self.browser.execute_script(script, cell))

    def await_under(self, cell: int, text: str) -> str:
        eventually(lambda: text in self.under(cell), f"{text!r} under cell {cell}")
        return self.under(cell)

    def picture(self, name: str, cells: list[int]) -> None:
        """Take a picture of some cells, for the README."""
        directory = os.environ.get("IPYFDCAPTURE_PICTURES")
        if not directory:
            return
        script = """
            const wanted = arguments[0];
            document.querySelectorAll('.jp-Notebook .jp-Cell').forEach((cell, i) => {
                cell.style.display = wanted.includes(i) ? '' : 'none';
            });
            const cells = document.querySelectorAll('.jp-Notebook .jp-Cell');
            const box = cells[wanted[0]].parentElement;
            document.activeElement.blur();
        """
        self.browser.execute_script(script, cells)
        area = self.browser.find_element("css selector", ".jp-WindowedPanel-viewport")
        area.screenshot(str(Path(directory) / name))
        self.browser.execute_script(
            "document.querySelectorAll('.jp-Cell').forEach(c => { c.style.display = ''; })"
        )


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[dict[str, Gate]]:
    yield {name: Gate(tmp_path, name) for name in ("late", "tail", "progress")}


@pytest.fixture
def page(tmp_path: Path, gates: dict[str, Gate]) -> Iterator[Page]:
    webdriver = pytest.importorskip("selenium.webdriver")
    pytest.importorskip("jupyterlab")
    lab = LiveLab(
        tmp_path,
        [
            SETUP,
            LIVE.replace("{late}", gates["late"].shell),
            OTHER,
            TAIL.replace("GATE", gates["tail"].wait),
            PROGRESS.replace("GATE", gates["progress"].wait),
            SMALL,
            FLOOD,
            "%config CaptureFd.live_max_bytes = 1_000_000",
            FLOOD,
            "'the end'",
        ],
    )
    try:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
            options.add_argument(argument)
        driver_path = shutil.which("chromedriver")
        service = webdriver.ChromeService(driver_path) if driver_path else None
        browser = webdriver.Chrome(options=options, service=service)
        try:
            yield Page(browser, lab.url)
        finally:
            browser.quit()
    finally:
        lab.close()


def test_what_stands_under_each_cell(page: Page, gates: dict[str, Gate]) -> None:
    page.run_all()
    # While the cell runs: its last lines, in place.
    page.await_under(3, "[30/30] compiling part 30")
    assert page.under(3).split("\n") == [f"[{i}/30] compiling part {i}" for i in range(27, 31)]
    page.picture("live-tail.png", [3])
    gates["tail"].open()
    assert page.await_under(3, "all in build").startswith("30 lines, 741 B in ")
    page.await_under(4, "iteration 30")
    page.picture("live-progress.png", [4])
    gates["progress"].open()
    # A flood: its start, a line that counts, its end.
    flood = page.await_under(6, "\n5000000")
    assert flood.split("\n")[:3] == ["1", "2", "3"]
    assert re.search("… .* lines, 38.9 MB in all; the rest is in flood. The last lines:", flood)
    assert flood.index("The last lines:") < flood.index("4999998\n4999999\n5000000")
    assert flood.count("…") == 1
    page.await_under(9, "the end")
    large = page.await_under(8, "The last lines:")
    assert 900_000 < len(large) < 1_100_000
    # Late output stands under its own cell, whatever ran since.
    assert "late" not in page.under(1)
    gates["late"].open()
    live = page.await_under(1, "late: a request was served")
    assert live.split("\n")[:2] == ["Python: step 0", "C: residual 1.000"]
    assert live.count("a warning") == 1
    stderr = page.browser.find_elements(
        "css selector", ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
    )
    assert [element.text for element in stderr] == ["a warning"]
    other = page.under(2)
    assert other.split("\n")[:2] == ["another cell", "green <b>plain text</b>"]
    assert other.rstrip().split("\n")[2:] == ["#" * 20 + " 100%"]
    page.picture("live.png", [1, 2, 6])
