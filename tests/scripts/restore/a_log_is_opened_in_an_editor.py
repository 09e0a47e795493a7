import os

from ipyfdcapture import capture_fd
from ipyfdcapture.recording import spool

os.environ["VISUAL"] = "true"
with capture_fd() as logs:
    print("a line")
logs.edit()
assert any(name.startswith("edit-") for name in os.listdir(spool.directory()))
