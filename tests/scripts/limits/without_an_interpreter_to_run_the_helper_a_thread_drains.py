"""Without an interpreter to run the helper a thread drains."""

import os
import sys
import warnings

from ipyfdcapture import capture_fd

sys.executable = eval(sys.argv[1])
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for n in range(3):
        with capture_fd() as logs:
            os.write(1, b"n%d" % n)
        assert logs.stdout == f"n{n}", logs.stdout
print(len([w for w in told if w.category is RuntimeWarning]) >= 1)
