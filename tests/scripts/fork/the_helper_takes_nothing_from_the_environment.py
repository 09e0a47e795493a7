"""The helper takes nothing from the environment."""

import os
import sys
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd

os.environ["PYTHONPATH"] = sys.argv[1]
os.environ["PYTHONHOME"] = "/nonexistent"
os.environ["PYTHONSTARTUP"] = sys.argv[1] + "/json.py"
os.environ["PYTHONUTF8"] = "nonsense"
os.chdir(sys.argv[1])


warnings.simplefilter("error")
with capture_fd(drain="process") as logs:
    os.write(1, b"captured")
    the_pump(os.getpid(), timeout=10)
print(logs.stdout)
