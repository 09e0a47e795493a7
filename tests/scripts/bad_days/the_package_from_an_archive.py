"""The package lies in a zip file: a thread serves, and logs are shown and saved. Argument: it."""

import sys
import warnings
from importlib import import_module
from pathlib import Path

archive = sys.argv[1]
sys.path.insert(0, archive)
ipyfdcapture = import_module("ipyfdcapture")
assert ipyfdcapture.__file__.startswith(archive)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with ipyfdcapture.capture_fd() as logs:
        print("captured")
assert ["a thread" in str(each.message) for each in told] == [True], told
assert "captured" in logs._repr_mimebundle_()["text/html"]
logs.save("log.html")
assert "captured" in Path("log.html").read_text("utf-8")
print("end")
