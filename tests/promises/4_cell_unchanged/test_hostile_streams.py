"""Objects in ``sys.stdout`` that nobody would expect: a capture neither fails nor replaces them."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from ipyfdcapture import capture_fd


class _RaisesFromAnyMethod:
    def __getattribute__(self, name: str) -> Any:
        raise OSError(name)  # __class__ and __dict__ included


class _RaisesFromAnyCall:
    def write(self, text: str) -> int:
        raise ValueError("write")

    def flush(self) -> None:
        raise ValueError("flush")

    def fileno(self) -> int:
        raise ValueError("fileno")


class _HasSlots:
    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = sys.__stdout__

    def write(self, text: str) -> int:
        assert self._stream is not None
        return self._stream.write(text)


class _HasNoAttributes:
    __slots__ = ()

    def write(self, text: str) -> int:
        return len(text)


class _IsReplacedAmidAWrite:
    def write(self, text: str) -> int:
        found, sys.stdout = sys.stdout, sys.__stdout__
        try:
            return found is not self or len(text)
        finally:
            sys.stdout = found

    def flush(self) -> None:
        pass


class _CannotBeCompared:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError("==")

    def __bool__(self) -> bool:
        raise TypeError("bool")

    def write(self, text: str) -> int:
        return len(text)


class _LiesAboutItsClass:
    __class__ = io.TextIOWrapper  # type: ignore[assignment]

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        return len(text)


class _WritesToTheDescriptor(io.StringIO):
    def write(self, text: str) -> int:
        os.write(1, b"<" + text.encode() + b">")
        return super().write(text)


KINDS = [
    _RaisesFromAnyMethod,
    _RaisesFromAnyCall,
    _HasSlots,
    _HasNoAttributes,
    _IsReplacedAmidAWrite,
    _CannotBeCompared,
    _LiesAboutItsClass,
    _WritesToTheDescriptor,
    io.BytesIO,
    int,
]


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    stdout = sys.stdout
    with capture_fd() as logs:  # what the process makes once, at first use, is there
        pass
    logs.close()
    yield
    sys.stdout = stdout


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_there_before_gives_way_and_is_put_back(kind: type, no_leaks: None) -> None:
    stream: Any = kind()
    before, sys.stdout = sys.stdout, stream
    with capture_fd() as logs:
        print("printed")
        os.write(1, b"written\n")
    after, sys.stdout = sys.stdout, before
    assert after is stream
    assert "printed\n" in logs.text or kind is _HasSlots
    assert logs.text.endswith("written\n")


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_put_there_meanwhile_does_not_keep_the_capture_from_its_end(
    kind: type, no_leaks: None
) -> None:
    before = sys.stdout
    with capture_fd() as logs:
        sys.stdout = kind()
        os.write(1, b"written\n")
    sys.stdout = before
    assert logs.text.endswith("written\n")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if hasattr(kind, "write")])
def test_one_that_is_a_live_target_costs_a_warning_at_most(kind: type, no_leaks: None) -> None:
    with warnings.catch_warnings(record=True) as news:
        warnings.simplefilter("always")
        with capture_fd(live=kind(), stderr=False) as logs:
            os.write(1, b"written\n")
    assert sum("live target" in str(each.message) for each in news) <= 1
    assert logs.text.startswith("written\n")
