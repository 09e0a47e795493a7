"""Real limits on what a process may do."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000
_CLONE_THREAD = 0x00010000

#: What starts a process, by machine: clone, clone3, fork, vfork, execve, execveat.
_NUMBERS = {
    "x86_64": {"clone": 56, "clone3": 435, "fork": 57, "vfork": 58},
    "aarch64": {"clone": 220, "clone3": 435},
}

CAN_FORBID_PROCESSES = platform.system() == "Linux" and platform.machine() in _NUMBERS


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def forbid_processes() -> None:
    """Let no new process start from here on, as a locked-down sandbox does. Threads may."""
    numbers = _NUMBERS[platform.machine()]
    load_number = _instruction(0x20, 0)
    load_flags = _instruction(0x20, 16)  # the low half of the first argument
    allow, fail = _instruction(0x06, _ALLOW), _instruction(0x06, _FAIL | errno.EPERM)
    no_such_call = _instruction(0x06, _FAIL | errno.ENOSYS)
    program = load_number
    program += _instruction(0x15, numbers["clone3"], 0, 1) + no_such_call
    for name in ("fork", "vfork"):
        if name in numbers:
            program += _instruction(0x15, numbers[name], 0, 1) + fail
    program += _instruction(0x15, numbers["clone"], 1, 0) + allow
    program += load_flags + _instruction(0x45, _CLONE_THREAD, 0, 1) + allow + fail
    _install(program)


#: What the program can do without, by machine.
OPTIONAL_CALLS = {
    "x86_64": {
        "splice": 275,
        "memfd_create": 319,
        "pidfd_open": 434,
        "flock": 73,
        "link": 86,
        "linkat": 265,
        "madvise": 28,
        "prlimit64": 302,
    },
    "aarch64": {
        "splice": 76,
        "memfd_create": 279,
        "pidfd_open": 434,
        "flock": 32,
        "linkat": 37,
        "madvise": 233,
        "prlimit64": 261,
    },
}.get(platform.machine(), {})


#: What it needs, by machine.
NEEDED_CALLS = {
    "x86_64": {"socketpair": 53},
    "aarch64": {"socketpair": 199},
}.get(platform.machine(), {})


def refuse(call: str, number: int) -> None:
    """Have a system call fail with an error number from here on, here and in children."""
    program = _instruction(0x20, 0)
    program += _instruction(0x15, {**OPTIONAL_CALLS, **NEEDED_CALLS}[call], 0, 1)
    program += _instruction(0x06, _FAIL | number) + _instruction(0x06, _ALLOW)
    _install(program)


def _install(program: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    argument = _Program(len(program) // 8, program)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(argument), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no seccomp here")


def limit_file_size(size: int) -> None:
    """Let no file grow beyond ``size`` bytes: what a full disk does, without one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE = 21, 24
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522

#: RLIMIT_NPROC counts a user's tasks and does not hold for root: it needs a user of its own.
CAN_LIMIT_PROCESSES = platform.system() == "Linux" and os.geteuid() == 0


def become_nobody_special() -> None:
    """Be a user of our own for the limit on processes, and still read root's files."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "cannot give up a capability")
    os.setresuid(50_000 + os.getpid() % 10_000, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held):
        raise OSError(ctypes.get_errno(), "capget")
    words = list(struct.unpack("=6I", held.raw))
    for i in range(3):
        words[i] &= ~(1 << _CAP_SYS_ADMIN | 1 << _CAP_SYS_RESOURCE)
    if libc.capset(header, struct.pack("=6I", *words)):
        raise OSError(ctypes.get_errno(), "capset")


def limit_processes(count: int) -> None:
    """Let this user have at most ``count`` processes and threads."""
    resource.setrlimit(resource.RLIMIT_NPROC, (count, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
