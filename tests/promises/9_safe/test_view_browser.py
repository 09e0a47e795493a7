"""The rich view in a real browser: alone, and in JupyterLab, light and dark.

Hostile logs name a server of this test's own: nobody may ask it for anything.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import ARGUMENTS, CHROMIUM, open_browser
from helpers.canary import Canary, hostile_log
from helpers.notebook import NotebookServer
from helpers.tools import tool_environment
from helpers.wait import eventually

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


def test_hostile_logs_run_nothing_and_ask_for_nothing(canary: Canary, tmp_path: Path) -> None:
    log = hostile_log(canary)
    log.save(tmp_path / "saved.html", viewer=False)
    view = log._repr_mimebundle_()["text/html"]
    for page in ((tmp_path / "saved.html").read_text(), f"<!DOCTYPE html><body>{view}</body>"):
        # The page's own policy is taken away: the view must be harmless without it.
        page = page.replace("Content-Security-Policy", "x")
        page += "<script>document.title = 'pwned: ' + window.pwned</script>"
        (tmp_path / "page.html").write_text(page)
        dom = browse(f"file://{tmp_path}/page.html")
        assert "<title>pwned: undefined</title>" in dom
        assert dom.count("&lt;script&gt;window.pwned=1") == 4
    assert canary.asked == []


def test_the_canary_sings(canary: Canary, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><img src={canary.address}/img>")
    browse(f"file://{tmp_path}/page.html")
    assert canary.asked == ["/img"]


def browse(url: str) -> str:
    """Return the document that a browser made of a page."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *ARGUMENTS, f"--user-data-dir={profile}", "--dump-dom", url]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=tool_environment()
        )
    return done.stdout


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_in_jupyterlab(theme: str, canary: Canary, tmp_path: Path) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    pytest.importorskip("jupyterlab")
    nbformat = pytest.importorskip("nbformat")
    server = NotebookServer(tmp_path / "server", theme=theme)
    try:
        data = hostile_log(canary)._repr_mimebundle_()
        server.write("log.ipynb", ["logs"], {0: [nbformat.v4.new_output("display_data", data)]})
        server.trust("log.ipynb")
        with open_browser(tmp_path / "profile") as browser:
            browser.get(server.url + "doc/tree/log.ipynb")
            eventually(lambda: browser.find_elements("css selector", ".fdlog style"), "a view")
            check_lab(browser, theme, webdriver.ActionChains)
    finally:
        server.close()
    assert canary.asked == []


def check_lab(browser: Any, theme: str, action_chains: Any) -> None:
    run = browser.execute_script
    named = "return document.body.dataset.jpThemeName"
    eventually(lambda: run(named) == f"JupyterLab {theme}", "the theme")
    assert run("return window.pwned") is None
    view = browser.find_element("css selector", ".fdlog")
    assert "<script>window.pwned=1" in view.text
    assert view.find_elements("css selector", "script, img, svg, iframe, link, a, input") == []
    # What tells stderr apart is a word, and its colour has the contrast that people need.
    mark = view.find_element("css selector", ".fdlog-err")
    assert mark.text.strip() == "err│"
    background = (255, 255, 255) if theme == "Light" else (17, 17, 17)
    assert contrast(rgb(mark.value_of_css_property("color")), background) >= 4.5
    text = view.find_element("css selector", "pre")
    assert contrast(rgb(text.value_of_css_property("color")), background) >= 4.5
    # Line numbers come by keyboard.
    number = view.find_element("css selector", ".fdlog-n")
    assert not number.is_displayed()
    summary = view.find_element("css selector", ".fdlog-numbers summary")
    focus = "arguments[0].focus(); return document.activeElement === arguments[0]"
    eventually(lambda: run(focus, summary), "the focus", 10)
    action_chains(browser).send_keys(" ").perform()
    eventually(number.is_displayed, "line numbers", 10)


def rgb(colour: str) -> tuple[float, ...]:
    """Return the channels of ``rgb(1, 2, 3)`` or ``rgba(1, 2, 3, 1)``."""
    return tuple(float(part) for part in colour.partition("(")[2].strip(")").split(","))[:3]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    def luminance(channels: tuple[float, ...]) -> float:
        levels = [channel / 255 for channel in channels]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)
