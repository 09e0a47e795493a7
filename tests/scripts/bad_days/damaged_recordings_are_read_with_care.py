"""Recordings of crashed kernels, damaged at random: bounded time and memory, one clear line.

Arguments: a seed, for how long (s), and how many recordings to damage at least.
"""

import itertools
import os
import random
import resource
import signal
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

from ipyfdcapture import CaptureError
from ipyfdcapture.ipython.left_behind import announcement
from ipyfdcapture.ipython.recover import describe
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording import crashes, spool
from ipyfdcapture.recording.files import recording_files
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording
from ipyfdcapture.recording.writer import RecordingWriter

#: So long may a look at one take, on a machine that is busy, and so much memory.
LIMIT_S = 20
LIMIT_BYTES = 100 << 20

chance = random.Random(int(sys.argv[1]))
NUMBERS = [0, 1, 7, 24, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, -1]
WORDS = ["NaN", "1e999", "[", "{", '"', "null", "-1", "true", "9" * 400, '"\\ud800"', "\n", "\0"]


def left_by_a_crash(key: str) -> str:
    """Make a recording as a crash leaves it."""
    folder = crashes.directory(key)
    os.makedirs(folder, exist_ok=True)
    metadata = Metadata(
        sources=("stdout", "stderr"),
        started=time.time_ns(),
        max_bytes=chance.choice([None, 1000, 3 << 20]),
        notebook=key,
        cell=3,
        first_line="solve()",
    )
    metadata = replace(metadata, gaps=chance.choice([(), (5,)]))
    recording, data, index = Recording.create(folder, metadata)
    writer = RecordingWriter(recording.path, data, index, metadata.max_bytes)
    for _ in range(chance.choice([0, 1, 20])):
        size = chance.choice([1, 100, 100_000, 1 << 20])
        writer.append(chance.choice([b"x", b"line\n", b"\xff\n"]) * size, chance.randrange(2))
    writer.close()
    recording.keep_files()
    return recording.path


def damage(path: str) -> None:
    """Damage one file of a recording, or enlarge it without writing to it."""
    file = chance.choice(recording_files(path))
    kind = chance.randrange(6)
    if kind == 5 or os.path.getsize(file) > 1 << 28:
        os.truncate(file, chance.choice([1 << 30, 1 << 40]))
        return
    content = bytearray(Path(file).read_bytes())
    at = chance.randrange(len(content) + 1)
    if kind == 0:
        del content[at:]
    elif kind == 1 and content:
        content[at % len(content)] = chance.randrange(256)
    elif kind == 2:
        at -= at % 8
        content[at : at + 8] = struct.pack("<Q", chance.choice(NUMBERS) % (1 << 64))
    elif kind == 3:
        content[at:at] = chance.choice(WORDS).encode()
    elif kind == 4:
        content[at:at] = chance.randbytes(100)
    Path(file).write_bytes(content)


def look(key: str) -> None:
    announcement(crashes.find(key))
    for path in crashes.find(key):
        assert "\n" not in describe(path)
        try:
            log = Captured(crashes.load(path))
        except CaptureError as error:
            assert str(error)
            crashes.delete(path)
            continue
        if log.nbytes < 1 << 29:  # else: to read it all is what was asked for
            repr(log), log._repr_mimebundle_(), log.tail(3).text, log.levels(), log.facts
            for text in log[:100]:
                str(text)
        log.close()


def too_long(*_: object) -> None:
    raise AssertionError(f"longer than {LIMIT_S} s")


signal.signal(signal.SIGALRM, too_long)
describe(left_by_a_crash("warm up"))
look("warm up")
spool.directory()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
until = time.monotonic() + float(sys.argv[2])
for number in itertools.count():
    if number >= int(sys.argv[3]) and time.monotonic() >= until:
        break
    key = f"notebook {number}"
    damaged, whole = left_by_a_crash(key), left_by_a_crash(key)
    for _ in range(chance.choice([1, 1, 3])):
        damage(damaged)
    signal.alarm(LIMIT_S)
    assert whole in crashes.find(key), "one that is damaged hides another"
    try:
        look(key)
    except BaseException:
        print("round", number, file=sys.stderr)
        raise
    signal.alarm(0)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) << 10
assert grown < LIMIT_BYTES, grown
print("end")
