"""Pickles of a log and of what comes from it: complete, and not bound to where the code lies."""

from __future__ import annotations

import copy
import inspect
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from helpers.logs import make_log

from ipyfdcapture import Captured, Line
from ipyfdcapture.log.line import Gap
from ipyfdcapture.log.timing import Rate

LOG = [(0, b"one\ntw"), (1, b"warning: x\n"), (0, b"o\r\n"), (2, b"child\n"), (0, b"last")]
KINDS: dict[str, Callable[[Captured], Any]] = {
    "log": lambda log: log,
    "slice": lambda log: log[1:4],
    "lines here and there": lambda log: log.grep("o"),
    "view of a view": lambda log: log.grep("o").source("stdout"),
    "shared copy": copy.copy,
    "deep copy": copy.deepcopy,
    "line": lambda log: log[1],
    "lines": list,
    "gaps": lambda log: log.gaps(),
    "rate": lambda log: log.rate(1),
}
#: Reads a pickle in a process that has imported nothing of ours, and says what it holds.
DESCRIBE = """
import pickle, sys
found = pickle.load(sys.stdin.buffer)
for each in found if isinstance(found, list) or hasattr(found, "recording") else [found]:
    print(type(each).__name__, repr(each), getattr(each, "number", ""), getattr(each, "source", ""))
"""


def described(found: Any) -> list[str]:
    parts = found if isinstance(found, list | Captured) else [found]
    return [
        f"{type(each).__name__} {each!r} {getattr(each, 'number', '')} "
        f"{getattr(each, 'source', '')}"
        for each in parts
    ]


def names_in(data: bytes) -> set[str]:
    """Return what a pickle takes from modules of ours."""
    names, texts = set(), []
    for opcode, argument, _ in pickletools.genops(data):
        if isinstance(argument, str) and opcode.name != "GLOBAL":
            texts.append(argument)
        elif opcode.name == "GLOBAL":
            names.add(argument)
        elif opcode.name == "STACK_GLOBAL":
            names.add(" ".join(texts[-2:]))
    return {name for name in names if name.startswith("ipyfdcapture")}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_names_nothing_but_the_package(kind: str, protocol: int) -> None:
    found = KINDS[kind](make_log(LOG))
    data = pickle.dumps(found, protocol)
    assert names_in(data) == {"ipyfdcapture _restore"}
    assert pickle.loads(data) == found
    assert described(pickle.loads(data)) == described(found)


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_reads_the_same(kind: str) -> None:
    found = KINDS[kind](make_log(LOG))
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE], input=pickle.dumps(found), capture_output=True, check=True
    )
    assert done.stdout.decode().splitlines() == [line.rstrip("\n") for line in described(found)]


@pytest.mark.parametrize("of", [Captured, Line, Gap, Rate])
def test_tools_find_the_source_of_what_is_pickled(of: type) -> None:
    assert f"class {of.__name__}" in inspect.getsource(of)
    assert inspect.getdoc(of)
