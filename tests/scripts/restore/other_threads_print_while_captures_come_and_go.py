"""Other threads print while captures come and go."""

import os
import re
import sys
import threading
from typing import Any

from ipyfdcapture import capture_fd

options: dict[str, Any] = {"merge": {"merge": True}, "no python": {"python": False}}.get(
    sys.argv[1], {}
)
errors, written, taken = [], {}, []
ended = threading.Event()


def write(name, put):
    number = 0
    while not ended.is_set() and number < 50_000:  # more takes long to look through
        number += 1
        try:
            put(f"<{name} {number}>")
        except BaseException as error:
            errors.append(repr(error))
    written[name] = number


kept = sys.stdout
# One thread for each stream: Python's own mix up what several write (python/cpython#119506).
ways = {
    "out": print,
    "err": lambda text: print(text, file=sys.stderr),
    "raw": lambda text: os.write(1, text.encode()),
}
if sys.argv[1] == "kept":
    ways["out"] = lambda text: kept.write(text + "\n")
if sys.argv[1] == "in turn":
    ways = {"both": lambda text: (print(text), print(end=".", file=sys.stderr))}
threads = [threading.Thread(target=write, args=way) for way in ways.items()]
for thread in threads:
    thread.start()
for _ in range(int(sys.argv[2])):
    with capture_fd(**options) as logs:
        if sys.argv[1] == "nested":
            with capture_fd() as inner:
                threading.Event().wait(0.001)
            taken.append((inner, inner.text))
        threading.Event().wait(0.001)
    taken.append((logs, logs.text))
ended.set()
for thread in threads:
    thread.join()
sys.stdout.flush()
sys.stderr.flush()
# What waited in a full pipe as the capture ended comes later: of each thread one write.
texts = []
for log, at_the_end in taken:
    assert log.wait(60)
    texts.append(log.text)
    later = texts[-1].removeprefix(at_the_end)
    assert at_the_end + later == texts[-1] and later.count("<") <= len(ways), later
everything = "".join(texts) + open("script.out").read() + open("script.err").read()
found = re.findall(r"<(\w+) (\d+)>", everything)
expected = {(name, str(i + 1)) for name, number in written.items() for i in range(number)}
counts = len(expected - set(found)), len(found) - len(expected)
with open("result", "w") as result:
    print(sorted(set(errors)), *counts, file=result, end="")
