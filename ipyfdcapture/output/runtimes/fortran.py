"""Fortran units: the buffers of libgfortran."""

from __future__ import annotations

import _thread
import ctypes

#: A unit that another thread has locked is left for later after this long.
_FORTRAN_S = 0.05
#: Fortran's standard error and standard output.
_UNITS = (0, 6)


class Fortran:
    """All copies of libgfortran. They are flushed by a thread that may have to wait."""

    def __init__(self, libraries: list[ctypes.CDLL]) -> None:
        self._flushes = [library["_gfortran_flush_i4"] for library in libraries]
        self._idle = _thread.allocate_lock()

    def flush(self) -> None:
        """Flush, so far as that takes no waiting."""
        if not self._flushes or not self._idle.acquire(timeout=_FORTRAN_S):
            return  # the one before still waits
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no thread can be had
            self._run()
        if self._idle.acquire(timeout=_FORTRAN_S):
            self._idle.release()

    def _run(self) -> None:
        for flush in self._flushes:
            for unit in _UNITS:
                flush(ctypes.byref(ctypes.c_int32(unit)))
        self._idle.release()
