"""The helper is of another version than what this process has loaded: a thread serves."""

import os
import warnings

from helpers.process import pumps
from helpers.wait import eventually

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import protocol

protocol.VERSION += 1
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for number in range(3):
        with capture_fd() as logs:
            os.write(1, b"%d\n" % number)
        assert logs.text == f"{number}\n"
(warning,) = told
assert "another version of ipyfdcapture was installed" in str(warning.message), warning.message
assert "restart the kernel" in str(warning.message)
eventually(lambda: not pumps(os.getpid()), "the end of the helper")
print("end")
