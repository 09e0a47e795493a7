"""Memory does not grow with what is captured; asking for a part costs the part."""

from __future__ import annotations

import tracemalloc

from helpers.kernel import Kernel
from helpers.logs import SECOND, STARTED, make_log
from helpers.native import Native

from ipyfdcapture.recording.format import ENTRY, new_header


def test_memory_does_not_grow_with_what_is_captured(kernel: Kernel, native: Native) -> None:
    kernel.ok(
        f"import ctypes, psutil\nlib = ctypes.CDLL({native.c()!r})\n"
        f"lib.flood.argtypes = [ctypes.c_int, ctypes.c_long]\n"
        "resident = lambda: psutil.Process().memory_info().rss"
    )
    kernel.ok("%%capture_fd -v logs\nlib.flood(1, 1 << 20)")
    before = kernel.value("resident()")
    kernel.ok("%%capture_fd -v logs\nlib.flood(1, 1 << 28)")
    assert kernel.value("logs.nbytes") == 1 << 28
    assert kernel.value("resident()") - before < 8 << 20
    kernel.ok("logs.close()")


def test_the_helpers_memory_stays_flat(kernel: Kernel, native: Native) -> None:
    from helpers.process import the_pump

    kernel.ok(
        f"import ctypes\nlib = ctypes.CDLL({native.c()!r})\n"
        f"lib.flood.argtypes = [ctypes.c_int, ctypes.c_long]"
    )
    kernel.ok("%%capture_fd -v logs\nlib.flood(1, 1 << 28)")
    assert the_pump(kernel.pid).memory_info().rss < 20 << 20
    kernel.ok("logs.close()")


def test_a_long_index_is_not_all_in_memory() -> None:
    count = 150_000
    log = make_log([(0, b"")], stopped=STARTED + count * SECOND)
    with open(log.recording.path + ".data", "wb") as data:
        data.write(b"123456789\n" * count)
    with open(log.recording.path + ".index", "wb") as index:
        index.write(new_header())
        for i in range(count):
            index.write(ENTRY.pack(STARTED + i * SECOND, 10 * i, i % 2))
    assert len(log) == count
    tracemalloc.start()
    try:
        log._repr_mimebundle_()
        assert len(log.gaps()) == 5
        assert len(log.rate(count / 10)) == 11
        assert len(log.between(1, count)) == count - 1
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
