"""A mouse and a finger in the browser, by real events."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class Mouse:
    """A mouse, as the system sends what it does."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def press(self, element: Any) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).move_to_element(element).click().perform()

    def drag(self, element: Any, start: float, stop: float) -> None:
        """Drag along an element, from one part of its width to another."""
        from selenium.webdriver.common.action_chains import ActionChains

        left, right = (round((part - 0.5) * element.size["width"]) for part in (start, stop))
        chain = ActionChains(self.browser).move_to_element_with_offset(element, left, 0)
        chain.click_and_hold().move_to_element_with_offset(element, right, 0).release().perform()

    def scroll(self, element: Any, x: int, y: int) -> None:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        origin = ScrollOrigin.from_element(element)
        ActionChains(self.browser).scroll_from_origin(origin, x, y).perform()


class Touch:
    """A finger, as the system sends what it does."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def _send(self, kind: str, *point: float) -> None:
        points = [{"x": point[0], "y": point[1]}] if point else []
        self.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    def _at(self, element: Any, part: float = 0.5) -> tuple[float, float]:
        script = """
            arguments[0].scrollIntoView({block: "nearest"});
            const {left, right, top, height} = arguments[0].getBoundingClientRect();
            const seen = Math.min(right, innerWidth) - left;
            return [left + arguments[1] * seen, top + height / 2];
        """
        x, y = self.browser.execute_script(script, element, part)
        return float(x), float(y)

    def press(self, element: Any) -> None:
        self._send("touchStart", *self._at(element))
        self._send("touchEnd")

    def drag(self, element: Any, start: float, stop: float) -> None:
        """Drag along an element, from one part of its width to another."""
        self._send("touchStart", *self._at(element, start))
        self._send("touchMove", *self._at(element, (start + stop) / 2))
        self._send("touchMove", *self._at(element, stop))
        self._send("touchEnd")

    def scroll(self, element: Any, x: int, y: int) -> None:
        """Scroll; a page that a finger has set going may take the next tap for a stop."""
        across, down = self._at(element)
        self._send("touchStart", across, down)
        for part in range(1, 11):
            self._send("touchMove", across - x * part / 10, down - y * part / 10)
        self._send("touchEnd")


POINTERS = [Mouse, Touch]


@contextlib.contextmanager
def pointing(browser: Any, kind: type[Mouse | Touch]) -> Iterator[Mouse | Touch]:
    """Have the browser take what one of `POINTERS` does."""
    command = "Emulation.setTouchEmulationEnabled"
    browser.execute_cdp_cmd(command, {"enabled": kind is Touch})
    try:
        yield kind(browser)
    finally:
        browser.execute_cdp_cmd(command, {"enabled": False})
