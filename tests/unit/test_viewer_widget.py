"""What a viewer puts into a notebook's outputs."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from helpers.logs import make_log

pytest.importorskip("anywidget")

WIDGET = "application/vnd.jupyter.widget-view+json"
URL = "https://example.org/manager.js"


class Shell:
    """A kernel's shell that keeps what is published."""

    def __init__(self) -> None:
        self.contents: list[dict[str, Any]] = []
        session = SimpleNamespace(send=self._send)
        self.kernel = SimpleNamespace(session=session, iopub_socket=None)

    def _send(self, socket: Any, kind: str, content: dict[str, Any], **_: Any) -> None:
        self.contents.append(content)

    def get_parent(self) -> dict[str, Any]:
        return {}


def test_the_static_view_is_an_output_of_its_own_before_the_viewer() -> None:
    view = make_log([(0, b"one line\n")]).explore()
    shell = Shell()
    view.show_under_cell(shell)
    view.close()
    static, live = shell.contents
    assert "one line" in static["data"]["text/html"]
    assert WIDGET not in static["data"]
    assert WIDGET in live["data"]
    assert "text/html" not in live["data"]
    assert "one line" not in str(live)


def test_the_viewer_s_output_says_where_colab_loads_its_widgets_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    colab: Any = ModuleType("google.colab.output")
    colab.enable_custom_widget_manager = lambda: None
    colab._widgets = SimpleNamespace(_installed_url=URL)
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    view = make_log([(0, b"one line\n")]).explore()
    shell = Shell()
    view.show_under_cell(shell)
    view.close()
    _, live = shell.contents
    assert live["metadata"] == {WIDGET: {"colab": {"custom_widget_manager": {"url": URL}}}}
