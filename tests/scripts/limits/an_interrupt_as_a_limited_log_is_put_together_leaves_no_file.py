"""An interrupt comes once the file is made that the halves of a limited log are copied to."""

import contextlib
import os
import signal

from helpers.moments import at_moment

from ipyfdcapture import capture_fd
from ipyfdcapture.recording import spool

with capture_fd(max_bytes=1000) as logs:
    os.write(1, b"0123456\n" * 1000)
at_moment(contextlib.ExitStack, "enter_context", lambda: signal.raise_signal(signal.SIGINT))
try:
    len(logs.raw)
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("no interrupt came")
left = {os.path.splitext(name)[1] or name for name in os.listdir(spool.directory())}
assert left == {".data", ".index", ".tail0", spool.LOCK_NAME}, left
assert len(logs.raw) == 1000
print("end")
