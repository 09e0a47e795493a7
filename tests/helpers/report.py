"""For scripts: say something past whatever is captured at the moment."""

from __future__ import annotations

import os

#: The descriptor of ``report.txt``, in the directory that the script runs in.
report = os.open("report.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)


def show(*words: object) -> None:
    os.write(report, (" ".join(map(str, words)) + "\n").encode())
