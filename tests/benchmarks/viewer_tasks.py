"""Do three tasks on a log of ten million lines in a real browser, and the same with code and grep.

Run as ``python tests/benchmarks/viewer_tasks.py [LINES]``, with the extra ``lab``, gcc and Chromium
installed. Four solvers run at once until they diverge, restart, and diverge again; nobody prepared
what they print. The tasks: when did worker 3 begin to diverge? What came just before its first
error? Send what came between two moments to a colleague.
"""

# ruff: noqa: E402
from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from common import describe_run, plain_table
from helpers.browser import CHROMIUM, open_browser
from helpers.notebook import NotebookPage, NotebookServer
from helpers.wait import eventually
from selenium.webdriver.common.keys import Keys

LINES = 10_000_000
WORKERS = 4
#: What a change of 1 or more looks like.
GROWING = r"change \S+e\+"
LIMIT_S = 300

CAPTURE = """\
%%capture_fd -v logs
runs = run_all({{f"worker-{{n}}": ["./relax", str(n), "{lines}"] for n in range(1, {stop})}})"""
#: The same tasks in Python, each an expression.
CODE = {
    "diverge": f"logs.source('worker-3').grep(__import__('re').compile(r'{GROWING}'))[0].number",
    "before": "logs.source('worker-3').grep('ERROR', context=3)[0].number",
    "part": "str(logs.between({first}, {last}).save('part.txt'))",
}
GREP = {
    "diverge": r"grep -m1 -nE '\[w3\].*change \S+e\+' whole.txt",
    "before": "grep -m1 -B3 'ERROR' whole.txt",
}


class Tasks:
    """The viewer of a notebook, used as a reader does."""

    def __init__(self, page: NotebookPage) -> None:
        self.page = page

    def one(self, selector: str) -> Any:
        return self.page.js(
            "return document.querySelector('.fdv')?.querySelector(arguments[0])", selector
        )

    def text(self, selector: str) -> str:
        script = (
            "return document.querySelector('.fdv')?.querySelector(arguments[0])?.textContent ?? ''"
        )
        return str(self.page.js(script, selector))

    def choose_worker(self, worker: str, lines: int) -> None:
        self.one("summary").click()
        for box in self.page.all(".fdv-sources input"):
            label = self.page.js("return arguments[0].parentElement.textContent", box)
            if label.strip() == "all" or worker in label:
                box.click()
        self.one("summary").click()
        whole = f"{lines + WORKERS:,} of"
        eventually(lambda: whole not in self.text(".fdv-place"), "the worker's lines", LIMIT_S)

    def caret(self) -> str:
        return self.text(".fdv-caret .fdv-x")

    def number(self) -> int:
        return int(self.text(".fdv-caret .fdv-n").replace(",", ""))

    def find(self, pattern: str) -> None:
        """Search for an expression, and go to its first match."""
        self.one("[aria-label='expression']").click()
        self.one(".fdv-search").send_keys(pattern, Keys.ENTER)
        eventually(lambda: self.one(".fdv-caret mark"), "a match", LIMIT_S)

    def press(self, *keys: str) -> None:
        self.page.js("arguments[0].focus()", self.one(".fdv-grid"))
        for key in keys:
            self.one(".fdv-grid").send_keys(key)

    def save_between(self, first: float, last: float, directory: Path) -> Path:
        """Save a part; return its file, which has all once another name beside it is gone."""
        for name, seconds in (("from s", first), ("to s", last)):
            self.one(f"[aria-label='{name}']").send_keys(str(seconds))
        eventually(lambda: "time" in self.text(".fdv-chips"), "the part", LIMIT_S)
        self.one("[title='save what is shown']").click()
        path = directory / "log.txt"
        # It is there before it is filled, and is filled under another name.
        eventually(lambda: path.exists() and path.stat().st_size, "the file", LIMIT_S)
        return path


def main() -> None:
    assert CHROMIUM, "needs Chromium"
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    with tempfile.TemporaryDirectory() as place, open_browser(Path(place, "profile")) as browser:
        directory = Path(place)
        browser.set_script_timeout(LIMIT_S)
        behaviour = {"behavior": "allow", "downloadPath": place}
        browser.execute_cdp_cmd("Page.setDownloadBehavior", behaviour)
        server = NotebookServer(directory / "server")
        try:
            rows = do_tasks(browser, server, directory, lines)
        finally:
            server.close()
    print(f"{lines:,} lines; {describe_run(['jupyterlab', 'ipykernel', 'anywidget'])}")
    print(plain_table(["task", "in the viewer", "in Python", "grep in a file"], rows))


def do_tasks(
    browser: Any, server: NotebookServer, directory: Path, lines: int
) -> list[tuple[str, ...]]:
    source = Path(__file__).parent / "relax.c"
    subprocess.run(["gcc", "-O2", "-o", server.work / "relax", source, "-lm"], check=True)
    capture = CAPTURE.format(lines=lines // WORKERS, stop=WORKERS + 1)
    cells = ["%load_ext ipyfdcapture\nfrom ipyfdcapture import run_all", capture]
    cells += ["logs.explore(height=500)", "logs.save('whole.txt')"]
    server.write("tasks.ipynb", cells)
    page = NotebookPage(browser, server, "tasks.ipynb")
    page.run(0)
    page.start(1)
    eventually(lambda: page.count(1) is not None, "the end of all solvers", LIMIT_S)
    page.run(2)
    view = Tasks(page)
    eventually(lambda: view.one(".fdv-caret"), "lines", LIMIT_S)
    eventually(lambda: "%" not in view.text(".fdv-foot"), "all levels", LIMIT_S)

    def timed(work: Callable[[], object]) -> str:
        started = time.perf_counter()
        work()
        return f"{time.perf_counter() - started:.1f} s"

    def in_file(command: str) -> str:
        shell = partial(subprocess.run, command, shell=True, cwd=server.work, check=True)
        return timed(partial(shell, stdout=subprocess.DEVNULL))

    def diverge() -> None:
        view.choose_worker("worker-3", lines)
        view.find(GROWING)

    def before() -> None:
        view.press("g", "e")
        eventually(lambda: "ERROR" in view.caret(), "the error", LIMIT_S)

    diverged = timed(diverge)
    assert str(view.number()) == page.value(CODE["diverge"], LIMIT_S)
    print("it began to diverge at:", view.caret())
    came_before = timed(before)
    print("the first error:", view.caret())
    code = {task: CODE[task].format(first=1.0, last=1.5) for task in CODE}
    in_python = {task: timed(partial(page.value, code[task], LIMIT_S)) for task in code}
    page.run(2)
    eventually(lambda: view.one(".fdv-caret"), "lines", LIMIT_S)
    part = timed(lambda: view.save_between(1.0, 1.5, directory))
    saved = (directory / "log.txt").read_bytes()
    assert saved == (server.work / "part.txt").read_bytes()
    print(f"the part has {len(saved):,} bytes")
    page.start(3)
    eventually(lambda: page.count(3) is not None, "the whole file", LIMIT_S)
    return [
        ("when did it begin?", diverged, in_python["diverge"], in_file(GREP["diverge"])),
        ("what came before?", came_before, in_python["before"], in_file(GREP["before"])),
        ("send a part", part, in_python["part"], "no times"),
    ]


if __name__ == "__main__":
    main()
