"""Objects in ``sys.stdout`` that nobody would expect: a capture neither fails nor replaces them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unittest.mock
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.program import in_a_program
from helpers.wait import eventually

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


class _HasAPrivateSlot:
    __slots__ = "__stream"

    def __init__(self) -> None:
        self.__stream = sys.stdout

    def write(self, text: str) -> int:
        return self.__stream.write(text)


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


class _HasNoSuchEncoding:
    encoding = "no such encoding"
    errors = 5

    def write(self, text: str) -> int:
        return len(text)


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
    _HasAPrivateSlot,
    _HasNoAttributes,
    _HasNoSuchEncoding,
    _IsReplacedAmidAWrite,
    _CannotBeCompared,
    _LiesAboutItsClass,
    _WritesToTheDescriptor,
    io.BytesIO,
    unittest.mock.MagicMock,
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


#: What a subclass of a text stream may make of what a capture asks.
_METHODS = ["close", "fileno", "flush", "isatty", "reconfigure", "write", "__getattribute__"]
_ATTRIBUTES = ["buffer", "closed", "encoding", "errors", "line_buffering", "name", "write_through"]


#: Python itself tells of those that cannot be closed when they go.
_kept: list[io.TextIOWrapper] = []


class _Raw(io.FileIO):
    is_over = False

    def write(self, data: Any, /) -> int:
        return memoryview(data).nbytes if self.is_over else super().write(data)


def _raising(name: str) -> type[io.TextIOWrapper]:
    def fail(self: object, *_: object) -> Any:
        raise OSError(name)

    member: Any = property(fail) if name in _ATTRIBUTES else fail
    return type("Raising", (io.TextIOWrapper,), {name: member})


@in_a_program
@pytest.mark.parametrize("name", [*_METHODS, *_ATTRIBUTES])
def test_a_text_stream_that_raises_prints_or_fails_as_it_does_uncaptured(
    name: str, no_leaks: None
) -> None:
    def outcome() -> str:
        try:
            print("printed")
        except OSError as error:
            return str(error)
        return "printed"

    told: list[str] = []
    shown: list[str] = []

    def on_line(line: str) -> None:
        told.append(line)
        with contextlib.suppress(OSError):
            print("of a callback")  # never captured again, or this would not end
        shown.append(line)

    raw = _Raw(1, "wb", closefd=False)
    stream = _raising(name)(io.BufferedWriter(raw))
    _kept.append(stream)
    with contextlib.redirect_stdout(stream):
        uncaptured = outcome()
        capture = capture_fd(on_line=on_line, stderr=False)
        # One that tells nothing gives way, as any that is broken does.
        captured = "printed" if name == "__getattribute__" else uncaptured
        # A stream that cannot be flushed keeps its text to itself.
        is_written = captured == "printed" and name != "flush"
        with capture as logs:
            assert outcome() == captured
            os.write(1, b"written\n")
            # Amid a resume it would go on to the capture.
            eventually(lambda: len(shown) == 1 + is_written, "the callbacks")
            with capture.paused():
                assert outcome() == uncaptured
        assert sys.stdout is stream
    assert logs.text == ("printed\n" if is_written else "") + "written\n"
    assert told == logs.text.splitlines()
    raw.is_over = True


@in_a_program
def test_what_wraps_a_stream_in_a_private_slot_is_captured_through(no_leaks: None) -> None:
    with contextlib.redirect_stdout(_HasAPrivateSlot()):  # type: ignore[type-var]
        found = sys.stdout
        with capture_fd() as logs:
            assert sys.stdout is found
            print("printed")
    assert logs.text == "printed\n"


# -- functions of the system that a test replaces -------------------------------------------------


@in_a_program
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_capture_does_not_write_by_what_stands_for_os_write(drain: Any) -> None:
    write = os.write
    for replaced in (
        unittest.mock.Mock(side_effect=AssertionError("called")),
        lambda fd, data: write(fd, data.upper()),  # which takes bytes alone
    ):
        with unittest.mock.patch("os.write", replaced):
            with capture_fd(drain=drain) as logs:
                print("printed")
            assert logs.text == "printed\n"
        assert logs.complete and logs.stdout == "printed\n"


@pytest.fixture
def faking() -> Any:
    """Return pyfakefs. What it loads at first, such as pandas, starts threads of its own."""
    module = pytest.importorskip("pyfakefs.fake_filesystem_unittest")
    with module.Patcher():
        pass
    return module


@in_a_program
def test_what_is_printed_amid_a_faked_file_system_is_captured(faking: Any, no_leaks: None) -> None:
    with capture_fd(drain="process") as logs:
        with faking.Patcher():
            print("printed")
            assert not os.path.exists(__file__)
        print("after")
    assert logs.text == "printed\nafter\n" and logs.complete


@in_a_program
def test_a_capture_that_ends_amid_a_faked_file_system_restores(faking: Any, no_leaks: None) -> None:
    with capture_fd(drain="process") as logs, contextlib.ExitStack() as faked:
        print("before")
        patcher = faked.enter_context(faking.Patcher())
        print("amid")
        faked.pop_all()
    patcher.tearDown()
    assert logs.text == "before\namid\n" and logs.complete
