"""The system gives an interrupt to a thread while the main one waits. Argument: for what."""

import signal
import subprocess
import sys
import threading
import time

from ipyfdcapture import capture_fd, capture_thread, run_all


def wait_for_a_log():
    with capture_fd() as logs:
        child = subprocess.Popen(["sleep", "600"])
    try:
        interrupt_soon()
        logs.wait()
    finally:
        child.kill()


def wait_for_a_thread():
    with capture_thread() as logs:
        interrupt_soon()
        logs.wait()


def wait_for_programs():
    interrupt_soon()
    run_all([["sleep", "600"]])


def interrupt_soon():
    threading.Thread(target=interrupt_here).start()


def interrupt_here():
    time.sleep(0.1)  # the main thread waits, or will, and finds it at once
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


try:
    {"log": wait_for_a_log, "thread": wait_for_a_thread, "programs": wait_for_programs}[
        sys.argv[1]
    ]()
except KeyboardInterrupt:
    print("interrupted")
