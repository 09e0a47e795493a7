"""The death while no descriptors can be had loses nothing."""

import os
import resource
import select
import signal
import threading
import warnings

from helpers.process import the_pump

from ipyfdcapture import capture_fd

warnings.simplefilter("ignore")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)


def take_descriptors(spare):
    held = len(os.listdir("/dev/fd")) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + spare, hard))


def give_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def kill_helper_with_no_descriptors_left(spare):
    pidfd = os.pidfd_open(the_pump(os.getpid()).pid)
    take_descriptors(spare)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    select.select([pidfd], [], [])
    return pidfd


lines = b"".join(b"line %d\n" % i for i in range(400_000))
for spare in range(14):
    # More than a pipe holds: the writer waits until there are descriptors again.
    with capture_fd() as logs:
        pidfd = kill_helper_with_no_descriptors_left(spare)
        threading.Timer(0.1, give_descriptors).start()
        left = memoryview(lines)
        while left:
            left = left[os.write(1, left) :]
    assert logs.raw == lines, (spare, len(logs.raw))
    os.close(pidfd)
    # Over before there are any.
    with capture_fd() as logs:
        pidfd = kill_helper_with_no_descriptors_left(spare)
        os.write(1, b"before the end\n")
    give_descriptors()
    assert logs.raw == b"before the end\n", spare
    os.close(pidfd)
print("end")
