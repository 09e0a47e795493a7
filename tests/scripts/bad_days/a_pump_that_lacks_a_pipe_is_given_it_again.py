"""A pump could not have a pipe, or let go of it too late: it is given the pipe again."""

import os
import resource
import signal
import sys
import time
import warnings

from helpers.kept import KeptProcess
from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel
from ipyfdcapture.drain.drain import Drain

warnings.simplefilter("ignore")
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)


def limit_descriptors(pid, soft):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, NOFILE[1]))


def held(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def the_helper_has_no_descriptors():
    with capture_fd():
        print("warm", flush=True)
    helper = the_pump(os.getpid()).pid
    for spare in range(8):
        limit_descriptors(helper, held(helper) + spare)
        with capture_fd() as logs:
            drain = logs.recording.writing.drain
            drain._channel.ask({"do": "hello"}, time.monotonic() + 30)  # it has read what was sent
            limit_descriptors(helper, NOFILE[1])
            os.write(1, b"a line\n")
        assert logs.text == "a line\n", (spare, logs.text)
        assert logs.complete and logs.dropped == 0
        logs.close()


def this_process_has_none_when_a_thread_goes_on():
    """What another drain has let go of is not lost."""
    for spare in range(10):
        a_thread_goes_on_with(spare)


def a_thread_goes_on_with(spare):
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    hand_over = Drain.hand_over

    def hand_over_and_take_descriptors(*args):
        done = hand_over(*args)
        limit_descriptors(0, held("self") + spare)
        return done

    with kept:
        Drain.hand_over = hand_over_and_take_descriptors
        try:
            with capture_fd(drain="thread") as second:
                kept.write("amid")
        finally:
            Drain.hand_over = hand_over
            limit_descriptors(0, NOFILE[0])
        kept.write("after")
    assert first.wait(30)
    assert first.text == "amid\nafter\n", (spare, first.text)
    assert "".join(second) == "amid", (spare, second.text)


def the_helper_lets_go_too_late():
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    helper = the_pump(os.getpid()).pid
    patience, channel.ANSWER_S = channel.ANSWER_S, 0.2
    with kept:
        os.kill(helper, signal.SIGSTOP)
        with capture_fd(drain="thread"):
            pass
        channel.ANSWER_S = patience
        os.kill(helper, signal.SIGCONT)
        kept.write("one")
        kept.write("two")
    assert first.wait(30)
    assert first.text == "one\ntwo\n", first.text


globals()[sys.argv[1]]()
print("end")
