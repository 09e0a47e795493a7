"""The viewer's front end is small, typed, formatted and linted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.front_end import run_tool

from ipyfdcapture.viewer import assets

SCRIPTS = sorted(assets.PLACE.glob("*.js"))
#: Strings, templates and expressions of the code.
LITERAL = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|`[^`]*`|(?<=[(\s])/(?![/*\s])(?:[^/\\\n]|\\.)+/\w*)"""
)


def test_it_is_typed() -> None:
    run_tool("tsc", "--project", ".")


def test_it_is_formatted_and_linted() -> None:
    run_tool("biome", "check", "--error-on-warnings", "--config-path=.", str(assets.PLACE))


def test_what_a_live_view_loads_is_under_40_kB() -> None:
    assert len(assets.live_module().encode()) < 40_000


def test_the_script_of_a_page_is_under_40_kB() -> None:
    assert len(assets.page_script().encode()) < 40_000
    assert len(assets.css().encode()) < 10_000


def test_every_file_is_used_and_comes_after_what_it_needs() -> None:
    used = {name for main in ("widget.js", "page.js") for name in assets.names(main)}
    assert used == {path.name for path in SCRIPTS}
    for main in ("widget.js", "page.js"):
        order = assets.names(main)
        assert order[-1] == main
        assert order.index("elements.js") < order.index("row.js") < order.index("viewer.js")


def test_a_file_is_one_thing() -> None:
    assert [path.name for path in SCRIPTS if len(path.read_text().splitlines()) > 400] == []


def test_joining_takes_nothing_away_but_comments_and_space() -> None:
    joined = assets.page_script()
    for name in assets.names("page.js"):
        text = (assets.PLACE / name).read_text(encoding="utf-8")
        code = re.sub(r"/\*\*.*?\*/|^\s*//.*$|^import .*?;$", "", text, flags=re.S | re.M)
        assert "`${`" not in code, "a template within a template would lose its spaces"
        for literal in LITERAL.findall(code):
            assert literal in joined, f"{name}: {literal}"
        bare = re.sub(r"\s|^export ", "", code, flags=re.M)
        assert bare in re.sub(r"\s", "", joined), name


@pytest.mark.parametrize("script", [assets.live_module, assets.page_script])
def test_what_is_joined_is_javascript(script: object, tmp_path: Path) -> None:
    assert callable(script)
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    path = tmp_path / "joined.mjs"
    path.write_text(script(), encoding="utf-8")
    done = subprocess.run([node, "--check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_in_it_makes_markup_of_text_or_loads_anything() -> None:
    text = assets.live_module() + assets.page_script()
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc"
    loading = r"\beval\b|\bFunction\(|fetch\(|XMLHttp|\bimport\b|WebSocket|https?:"
    assert re.findall(f"{markup}|{loading}", text) == []
    assert "@import" not in assets.css()
    assert "url(" not in assets.css()
