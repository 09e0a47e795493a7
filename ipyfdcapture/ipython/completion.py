"""Completion with Tab on the line of a magic: options, their values, names of logs.

What completes Python would take ``--l`` for the code that it looks like, and offer ``--len`` and
two hundred more. So where we know what may stand there, nothing else is offered.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from .names import MAGIC

#: A line of a magic up to the cursor: the magic, what stands between, the word at the cursor.
_LINE = rf"(?:[^%'\"#]*=)?\s*(?P<magic>%%?){MAGIC}\s(?P<between>.*?)(?P<word>\S*)"


def install_completion(shell: InteractiveShell) -> Callable[[], None]:
    """Complete the lines of both magics; return what undoes that."""

    def match(context: CompletionContext) -> Any:
        return _match(shell, context)

    matcher: Any = context_matcher(identifier=f"ipyfdcapture.{MAGIC}")(match)
    matchers: list[Any] = shell.Completer.custom_matchers
    matchers.append(matcher)

    def undo() -> None:
        if matcher in matchers:
            matchers.remove(matcher)

    return undo


def _match(shell: InteractiveShell, context: CompletionContext) -> dict[str, Any]:
    """Return what may stand in the place of the word at the cursor."""
    line = re.fullmatch(_LINE, context.text_until_cursor)
    if line is None:
        return {"completions": []}
    is_cell = line["magic"] == "%%"
    kind, found = _candidates(shell, is_cell, line["between"], line["word"])
    matching = [text for text in found if text.startswith(line["word"])]
    return {
        "completions": [SimpleCompletion(text, type=kind) for text in matching],
        "matched_fragment": line["word"],
        "suppress": bool(matching),
        "ordered": True,
    }


def _candidates(
    shell: InteractiveShell, is_cell: bool, between: str, word: str
) -> tuple[str, list[str]]:
    """Return what sort of thing may stand there, as front ends show it, and all that may."""
    from .options import OPTIONS, split_statement

    if not is_cell and split_statement(between)[1]:
        return "", []  # the statement has begun
    option = (between.split() or [""])[-1]
    action = OPTIONS.get(option)
    if option in ("-v", "--var"):
        return "log", _logs(shell)
    if option == "--file":
        paths = sorted(glob.glob(glob.escape(word) + "*"))
        return "path", [path + "/" if os.path.isdir(path) else path for path in paths]
    if action is not None and action.choices is not None:
        return "value", [str(choice) for choice in action.choices]
    if word.startswith("-"):
        return "option", sorted(option for option in OPTIONS if option.startswith("--"))
    return "log", _logs(shell) if is_cell else []


def _logs(shell: InteractiveShell) -> list[str]:
    from ..log.captured import Captured

    names = (name for name, value in shell.user_ns.items() if isinstance(value, Captured))
    return sorted(name for name in names if not name.startswith("_")) or ["logs"]
