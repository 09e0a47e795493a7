"""A capture keeps its promises in an environment: its name, then the drain."""

import os
import subprocess
import sys
import warnings

from helpers.environments import enter

name, kind = sys.argv[1:]
enter(name)

from ipyfdcapture import CaptureError, capture_fd  # noqa: E402
from ipyfdcapture.drain.choosing import get_drain  # noqa: E402

BULK = b"x" * 3_000_000 + b"\n"
warnings.simplefilter("always")
before = [(os.fstat(fd)[:3]) for fd in (1, 2)]
if name == "no_socketpair":  # which both drains need
    try:
        with capture_fd(drain=kind) as logs:
            raise AssertionError("it cannot be had")
    except CaptureError as error:
        print("refused", error, sep="\n")
    assert [(os.fstat(fd)[:3]) for fd in (1, 2)] == before
    sys.exit()
with warnings.catch_warnings(record=True) as told:
    with capture_fd(drain=kind) as logs:
        print("printed")
        os.write(1, BULK)
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert logs.raw == b"printed\n" + BULK, len(logs.raw)
    assert logs.dropped == 0
    assert not logs.complete
    assert not logs.wait(0.01)
    assert [(os.fstat(fd)[:3]) for fd in (1, 2)] == before

    # What is written late is in the log, and the log is complete then.
    child.communicate(b"late\n")
    assert logs.wait(30)
    assert logs.complete
    assert logs.raw.endswith(BULK + b"late\n")
    logs.close()

    # A helper that is killed is replaced; what it had in its pipes is not lost.
    is_process = get_drain(kind).host.outlives_us
    with capture_fd(drain=kind) as second:
        print("before")
        second.text  # it is in the file
        get_drain(kind).host.end()
        os.write(1, BULK)
    assert second.raw == b"before\n" + BULK, len(second.raw)
    second.close()

    # So is a full directory: nothing but the log is short.
    if name in ("small_tmp", "read_only_root"):
        with capture_fd(drain=kind) as large:
            for _ in range(40):
                os.write(1, BULK)
        assert large.dropped > 0
        assert large.dropped + large.nbytes == 40 * len(BULK)
        large.close()
assert [(os.fstat(fd)[:3]) for fd in (1, 2)] == before
print("process" if is_process else "thread", *(str(warning.message) for warning in told), sep="\n")
