"""What native code keeps in buffers of its own is flushed: at the start, at the stop, while live.

And native code that has no buffer, or holds the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Rounds, Script
from helpers.kernel import Kernel, Message
from helpers.native import Native


@dataclass(frozen=True)
class Writer:
    """A way to write a line to stdout and one to stderr, and what they are."""

    setup: Callable[[Native], str]
    say: str
    stdout: str
    stderr: str = ""


def importing(module: str) -> str:
    path = Path(module)
    name = path.name.partition(".")[0]
    return f"import sys; sys.path.insert(0, {str(path.parent)!r}); import {name}\n"


def _cpp(native: Native) -> str:
    return f"import ctypes\ncpp = ctypes.CDLL({native.cpp('iostream')!r})\n"


WRITERS = {
    "C stdio": Writer(
        lambda native: f"import ctypes\nc = ctypes.CDLL({native.c()!r})\n",
        "c.say(b'from C, no line end'); c.complain(b'C complains')",
        "from C, no line end",
        "C complains",
    ),
    "C++ iostreams": Writer(
        _cpp, "cpp.say_cpp(b'from cout'); cpp.shout_cpp(b'from cerr')", "from cout", "from cerr"
    ),
    "C++ iostreams, untied": Writer(
        lambda native: _cpp(native) + "cpp.untie()\n",
        "cpp.say_cpp(b'from cout'); cpp.shout_cpp(b'cerr, '); cpp.complain_cpp(b'clog')",
        "from cout",
        "cerr, clog",
    ),
    "Fortran through ctypes": Writer(
        lambda native: f"import ctypes\nf = ctypes.CDLL({native.fortran('units')!r})\n",
        "f.say_fortran(2); f.complain_fortran()",
        "fortran 1\nfortran 2\n",
        "fortran complains\n",
    ),
    "Fortran through f2py": Writer(
        lambda native: importing(native.f2py("f2pyunits")),
        "f2pyunits.say(2); f2pyunits.complain()",
        "f2py 1\nf2py 2\n",
        "f2py complains\n",
    ),
    "Rust": Writer(
        lambda native: f"import ctypes\nrust = ctypes.CDLL({native.rust('rusty')!r})\n",
        "rust.say_rust(ctypes.c_int64(2))",
        "rust 0\nrust 1\n",
        "rust complains 0\nrust complains 1\n",
    ),
    "Go": Writer(
        lambda native: f"import ctypes\ngo = ctypes.CDLL({native.go('gopher')!r})\n",
        "go.say_go(ctypes.c_int64(2))",
        "go 0\ngo 1\n",
        "go complains 0\ngo complains 1\n",
    ),
}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS.keys())
def writer(request: pytest.FixtureRequest) -> Writer:
    found: Writer = request.param
    return found


# -- buffers ----------------------------------------------------------------------------------


def test_in_a_kernel_a_capture_has_what_was_written_in_it_and_no_more(
    fresh_kernel: Kernel, native: Native, writer: Writer
) -> None:
    fresh_kernel.ok(writer.setup(native))
    fresh_kernel.ok(writer.say)  # before the start
    fresh_kernel.ok(f"%%capture_fd -v logs\n{writer.say}")
    fresh_kernel.ok(writer.say)
    fresh_kernel.ok("%%capture_fd -v after\npass")
    assert fresh_kernel.value("(logs.stdout, logs.stderr)") == (writer.stdout, writer.stderr)
    assert fresh_kernel.value("(after.stdout, after.stderr)") == ("", "")


def test_in_a_kernel_a_live_view_shows_it_while_the_cell_waits(
    fresh_kernel: Kernel, native: Native, writer: Writer
) -> None:
    fresh_kernel.ok(writer.setup(native))
    gate = fresh_kernel.directory / "gate"
    os.mkfifo(gate)
    msg_id = fresh_kernel.send(
        f"%%capture_fd --live -v logs\n{writer.say}\nopen({str(gate)!r}).close()"
    )

    def all_is_shown(messages: list[Message]) -> bool:
        contents = [m["content"] for m in messages if m["msg_type"] == "stream"]
        for name, expected in (("stdout", writer.stdout), ("stderr", writer.stderr)):
            if "".join(c["text"] for c in contents if c["name"] == name) != expected:
                return False
        return True

    fresh_kernel.until(all_is_shown)
    with open(gate, "w"):
        pass
    assert fresh_kernel.finish(msg_id).status == "ok"
    assert fresh_kernel.value("(logs.stdout, logs.stderr)") == (writer.stdout, writer.stderr)
    fresh_kernel.ok(f"%%capture_fd -v again\n{writer.say}")  # and as before, when nothing is live
    assert fresh_kernel.value("(again.stdout, again.stderr)") == (writer.stdout, writer.stderr)


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_in_a_plain_process_too(script: Script, native: Native, writer: Writer, drain: str) -> None:
    shown = script(
        "native/in_a_plain_process_too",
        drain,
        writer.setup(native),
        writer.say,
        writer.stdout,
        writer.stderr,
    )
    expected = (writer.stdout, writer.stderr)
    outside = writer.stdout * 2
    assert shown == outside + repr([expected, ("", ""), expected, True])


def test_iostreams_are_as_they_were_after_a_live_capture(script: Script, native: Native) -> None:
    shown = script("native/iostreams_are_as_they_were_after_a_live_capture", native.cpp("iostream"))
    assert shown == "later" + repr((True, "", "again", b"to somebody else's buffer, twice"))


# -- a flush never blocks ---------------------------------------------------------------------


@pytest.fixture
def beside_a_locked_stream(script: Script) -> Iterator[Callable[[str, str, str], str]]:
    """Captures in a process in which another thread has a stream locked, and goes on after."""

    def run(setup: str, lock: str, unlock: str) -> str:
        return script("native/beside_a_locked_stream", setup, lock, unlock)

    yield run


def test_a_stream_of_c_that_another_thread_has_locked_is_left_for_later(
    beside_a_locked_stream: Callable[[str, str, str], str],
) -> None:
    shown = beside_a_locked_stream(
        "import ctypes\nc = ctypes.CDLL(None)\nstdout = ctypes.c_void_p.in_dll(c, 'stdout')\n",
        "c.flockfile(stdout); c.fputs(b'slow\\n', stdout)",
        "c.funlockfile(stdout)",
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


# -- no buffer at all -------------------------------------------------------------------------


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_threads_that_write_past_the_c_library_are_captured(
    kernel: Kernel, native: Native, drain: str
) -> None:
    count = 20_000
    kernel.ok(
        f"%%capture_fd -v logs --drain {drain}\nimport ctypes\n"
        f"ctypes.CDLL({native.c('rawthreads')!r}).write_from_threads(ctypes.c_long({count}))"
    )
    for stream, threads in (("stdout", (0, 2)), ("stderr", (1, 3))):
        kernel.ok(f"lines = logs.{stream}.splitlines()")
        assert kernel.value("len(lines)") == 2 * count
        for thread in threads:
            own = f"[line for line in lines if line.startswith('thread {thread}')]"
            expected = f"[f'thread {thread} line {{i:07}}' for i in range({count})]"
            assert kernel.value(f"{own} == {expected}")


# -- the GIL ----------------------------------------------------------------------------------


def test_a_function_of_pybind11_that_holds_the_gil_cannot_hang_a_capture(
    kernel: Kernel, native: Native, rounds: Rounds
) -> None:
    size = rounds(1, full=8) << 27  # in full: 1 GiB
    kernel.ok(
        f"{importing(native.pybind11('pybound'))}%capture_fd -v logs "
        f"pybound.write(1, bytes(range(256)) * 4096, {size >> 20}); pybound.write(2, b'end', 1)"
    )
    assert kernel.value("logs.nbytes") == size + 3
    kernel.ok("import mmap\nsnapshot = logs.recording.snapshot()\nblock = bytes(range(256)) * 4096")
    assert kernel.value(
        f"all(snapshot.data[i << 20:(i + 1) << 20] == block for i in range({size >> 20}))"
    )
    kernel.ok("del snapshot")
    assert kernel.value("logs.stderr") == "end"
    kernel.ok("logs.close()")


def test_a_function_of_f2py_that_holds_the_gil_cannot_hang_a_capture(
    kernel: Kernel, native: Native
) -> None:
    kernel.ok(f"{importing(native.f2py('f2pyunits'))}%capture_fd -v logs f2pyunits.say(200_000)")
    assert kernel.value("(len(logs), logs[0], logs[-1])") == (200_000, "f2py 1", "f2py 200000")
    kernel.ok("logs.close()")


def test_threads_that_look_for_runtimes_and_load_libraries_do_not_stop_each_other(
    script: Script,
) -> None:
    shown = script(
        "native/threads_that_look_for_runtimes_and_load_libraries_do_not_stop_each_other"
    )
    assert shown == "through\n"
