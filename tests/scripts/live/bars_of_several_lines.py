"""Bars of two lines that are drawn three times, as rich draws them, and what follows.

Arguments: two named pipes, one to wait at after each of the first two frames.
"""

import sys

GO_UP = "\r\x1b[2K\x1b[1A\x1b[2K"
frames = [f"\x1b[32mfirst\x1b[0m {done}%\nsecond {done // 2}%" for done in (0, 50, 100)]
print("before")
print("\x1b[?25l" + frames[0], end="", flush=True)
for gate, frame in zip(sys.argv[1:], frames[1:], strict=True):
    with open(gate):
        pass
    print(GO_UP + frame, end="", flush=True)
print("\x1b[?25h\nafter")
