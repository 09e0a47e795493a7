"""A program with the monkey patches of gevent or eventlet."""

import os
import sys
import warnings

kind, drain = sys.argv[1:]
if kind == "gevent":
    from gevent import monkey  # type: ignore[import-untyped]

    monkey.patch_all()
else:
    import eventlet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    warnings.simplefilter("ignore")
    eventlet.monkey_patch()

from helpers.leaks import fd_target  # noqa: E402

from ipyfdcapture import CaptureError, capture_fd  # noqa: E402

before = fd_target(1)
try:
    for _ in range(3):
        with capture_fd(drain=drain) as logs:
            print("printed")
            os.write(1, b"x" * 3_000_000)
            os.system("echo child")
        assert logs.text == "printed\n" + "x" * 3_000_000 + "child\n", len(logs.text)
except CaptureError as error:
    assert kind == "eventlet" or drain == "thread", error
    assert "in the place of threads" in str(error) and "\n" not in str(error), error
assert fd_target(1) == before
print("end")
