"""After a capture with terminals everything is as it was, also what only terminals change."""

import ctypes
import os
import sys

from helpers.leaks import settled_difference, snapshot
from helpers.scripts import c_stream, warm_up

from ipyfdcapture import capture_fd

libc = ctypes.PyDLL(None)
stdout = c_stream("stdout")
is_by_line = getattr(libc, "__flbf", None)  # the C library of macOS does not tell
drain = sys.argv[1]
os.environ.pop("TERM", None)
os.environ["LINES"] = "7"
warm_up(tty=True)
before, environment = snapshot(), dict(os.environ)
assert not (is_by_line and is_by_line(stdout))
with capture_fd(tty=True, tty_size=(120, 40), drain=drain) as logs:
    assert os.isatty(1) and os.isatty(2) and sys.stdout.isatty() and sys.stderr.isatty()
    assert os.get_terminal_size(1) == os.get_terminal_size(2) == (120, 40)
    assert os.ttyname(1) != os.ttyname(2)
    libc.printf(b"by line\nrest")
    if is_by_line:
        assert is_by_line(stdout)
        while "by line" not in logs.stdout:  # though nobody has flushed it
            pass
    assert os.environ["TERM"] == "xterm-256color" and os.environ["COLUMNS"] == "120"
    os.environ["PAGER"] = "mine"
assert logs.stdout == "by line\nrest", logs.stdout
assert os.environ.pop("PAGER") == "mine"
assert dict(os.environ) == environment, set(os.environ.items()) ^ set(environment.items())
assert not (is_by_line and is_by_line(stdout))
logs.close()
with capture_fd(tty=True, merge=True, drain=drain) as logs:
    assert os.ttyname(1) == os.ttyname(2)
    os.write(1, b"a")
    os.write(2, b"b")
    os.write(1, b"c\n")
assert logs.text == "abc\n"
logs.close()
try:
    with capture_fd(tty=True, drain=drain) as logs:
        raise KeyError
except KeyError:
    logs.close()
with capture_fd(tty=True, drain=drain) as outer:
    with capture_fd(drain=drain) as inner:
        assert not os.isatty(1)
        os.write(1, b"inner")
    assert os.isatty(1)
    os.write(1, b"outer")
assert (outer.stdout, inner.stdout) == ("outer", "inner")
outer.close(), inner.close()
del logs, outer, inner
assert dict(os.environ) == environment
print(settled_difference(before))
