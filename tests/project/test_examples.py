"""Every example in a docstring of the package runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.logs import make_log

import ipyfdcapture
from ipyfdcapture import Captured, Line

#: The log that the examples of `Captured` and `Line` read, a chunk a second.
LOG = [
    (0, b"solver 1.0\n"),
    (0, b"iteration 1: loss 0.5\n"),
    (1, b"warning: small step\n"),
    (0, b"iteration 2: loss 0.25\n"),
    (2, b"12 cells\n"),
    (0, b"done\n"),
]

#: What parts of the package need, and is not always there.
ENGINES = ("distributed", "ipyparallel")


def modules() -> Iterator[ModuleType]:
    yield ipyfdcapture
    for found in pkgutil.walk_packages(ipyfdcapture.__path__, "ipyfdcapture."):
        if not found.name.endswith("__main__"):
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                if error.name not in ENGINES:
                    raise


EXAMPLES = {
    example.name: example
    for module in modules()
    for example in doctest.DocTestFinder(exclude_empty=True).find(module)
    if example.examples
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_shows_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[name]
    logs = make_log(LOG, sources=["stdout", "stderr", "mesh/stdout"])
    example.globs = {**example.globs, "logs": logs, "os": os}
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example, out=report.append)
    assert not result.failed, "".join(report)


def public_members(of: type) -> list[str]:
    """Return what a user may call or read, except what a builtin base class brings."""
    return [
        f"{owner.__name__}.{name}"
        for owner in of.__mro__
        if owner.__module__.startswith("ipyfdcapture")
        for name, member in vars(owner).items()
        if not name.startswith("_") and (callable(member) or isinstance(member, property))
    ]


@pytest.mark.parametrize("of", [Captured, Line])
def test_every_public_method_has_an_example(of: type) -> None:
    run = {".".join(name.rsplit(".", 2)[-2:]) for name in EXAMPLES}
    assert not [name for name in public_members(of) if name not in run]
    assert of.__name__ in {name.rsplit(".", 1)[-1] for name in EXAMPLES}


@pytest.mark.parametrize("of", [Captured, Line])
def test_every_public_method_documents_its_parameters(of: type) -> None:
    for name in public_members(of):
        member: Any = getattr(of, name.rsplit(".", 1)[-1])
        function: Callable[..., Any] | None = None if isinstance(member, property) else member
        text = inspect.getdoc(member) or ""
        for parameter in [*inspect.signature(function).parameters][1:] if function else []:
            assert "Parameters\n---" in text and parameter in text, (name, parameter)
