"""Who has an answer from the pump may close all descriptors, and their numbers be files' then."""

import threading
import warnings

from helpers.scripts import assert_untouched, close_all
from helpers.wait import LIMIT_S

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel
from ipyfdcapture.drain.emptying import Emptier
from ipyfdcapture.drain.pump import Pump

warnings.simplefilter("ignore")
armed, closed = threading.Event(), threading.Event()
wait, answer = Emptier.wait, Pump._answer_requests


def wait_for_pipe_and_request(self):
    ready = wait(self)
    while armed.is_set() and len(ready) < 2 and not closed.wait(0.001):
        ready = wait(self)
    return ready


def answer_and_hold(self):
    holds = armed.is_set()  # who is answered here may set it at once
    answer(self)
    if holds:
        assert closed.wait(LIMIT_S)


channel.ANSWER_S = LIMIT_S
Emptier.wait, Pump._answer_requests = wait_for_pipe_and_request, answer_and_hold
with capture_fd(drain="thread") as logs:
    assert logs.text == ""  # the pump has all that it was sent
    armed.set()
    print("before", flush=True)
    assert logs.text == "before\n"
    files = close_all()
    closed.set()
assert logs.text == "before\n", logs.text
with capture_fd(drain="thread") as logs:
    print("again")
assert logs.text == "again\n", logs.text
assert_untouched(files)
