"""What the code of plain processes begins with."""

from __future__ import annotations

#: Before the code of a plain process: where the descriptors lead, and a leak check.
PRELUDE = """
import contextlib, ctypes, errno, os, select, signal, subprocess, sys, threading, time, warnings
import ipyfdcapture
from ipyfdcapture import CaptureError, capture_fd
from helpers.interrupts import Interrupter
from helpers.leaks import difference, fd_target, no_leaks, settled_difference, snapshot

def show(*words):  # past whatever is captured at the moment
    os.write(report, (" ".join(map(str, words)) + "\\n").encode())
report = os.open("report.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

def warm_up(**options):
    for drain in ("process", "thread"):
        with capture_fd(drain=drain, **options) as logs:
            print("warm")
        logs.close()
"""
