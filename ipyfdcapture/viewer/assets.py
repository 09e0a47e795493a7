"""The front end's files, joined: no bundler, no comments, no space that nobody needs.

Each file is a module, as editors and `tsc` understand it. A saved page may run one script alone,
which its policy knows by its hash, and anywidget takes one module. So what a file imports is put
before it, and the words ``import`` and ``export`` go.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from ..system.data_files import read_data_file

PLACE = Path(__file__).parent / "browser"
_IMPORT = re.compile(r'^import [^;]*? from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_LINE_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*\n?")
_INDENT = re.compile(r"^[ \t\n]+", re.MULTILINE)
#: A string, a template or an expression, which stays as it is; or signs, with spaces that they do
#: not need. A division has a space on either side.
_SIGNS = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"|`[^`]*`|/(?![ /*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/)"""
    r"| ?([=(){}\[\],;:?<>&|*!]+|[-+]=?(?= [^-+])|[/%](?= )) ?"
)
#: A line's end that means nothing: each statement ends with its own sign.
_LINE_END = re.compile(r"(?<=[,;()\[{}=>&|?:])\n|\n(?=[)\]}.?:&|])")


@functools.cache
def live_module() -> str:
    """Return the module that draws a live viewer, as anywidget takes it."""
    return _joined("widget.js")


@functools.cache
def page_script() -> str:
    """Return the script of a saved page."""
    return "(() => {\n" + _joined("page.js") + "})();\n"


@functools.cache
def css() -> str:
    """Return the style sheet."""
    return _INDENT.sub("", _BLOCK_COMMENT.sub("", _read("viewer.css")))


def names(main: str) -> list[str]:
    """Return a file and those that it needs, each after what it needs itself."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for needed in _IMPORT.findall(_read(name)):
            if needed not in found:
                add(needed)
        found[name] = None

    add(main)
    return list(found)


def _joined(main: str) -> str:
    text = "".join(map(_read, names(main)))
    for pattern in (_IMPORT, _EXPORT, _LINE_COMMENT, _BLOCK_COMMENT, _INDENT):
        text = pattern.sub("", text)
    return _LINE_END.sub("", _squeezed(text))


def _squeezed(code: str) -> str:
    """Return code without spaces around signs."""
    return _SIGNS.sub(lambda match: match[1] or match[2], code)


def _read(name: str) -> str:
    return read_data_file(__package__, f"{PLACE.name}/{name}")
