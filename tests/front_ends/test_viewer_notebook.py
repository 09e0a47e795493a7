"""The viewer in JupyterLab and in Notebook 7, in a real browser, over a real kernel.

With IPYFDCAPTURE_PICTURES=DIRECTORY the pictures of the README are written there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbconvert
import pytest
from helpers.browser import CHROMIUM, open_browser
from helpers.canary import Canary, hostile_lines
from helpers.front_end import violations
from helpers.notebook import NotebookPage, NotebookServer
from helpers.wait import LIMIT_S, eventually

for package in ("selenium", "jupyterlab", "notebook", "anywidget"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.ipython,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.timeout(240),
]

LOAD = "%load_ext ipyfdcapture\nimport os, time, subprocess"
LOG = """\
%%capture_fd -v logs
os.write(1, b"".join(b"line %d of a solver\\n" % i for i in range(50_000)))
os.write(2, b"error: it diverged\\n" * 3)
os.write(1, b"<b onclick=alert(1)>the end</b>\\n");"""
#: Where nbconvert's own installation has its templates.
TEMPLATES = Path(nbconvert.__file__).parents[4] / "share/jupyter"
SHOW = "view = logs.explore()\nview"


@pytest.fixture(scope="module", params=["jupyterlab", "notebook"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NotebookServer]:
    server = NotebookServer(tmp_path_factory.mktemp(request.param), request.param)
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.set_script_timeout(LIMIT_S)
        yield browser


class View:
    """A viewer on a notebook's page."""

    def __init__(self, page: NotebookPage, nth: int = 0) -> None:
        self.page = page
        self.nth = nth
        eventually(lambda: self.one(".fdv-row .fdv-n"), "lines")

    def one(self, selector: str) -> Any:
        script = (
            "return document.querySelectorAll('.fdv')[arguments[0]]?.querySelector(arguments[1])"
        )
        return self.page.js(script, self.nth, selector)

    def focus(self) -> None:
        self.page.js("arguments[0].focus()", self.one(".fdv-grid"))

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.js("return document.activeElement").send_keys(key)

    def text(self, selector: str) -> str:
        """Return the text of an element, which may be drawn anew at any time."""
        views = "document.querySelectorAll('.fdv')[arguments[0]]"
        script = f"return {views}?.querySelector(arguments[1])?.textContent ?? ''"
        return str(self.page.js(script, self.nth, selector))

    def says(self, text: str) -> None:
        eventually(lambda: text in self.text(".fdv-foot") + self.text(".fdv-count"), text)

    def is_at(self, text: str) -> None:
        """Wait until the caret is at a line."""
        eventually(lambda: self.text(".fdv-caret .fdv-x") == text, text)

    def lines(self) -> list[str]:
        script = "return [...arguments[0].querySelectorAll('.fdv-x')].map(x => x.textContent)"
        texts: list[str] = self.page.js(script, self.one(".fdv-lines"))
        return texts


def static_is_shown(page: NotebookPage) -> bool:
    return bool(page.js("return !!document.querySelector('.fdlog')?.offsetParent"))


def open_view(browser: Any, server: NotebookServer, name: str, *more: str) -> tuple[Any, View]:
    server.write(name, [LOAD, LOG, SHOW, *more])
    page = NotebookPage(browser, server, name)
    page.run(0)
    page.run(1)
    page.run(2)
    return page, View(page)


def test_by_keyboard_alone_and_without_the_notebook_s_shortcuts(
    browser: Any, server: NotebookServer
) -> None:
    from selenium.webdriver.common.keys import Keys

    page, view = open_view(browser, server, "keyboard.ipynb", "1 + 1")
    cells = "return document.querySelectorAll('.jp-Cell').length"
    before = page.js(cells)
    assert not static_is_shown(page)
    # VS Code hears of keys in the page as they bubble up to its window; none may get there.
    page.js("window.heard = []; addEventListener('keydown', (event) => heard.push(event.key))")
    view.focus()
    # a, b, x, d d, m, y would add, cut, delete and change cells.
    view.keys("a", "b", "x", "d", "d", "y", "j", "j", "k")
    view.says("line 2 ")
    view.keys("e")
    view.is_at("error: it diverged")
    view.keys("/")
    view.keys("a solver", Keys.ENTER)
    view.says("50,000")
    assert page.js(cells) == before
    assert page.js("return document.querySelectorAll('.jp-MarkdownCell').length") == 0
    view.keys(Keys.ESCAPE, "g", "J", "J")
    view.says("3 marked")
    wanted = str([f"line {i} of a solver" for i in range(3)])
    eventually(lambda: page.value("list(view.selected)") == wanted, "the marked lines")
    page.value("view.goto(40_000)")
    view.says("line 40,000 ")
    page.value("view.goto(logs.grep('the end')[0].number)")
    view.is_at("<b onclick=alert(1)>the end</b>")
    view.focus()
    view.keys(":", "33333", Keys.ENTER)
    view.is_at("line 33332 of a solver")
    assert page.js("return window.heard") == []
    assert violations(browser, ".fdv") == []


