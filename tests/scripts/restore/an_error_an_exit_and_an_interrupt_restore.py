"""An error an exit and an interrupt restore."""

import os

from helpers.leaks import no_leaks
from helpers.scripts import warm_up

from ipyfdcapture import capture_fd

warm_up()
with no_leaks():
    for error in (ValueError, SystemExit, KeyboardInterrupt, GeneratorExit):
        logs = None
        try:
            with capture_fd() as logs:
                print("before", error.__name__)
                os.write(2, b"native")
                raise error
        except error:
            pass
        assert logs.stdout == f"before {error.__name__}\n" and logs.stderr == "native"
        logs.close()
    del logs
print("restored")
