"""The front end's files, joined: what is sent to a browser has no comments and no indentation."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_PLACE = Path(__file__).parent
_LINE_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


@functools.cache
def live_module() -> str:
    """Return the module that draws a live viewer, as anywidget takes it."""
    return _joined("controls.js", "viewer.js", "comm.js") + "export default { render };\n"


@functools.cache
def page_script() -> str:
    """Return the script of a saved page."""
    return "(() => {\n" + _joined("controls.js", "viewer.js", "local.js") + "startPage();\n})();\n"


@functools.cache
def css() -> str:
    """Return the style sheet."""
    return _INDENT.sub("", _read("viewer.css"))


def _joined(*names: str) -> str:
    """Return files one after another, without what stands on lines of its own for readers."""
    text = "".join(map(_read, names))
    for pattern in (_LINE_COMMENT, _BLOCK_COMMENT, _INDENT):
        text = pattern.sub("", text)
    return text


def _read(name: str) -> str:
    return (_PLACE / name).read_text(encoding="utf-8")
