"""``sys.executable`` is this program itself, as where Python is frozen or embedded.

Arguments: how it behaves when it is started again. Each start adds a byte to a file.
"""

import os
import sys
import time
import warnings

with open("starts", "a") as file:
    file.write("x")
if os.path.getsize("starts") > 5:
    os._exit(1)  # enough seen
kind = sys.argv[1]
if "AGAIN" in os.environ:
    if kind == "hangs":
        time.sleep(600)
    if kind == "ends":
        sys.exit()
else:
    os.environ["AGAIN"] = "1"
    with open("application", "w") as file:
        script = os.path.abspath(__file__)
        file.write(f'#!/bin/sh\ncd {os.getcwd()}\nexec {sys.executable} {script} {kind} "$@"\n')
    os.chmod("application", 0o755)
sys.executable = os.path.abspath("application")
if kind == "frozen":
    sys.frozen = True  # type: ignore[attr-defined]

from ipyfdcapture import capture_fd  # noqa: E402
from ipyfdcapture.drain import choosing  # noqa: E402

# The others end by themselves, however busy the machine is: none of them may be given up before.
choosing._HELLO_S = 3 if kind == "hangs" else 60
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for n in range(3):
        with capture_fd() as logs:
            os.write(1, b"n%d" % n)
        assert logs.text == f"n{n}"
if os.path.getsize("starts") == 1 or kind == "hangs":
    assert len(told) == 1, [str(each.message) for each in told]
print("end", os.path.getsize("starts"))
