"""A clock that stands still, as tests have it, and a helper that is stopped: each wait ends."""

import os
import signal
import subprocess
import sys
import time
import warnings
from types import BuiltinFunctionType
from unittest import mock

from helpers.process import the_pump

from ipyfdcapture import capture_fd
from ipyfdcapture.drain import channel


def stop_the_clock() -> None:
    """In `time`, and wherever a module has imported a function of it."""
    names = ["time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"]
    stopped = {getattr(time, name): mock.Mock(return_value=getattr(time, name)()) for name in names}
    stopped[time.sleep] = mock.Mock(side_effect=AssertionError("who sleeps is not the program"))
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "") not in ("threading", "queue"):  # which no tool touches
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if isinstance(value, BuiltinFunctionType) and value in stopped:
                    setattr(module, name, stopped[value])


def stop_with_freezegun() -> None:
    import freezegun

    freezegun.freeze_time("2050-01-01").start()


def stop_with_time_machine() -> None:
    import time_machine

    time_machine.travel(time.time(), tick=False).start()


kind = sys.argv[1]
signal.alarm(60)
with capture_fd() as logs:
    print("warm")
helper = the_pump(os.getpid()).pid
began = time.time_ns()
stop = {"freezegun": stop_with_freezegun, "time_machine": stop_with_time_machine}
stop.get(kind, stop_the_clock)()
assert time.monotonic() == time.monotonic() or kind == "time_machine"
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    channel.ANSWER_S = 0.5
    with capture_fd() as logs:
        os.kill(helper, signal.SIGSTOP)
        print("one line")
        print("another", file=sys.stderr)  # which waits until the first has been read
    assert not logs.wait(0.2)
    channel.ANSWER_S = 30.0  # of one that is not stopped
    with capture_fd() as following:  # by a new helper, which is waited for
        subprocess.run(["echo", "next"], check=True)
    assert following.text == "next\n"
assert "does not answer" in str(told[0].message), told
os.kill(helper, signal.SIGCONT)
assert logs.wait()
assert sorted(logs.text.splitlines()) == ["another", "one line"], logs.text
if kind != "time_machine":  # what was recorded has the time of the system, as the helper has it
    assert all(0 < line.time_ns - began < 60e9 for line in [*logs, *following])
    assert 0 < logs.duration < 60
print("end")
