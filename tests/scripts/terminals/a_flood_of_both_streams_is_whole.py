"""A flood of both streams through terminals is whole, in memory and from a child."""

import ctypes
import subprocess
import sys
import threading

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import load_writer, warm_up

from ipyfdcapture import capture_fd

library, drain = sys.argv[1:]
lib = load_writer(library)
lines = 40_000
expected = {fd: "".join(f"line{fd} {i}\n" for i in range(lines)) for fd in (1, 2)}
warm_up(tty=True)
before = snapshot()
with capture_fd(tty=True, drain=drain) as logs:
    threads = [
        threading.Thread(target=lib.write_lines, args=(fd, b"line%d" % fd, lines)) for fd in (1, 2)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
assert logs.stdout == expected[1], len(logs.stdout)
assert logs.stderr == expected[2], len(logs.stderr)
assert logs.complete and not logs.dropped
logs.close()
with capture_fd(tty=True, drain=drain) as logs:
    subprocess.run("head -c 20000000 /dev/zero | tr '\\0' x", shell=True, check=True)
assert logs.nbytes == 20_000_000 and logs.complete
logs.close()
if drain == "process":  # which native code that holds the GIL cannot stop
    with capture_fd(tty=True, drain=drain) as logs:
        ctypes.PyDLL(None).printf(b"%s\n", b"y" * 300_000)
    assert logs.stdout == "y" * 300_000 + "\n"
    logs.close()
with capture_fd(tty=True, drain=drain, max_bytes=1000) as logs:
    lib.write_lines(1, b"line", 5000)
assert logs.nbytes == 1000 and logs.dropped, logs.dropped
logs.close()
del logs, threads
print(settled_difference(before))
