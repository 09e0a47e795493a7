"""Whatever lies where a crashed kernel's recording should be: what can be read is read.

The files are made from nothing, or are those of a recording with one change. The other way round,
many recordings damaged at random: ``tests/scripts/bad_days/damaged_recordings_are_read_with_care``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from helpers.fixtures import FULL
from hypothesis import HealthCheck, example, given, settings

from ipyfdcapture import CaptureError
from ipyfdcapture.ipython.recover import describe
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording import crashes
from ipyfdcapture.recording.format import ENTRY, new_header
from ipyfdcapture.recording.metadata import Metadata

#: Numbers at which arithmetic goes wrong.
EDGES = [0, 1, 23, 24, 1 << 20, 1 << 31, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
NUMBERS = st.sampled_from(EDGES) | st.integers(0, 200)
NAMES = st.sampled_from(sorted({*Metadata().__dict__, "added_sources", "first_added", "nonsense"}))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=5)
    | NUMBERS
    | NUMBERS.map(int.__neg__),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
LINES = st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps) | st.text(max_size=20)
SOUND = [{"sources": ["stdout", "stderr"], "started": 1, "notebook": "k"}]
METADATA = (
    st.lists(LINES, max_size=4)
    .map("\n".join)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
)
ENTRIES = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6)
INDEX = st.binary(max_size=60) | st.tuples(NUMBERS, ENTRIES, st.integers(0, 23)).map(
    lambda parts: (new_header(parts[0]) + b"".join(ENTRY.pack(*each) for each in parts[1]))[
        : -parts[2] or None
    ]
)
DATA = st.binary(max_size=200) | st.sampled_from([b"line\n" * 40, b"\xff\xfe", b"\x1b[31m"])


@settings(
    max_examples=2000 if FULL else 150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(
    files=st.fixed_dictionaries(
        {".json": METADATA, ".index": INDEX, ".data": DATA},
        optional={".tail0": DATA, ".tail1": DATA, ".shown": st.binary(max_size=40)},
    ),
    missing=st.sampled_from(["", "", "", ".index", ".data"]),
)
@example(
    files={
        ".json": json.dumps({**SOUND[0], "max_bytes": 10}).encode(),
        ".index": new_header() + ENTRY.pack(1, 0, 0) + ENTRY.pack(2, (1 << 64) - 1, 1),
        ".data": b"five\n",
        ".tail0": b"five\n",
    },
    missing="",
)
@example(  # the parts are there, and how much lies between them is more than a number can tell
    files={
        ".json": json.dumps({**SOUND[0], "max_bytes": 10}).encode(),
        ".index": new_header() + ENTRY.pack(1, 0, 0) + ENTRY.pack(2, (1 << 64) - 1, 1),
        ".data": b"five\n",
        ".tail0": b"five\n",
        ".tail1": b"x" * (1 << 20),
    },
    missing="",
)
def test_whatever_lies_there_is_read_or_refused_in_one_line(
    files: dict[str, bytes], missing: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = str(Path(place) / "left")
        for suffix, content in files.items():
            if suffix != missing:
                Path(path + suffix).write_bytes(content)
        assert "\n" not in describe(path)
        try:
            with crashes.opened(path) as recording:
                recording.snapshot()
        except CaptureError as error:
            assert "\n" not in str(error)
            return
        look_at_all(path)


def look_at_all(path: str) -> None:
    with crashes.opened(path) as recording:
        log = Captured(recording)
        repr(log), log._repr_mimebundle_(), log.levels(), log.gaps(), log.dropped, log.facts
        assert len(log.raw) == log.nbytes
        assert len([str(line) for line in log]) == len(log)
        assert len(log.tail(3)) <= 3
        for name in recording.sources:
            assert len(log.source(name).raw) <= log.nbytes
