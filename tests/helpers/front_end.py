"""The tools that look at the viewer's front end: from npm, in the tests alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.process import REPO_DIR
from helpers.tools import tool_environment

TOOLS = REPO_DIR / "tests/javascript"
MODULES = TOOLS / "node_modules"
INSTALL = f"npm install --prefix {TOOLS.relative_to(REPO_DIR)}"


def tool(name: str) -> Path:
    """Return a program of npm's; skip the test if it is not installed."""
    program = MODULES / ".bin" / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: {INSTALL}")
    return program


def run_tool(name: str, *arguments: str) -> None:
    """Run a program of npm's that must find nothing."""
    done = subprocess.run(
        [tool(name), *arguments],
        cwd=TOOLS,
        capture_output=True,
        text=True,
        check=False,
        env=tool_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def violations(browser: Any, selector: str) -> list[str]:
    """Return what axe-core finds wrong in a part of the page, one line each."""
    script = MODULES / "axe-core/axe.min.js"
    if not script.exists():
        pytest.skip(f"axe-core is not installed: {INSTALL}")
    browser.execute_script(script.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = browser.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        axe.run(document.querySelector(arguments[0])).then(result => done(result.violations));
        """,
        selector,
    )
    return [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for each in found
        for node in each["nodes"]
    ]
