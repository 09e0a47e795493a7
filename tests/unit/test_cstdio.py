"""What waits in the buffer of C's ``stdout``, by the layouts of the C libraries."""

from __future__ import annotations

import ctypes

from ipyfdcapture.output import cstdio


class _MacFile(ctypes.Structure):
    """The start of ``struct __sFILE`` in macOS's <_stdio.h>."""

    _fields_ = [
        ("_p", ctypes.c_void_p),
        ("_r", ctypes.c_int),
        ("_w", ctypes.c_int),
        ("_flags", ctypes.c_short),
        ("_file", ctypes.c_short),
        ("_bf_base", ctypes.c_void_p),
        ("_bf_size", ctypes.c_int),
    ]


def test_a_file_of_macos_tells_what_waits_in_it() -> None:
    buffer = ctypes.create_string_buffer(4096)
    start = ctypes.addressof(buffer)
    file = _MacFile(_p=start, _file=1, _bf_base=start, _bf_size=4096)
    marks = cstdio.bsd_marks(ctypes.c_void_p(ctypes.addressof(file)), 1)
    assert marks is not None
    assert marks[0] == marks[1]
    file._p = start + 7  # printf("waiting")
    assert marks[1] - marks[0] == 7
    file._p = start  # fflush(stdout)
    assert marks[0] == marks[1]


def test_a_file_that_is_not_laid_out_so_tells_nothing() -> None:
    file = _MacFile(_file=5)
    assert cstdio.bsd_marks(ctypes.c_void_p(ctypes.addressof(file)), 1) is None
