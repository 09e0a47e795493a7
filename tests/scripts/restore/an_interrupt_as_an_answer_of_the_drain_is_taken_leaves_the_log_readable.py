"""An interrupt as an answer of the drain is taken leaves the log readable."""

import json
import os
import signal

from helpers.moments import at_moment

from ipyfdcapture import capture_fd

with capture_fd() as logs:
    os.write(1, b"x")
    logs.nbytes  # so that at the end the pipes are empty, and nobody waits for an answer
assert logs.recording.writing.awaits_answer
at_moment(json, "loads", lambda: signal.raise_signal(signal.SIGINT))
try:
    logs.text
except KeyboardInterrupt:
    print("interrupted")
print(logs.text)
