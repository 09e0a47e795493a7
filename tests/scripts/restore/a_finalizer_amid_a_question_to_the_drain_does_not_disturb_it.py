"""A finalizer amid a question to the drain does not disturb it."""

import gc
import subprocess

from ipyfdcapture import capture_fd
from ipyfdcapture.drain.channel import Channel

gc.disable()
receive, send = Channel._receive_some, Channel.send


def collect_and(function):
    def wrapped(*args):
        gc.collect()
        return function(*args)

    return wrapped


with capture_fd() as logs:
    print("kept")
    held = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
children = []


def forget():
    capture = capture_fd()
    circle: list[object] = [capture]
    circle.append(circle)
    capture.start()
    children.append(subprocess.Popen(["sleep", "0.2"]))


Channel._receive_some = collect_and(receive)
Channel.send = collect_and(send)
for _ in range(20):
    forget()
    assert logs.text == "kept\n", logs.text
held.communicate()
assert logs.wait(20)
for child in children:
    child.wait()
print(logs.text, end="")
