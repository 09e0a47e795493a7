"""Native code that holds the GIL and writes more than any pipe takes does not hang its kernel."""

from __future__ import annotations

from helpers.fixtures import Rounds
from helpers.kernel import Kernel
from helpers.native import Native, importing


def test_a_flood_with_the_gil_held_ends_and_is_whole(
    kernel: Kernel, native: Native, rounds: Rounds
) -> None:
    size = rounds(1, full=8) << 27  # of each stream: 1 GiB in full
    kernel.ok(
        f"%%capture_fd -v logs\nimport ctypes\nlib = ctypes.PyDLL({native.c()!r})\n"
        f"lib.flood_both.argtypes = [ctypes.c_long]\nlib.flood_both.restype = ctypes.c_long\n"
        f"written = lib.flood_both({size})"
    )
    assert kernel.value("written") == 2 * size
    # Each stream is 8-byte counters from 0: compare block by block, without holding it whole.
    kernel.ok(
        """
import array, itertools
snapshot = logs.recording.snapshot()
ends = [*snapshot.starts[1:], len(snapshot.data)]
streams = {0: bytearray(), 1: bytearray()}
expected = {0: 0, 1: 0}
right = True
for start, end, source in zip(snapshot.starts, ends, snapshot.source_numbers):
    streams[source] += snapshot.data[start:end]
    whole = len(streams[source]) // 8 * 8
    words = array.array('Q', bytes(streams[source][:whole]))
    del streams[source][:whole]
    count = len(words)
    right &= words == array.array('Q', range(expected[source], expected[source] + count))
    expected[source] += count
del snapshot
"""
    )
    assert kernel.value("(right, expected[0] * 8, expected[1] * 8)") == (True, size, size)
    assert kernel.ok("'the kernel answers'").result == "'the kernel answers'"
    kernel.ok("logs.close()")


def test_an_extension_that_never_lets_go_of_the_gil_cannot_hang_a_capture(
    kernel: Kernel, native: Native
) -> None:
    directory = native.extension("heldgil").rsplit("/", 1)[0]
    kernel.ok(
        f"%%capture_fd -v logs\nimport sys\nsys.path.insert(0, {directory!r})\nimport heldgil\n"
        "heldgil.write(1, b'x' * 99 + b'\\n', 200_000)\n"
        "heldgil.write(2, b'y' * 99 + b'\\n', 200_000)"
    )
    assert kernel.value("(logs.stdout == ('x' * 99 + '\\n') * 200_000)")
    assert kernel.value("(logs.stderr == ('y' * 99 + '\\n') * 200_000)")


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
