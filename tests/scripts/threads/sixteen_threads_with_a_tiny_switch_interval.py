"""Sixteen threads print, capture, look and end, and change places as often as Python lets them.

Each line is in the log of the capture that it belongs to, once, whole.

    ... DRAIN ROUNDS
"""

import os
import sys
import threading
from collections import Counter

from ipyfdcapture import capture_fd, capture_thread
from ipyfdcapture.system.threads import Counter as Numbers

THREADS, LINES = 16, 40
drain, rounds = sys.argv[1], int(sys.argv[2])
sys.setswitchinterval(1e-6)


def in_all(work):
    """Run ``work(number)`` in all threads, which begin at once; raise what one raises."""
    gate = threading.Barrier(THREADS)
    errors = []

    def run(number):
        try:
            gate.wait(60)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def told(number, kind):
    return [f"{kind} {number}.{line} {'x' * (line % 7)}" for line in range(LINES)]


def print_all(number):
    for line in told(number, "printed"):
        sys.stdout.write(f"{line}\n")  # `print` writes the line's end by itself
    for line in told(number, "written"):
        os.write(1, line.encode() + b"\n")
    sys.stdout.write("".join(f"{line}\n" for line in told(number, "bulk")))


EXPECTED = Counter(
    line
    for number in range(THREADS)
    for kind in ("printed", "written", "bulk")
    for line in told(number, kind)
)

for _ in range(rounds):
    # Into one capture, which is looked at meanwhile.
    with capture_fd(drain=drain) as logs:

        def print_and_look(number, logs=logs):
            print_all(number)
            assert len(logs) >= 3 * LINES
            assert [str(line) for line in logs.grep(f"printed {number}.")] == told(
                number, "printed"
            )

        in_all(print_and_look)
    assert Counter(str(line) for line in logs) == EXPECTED
    logs.close()

    # Each into a log of its own, while captures of the process begin and end.
    def capture_own(number):
        with capture_thread() as own:
            for line in told(number, "own"):
                print(line)
        assert own.text.splitlines() == told(number, "own"), own.text
        own.close()

    def capture_all(number):
        if number % 4:
            capture_own(number)
            return
        with capture_fd(drain=drain) as log:
            for line in told(number, "all"):
                sys.stdout.write(f"{line}\n")
        assert [line for line in log.text.splitlines() if line.startswith(f"all {number}.")] == (
            told(number, "all")
        ), log.text
        log.close()

    in_all(capture_all)

    # What is numbered is numbered once.
    numbers, taken = Numbers(), []

    def take_numbers(number, numbers=numbers, taken=taken):
        for _ in range(LINES):
            taken.append(numbers.next())

    in_all(take_numbers)
    assert sorted(taken) == list(range(1, THREADS * LINES + 1))
print("end", getattr(sys, "_is_gil_enabled", lambda: True)())
