"""The viewer's front end is small, typed, formatted and linted."""

from __future__ import annotations

import re

from helpers.front_end import run_tool
from helpers.process import REPO_DIR

from ipyfdcapture.viewer import assets

VIEWER = REPO_DIR / "ipyfdcapture/viewer"
SCRIPTS = sorted(str(path) for path in VIEWER.glob("*.js"))


def test_it_is_typed() -> None:
    run_tool("tsc", "--project", ".")


def test_it_is_formatted_and_linted() -> None:
    run_tool("biome", "check", "--config-path=.", *SCRIPTS)


def test_what_a_live_view_loads_is_under_40_kB() -> None:
    assert len(assets.live_module().encode()) < 40_000


def test_what_a_page_holds_beside_the_log_is_under_60_kB() -> None:
    assert len(assets.page_script().encode()) + len(assets.css().encode()) < 60_000


def test_joining_takes_nothing_away_but_comments_and_indentation() -> None:
    for name in ("controls.js", "viewer.js", "comm.js"):
        text = (VIEWER / name).read_text(encoding="utf-8")
        lines = [line.strip() for line in text.splitlines()]
        code = [line for line in lines if line and not line.startswith(("//", "*", "/**"))]
        joined = assets.live_module().splitlines()
        position = joined.index(code[0])
        kept = [line for line in joined[position:] if line][: len(code)]
        assert kept == code


def test_nothing_in_it_makes_markup_of_text_or_loads_anything() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in VIEWER.glob("*.js"))
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    loading = r"\beval\b|\bFunction\(|fetch\(|XMLHttp|\bimport\b|WebSocket|https?:"
    assert re.findall(f"{markup}|{loading}", text) == []
    assert "@import" not in assets.css()
    assert "url(" not in assets.css()