def test_views_of_one_widget_do_not_disturb_each_other(
    browser: Any, server: NotebookServer
) -> None:
    page, one = open_view(browser, server, "two.ipynb", "view")
    page.run(3)
    other = View(page, 1)
    one.focus()
    one.keys("e")
    one.is_at("error: it diverged")
    other.one(".fdv-search").send_keys("line 4242")
    other.focus()
    other.keys("n")
    other.is_at("line 4242 of a solver")
    one.is_at("error: it diverged")
    assert one.one(".fdv-search").get_attribute("value") == ""


def test_a_notebook_that_is_opened_again_shows_the_static_view(
    browser: Any, server: NotebookServer
) -> None:
    page, view = open_view(browser, server, "again.ipynb")
    view.focus()
    view.keys("/", "diverged")
    view.says("3")
    page.save()
    file = server.work / "again.ipynb"
    text = file.read_text()
    assert "line 25000 " not in text
    assert text.count("diverged") < 12  # the code, and the static view as HTML and as text
    widgets = json.loads(text)["metadata"].get("widgets", {})
    assert "of a solver" not in json.dumps(widgets)
    page.value("view.close()")
    eventually(lambda: static_is_shown(page), "the static view")
    page.js("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    server.trust("again.ipynb")
    browser.get("about:blank")
    page = NotebookPage(browser, server, "again.ipynb")
    eventually(lambda: static_is_shown(page), "the static view")
    assert "line 0 of a solver" in page.find(".fdlog pre").text
    assert not page.all(".fdv-row")
    html = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(file)],
        env=server.environment | {"JUPYTER_PATH": str(TEMPLATES)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "line 0 of a solver" in html


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
def test_saved_widget_state_holds_no_line_and_the_static_view_stands(
    trusted: bool, browser: Any, tmp_path: Path
) -> None:
    settings = {"@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True}}
    server = NotebookServer(tmp_path, settings=settings)
    try:
        page, view = open_view(browser, server, "state.ipynb")
        view.says("3 errors")
        page.save()
        file = server.work / "state.ipynb"
        state = json.loads(file.read_text())["metadata"]["widgets"]
        assert "log_id" in json.dumps(state)
        assert "of a solver" not in json.dumps(state)
        page.js("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        browser.get("about:blank")
        notebook = json.loads(file.read_text())
        if trusted:
            server.trust("state.ipynb")
        else:
            notebook["cells"][0]["source"] = ["# changed by somebody else"]
            notebook["metadata"].pop("signature", None)
            file.write_text(json.dumps(notebook))
        page = NotebookPage(browser, server, "state.ipynb")
        eventually(lambda: static_is_shown(page), "the static view")
        assert "line 0 of a solver" in page.find(".fdlog pre").text
        assert not page.all(".fdv-row")
        assert not any(bar.is_displayed() for bar in page.all(".fdv-bar"))
    finally:
        server.close()


def test_lost_replies_are_asked_for_again(browser: Any, server: NotebookServer) -> None:
    lossy = """\
view = logs.explore()
send, lost = view.widget.send, set()
def send_twice(content, buffers=None):
    if "re" in content and (key := (content["view"], content["re"])) not in lost:
        lost.add(key)
    else:
        send(content, buffers)
view.widget.send = send_twice
view"""
    server.write("lossy.ipynb", [LOAD, LOG, lossy])
    page = NotebookPage(browser, server, "lossy.ipynb")
    for cell in range(3):
        page.run(cell)
    view = View(page)
    view.focus()
    view.keys("G")
    view.says("line 50,004 ")


def test_a_step_that_waits_asks_again_though_no_status_comes(
    browser: Any, server: NotebookServer
) -> None:
    silent = """\
view = logs.explore()
send, early = view.widget.send, []
def send_some(content, buffers=None):
    if "re" not in content:
        return
    if "is_done" in content and not early:
        early.append(content)
        content = content | {"index": None, "is_done": False}
    send(content, buffers)
view.widget.send = send_some
view"""
    server.write("silent.ipynb", [LOAD, LOG, silent])
    page = NotebookPage(browser, server, "silent.ipynb")
    for cell in range(3):
        page.run(cell)
    view = View(page)
    view.focus()
    view.keys("e")
    view.is_at("error: it diverged")
    if server.app == "jupyterlab":  # it takes some seconds
        view.keys("/", "a solver")
        eventually(lambda: view.text(".fdv-count") == "50,000", "the last word on the search")
        view.says("3 errors")


def test_a_kernel_that_is_gone_leaves_what_is_on_the_screen(
    browser: Any, server: NotebookServer
) -> None:
    page, view = open_view(browser, server, "gone.ipynb")
    page.value("logs.close()")
    view.focus()
    view.keys("e")
    view.says("was closed")
    assert view.lines()[0] == "line 0 of a solver"
    done = "window.done = false; window.jupyterapp.shell.currentWidget.sessionContext"
    page.js(f"{done}.session.kernel.restart().then(() => {{ window.done = true; }})")
    eventually(lambda: page.js("return window.done"), "the restart")
    # JupyterLab takes widgets of a kernel that was restarted away: then the static view stands.
    eventually(lambda: static_is_shown(page) or view.lines()[:1], "one of the two views")


def test_a_place_is_kept_when_the_notebook_takes_the_view_out_of_the_page(
    browser: Any, server: NotebookServer
) -> None:
    page, view = open_view(browser, server, "place.ipynb", *["1 + 1\n" * 40] * 12)
    view.focus()
    view.keys("e")
    view.is_at("error: it diverged")
    seen = view.lines()
    scroll = """
        const notebook = window.jupyterapp.shell.currentWidget.content;
        return notebook.scrollToItem(arguments[0], 'center');
    """
    for target in (14, 2):
        page.js(scroll, target)
        eventually(
            lambda target=target: page.js(
                "const cell = window.jupyterapp.shell.currentWidget.content.widgets[arguments[0]];"
                "const box = cell.node.getBoundingClientRect();"
                "return cell.node.isConnected && box.bottom > 0 && box.top < innerHeight",
                target,
            ),
            "the cell",
        )
    eventually(lambda: view.lines() == seen, "the same lines")


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no-subshells"])
def test_a_running_cell_is_followed_and_searched_as_far_as_the_front_end_lets(
    subshells: bool, browser: Any, tmp_path: Path
) -> None:
    server = NotebookServer(tmp_path, subshells=subshells)
    running = """\
%%capture_fd --explore -v logs
number = 0
while not os.path.exists("stop"):
    os.write(1, b"line %d\\n" % number)
    number += 1
    time.sleep(0.02)
os.write(2, b"warning: stopped\\n")"""
    try:
        server.write("running.ipynb", [LOAD, running, "view = logs.explore(); view"])
        page = NotebookPage(browser, server, "running.ipynb")
        page.run(0)
        page.start(1)
        view = View(page)
        for wanted in (50, 100, 150):  # what is pushed keeps the view moving
            eventually(
                lambda wanted=wanted: int((view.lines() or ["line 0"])[-1].split()[-1]) > wanted,
                f"line {wanted}",
            )
        (server.work / "stop").touch()
        view.says("complete")
        eventually(lambda: view.lines()[-1] == "warning: stopped", "the last line")
        view.says("1 warning")
        assert not static_is_shown(page)
        view.focus()
        view.keys("k")  # up: it no longer follows
        assert view.one("[title*='follow']").get_attribute("aria-pressed") == "false"
        page.save()
        assert "warning: stopped" in (server.work / "running.ipynb").read_text()
    finally:
        server.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("app", ["jupyterlab", "notebook"])
def test_it_has_the_notebook_s_colours(app: str, theme: str, browser: Any, tmp_path: Path) -> None:
    server = NotebookServer(tmp_path, app, theme)
    try:
        page, _ = open_view(browser, server, "theme.ipynb")
        dark = str(theme == "Dark").lower()
        script = "return document.querySelector('.fdv').dataset.dark"
        eventually(lambda: page.js(script) == dark, f"dark is {dark}")
        assert violations(browser, ".fdv") == []
    finally:
        server.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_have_nothing_that_axe_finds(
    scheme: str, browser: Any, server: NotebookServer
) -> None:
    features = [
        {"name": "forced-colors", "value": "active"},
        {"name": "prefers-color-scheme", "value": scheme},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        page, view = open_view(browser, server, "forced.ipynb")
        view.focus()
        view.keys("e", "?", "t")
        view.is_at("error: it diverged")
        assert violations(browser, ".fdv") == []
        colour = "return getComputedStyle(arguments[0]).backgroundColor"
        button = view.one("[title='match case']")
        before = page.js(colour, button)
        button.click()
        assert page.js(colour, button) != before
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# -- hostile logs -----------------------------------------------------------------------------

HOSTILE = """\
%%capture_fd -v logs
os.write(1, open("hostile.txt", "rb").read())
os.write(2, open("hostile.txt", "rb").read())"""
#: Has the front end make markup of text.
UNSAFE = """\
import ipyfdcapture.viewer.widget as widget
module = widget.live_module()
widget.live_module = lambda: module.replace(
    "target.append(text.slice(from-at));",
    'target.insertAdjacentHTML("beforeend",text.slice(from-at));')
assert widget.live_module() != module"""


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


def open_hostile(browser: Any, server: NotebookServer, canary: Canary, setup: str) -> View:
    text = "".join(line + "\n" for line in hostile_lines(canary))
    (server.work / "hostile.txt").write_text(text)
    # The static view, which is the same in both, is not what is looked at.
    show = "logs.explore().widget"
    server.write("hostile.ipynb", [LOAD, HOSTILE, setup, show])
    page = NotebookPage(browser, server, "hostile.ipynb")
    for cell in range(4):
        page.run(cell)
    return View(page)


def test_a_hostile_log_is_text(browser: Any, server: NotebookServer, canary: Canary) -> None:
    view = open_hostile(browser, server, canary, "pass")
    page = view.page
    cells = page.js("return document.querySelectorAll('.jp-Cell').length")
    view.focus()
    view.keys("w", "x", "e", "c", "?")
    view.says("copied")
    view.one(".fdv-search").send_keys("<img")
    eventually(lambda: view.text(".fdv-count") == "2", "the matches")
    assert any("<script>window.pwned=1" in line for line in view.lines())
    tags = "return [...document.querySelectorAll('.fdv-lines *')].map(x => x.tagName)"
    assert set(page.js(tags)) <= {"DIV", "SPAN", "MARK", "BUTTON"}
    assert page.js("return document.querySelectorAll('.jp-Cell').length") == cells
    assert page.js("return window.pwned") is None
    assert canary.asked == []


def test_without_its_defence_the_canary_sings(
    browser: Any, server: NotebookServer, canary: Canary
) -> None:
    view = open_hostile(browser, server, canary, UNSAFE)
    eventually(lambda: canary.asked, "the song")
    eventually(lambda: view.page.js("return window.pwned"), "the script of the log")


#: A solver that prints by the million, and goes wrong.
SOLVER = """\
%%capture_fd -v logs
import random
dice = random.Random(4)
parts = []
for step in range(500_000):
    residual = dice.random() / (1 + step / 1000) if step < 350_000 else float("nan")
    parts.append(f"step {step:7d}   residual {residual:.6e}   cells {48_000 + step % 91}\\n")
    if step % 5003 == 4000:
        parts.append(f"\\x1b[33mwarning: small time step\\x1b[0m at step {step}\\n")
    if len(parts) > 9000 or step % 200_003 == 99:
        os.write(1, "".join(parts).encode())
        parts = []
    if step == 350_000:
        os.write(2, b"\\x1b[1;31merror: the solution diverged\\x1b[0m, residual is not a number\\n")
os.write(1, "".join(parts).encode());"""


@pytest.mark.skipif("IPYFDCAPTURE_PICTURES" not in os.environ, reason="makes the pictures")
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_pictures(theme: str, browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    server = NotebookServer(tmp_path, theme=theme)
    try:
        server.write("picture.ipynb", [LOAD, SOLVER, "logs.explore(height=330)"])
        page = NotebookPage(browser, server, "picture.ipynb")
        for cell in range(3):
            page.run(cell)
        view = View(page)
        eventually(lambda: "%" not in view.text(".fdv-foot"), "all levels")
        view.focus()
        view.keys("t", "/", "nan", Keys.ENTER)
        view.says("1 of 15")
        view.keys(Keys.ESCAPE)
        eventually(lambda: view.text(".fdv-caret mark") == "nan", "the first match")
        eventually(lambda: page.all(".fdv-marks .fdv-mm"), "marks")
        page.js("document.querySelector('.fdv').scrollIntoView({block: 'center'})")
        directory = Path(os.environ["IPYFDCAPTURE_PICTURES"])
        picture = directory / f"viewer-{theme.lower()}.png"
        assert page.find(".fdv").screenshot(str(picture))
    finally:
        server.close()
