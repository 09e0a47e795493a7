"""The examples of a page of documentation, and what they must show.

A fenced block of ``python`` or ``ipython`` is an example. What it shows is asserted:

- a block of ``text`` right below it is all that it shows; without one it must show nothing;
- ``expression  # -> value`` asserts the value of an expression, as ``repr`` writes it.

In both, ``...`` stands for any text. The examples of a page share their variables. A page that
uses a magic is run in a kernel, cell by cell; any other is a plain Python program.

Comments, which a reader does not see, say more of the example below them:

- ``<!-- setup: NAME -->``: ``tests/scripts/examples/NAME.py`` is run first;
- ``<!-- needs: NAME -->``: the page is run where this module or program is installed;
- ``<!-- crashes -->``: the kernel dies of it, and the next example is run in a new one.
"""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

_SETUPS = Path(__file__).resolve().parent.parent / "scripts" / "examples"
_LANGUAGES = ("python", "ipython")
#: What else may stand in a fence: shell commands and drawings are no examples.
_OTHERS = ("sh", "text", "toml", "{toctree}", "{eval-rst}")

_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (setup: \w+|crashes|needs: \w+) -->")
_VALUE = re.compile(r"^(?P<indent> *)(?P<expression>\S.*?)  # -> (?P<value>.+)$", re.MULTILINE)
_MAGIC = re.compile(r"^ *(?:[\w, ]+ = )?%{1,2}[a-z]", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block of code."""

    #: Where it stands: ``docs/log.md:12``.
    where: str
    code: str
    #: What it must show.
    output: str
    #: The code that is run before it.
    setup: str
    crashes: bool
    #: A module or program without which the page is not run.
    needs: str = ""

    @property
    def checked_code(self) -> str:
        """The code, with each ``# ->`` turned into a check."""
        return _VALUE.sub(_as_check, self.code)

    @property
    def uses_magic(self) -> bool:
        return _MAGIC.search(self.code) is not None

    def check(self, shown: str) -> None:
        """Fail unless this is what it shows."""
        assert matches(self.output, shown), (
            f"{self.where} shows\n{shown}\nand the page says\n{self.output}"
        )


def examples_of(page: Path, root: Path) -> list[Example]:
    """Return the examples of a page, from the first to the last."""
    text = page.read_text(encoding="utf-8")
    fences = list(_FENCE.finditer(text))
    found = []
    for fence, following in zip_longest(fences, fences[1:]):
        where = f"{page.relative_to(root)}:{_line_of(text, fence.start())}"
        language = fence[1]
        if language not in _LANGUAGES:
            assert language in _OTHERS, f"{where}: is {language!r} an example?"
            continue
        before = text[: fence.start()].rstrip().rpartition("```")[2]
        comments = [comment[1] for comment in _COMMENT.finditer(before)]
        has_output = (
            following is not None
            and following[1] == "text"
            and not text[fence.end() : following.start()].strip()
        )
        found.append(
            Example(
                where,
                fence[2],
                following[2] if following is not None and has_output else "",
                "".join(_setup(comment) for comment in comments if comment.startswith("setup")),
                "crashes" in comments,
                "".join(comment[7:] for comment in comments if comment.startswith("needs: ")),
            )
        )
    return found


def matches(expected: str, shown: str) -> bool:
    """Whether this is what was expected; empty lines do not count."""
    return doctest.OutputChecker().check_output(
        _without_empty_lines(expected), _without_empty_lines(shown), doctest.ELLIPSIS
    )


def check_value(value: object, expected: str) -> None:
    """Fail unless ``value`` is what ``# ->`` says."""
    assert matches(expected, repr(value)), f"{value!r} is not {expected}"


def _as_check(match: re.Match[str]) -> str:
    compile(match["expression"], "<example>", "eval")
    return f"{match['indent']}_check_value(({match['expression']}), {match['value']!r})"


def _setup(comment: str) -> str:
    return (_SETUPS / f"{comment.removeprefix('setup: ')}.py").read_text(encoding="utf-8")


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _without_empty_lines(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())
