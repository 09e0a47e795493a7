"""A flush never waits for a stream that another thread has locked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from helpers.fixtures import Script
from helpers.native import Native


@pytest.fixture
def beside_a_locked_stream(script: Script) -> Iterator[Callable[[str, str, str], str]]:
    """Captures in a process in which another thread has a stream locked, and goes on after."""

    def run(setup: str, lock: str, unlock: str) -> str:
        return script("locked_streams/beside_a_locked_stream", setup, lock, unlock)

    yield run


def test_a_stream_of_c_that_another_thread_has_locked_is_left_for_later(
    beside_a_locked_stream: Callable[[str, str, str], str],
) -> None:
    shown = beside_a_locked_stream(
        "import ctypes\nfrom helpers.scripts import c_stream\n"
        "c, stdout = ctypes.CDLL(None), c_stream('stdout')\n",
        "c.flockfile(stdout); c.fputs(b'slow\\n', stdout)",
        "c.funlockfile(stdout)",
    )
    assert shown == repr("slow\n")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_iostreams_over_a_stream_of_c_that_another_thread_has_locked_are_left_for_later(
    beside_a_locked_stream: Callable[[str, str, str], str], native: Native, name: str
) -> None:
    shown = beside_a_locked_stream(
        f"""import ctypes
from helpers.scripts import c_stream
cpp, file = ctypes.CDLL({native.cpp("iostream")!r}), c_stream({name!r})
cpp.say_cpp(b"")
@ctypes.CFUNCTYPE(None)
def slow():
    locked.set()
    end.wait()
""",
        "cpp.call_with_locked(file, slow)",
        "cpp.say_cpp(b'slow\\n')",
    )
    assert shown == repr("slow\n")


def test_a_unit_of_fortran_that_another_thread_has_locked_is_left_for_later(
    beside_a_locked_stream: Callable[[str, str, str], str], native: Native
) -> None:
    # A WRITE locks its unit while it waits for the value of a function.
    shown = beside_a_locked_stream(
        f"""import ctypes
f = ctypes.CDLL({native.fortran("units")!r})
@ctypes.CFUNCTYPE(ctypes.c_int)
def slow():
    locked.set()
    end.wait()
    return 42
""",
        "f.say_slowly(slow)",
        "pass",
    )
    assert shown == repr("slow 42\n")


def test_threads_that_look_for_runtimes_and_load_libraries_do_not_stop_each_other(
    script: Script,
) -> None:
    shown = script(
        "locked_streams/threads_that_look_for_runtimes_and_load_libraries_do_not_stop_each_other"
    )
    assert shown == "through\n"


def test_code_that_prints_while_it_holds_the_gil_and_a_flush_do_not_stop_each_other(
    script: Script,
) -> None:
    name = "code_that_prints_while_it_holds_the_gil_and_a_flush_do_not_stop_each_other"
    assert script(f"locked_streams/{name}") == "whole\n"
