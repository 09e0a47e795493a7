"""A limited log is closed while its helper has yet to record what belongs into a tail file."""

import glob
import os
import signal
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel

channel.ANSWER_S = 0.2
warnings.simplefilter("ignore")
with capture_fd() as around:
    with capture_fd(max_bytes=10) as logs:
        helper = the_pump(os.getpid()).pid
        os.kill(helper, signal.SIGSTOP)
        print("x" * 100)
    path = logs.recording.path
    assert glob.glob(path + "*")
    logs.close()
os.kill(helper, signal.SIGCONT)
assert around.wait(30)  # it has done all that it was asked before
print([os.path.basename(each) for each in glob.glob(path + "*")])
