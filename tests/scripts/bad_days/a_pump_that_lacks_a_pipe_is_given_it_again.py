"""A pump could not have a pipe, or let go of it too late: it is given the pipe again."""

import os
import resource
import signal
import sys
import threading
import time
import warnings

from helpers.kept import KeptProcess
from helpers.process import the_pump
from helpers.wait import eventually

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel as channels
from ipyfdcapture.drain import kept as kept_logs
from ipyfdcapture.drain import taking_over, watcher

warnings.simplefilter("ignore")
LINE = b"x" * 99_999 + b"\n"
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)


def limit_descriptors(pid, soft):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, NOFILE[1]))


def held(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def the_helper_has_no_descriptors():
    with capture_fd():
        print("warm", flush=True)
    helper = the_pump(os.getpid()).pid
    watcher._LOOK_S = 0.3
    # As a rule it is seen when the capture ends. But who writes more than a pipe holds waits.
    for spare, lines in [*((spare, 1) for spare in range(8)), (0, 30)]:
        limit_descriptors(helper, held(helper) + spare)
        with capture_fd() as logs:
            channel = logs.recording.writing.drain._link.channel
            channel.ask({"do": "hello"}, time.monotonic() + 30)  # it has read what was sent
            limit_descriptors(helper, NOFILE[1])
            for _ in range(lines):
                os.write(1, LINE)
        assert logs.raw == LINE * lines, (spare, len(logs.raw))
        assert logs.complete and logs.dropped == 0
        logs.close()


def this_process_has_none_when_a_thread_goes_on():
    """What another drain has let go of is not lost."""
    for spare in range(10):
        a_thread_goes_on_with(spare)


def a_thread_goes_on_with(spare):
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    hand_over = kept_logs.hand_over

    def hand_over_and_take_descriptors(*args):
        done = hand_over(*args)
        limit_descriptors(0, held("self") + spare)
        return done

    with kept:
        kept_logs.hand_over = hand_over_and_take_descriptors
        try:
            with capture_fd(drain="thread") as second:
                kept.write("amid")
        finally:
            kept_logs.hand_over = hand_over
            limit_descriptors(0, NOFILE[0])
        kept.write("after")
    assert first.wait(30)
    assert first.text == "amid\nafter\n", (spare, first.text)
    assert "".join(second) == "amid", (spare, second.text)


def the_helper_lets_go_too_late():
    with capture_fd(drain="process") as first:
        kept = KeptProcess()
    helper = the_pump(os.getpid()).pid
    patience, channels.ANSWER_S = channels.ANSWER_S, 0.2
    with kept:
        os.kill(helper, signal.SIGSTOP)
        with capture_fd(drain="thread"):
            pass
        channels.ANSWER_S = patience
        os.kill(helper, signal.SIGCONT)
        kept.write("one")
        kept.write("two")
    assert first.wait(30)
    assert first.text == "one\ntwo\n", first.text


def the_limit_comes_amid_a_take_over():
    """It is tried again until there are descriptors."""
    look = taking_over._check_that_there_are
    for spare in range(10):

        def look_and_take_descriptors(count, spare=spare):
            look(count)
            limit_descriptors(0, held("self") + spare)
            taking_over._check_that_there_are = look
            threading.Timer(0.1, limit_descriptors, (0, NOFILE[0])).start()

        with capture_fd(drain="process") as logs:
            taking_over._check_that_there_are = look_and_take_descriptors
            os.write(1, b"before\n")
            os.kill(the_pump(os.getpid()).pid, signal.SIGKILL)
            eventually(lambda: taking_over._check_that_there_are is look, "the take-over")
            os.write(1, b"after\n")
            eventually(lambda: resource.getrlimit(resource.RLIMIT_NOFILE) == NOFILE, "descriptors")
        assert logs.text == "before\nafter\n", (spare, logs.text)
        logs.close()


globals()[sys.argv[1]]()
print("end")
