"""A build that prints to both streams, and is silent for a moment in between."""

import os
import time

_BUILD = [
    (1, "INFO:build:reading main.c"),
    (1, "compiling: loss 0.5"),
    (2, "main.c:3: warning: unused variable 'count'"),
    (1, "linking: loss 0.125"),
    (2, "main.c:5: warning: comparison of different signs"),
    (2, "main.c:7: error: 'undeclared' undeclared"),
    (2, "main.c:7: note: declared here"),
    (1, "build finished"),
]


def build() -> None:
    for number, (fd, line) in enumerate(_BUILD):
        if number:  # two pipes: far enough apart that their order is known
            time.sleep(0.5 if number == 2 else 0.02)
        os.write(fd, f"{line}\n".encode())
