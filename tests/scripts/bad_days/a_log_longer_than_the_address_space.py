"""``ulimit -v``: a log that could not be mapped is read in windows."""

import os
import resource
import tempfile

from ipyfdcapture import capture_fd

with capture_fd() as logs:
    print("warm")
repr(logs), logs._repr_mimebundle_(), logs.levels()
with open("/proc/self/statm") as statm:
    size = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (100 << 20), resource.RLIM_INFINITY))
with capture_fd() as logs:
    for number in range(300):
        os.write(1, b"x" * 999_990 + b" %8d\n" % number)
assert logs.nbytes == 300_000_000
assert len(logs) == 300
assert logs[-1].endswith(" 299")
assert "300 lines" in repr(logs)
assert logs._repr_mimebundle_()["text/html"]
assert [line[-3:] for line in logs.tail(2)] == ["298", "299"]
assert len(logs.grep("     17")) == 11, len(logs.grep("     17"))
assert logs.levels() == {}
logs.gaps()
path = os.path.join(tempfile.mkdtemp(), "log.txt")
logs.save(path)
assert os.path.getsize(path) == 300_000_000
print("end")
