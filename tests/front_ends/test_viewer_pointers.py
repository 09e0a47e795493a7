"""Each key of the viewer has a way by mouse, and one by touch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CHROMIUM, open_browser
from helpers.logs import make_log
from helpers.pointers import POINTERS, Mouse, Touch, pointing
from helpers.saved_page import SavedPage
from helpers.wait import LIMIT_S, eventually

pytest.importorskip("selenium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

LINES = 3000
LONG = b"a long line" * 300


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.set_script_timeout(LIMIT_S)
        yield browser


@pytest.fixture(params=POINTERS)
def pointer(request: pytest.FixtureRequest, browser: Any) -> Iterator[Mouse | Touch]:
    with pointing(browser, request.param) as pointer:
        yield pointer


@pytest.fixture
def view(browser: Any, tmp_path: Path) -> SavedPage:
    lines = [b"error: bad" if i % 1000 == 700 else b"line %d" % i for i in range(LINES)]
    lines[1] = LONG
    make_log([(0, line + b"\n") for line in lines]).save(tmp_path / "x.html")
    return SavedPage(browser, tmp_path / "x.html")


def test_each_key_has_a_way(view: SavedPage, pointer: Mouse | Touch) -> None:
    def press(selector: str) -> None:
        pointer.press(view.one(selector))

    def row(number: int, part: str = ".fdv-x") -> str:
        return f".fdv-row[aria-rowindex='{number}'] {part}"

    def text(selector: str) -> str:
        return str(view.js("return document.querySelector(arguments[0]).textContent", selector))

    def is_pressed(selector: str) -> bool:
        return bool(view.one(selector).get_attribute("aria-pressed") == "true")

    def search() -> None:
        press(".fdv-search")
        view.keys("line 29")
        view.says("111")

    def match() -> None:
        press("[title^='next match']")
        view.says("1 of 111")
        press("[title^='next match']")
        view.says("2 of 111")
        press("[title^='previous match']")
        view.says("1 of 111")

    def error() -> None:
        press("[title^='first line']")
        for title, number in (("next", "701"), ("next", "1,701"), ("previous", "701")):
            press(f"[title^='{title} error']")
            view.says(f"line {number} ")

    def ends() -> None:
        press("[title^='last line']")
        view.says("line 3,000 ")
        press("[title^='first line']")
        view.says("line 1 ")

    def number() -> None:
        press("[title^='go to a line']")
        view.keys("2000")
        view.says("line 2,000 ")

    def line() -> None:
        press("[title^='first line']")
        eventually(lambda: view.all(row(9)), "the first lines")
        press(row(5))
        view.says("line 5 ")

    def across() -> None:
        at = "return document.querySelector('.fdv-port').scrollLeft"
        pointer.scroll(view.one(row(3)), 100, 0)
        eventually(lambda: view.js(at) > 0, "the right of long lines")
        pointer.scroll(view.one(row(3)), -500, 0)
        eventually(lambda: view.js(at) == 0, "the left of long lines")

    def mark() -> None:
        press(row(3))
        press("[title^='mark lines']")
        press(row(7))
        view.says("5 marked")
        assert len(view.all(".fdv-marked")) == 5
        press(row(6, ".fdv-n"))
        view.says("4 marked")
        assert "★" not in text(row(6, ".fdv-n"))

    def unmark() -> None:
        assert is_pressed("[title^='mark lines']")
        press("[title^='mark lines']")
        eventually(lambda: "marked" not in text(".fdv-place"), "no marks")
        assert not is_pressed("[title^='mark lines']")

    def mark_all() -> None:
        press("[title^='first line']")
        press("[title^='mark lines']")
        press("[title^='last line']")
        view.says("3,000 marked")

    def copy() -> None:
        press("[title^='copy']")
        view.says("copied 3,000 lines")
        unmark()
        ends()

    def toggled(selector: str) -> Callable[[], None]:
        def act() -> None:
            for state in (True, False):
                press(selector)
                eventually(lambda state=state: is_pressed(selector) == state, selector)

        return act

    def times() -> None:
        # The list that drops down is the system's own.
        view.one("[title=times] option:nth-child(2)").click()
        eventually(lambda: view.all(".fdv-t"), "times")

    def bookmark() -> None:
        line()
        for cell in (row(4, ".fdv-n"), row(9, ".fdv-n")):
            press(cell)
            eventually(lambda cell=cell: "★" in text(cell), "a star")

    def bookmarks() -> None:
        press("[title^='first line']")
        for title, number in (("next", 4), ("next", 9), ("previous", 4)):
            press(f"[title^='{title} bookmark']")
            view.says(f"line {number} ")

    def keys() -> None:
        press("[title='keys']")
        eventually(lambda: view.one(".fdv-help").is_displayed(), "the keys")

    ways = {
        "/": search,
        "n N": match,
        "e E": error,
        "g G": ends,
        ":": number,
        "j k ↓ ↑": line,
        "Shift": mark,
        "Escape": unmark,
        "Ctrl A": mark_all,
        "c": copy,
        "w": toggled("[title^='wrap']"),
        "f": toggled("[title^='follow']"),
        "m": bookmark,
        "b B": bookmarks,
        "t": times,
        "?": keys,
        "← →": across,
        "x": lambda: None,  # a page has long lines whole: see test_viewer_module.py
    }
    for way in ways.values():
        way()
    assert {key.text for key in view.all(".fdv-help kbd")} == set(ways)
    assert view.browser.get_log("browser") == []


def test_a_drag_chooses_a_time_and_a_finger_or_wheel_scrolls(
    view: SavedPage, pointer: Mouse | Touch
) -> None:
    pointer.drag(view.one(".fdv-time"), 0.25, 0.5)
    said = re.compile(r"7\d\d of 3,000 shown")
    eventually(lambda: said.search(view.one(".fdv-place").text), "a quarter of them")
    view.one(".fdv-chips button").click()
    view.says("3,000 of 3,000 shown")
    view.focus()
    view.keys("g")
    eventually(lambda: "line 0" in view.lines(), "the first lines")
    grid = view.one(".fdv-grid")
    pointer.scroll(grid, 0, 300)
    eventually(lambda: "line 0" not in view.lines(), "further lines")
    pointer.scroll(grid, 0, -600)
    eventually(lambda: "line 0" in view.lines(), "the first lines")
