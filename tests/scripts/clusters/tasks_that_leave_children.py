"""A worker whose tasks leave children behind that write later."""

import os
import subprocess

from helpers.wait import eventually

from ipyfdcapture import capture_fd
from ipyfdcapture.cluster import parts as limits
from ipyfdcapture.cluster.protocol import VERSION
from ipyfdcapture.cluster.service import service


def files():
    return [os.fstat(fd).st_ino for fd in (1, 2)]


def descriptors():
    return len(os.listdir("/dev/fd"))


def ask(what, **request):
    return service.answer({"do": what, "version": VERSION, "session": "one", **request})


def part(key):
    return ask("part", key=key)


def text(key):
    """Return what a task has written by now."""
    found = part(key)
    data, position = b"", found["start"]
    while position < found["stop"]:
        answer = ask(
            "read",
            incarnation=found["incarnation"],
            start=position,
            stop=found["stop"],
            sources=[number for number, _ in found["sources"]],
        )
        data += answer["data"]
        position = answer["stop"]
    return data.decode()


def leave_a_child(key):
    """Run a task that starts a child, which writes each line that it is given; return it."""
    service.begin_part(key)
    os.write(1, b"%s began\n" % key.encode())
    child = subprocess.Popen(["sh", "-c", "while read x; do echo $x; done"], stdin=subprocess.PIPE)
    service.end_part(key)
    return child


def write(child, line):
    child.stdin.write(line.encode() + b"\n")
    child.stdin.flush()


def end(child):
    child.communicate()
    assert child.returncode == 0


before = files()
service.begin("one", "worker", {})
own = files()
(mark,) = ask("mark")["recordings"]

# Two tasks after each other, whose children both live on.
first, second = leave_a_child("first"), leave_a_child("second")
assert files() == own
assert not part("first")["over"] and not part("second")["over"]
service.begin_part("third")
os.write(1, b"third\n")
assert text("third") == "third\n"
write(first, "late 1")
eventually(lambda: text("first") == "first began\nlate 1\n", "the child's line")
os.write(2, b"third again\n")
service.end_part("third")
write(second, "late 2")
eventually(lambda: text("second") == "second began\nlate 2\n", "the child's line")
assert text("third") == "third\nthird again\n" and part("third")["over"]
assert text("first") == "first began\nlate 1\n"

# Its end is seen; its sources serve a later task, and what it wrote stays its own.
end(first)
assert part("first")["over"]
service.begin_part("fourth")
os.write(1, b"fourth\n")
service.end_part("fourth")
assert part("fourth")["sources"] == part("first")["sources"]
assert text("fourth") == "fourth\n" and text("first") == "first began\nlate 1\n"
end(second)
held = descriptors()
for i in range(50):
    service.begin_part(f"task {i}")
    os.write(1, b"%d\n" % i)
    service.end_part(f"task {i}")
eventually(lambda: descriptors() <= held, "no descriptor to be left")
assert len(ask("mark")["recordings"][0]["sources"]) == 2 + 2 * 3
assert [text(f"task {i}") for i in range(50)] == [f"{i}\n" for i in range(50)]

# All of it is the worker's, in order.
end_now = ask("mark")["recordings"][0]["end"]
everything = ask("read", incarnation=mark["incarnation"], start=0, stop=end_now)["data"].decode()
assert everything == (
    "first began\nsecond began\nthird\nlate 1\nthird again\nlate 2\nfourth\n"
    + "".join(f"{i}\n" for i in range(50))
)

# A capture of the user's own may end in another task than it has begun in.
service.begin_part("begins")
capture = capture_fd()
logs = capture.start()
os.write(1, b"captured\n")
service.end_part("begins")
service.begin_part("ends")
os.write(1, b"captured too\n")
capture.stop()
os.write(1, b"not captured\n")
print("nor this", flush=True)
service.end_part("ends")
assert logs.text == "captured\ncaptured too\n"
assert text("begins") == "" and text("ends") == "not captured\nnor this\n"
assert files() == own

# A task that leads a descriptor elsewhere has it there. Later it is led back to where it was: it
# is the next task's all the same.
service.begin_part("leads")
kept = os.dup(1)
nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 1)
service.end_part("leads")
assert os.path.sameopenfile(1, nowhere)
os.dup2(kept, 1)
os.close(kept)
os.close(nowhere)
service.begin_part("after it")
print("by Python", flush=True)
os.write(1, b"native\n")
service.end_part("after it")
assert text("after it") == "by Python\nnative\n" and text("leads") == ""
assert files() == own

# A forked child that becomes a daemon keeps nothing of a task's pipes.
service.begin_part("daemon")
until, alive = os.pipe()
if os.fork() == 0:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2, alive):
        os.dup2(nowhere, fd)
    os.read(until, 1)
    os._exit(0)
os.close(until)
service.end_part("daemon")
eventually(lambda: part("daemon")["over"], "it to be a daemon")
os.close(alive)
os.wait()

# So many may leave a child. Later ones share the worker's own pipes, and are found all the same.
limits._MOST_LEFT = 3
children = [leave_a_child(f"child {i}") for i in range(6)]
kept_apart = [not part(f"child {i}")["over"] for i in range(6)]
assert kept_apart.count(True) <= 4 and kept_apart[:3] == [True] * 3
assert [text(f"child {i}") for i in range(6)] == [f"child {i} began\n" for i in range(6)]

# The log is closed while a task runs and children live: the worker is as before, at once.
limits._MOST_LEFT = 20
service.begin_part("last")
assert files() != own
service.end("one")
assert files() == before
service.end_part("last")
for child in children:
    end(child)
eventually(lambda: descriptors() <= held, "no descriptor to be left")
print("end")
