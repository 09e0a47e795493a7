"""Slips in the magics: each gives one line, in kernels and terminals, and nothing else happens."""

from __future__ import annotations

import re
from collections.abc import Callable

from helpers.kernel import Kernel
from helpers.slips import SLIPS
from helpers.terminal import Terminal

#: What must be as it was: the descriptors, the files in the directory, the variables.
STATE = (
    "[*(str(__import__('os').fstat(n)[:3]) for n in (1, 2)), "
    "*sorted(__import__('os').listdir('.')), "
    "*sorted({'ran', 'logs', '_logs'} & {*globals()}), taken]"
)


def check(
    slips: dict[str, str], run: Callable[[str], str], value: Callable[[str], object]
) -> list[str]:
    """Try all slips; return what is wrong with what they give."""
    wrong = []
    run("taken = 'mine'")
    before = value(STATE)
    for count, (cell, says) in enumerate(slips.items(), 1):
        shown = run(cell).strip()
        message = re.sub(r"\x1b\[[\d;]*m", "", shown)
        if "\n" in message or not message.startswith("UsageError: ") or says not in message:
            wrong.append(f"{cell!r}: {message!r}, not {says!r}")
        if count % 10 == 0 or count == len(slips):
            state = value(STATE)
            if state != before:
                return [*wrong, f"by {cell!r}: {state}, not {before}"]
    return wrong


def test_each_slip_gives_one_line_in_a_kernel_and_changes_nothing(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel

    def run(cell: str) -> str:
        reply = kernel.run(cell)
        assert cell == "taken = 'mine'" or reply.status == "error", cell
        return reply.shown

    assert len(SLIPS) >= 60
    assert check(SLIPS, run, kernel.value) == []


def test_each_slip_gives_one_line_in_a_terminal_and_changes_nothing(terminal: Terminal) -> None:
    # A line of Python that is typed there is a cell of its own.
    slips = {cell: says for cell, says in SLIPS.items() if not cell.startswith("ran")}
    assert check(slips, terminal.run, terminal.value) == []
