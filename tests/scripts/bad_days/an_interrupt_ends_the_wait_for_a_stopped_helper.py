"""An interrupt while the end of a capture waits for a helper that is stopped."""

import os
import signal
import threading
import time

from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel

channel.ANSWER_S = 1000
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid
os.kill(helper, signal.SIGSTOP)
capture = capture_fd()
logs = capture.start()
print("one line")
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
interrupted = False
try:
    capture.stop()
    time.sleep(50)
except KeyboardInterrupt:
    interrupted = True
assert interrupted
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    logs.text  # a look waits as long, and can be interrupted as well
    raise AssertionError("it has waited to the end")
except KeyboardInterrupt:
    pass
os.kill(helper, signal.SIGCONT)
assert logs.text == "one line\n", logs.text
assert logs.complete
print("end")
