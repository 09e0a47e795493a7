"""The helper's program, without what Linux alone has; see ``run.py`` two directories above."""

from __future__ import annotations

import os
import runpy
import socket
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_TESTS = os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))
sys.path[:0] = [os.path.join(_TESTS, "without_linux"), _TESTS]

from hiding import hide  # noqa: E402

hide()
del socket.MSG_CMSG_CLOEXEC
del sys.path[:2]
sys.argv[0] = os.path.join(os.path.dirname(_TESTS), "ipyfdcapture", "drain", "__main__.py")
runpy.run_path(sys.argv[0], run_name="__main__")
