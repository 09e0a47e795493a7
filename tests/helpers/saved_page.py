"""A saved page of a log, open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.logs import make_log
from helpers.wait import eventually
from ipyfdcapture.log.captured import Captured


class SavedPage:
    """A saved page that is open in the browser."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())
        eventually(lambda: self.all(".fdv-row .fdv-n"), "lines")

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        for key in keys:
            self.js("return document.activeElement").send_keys(key)

    def focus(self) -> None:
        self.js("document.querySelector('.fdv-grid').focus()")

    def says(self, text: str) -> None:
        """Wait until the foot, or the count of matches, says something."""
        eventually(lambda: text in self.one(".fdv-foot").text + self.one(".fdv-count").text, text)

    def lines(self) -> list[str]:
        texts: list[str] = self.js(
            "return [...document.querySelectorAll('.fdv-x')].map(x => x.textContent)"
        )
        return texts


def big_log() -> Captured:
    lines = [
        f"\x1b[31merror: {i} is bad\x1b[0m" if i % 1000 == 700 else f"line {i} of a solver"
        for i in range(20_000)
    ]
    data = [(line + "\n").encode() for line in lines]
    return make_log([(i // 100 % 2, b"".join(data[i : i + 100])) for i in range(0, 20_000, 100)])
