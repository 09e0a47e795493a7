"""Completion with Tab on the line of a magic: options, their values, names of logs."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..log.captured import Captured
from .options import MAGIC, PARSER

_ACTIONS = {option: action for action in PARSER._actions for option in action.option_strings}


def install_completion(shell: InteractiveShell) -> Callable[[], None]:
    """Complete the lines of both magics; return what undoes that."""
    keys = (f"%{MAGIC}", f"%%{MAGIC}")
    for key in keys:
        shell.set_hook("complete_command", _complete, str_key=key)
    hooks = shell.strdispatchers["complete_command"].strs

    def undo() -> None:
        for key in keys:
            hooks.pop(key, None)

    return undo


def _complete(shell: InteractiveShell, event: Any) -> list[str]:
    """Return what may stand in the place of the word at the cursor."""
    line = event.text_until_cursor
    words = line.split()
    word = "" if line[-1:].isspace() else words.pop()
    return [each for each in _candidates(shell, words, word) if each.startswith(event.symbol)] or [
        # The shell may take a word to begin after its hyphens.
        each.removeprefix(word.removesuffix(event.symbol))
        for each in _candidates(shell, words, word)
        if word.endswith(event.symbol) and each.startswith(word)
    ]


def _candidates(shell: InteractiveShell, words: list[str], word: str) -> list[str]:
    before = words[-1] if len(words) > 1 else ""
    action = _ACTIONS.get(before)
    if before in ("-v", "--var"):
        return _logs(shell)
    if before == "--file":
        return [
            each + "/" if os.path.isdir(each) else each
            for each in glob.glob(glob.escape(os.path.expanduser(word)) + "*")
        ]
    if action is not None and action.choices is not None:
        return [str(choice) for choice in action.choices]
    if word.startswith("-"):
        return sorted(option for option in _ACTIONS if option.startswith("--"))
    return _logs(shell) if words[:1] == [f"%%{MAGIC}"] else []


def _logs(shell: InteractiveShell) -> list[str]:
    names = (name for name, value in shell.user_ns.items() if isinstance(value, Captured))
    return sorted(name for name in names if not name.startswith("_")) or ["logs"]
