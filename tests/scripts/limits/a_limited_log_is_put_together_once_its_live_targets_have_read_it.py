"""A log with a limit is put together while a live target still reads its parts."""

import subprocess
import threading
import warnings

from ipyfdcapture import capture_fd

warnings.simplefilter("error")
blocked, go = threading.Event(), threading.Event()
lines: list[str] = []


def take(line: str) -> None:
    lines.append(line)
    if line == "first":
        blocked.set()
        assert go.wait(60)


with capture_fd(on_line=take, max_bytes=1000) as logs:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
(thread,) = (each for each in threading.enumerate() if each.name == "ipyfdcapture-on_line")
assert child.stdin is not None
child.stdin.write(b"first\n")
child.stdin.flush()
assert blocked.wait(60)
more = [f"line {number}" for number in range(300)]
child.communicate("".join(f"{line}\n" for line in more).encode())
assert logs.wait(60)
assert logs.text.endswith("line 299\n")
assert logs.dropped
go.set()
thread.join(60)
assert lines == ["first", *more], (len(lines), lines[-1])
del thread
assert logs.text.endswith("line 299\n")
print("end")
