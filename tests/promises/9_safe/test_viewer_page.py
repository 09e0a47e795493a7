"""The saved page in a real browser: it does what it should, and a hostile log does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CHROMIUM, open_browser
from helpers.canary import Canary, hostile_log
from helpers.front_end import violations
from helpers.logs import make_log
from helpers.saved_page import SavedPage, big_log
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture.viewer import page

pytest.importorskip("selenium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.set_script_timeout(LIMIT_S)
        yield browser


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


def test_a_page_searches_filters_and_goes_anywhere_by_keyboard(
    browser: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    log = big_log()
    log.save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.says("20,000 of 20,000 shown")
    view.focus()
    view.keys("e")
    view.says("line 701 ")
    assert "fdv-c1" in view.one(".fdv-caret .fdv-x span").get_attribute("class")
    view.keys("G")
    view.says("line 20,000 ")
    view.keys("g", "/")
    assert view.js("return document.activeElement.type") == "search"
    view.keys("1999", Keys.ENTER)
    found = list(log.grep("1999"))
    view.says(f"1 of {len(found)}")
    view.says(f"line {found[0].number:,} ")
    assert view.one(".fdv-caret mark").text == "1999"
    view.keys(Keys.ESCAPE, "n")
    view.says(f"line {found[1].number:,} ")
    view.keys("N")
    view.says(f"line {found[0].number:,} ")
    view.keys("N")
    view.says("on from the end")
    view.says(f"line {found[-1].number:,} ")
    view.keys("n")
    view.says("on from the start")
    view.says(f"1 of {len(found)}")
    view.keys("/", "nowhere", Keys.ENTER)
    view.says("no match")
    view.keys(Keys.ESCAPE, "/", "1999", Keys.ENTER)
    view.says(f"1 of {len(found)}")
    view.one("[title='show matches alone']").click()
    view.says(f"{len(found)} of 20,000 shown")
    view.focus()
    view.keys(Keys.CONTROL + "a")
    view.says(f"{len(found)} marked")
    view.one("[title='show matches alone']").click()
    view.one("[aria-label='least level'] option:nth-child(6)").click()
    view.says("20 of 20,000 shown")
    eventually(lambda: all("bad" in line for line in view.lines()), "those lines")
    assert browser.get_log("browser") == []


def test_a_line_is_reached_by_its_number(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.focus()
    view.keys(":", "12,345", Keys.ENTER)
    view.says("line 12,345 ")
    assert view.js("return document.activeElement.role") == "grid"
    number = view.one("[title^='go to a line']")
    number.click()
    view.keys(Keys.CONTROL + "a", "777")
    view.says("line 777 ")
    view.keys("x")
    view.says("there is no line 777x")
    view.one("[aria-label='least level'] option:nth-child(6)").click()
    view.says("20 of 20,000 shown")
    number.send_keys(Keys.CONTROL + "a", "1002")
    view.says("line 1,701 ")  # the next that is shown


def test_what_is_done_at_a_line_waits_until_it_is_here(browser: Any, tmp_path: Path) -> None:
    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.js("""
        const grid = document.querySelector('.fdv-grid');
        grid.focus();
        window.press = (...keys) => {
            for (const key of keys)
                grid.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        };
        press('G', 'm');  // the last lines are not here yet
    """)
    view.says("line 20,000 ")
    eventually(lambda: view.one(".fdv-caret .fdv-n").text == "★20,000", "the bookmark")
    view.js("press('g', 'b')")
    view.says("line 20,000 ")
    view.js("""
        const marks = document.querySelector('.fdv-marks');
        const box = marks.getBoundingClientRect();
        const [clientX, clientY] = [box.left + 2, box.top + box.height / 2];
        marks.dispatchEvent(new MouseEvent('click', {clientX, clientY}));  // nor are these
        const levels = document.querySelector('[title="least level"]');
        levels.value = 'error';
        levels.dispatchEvent(new Event('change'));
    """)
    view.says("20 of 20,000 shown")
    view.says("line 10,701 ")  # the next that is left


def test_a_page_takes_the_browser_s_expressions(browser: Any, tmp_path: Path) -> None:
    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.one("[aria-label='expression']").click()
    view.one(".fdv-search").send_keys(r"^line 12\d\d\b")
    view.says("100")
    view.one(".fdv-search").send_keys("(")
    view.says("SyntaxError")


def test_sources_are_chosen_all_at_once_or_one_by_one(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    log = make_log(
        [(0, b"a\n"), (1, b"b\n"), (2, b"c\n"), (2, b"d\n")],
        sources=("stdout", "worker-3/stdout", "worker-3/stderr"),
    )
    log.save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    assert [cell.text for cell in view.all(".fdv-s")] == ["", "worker-3", *["worker-3 err"] * 2]
    view.one("summary").click()
    everything, *boxes = view.all(".fdv-sources input")
    everything.click()
    view.says("0 of 4 shown")
    boxes[2].click()
    view.says("2 of 4 shown")
    boxes[0].click()
    view.says("3 of 4 shown")
    boxes[1].click()
    view.says("4 of 4 shown")
    assert everything.is_selected()
    view.keys(Keys.ESCAPE)
    assert not everything.is_displayed()


def test_scrolling_up_with_the_wheel_ends_following(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.focus()
    view.keys("f")
    view.says("line 20,000 ")
    follow = view.one("[title^=follow]")
    lines = ScrollOrigin.from_element(view.one(".fdv-grid"))
    ActionChains(browser).scroll_from_origin(lines, 0, 40).perform()
    assert follow.get_attribute("aria-pressed") == "true"
    ActionChains(browser).scroll_from_origin(lines, 0, -40).perform()
    eventually(lambda: follow.get_attribute("aria-pressed") == "false", "the end of following")


def test_a_chosen_time_is_shown_as_long_as_it_is_chosen(browser: Any, tmp_path: Path) -> None:
    make_log([(0, b"line %d\n" % i) for i in range(9)]).save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.one("[aria-label='from s']").send_keys("2")
    view.says("7 of 9 shown")
    view.one(".fdv-time").click()  # in its middle: it goes there
    view.says("line 6 ")
    assert view.one(".fdv-time b").is_displayed()
    view.one(".fdv-chips button").click()
    view.says("9 of 9 shown")
    assert not view.one(".fdv-time b").is_displayed()


def test_matches_that_are_hidden_are_named_and_a_click_shows_them(
    browser: Any, tmp_path: Path
) -> None:
    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.one("[aria-label='least level'] option:nth-child(6)").click()
    view.says("20 of 20,000 shown")
    view.one(".fdv-search").send_keys("solver")
    hidden = view.one("[title^='matches in lines that are not shown']")
    eventually(lambda: hidden.text == "19,980 hidden", "what is hidden")
    assert view.one(".fdv-count").text == "0"
    view.one("[aria-label='exclude']").send_keys("solver")
    view.one("[aria-label='to s']").send_keys("9")
    view.one("summary").click()
    view.all(".fdv-sources input")[0].click()
    view.says("0 of 20,000 shown")
    hidden.click()
    view.says("20,000 of 20,000 shown")
    view.says("19,980")
    assert not hidden.is_displayed()
    assert view.js("return document.activeElement.className") == "fdv-grid"
    assert all(box.is_selected() for box in view.all(".fdv-sources input"))


@pytest.mark.parametrize("width_px", [850, 1000])
def test_the_toolbar_takes_two_rows_at_the_width_of_a_notebook(
    browser: Any, tmp_path: Path, width_px: int
) -> None:
    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    heights = view.js(
        "document.querySelector('.fdv').style.width = `${arguments[0]}px`;"
        "return [...document.querySelectorAll('.fdv-bar')].map(bar => bar.offsetHeight)",
        width_px,
    )
    assert len(heights) == 2
    assert max(heights) < 2 * 24


def test_wrapped_lines_scroll_to_either_end(browser: Any, tmp_path: Path) -> None:
    make_log([(0, b"word %d " % i * 200 + b"\n") for i in range(300)]).save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    view.focus()
    view.keys("w", "G")
    eventually(lambda: "word 299 " in view.lines()[-1], "the last line")
    bottom = """
        const rows = [...document.querySelectorAll('.fdv-row')];
        const port = document.querySelector('.fdv-port').getBoundingClientRect();
        return Math.abs(rows[rows.length - 1].getBoundingClientRect().bottom - port.bottom);
    """
    eventually(lambda: view.js(bottom) < 25, "its end at the edge")
    view.keys("g")
    eventually(lambda: "word 0 " in view.lines()[0], "the first line")


def test_the_last_line_is_seen_above_the_scrollbar(browser: Any, tmp_path: Path) -> None:
    make_log([(0, b"line %d" % i + b" long" * 400 + b"\n") for i in range(300)]).save(
        tmp_path / "x.html"
    )
    view = SavedPage(browser, tmp_path / "x.html")
    view.focus()
    view.keys("G")
    view.says("line 300 ")
    below = """
        const port = document.querySelector('.fdv-port');
        const end = port.getBoundingClientRect().top + port.clientHeight;
        return document.querySelector('.fdv-caret').getBoundingClientRect().bottom - end;
    """
    eventually(lambda: abs(view.js(below)) < 1, "the last line at the edge")


def test_all_of_a_page_fits_the_window(browser: Any, tmp_path: Path) -> None:
    make_log([(0, b"x" * (page.MOST_LINE_BYTES + 1) + b"\n"), (0, b"line\n" * 300)]).save(
        tmp_path / "x.html"
    )
    view = SavedPage(browser, tmp_path / "x.html")
    assert view.one(".fdv-limit").is_displayed()
    over = "return document.documentElement.scrollHeight - innerHeight"
    eventually(lambda: view.js(over) <= 0, "no scrollbar of the page's own")


def test_a_page_without_script_and_a_printed_one_show_the_static_view(
    browser: Any, tmp_path: Path
) -> None:
    big_log().save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    shown = "return getComputedStyle(document.querySelector(arguments[0])).display !== 'none'"
    assert not view.js(shown, ".fdv-static")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert view.js(shown, ".fdv-static")
        assert not view.js(shown, ".fdv")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    text = (tmp_path / "x.html").read_text()
    (tmp_path / "x.html").write_text(text.replace("script-src", "script-src 'none'; x"))
    browser.get((tmp_path / "x.html").as_uri())
    assert view.js(shown, ".fdv-static")
    assert "line 19999 of a solver" in view.one(".fdv-static pre").text


def test_a_line_that_is_too_long_for_a_page_says_so(browser: Any, tmp_path: Path) -> None:
    length = page.MOST_LINE_BYTES + 23_456
    make_log([(0, b"a\n" + b"x" * length + b"\nb\n")]).save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    assert view.one(".fdv-limit").text == "1 line cut to 100,000 bytes."
    assert view.one(".fdv-rest").text.strip() == "… 23,456 bytes more, not here"
    assert not view.all(".fdv-more")
    view.js("window.copied = ''; navigator.clipboard.writeText = async (text) => { copied = text }")
    view.one("[title^=copy]").click()
    view.says("copied 3 lines")
    shown = "x" * page.MOST_LINE_BYTES
    assert view.js("return copied") == f"a\n{shown} … 23,456 bytes more\nb\n"


def test_a_page_of_a_long_log_says_what_it_leaves_out(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_BYTES", 100_000)
    monkeypatch.setattr(page, "ENDS_BYTES", 20_000)
    log = big_log()
    for each in (log, log[1:]):
        each.save(tmp_path / "x.html")
        view = SavedPage(browser, tmp_path / "x.html")
        note = view.one(".fdv-limit").text
        assert "warnings or worse" in note
        assert re.search(r"leaves [\d,]+ lines out", note)
        view.focus()
        view.keys("e", "e", "e", "e")
        view.says("line 3,701 ")
        assert "fdv-gap" in view.one(".fdv-caret").get_attribute("class")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, browser: Any, tmp_path: Path) -> None:
    big_log().save(tmp_path / "x.html")
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        view = SavedPage(browser, tmp_path / "x.html")
        view.focus()
        view.keys("e", "?", "t")
        view.one(".fdv-search").send_keys("line 1")
        view.one("summary").click()
        view.says("of 20,000 shown")
        assert view.one(".fdv").get_attribute("data-dark") == str(scheme == "dark").lower()
        assert violations(browser, ".fdv") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_forced_colours_show_what_is_pressed(browser: Any, tmp_path: Path) -> None:
    big_log().save(tmp_path / "x.html")
    feature = {"name": "forced-colors", "value": "active"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        view = SavedPage(browser, tmp_path / "x.html")
        colour = """
            const button = document.querySelector('[title="match case"]');
            return getComputedStyle(button).backgroundColor;
        """
        before = view.js(colour)
        view.one("[title='match case']").click()
        assert view.js(colour) != before
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# -- hostile logs -----------------------------------------------------------------------------

#: In the front end, what puts text into a line, and what would make markup of it.
SAFE = "target.append(text.slice(from-at));"
UNSAFE = 'target.insertAdjacentHTML("beforeend",text.slice(from-at));'


def test_a_hostile_log_is_text(browser: Any, canary: Canary, tmp_path: Path) -> None:
    log = hostile_log(canary)
    log.save(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    for name, policy in (("with.html", True), ("without.html", False)):
        (tmp_path / name).write_text(
            text if policy else text.replace("Content-Security-Policy", "x")
        )
        view = SavedPage(browser, tmp_path / name)
        view.focus()
        view.keys("w", "x", "e", "c")
        assert view.js("return window.pwned") is None
        assert any("<script>window.pwned=1" in line for line in view.lines())
        tags = view.js(
            "return [...new Set([...document.querySelectorAll('.fdv-lines *')]"
            ".map(x => x.tagName))]"
        )
        assert set(tags) <= {"DIV", "SPAN", "MARK", "BUTTON"}
    assert canary.asked == []


def test_without_either_defence_the_canary_sings(
    browser: Any, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = page.page_script()
    assert script.count(SAFE) == 1
    monkeypatch.setattr(page, "page_script", lambda: script.replace(SAFE, UNSAFE))
    hostile_log(canary).save(tmp_path / "x.html")
    view = SavedPage(browser, tmp_path / "x.html")
    assert view.js("return window.pwned") is None
    assert canary.asked == []  # the policy alone holds
    text = (tmp_path / "x.html").read_text()
    (tmp_path / "x.html").write_text(text.replace("Content-Security-Policy", "x"))
    SavedPage(browser, tmp_path / "x.html")
    eventually(lambda: canary.asked, "the song")
