"""Environments of containers and clusters, which a process enters before it captures.

Those of namespaces need root, and a system that lets it make them.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

from . import sandbox

_CLONE_NEWNS, _CLONE_NEWPID = 0x00020000, 0x20000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
_PR_SET_NO_NEW_PRIVS = 38
#: A user whom the system has no name for.
_NAMELESS = 54321


def can_enter(name: str) -> str | None:
    """Return why an environment cannot be entered here; None: it can."""
    if name in _PLAIN:
        return None
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root and Linux"
    if name in _OF_ROOT:
        return None
    done = subprocess.run(
        [sys.executable, "-m", "helpers.environments", name],
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))},
        capture_output=True,
        text=True,
    )
    return f"not allowed here: {done.stderr[-200:]}" if done.returncode else None


def enter(name: str) -> None:
    """Enter an environment. Raises `OSError` if the system does not allow it."""
    {**_PLAIN, **_OF_ROOT, **_OF_NAMESPACES}[name]()


# -- what any process may do ----------------------------------------------------------------------


def _give_up_new_rights() -> None:
    if ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("no_new_privs")


def _use_an_odd_path() -> None:
    """Python's own path has spaces, and it is a script."""
    directory = os.path.join(os.environ["TMPDIR"], 'a path \'with "quotes"')
    os.makedirs(directory, exist_ok=True)
    wrapper = os.path.join(directory, "python wrapper")
    with open(wrapper, "w") as file:
        file.write(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    os.chmod(wrapper, 0o755)
    sys.executable = wrapper


def _have_few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


_PLAIN: dict[str, Callable[[], object]] = {
    "odd_path": _use_an_odd_path,
    "umask_0": lambda: os.umask(0),
    "umask_777": lambda: os.umask(0o777),
    "few_descriptors": _have_few_descriptors,
    "locale_c": lambda: None,  # by the variables that the test sets
    "no_home": lambda: [os.environ.pop(name, None) for name in ("HOME", "USER", "LOGNAME")],
}
if sys.platform == "linux":
    _PLAIN["no_new_privs"] = _give_up_new_rights


def _have_no_locks_and_links() -> None:
    """What a home directory on NFS may refuse."""
    for call, number in (("flock", errno.ENOLCK), ("link", errno.EPERM), ("linkat", errno.EPERM)):
        if call in sandbox.OPTIONAL_CALLS:
            sandbox.refuse(call, number)


if sandbox.OPTIONAL_CALLS:
    _PLAIN["no_locks_and_links"] = _have_no_locks_and_links
    for _call in ("splice", "socketpair"):
        _PLAIN[f"no_{_call}"] = functools.partial(sandbox.refuse, _call, errno.EPERM)

# -- what root may do -----------------------------------------------------------------------------


def _go_on_in_a_child(afterwards: Callable[[], object] = lambda: None) -> None:
    """Return in a child. This process waits for it, and ends as it did."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        afterwards()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _become_nameless() -> None:
    """Be a user without a name, a home or a shell, as containers run programs."""
    place = tempfile.mkdtemp(dir="/tmp")  # that of the test is root's alone
    os.chmod(place, 0o777)
    _go_on_in_a_child(lambda: shutil.rmtree(place))
    import ipyfdcapture  # its files, and Python's, may be root's alone

    with ipyfdcapture.capture_fd(drain="thread") as warm:
        print("warm")
    assert warm.text == "warm\n"
    for name in ("HOME", "USER", "LOGNAME"):
        os.environ.pop(name, None)
    os.environ["TMPDIR"] = tempfile.tempdir = place
    os.setgroups([])
    os.setgid(_NAMELESS)
    os.setuid(_NAMELESS)


def _become_nameless_with_umask() -> None:
    _become_nameless()
    os.umask(0o777)


_OF_ROOT: dict[str, Callable[[], object]] = {
    "nameless": _become_nameless,
    "nameless_umask_777": _become_nameless_with_umask,
}

# -- namespaces -----------------------------------------------------------------------------------


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _unshare(flags: int) -> None:
    if _libc().unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def _mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), flags, options.encode())
    if _libc().mount(arguments[0], arguments[1], arguments[2], flags, arguments[4]):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def _own_mounts() -> None:
    _unshare(_CLONE_NEWNS)
    _mount("none", "/", "none", _MS_REC | _MS_PRIVATE)


def _use_small_tmp(read_only: bool = False) -> None:
    _own_mounts()
    if read_only:
        _mount("none", "/", "none", _MS_REMOUNT | _MS_BIND | _MS_RDONLY)
    _mount("tmpfs", _TMP, "tmpfs", 0, "size=64m,mode=1777")
    os.environ["TMPDIR"] = tempfile.tempdir = _TMP


#: Not /tmp itself: what is tested, and Python, may lie there.
_TMP = "/mnt"


def _hide_processes() -> None:
    _own_mounts()
    _mount("proc", "/proc", "proc", 0, "hidepid=2")


def _hide_proc() -> None:
    _own_mounts()
    _mount("tmpfs", "/proc", "tmpfs")


def _hide_shell() -> None:
    _own_mounts()
    for shell in {"/bin/sh", os.path.realpath("/bin/sh")}:
        _mount("/dev/null", shell, "none", _MS_BIND)


def _be_the_first_process() -> None:
    """Be process 1, which gets all orphans."""
    _unshare(_CLONE_NEWPID | _CLONE_NEWNS)
    _go_on_in_a_child()
    _mount("none", "/", "none", _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc")


_OF_NAMESPACES: dict[str, Callable[[], object]] = {
    "small_tmp": _use_small_tmp,
    "read_only_root": lambda: _use_small_tmp(read_only=True),
    "hidepid": _hide_processes,
    "no_proc": _hide_proc,
    "no_shell": _hide_shell,
    "first_process": _be_the_first_process,
}

NAMES = [*_PLAIN, *_OF_ROOT, *_OF_NAMESPACES]

if __name__ == "__main__":
    enter(sys.argv[1])
