"""Warnings that are errors, or cannot be shown, as a helper dies: the log and 1 and 2 are there."""

import sys
import warnings

from helpers.leaks import fd_target
from helpers.scripts import kill_helper
from helpers.wait import eventually

from ipyfdcapture import capture_fd

kind = sys.argv[1]
before = [fd_target(fd) for fd in (1, 2)]
kept = sys.stderr


def raising(*args: object, **kwargs: object) -> None:
    raise LookupError("nobody shows warnings here")


with capture_fd() as logs:
    print("warm")
if kind == "error":
    warnings.simplefilter("error")
elif kind == "showwarning":
    warnings.simplefilter("always")
    warnings.showwarning = raising
elif kind == "no stderr":
    del sys.stderr
raised: list[BaseException] = []
with capture_fd() as outer:
    try:
        with capture_fd(on_line=lambda line: None) as logs:
            print("before", flush=True)
            kill_helper()
            eventually(lambda: not logs.recording.writing.drain.host.outlives_us, "a thread")
            print("after", flush=True)
    except (RuntimeWarning, LookupError) as error:
        raised.append(error)
    try:
        logs.text
    except (RuntimeWarning, LookupError) as error:
        raised.append(error)
    assert logs.text == "before\nafter\n", logs.text
try:
    outer.text
except (RuntimeWarning, LookupError) as error:
    raised.append(error)
warnings.resetwarnings()
sys.stderr = kept
assert [fd_target(fd) for fd in (1, 2)] == before
assert len(raised) <= 1, raised
print("end")
