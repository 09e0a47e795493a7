"""What native code keeps in buffers of its own is flushed: at the start, at the stop, while live.

And native code that has no buffer, or holds the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from helpers.fixtures import Script
from helpers.kernel import Kernel, Message
from helpers.native import Native, importing


@dataclass(frozen=True)
class Writer:
    """A way to write a line to stdout and one to stderr, and what they are."""

    setup: Callable[[Native], str]
    say: str
    stdout: str
    stderr: str = ""


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
