"""The helper is stopped as its process crashes: it keeps the recording once it goes on."""

import os
import signal
from glob import glob

import psutil
from helpers.process import await_end, the_pump
from helpers.wait import eventually

from ipyfdcapture.capture.options import CaptureOptions
from ipyfdcapture.capture.session import CaptureSession
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording.recording import Recording

os.mkdir("crashes", 0o700)
owner = os.fork()
if not owner:
    options = CaptureOptions(descriptors=(1, 2), crash_dir=os.path.abspath("crashes"))
    CaptureSession(options).start()
    print("last words", flush=True)
    os.kill(the_pump(os.getpid()).pid, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(owner, 0)
helper = the_pump(owner)
eventually(lambda: helper.status() == psutil.STATUS_STOPPED, "a helper that is stopped")
assert not glob("crashes/*")
helper.resume()
await_end(helper.pid)
(data,) = glob("crashes/*.data")
print(Captured(Recording.open(data.removesuffix(".data"))).text, end="")
