"""Sixteen threads print while captures come and go: each line is in one place, once.

Usage: this KIND, which says what standard output is: pipe, file, appended or terminal. Runs itself
with that, and says what is wrong with what was written.
"""

import json
import os
import pty
import re
import subprocess
import sys
import threading

from ipyfdcapture import capture_fd

ROUNDS = 150


def run(path: str) -> None:
    """Print and capture; report to a file."""
    ended = threading.Event()
    written: dict[str, int] = {}
    errors: list[str] = []
    texts: list[str] = []

    def write(name: str) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            try:
                sys.stdout.write(f"<{name} {number}>\n")
                if number % 7 == 0:
                    sys.stdout.flush()
            except Exception as error:
                errors.append(repr(error))
            ended.wait(0.0005)
        written[name] = number

    threads = [threading.Thread(target=write, args=(f"t{i}",)) for i in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        with capture_fd() as logs:
            ended.wait(0.001)
        texts.append(logs.text)
        logs.close()
    ended.set()
    for thread in threads:
        thread.join()
    sys.stdout.flush()
    with open(path, "w") as file:
        json.dump([written, errors, "".join(texts)], file)


def open_output(kind: str) -> tuple[int, int]:
    """Return where the output can be read, and where it is written."""
    if kind == "pipe":
        return os.pipe()
    if kind == "terminal":
        return pty.openpty()
    flags = os.O_CREAT | os.O_WRONLY | (os.O_APPEND if kind == "appended" else 0)
    write_end = os.open("output", flags)
    return os.open("output", os.O_RDONLY), write_end


def read(fd: int) -> bytes:
    """Read to the end."""
    chunks = []
    while True:
        try:
            chunks.append(os.read(fd, 1 << 16))
        except OSError:  # a terminal that nobody has open any more
            break
        if not chunks[-1]:
            break
    return b"".join(chunks)


if sys.argv[1] == "run":
    run(sys.argv[2])
else:
    read_end, write_end = open_output(sys.argv[1])
    program = subprocess.Popen([sys.executable, __file__, "run", "report"], stdout=write_end)
    os.close(write_end)
    if os.path.exists("output"):
        program.wait()
    outside = read(read_end)
    assert program.wait() == 0
    with open("report") as file:
        written, errors, inside = json.load(file)
    found = re.findall(r"<(\w+) (\d+)>", inside + outside.decode("latin-1"))
    expected = {(name, str(i + 1)) for name, number in written.items() for i in range(number)}
    print(
        f"errors {sorted(set(errors))}, missing {len(expected - set(found))}, "
        f"doubled {len(found) - len(set(found))}, zeros {outside.count(bytes(1))}"
    )
