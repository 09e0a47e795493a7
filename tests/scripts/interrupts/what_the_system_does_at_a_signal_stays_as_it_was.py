"""What the system does at a signal stays as it was."""

import ctypes
import signal

from ipyfdcapture import capture_fd


class Action(ctypes.Structure):  # as Linux has it
    _fields_ = [
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_uint64 * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


def actions():
    found = {}
    for number in signal.valid_signals():
        action = Action()
        assert ctypes.CDLL(None).sigaction(number, None, ctypes.byref(action)) == 0
        flags = action.flags & ~0x04000000  # but SA_RESTORER, which is the C library's
        found[number] = (action.handler, action.mask[0], flags)
    return found


signal.signal(signal.SIGUSR1, lambda *_: None)
interrupting = actions()[signal.SIGUSR1]
signal.siginterrupt(signal.SIGUSR1, False)
before = actions()
with capture_fd() as logs:
    during = actions()
print(interrupting != before[signal.SIGUSR1], during == before, actions() == before)
