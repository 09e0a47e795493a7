"""``ulimit -d``: what asks of a line of 200 MB whether it matches does not hold it."""

import os
import re
import resource
import tempfile
import warnings

from ipyfdcapture import open_log

BYTES = 3 << 26

path = os.path.join(tempfile.mkdtemp(), "long.log")
with open(path, "wb") as file:
    file.write(b"first: needle\nerror: a long one ")
    file.seek(BYTES)  # a hole in the file reads as zeros
    file.write(b"the last needle 17\nlast line\n")
logs = open_log(path)
repr(open_log(__file__)), open_log(__file__)._repr_mimebundle_(), open_log(__file__).levels()
with open("/proc/self/status") as status:
    size = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (size + (150 << 20), resource.RLIM_INFINITY))
try:
    bytearray(BYTES)
    print("there is room for all of it")
except MemoryError:
    pass
warnings.simplefilter("ignore")  # an expression is searched in pieces, and that is told

assert len(logs) == 3
assert (logs[0], logs[2]) == ("first: needle", "last line")
assert list(logs.tail(1)) == ["last line"]
for pattern in ("needle", b"needle", re.compile(r"needle\b"), re.compile(rb"ne+dle")):
    assert len(logs.grep(pattern)) == 2, pattern
assert len(logs.grep("NEEDLE", ignore_case=True)) == 2
assert len(logs[::-1].grep("last needle 17")) == 1
assert len(logs.grep(re.compile(r"needle \d+$"))) == 1
assert "a long one" in logs and "nowhere" not in logs
assert logs.levels() == {"error": 1} == logs[::2].levels() | logs[1:2].levels()
assert len(logs.grep(level="error", context="entry")) == 1
for view in (logs, logs.grep("needle"), logs[::-1]):
    assert len(repr(view)) < 500
    assert len(view._repr_mimebundle_()["text/html"]) < 100_000
assert logs.nbytes == BYTES + 29
print("end")
