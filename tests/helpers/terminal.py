"""Terminal IPython behind a pseudo-terminal."""

from __future__ import annotations

import ast
import re
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import IPython
import pexpect

from .process import CHANGES, LOAD, end, private_env
from .wait import LIMIT_S, eventually

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\r")
_NO_COLOUR = "NoColor" if IPython.version_info[0] < 9 else "nocolor"


class Terminal:
    """``ipython`` with its simple prompt.

    There a cell of several lines ends at an empty one, a cell magic's at two.
    """

    _command: tuple[str, ...] = (
        *("-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"),
        f"--colors={_NO_COLOUR}",
        *("--no-autoindent", "--no-term-title", "--HistoryManager.hist_file=:memory:"),
    )

    def __init__(
        self, directory: Path, *, load: bool = True, env: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self._child = pexpect.spawn(
            sys.executable,
            list(self._command),
            env={**private_env(directory), **(env or {}), "TERM": "dumb", "PAGER": "cat"},
            cwd=str(directory),
            encoding="utf-8",
            codec_errors="replace",
            timeout=LIMIT_S,
            echo=False,
            dimensions=(50, 200),
        )
        self._count = 1
        self._await_prompt()
        if load:
            self.run(LOAD)

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    def resize(self, columns: int, rows: int) -> None:
        self._child.setwinsize(rows, columns)

    def type(self, text: str) -> None:
        """Type a line for a program that asks."""
        self._child.sendline(text)

    def _await_prompt(self) -> str:
        self._child.expect(r"In \[(\d+)\]: $")
        self._count = int(self._child.match.group(1))
        return _CONTROL.sub("", self._child.before)

    def send(self, cell: str) -> None:
        """Type a cell, and do not wait for its end."""
        first, *rest = cell.split("\n")
        self._child.sendline(first)
        magic = first.startswith("%%")
        for line in [*rest, *([""] if magic else []), *([""] if rest or magic else [])]:
            self._child.expect(r" {3,}\.\.\.: $")
            self._child.sendline(line)

    def finish(self) -> str:
        """Return all that the terminal showed until the next prompt."""
        return self._await_prompt()

    def run(self, cell: str) -> str:
        """Type a cell; return what the terminal showed for it."""
        self.send(cell)
        return self.finish()

    def interrupt(self) -> None:
        """Type Ctrl-C, once that is an interrupt: at a prompt it is a key as any other."""
        eventually(
            lambda: termios.tcgetattr(self._child.child_fd)[3] & termios.ISIG,
            "the end of the prompt",
        )
        self._child.sendintr()

    def expect(self, pattern: str) -> None:
        self._child.expect(pattern)

    def value(self, expression: str) -> str:
        """Return the repr of an expression, which must be on one line."""
        shown = self.run(f"print('<<' + repr({expression}) + '>>')")
        found = re.search(r"<<(.*)>>", shown, re.S)
        assert found, shown
        return found.group(1).replace("\n", "")

    def clean(self) -> list[str]:
        """Empty the namespace. Return what else is not as it was at the first call."""
        self.run("%reset -f")
        changes: list[str] = ast.literal_eval(self.value(CHANGES))
        return changes

    def leave(self) -> int | None:
        """Type ``exit``; return the status of the process."""
        self._child.sendline("exit")
        self._child.expect(pexpect.EOF)
        self._child.close()
        status: int | None = self._child.exitstatus
        return status

    def close(self) -> None:
        if self._child.isalive():
            end(self.pid)
        self._child.close(force=True)


class JupyterConsole(Terminal):
    """``jupyter console``: a terminal here, and a kernel of the spec ``python3`` behind it."""

    _command = ("-m", "jupyter_console", "--kernel=python3", "--no-confirm-exit")

    def send(self, cell: str) -> None:
        """Paste a cell with a blank line at its end, which ends it; do not wait for its end."""
        self._child.send(f"\x1b[200~{cell}\n\n\x1b[201~\r")

    def leave(self) -> int | None:
        """Type ``exit``; return the status of the process."""
        self._child.send("exit\r")
        self._child.expect(pexpect.EOF)
        self._child.close()
        status: int | None = self._child.exitstatus
        return status
