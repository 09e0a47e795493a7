"""Metadata: what a user adds changes nothing, and what another process left is read safely."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from helpers.logs import make_log
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture import capture_fd
from ipyfdcapture.recording.copying import record_bytes
from ipyfdcapture.recording.files import append_metadata, mark_crashed
from ipyfdcapture.recording.metadata import MAX_UNNAMED_SOURCES, Metadata, read_changes
from ipyfdcapture.recording.recording import Recording

FIELDS = [each.name for each in fields(Metadata)]
#: Of each type that JSON has, and what a program that trusted it would stumble over.
VALUES: list[Any] = [
    None, True, False, 0, -1, 4, 1 << 70, 0.5, float("nan"), "", "nope", "stdout", "\ud800", [],
    ["stderr", "stdout"], [1, 0], [-1], [[]], {}, {"sources": []},
]  # fmt: skip
WHOLE = Metadata(
    sources=("stdout", "solver/stderr"),
    started=1,
    stopped=2,
    crashed=3,
    encoding="latin-1",
    errors="strict",
    max_bytes=10,
    process=4,
    notebook="notebook x.ipynb",
    cell=7,
    first_line="import solver",
    name="solver",
    failed=True,
    interrupted=True,
    gaps=(5, 6),
    dropped_why="No space left on device",
    dropped_before=9,
    dropped_at_gap=11,
    reconstructed=True,
    index_lost=True,
    facts={"run": [1, 2], "sources": []},
)


# -- what a user adds -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_what_a_user_adds_never_changes_what_the_program_reads(value: object) -> None:
    facts = dict.fromkeys([*FIELDS, "added_sources", "first_added"], value)
    with capture_fd(facts=facts) as logs:
        os.write(1, b"out\n")
        os.write(2, "ä\n".encode())
    assert (logs.stdout, logs.stderr, logs.dropped, logs.complete) == ("out\n", "ä\n", 0, True)
    metadata = logs.recording.metadata
    assert replace(metadata, facts={}) == Metadata(
        sources=("stdout", "stderr"),
        started=metadata.started,
        stopped=metadata.stopped,
        process=os.getpid(),
    )


def test_what_a_user_adds_is_readable_as_it_was_given() -> None:
    facts = {"run": 7, "grid": (1, 2), "sources": ["x"], 3: {"deep": [None, 0.5]}}
    with capture_fd(facts=facts) as logs:
        os.write(1, b"out\n")
    expected = {"run": 7, "grid": (1, 2), "sources": ["x"], 3: {"deep": [None, 0.5]}}
    facts["run"] = 8
    logs.facts["grid"] = "changed"
    assert logs.facts == expected
    assert logs.head(1).facts == expected
    assert pickle.loads(pickle.dumps(logs)).facts == expected
    assert make_log([(0, b"x\n")]).facts == {}


def test_what_a_user_adds_is_in_the_recording_that_a_crash_left(tmp_path: Path) -> None:
    facts = dict.fromkeys(FIELDS, 4)
    metadata = Metadata(sources=("stdout",), started=1, facts=facts)
    recording = record_bytes(str(tmp_path), [(0, b"last words\n", 5)], metadata)
    recording.keep_files()
    mark_crashed(recording.path, 6)
    assert Recording.open(recording.path).metadata == replace(metadata, crashed=6)


# -- on disk --------------------------------------------------------------------------------------


def test_metadata_is_read_as_it_was_written() -> None:
    assert set(WHOLE.to_dict()) == set(FIELDS)
    assert Metadata.from_dict(read_changes([WHOLE.to_line().decode()])) == WHOLE
    assert Metadata.from_dict(pickle.loads(pickle.dumps(WHOLE.to_dict()))) == WHOLE
    assert Metadata.from_dict(read_changes([Metadata().to_line().decode()])) == Metadata()


def test_a_later_line_overrides_and_a_cut_one_is_skipped(tmp_path: Path) -> None:
    recording = record_bytes(str(tmp_path), [], Metadata(sources=("stdout",), cell=1))
    recording.add_sources(["a/stdout", "a/stderr"])
    with open(recording.path + ".json", "ab") as file:
        file.write(b'{"added_sources": ["lost"')
    recording.metadata = replace(recording.metadata, sources=(*recording.sources, "lost"))
    recording.add_sources(["b/stdout"])
    append_metadata(recording.path + ".json", {"cell": 2})
    left = Recording.open(recording.path)
    assert left.metadata.cell == 2
    assert left.sources == ("stdout", "a/stdout", "a/stderr", "source 4", "b/stdout")


def test_an_unknown_codec_is_read_as_utf_8() -> None:
    for change in ({"encoding": "nope"}, {"errors": "nope"}, {"encoding": "hex"}):
        metadata = Metadata.from_dict({"encoding": "latin-1", "errors": "strict"} | change)
        assert (metadata.encoding, metadata.errors) == ("utf-8", "replace")


def test_a_number_of_a_source_that_is_damaged_names_no_sources() -> None:
    first = Metadata(sources=("stdout",)).to_line().decode()
    for number in (MAX_UNNAMED_SOURCES + 2, 1 << 40, 1 << 62):
        line = json.dumps({"added_sources": ["x"], "first_added": number})
        assert read_changes([first, line])["sources"] == ("stdout",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*FIELDS, "added_sources", "first_added", "unknown"])
LINES = st.one_of(
    st.dictionaries(NAMES, JSON | st.sampled_from(VALUES)).map(json.dumps),
    JSON.map(json.dumps),
    st.text(max_size=50),
    st.just("[" * 100_000),
    st.just(WHOLE.to_line().decode()),
)


@settings(deadline=None)
@given(st.lists(LINES, max_size=6))
def test_whatever_stands_in_the_file_is_read_without_a_fault(lines: list[str]) -> None:
    found = read_changes(lines)
    metadata = Metadata.from_dict(found)
    assert len(metadata.sources) <= MAX_UNNAMED_SOURCES + sum(map(len, lines))
    assert metadata.to_line()
    expected = Metadata()
    for each in fields(Metadata):
        value, default = getattr(metadata, each.name), getattr(WHOLE, each.name)
        assert isinstance(value, type(default)) or value == getattr(expected, each.name)
