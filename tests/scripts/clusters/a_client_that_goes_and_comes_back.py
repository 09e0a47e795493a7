"""A worker whose client is killed, or comes back; the looks at its clients are made by hand."""

import os

from ipyfdcapture.cluster import service as serving
from ipyfdcapture.cluster.host import host_id
from ipyfdcapture.cluster.protocol import VERSION
from ipyfdcapture.cluster.service import service

SILENT = round(serving.LEASE_S / serving.LOOK_S)
GONE = round(serving.RETURN_S / serving.LOOK_S)


def files():
    return [os.fstat(fd).st_ino for fd in (1, 2)]


def ask(what, **request):
    return service.answer({"do": what, "version": VERSION, "session": "one", **request})


def read(incarnation):
    found = ask("read", incarnation=incarnation, start=0, stop=1 << 20)
    return found["data"]


def look(times):
    for _ in range(times):
        service.look()


before = files()
service.begin("one", "worker", {})
assert files() != before
os.write(1, b"first\n")
(first,) = ask("mark")["recordings"]

# One that asks now and then is kept, however long it is.
for _ in range(3):
    look(SILENT - 1)
    ask("mark")
assert files() != before

# One that does not is given up: the worker is as it was, and what it had is kept.
service.begin_part("task")
os.write(1, b"second\n")
service.end_part("task")
look(SILENT)
assert files() == before
assert not service.is_wanted
os.write(1, b"missed\n")

# It comes back: nothing that was recorded is lost, and the worker is captured again.
old, new = ask("mark")["recordings"]
assert files() != before
assert old["incarnation"] == first["incarnation"]
assert old["over"] and old["lapsed"] and not new["lapsed"]
assert read(old["incarnation"]) == b"first\nsecond\n"
part = ask("part", key="task")
assert (part["incarnation"], part["start"], part["stop"]) == (old["incarnation"], 6, 13)
os.write(1, b"third\n")
ask("mark")
assert read(new["incarnation"]) == b"third\n"

# Two clients: the worker is captured as long as one of them asks.
service.begin("two", "worker", {})
look(SILENT - 1)
ask("mark")
look(1)
assert files() != before
service.end("one")  # the other is silent
assert files() == before

# Another client has nothing of that.
service.begin("one", "worker", {})
assert files() != before
(new,) = ask("mark")["recordings"]
assert new["end"] == 0 and not new["lapsed"]

# It never comes back: nothing is left.
look(GONE)
assert files() == before
assert ask("mark") == {"error": "unknown", "host": host_id()}
assert not any(map(os.path.exists, (old["path"], new["path"], old["left_dir"], new["left_dir"])))
print("end")
