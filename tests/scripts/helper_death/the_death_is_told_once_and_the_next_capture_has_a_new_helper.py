"""The death is told once and the next capture has a new helper."""

import os
import warnings

from helpers.process import await_end, the_pump
from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd() as logs:
        os.write(1, b"before\n")
        first = kill_helper()
        await_end(first)
        os.write(1, b"after\n")
        os.write(2, b"err\n")
    assert (logs.stdout, logs.stderr) == ("before\nafter\n", "err\n"), logs.text
    with capture_fd() as again:
        os.write(1, b"again\n")
    assert again.stdout == "again\n"
    second = the_pump(os.getpid()).pid
messages = [str(w.message) for w in told if w.category is RuntimeWarning]
print(len(messages), len(messages[0].splitlines()), first != second)
