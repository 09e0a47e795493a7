"""Threads print, others replace ``sys.stdout``, captures come and go: each line is in one place.

Usage: this, which runs itself with an output that is a pipe, and says what is wrong with what was
written.
"""

import contextlib
import io
import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ipyfdcapture import capture_fd

ROUNDS = 60
PAUSE_S = 0.0005


class Through:
    """As a library puts in the place of a stream."""

    def __init__(self, to: Any) -> None:
        self.to = to

    def write(self, text: str) -> int:
        self.to.write(text)
        return len(text)

    def flush(self) -> None:
        self.to.flush()


def run(path: str) -> None:
    """Print, replace and capture; report to a file."""
    ended = threading.Event()
    real = sys.stdout
    memories = [io.StringIO() for _ in range(3)]
    written: dict[str, int] = {}
    errors: list[str] = []
    texts: list[str] = []

    def repeat(name: str, act: Callable[[str], None]) -> None:
        for number in itertools.count(1):
            try:
                act(f"<{name} {number}>")
            except Exception as error:
                errors.append(repr(error))
            written[name] = number
            if ended.wait(PAUSE_S):
                break

    # Kept: `print` does not hold on to the stream that it writes to, before Python 3.14.
    through = Through(real)
    streams = through, memories[0], Through(through), real

    def replace(line: str) -> None:
        for stream in streams:
            sys.stdout = stream
            ended.wait(PAUSE_S)
        print(line, file=real)

    def redirect(memory: io.StringIO, line: str) -> None:
        with contextlib.redirect_stdout(memory):
            ended.wait(PAUSE_S)
            print(line, file=memory)

    def flush(line: str) -> None:
        sys.stdout.flush()
        print(line, file=real)

    acts: list[Callable[[str], None]] = [print] * 4 + [replace, flush]
    acts += [partial(redirect, memory) for memory in memories[1:]]
    threads = [threading.Thread(target=repeat, args=(f"t{i}", act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        with capture_fd() as logs:
            ended.wait(2 * PAUSE_S)
        texts.append(logs.text)
        logs.close()
    ended.set()
    for thread in threads:
        thread.join()
    sys.stdout = real
    print("in its place")
    real.flush()
    texts += [memory.getvalue() for memory in memories]
    with open(path, "w") as file:
        json.dump([written, errors, "".join(texts)], file)


if sys.argv[1:] == ["run"]:
    run("report")
else:
    program = subprocess.run([sys.executable, __file__, "run"], stdout=subprocess.PIPE, check=True)
    outside = program.stdout.decode("latin-1")
    with open("report") as file:
        written, errors, inside = json.load(file)
    found = re.findall(r"<(\w+) (\d+)>", inside + outside)
    expected = {(name, str(i + 1)) for name, number in written.items() for i in range(number)}
    print(
        f"errors {sorted(set(errors))}, missing {len(expected - set(found))}, "
        f"doubled {len(found) - len(set(found))}, {outside.splitlines()[-1]}"
    )
