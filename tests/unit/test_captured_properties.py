"""Every way to read a log, held against a plain model, on arbitrary bytes cut anywhere."""

from __future__ import annotations

import datetime
import itertools
import os
import pickle
import re
from collections.abc import Iterator

import pytest
from helpers import logs
from helpers.logs import Chunk, make_log, model_joined, model_lines, model_plain, model_text
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.log import decoding, lines, strands
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.line import Line
from ipyfdcapture.log.seen import is_special

RUNS = settings(
    deadline=None, max_examples=2000 if os.environ.get("IPYFDCAPTURE_FULL") == "1" else 40
)


@pytest.fixture(params=[1, 3, 7, 1 << 16], autouse=True, scope="module")
def block_bytes(request: pytest.FixtureRequest) -> Iterator[int]:
    """Small blocks put a border between blocks at every place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", request.param)
        patch.setattr(strands, "PART_BYTES", request.param)
        patch.setattr(decoding, "DECODE_BYTES", request.param)
        yield request.param


def facts_of(log: Captured) -> list[tuple[str, str, int, int]]:
    return [(str(line), line.source, line.number, line.time_ns) for line in log]


def model_facts(chunks: list[Chunk]) -> list[tuple[str, str, int, int]]:
    found = model_lines(chunks)
    return [(line.text, line.source, i + 1, line.time) for i, line in enumerate(found)]


@RUNS
@given(logs.chunks)
def test_lines_are_those_of_the_model(chunks: list[Chunk]) -> None:
    log = make_log(chunks)
    expected = model_facts(chunks)
    assert facts_of(log) == expected
    assert len(log) == len(expected)
    assert [str(log[i]) for i in range(len(log))] == [text for text, *_ in expected]
    assert [line.number for line in reversed(log)] == list(range(len(expected), 0, -1))
    assert bool(log) == bool(expected)


@RUNS
@given(logs.chunks, st.sampled_from([slice(None), slice(2, 7), slice(None, None, 2)]))
def test_blocks_hold_the_same_lines_and_of_long_ones_the_ends_alone(
    chunks: list[Chunk], part: slice
) -> None:
    reading = make_log(chunks)[part]._read()
    for most in (None, 1, 4):
        rows = list(reading.lines.read(reading.indices, most))
        blocks = list(reading.blocks(most))
        assert [
            line
            for block in blocks
            for line in zip(block.indices, block.contents, block.sources, block.times, strict=True)
        ] == [(row.nth, lines.content(row.raw), row.source, row.time) for row in rows]
        cut = {block.indices[-1]: block.left_out for block in blocks if block.left_out}
        assert cut == {row.nth: row.left_out for row in rows if row.left_out}


@RUNS
@given(logs.chunks)
def test_text_and_bytes_are_those_of_the_model(chunks: list[Chunk]) -> None:
    log = make_log(chunks)
    assert log.text == str(log) == model_text(chunks)
    assert log.stdout == model_text(chunks, only=0)
    assert log.stderr == model_text(chunks, only=1)
    assert log.raw == b"".join(chunk for _, chunk in chunks)
    assert log.nbytes == len(log.raw)


@RUNS
@given(logs.chunks)
def test_plain_is_what_a_terminal_would_show_of_each_line(chunks: list[Chunk]) -> None:
    log = make_log(chunks)
    seen = [model_plain(line.text) for line in model_lines(chunks)]
    assert [line.plain for line in log] == seen
    for view, step in ((log, 1), (log[::2], 2)):
        ended = [line.raw.endswith(b"\n") for line in model_lines(chunks)[::step]][-1:] == [True]
        assert view.plain == "\n".join(seen[::step]) + "\n" * ended


@RUNS
@given(logs.chunks, st.slices(30))
def test_a_slice_is_a_view_of_those_lines(chunks: list[Chunk], part: slice) -> None:
    view = make_log(chunks)[part]
    expected = model_lines(chunks)[part]
    assert facts_of(view) == model_facts(chunks)[part]
    assert view.raw == model_joined(expected)
    assert view.text == view.raw.decode("utf-8", "replace")
    assert view.nbytes == len(view.raw)
    assert view.stderr == model_joined([x for x in expected if x.source == "stderr"]).decode(
        "utf-8", "replace"
    )


@RUNS
@given(logs.chunks, st.integers(0, 20))
def test_head_and_tail_are_the_first_and_the_last_lines(chunks: list[Chunk], n: int) -> None:
    log = make_log(chunks)
    assert facts_of(log.head(n)) == model_facts(chunks)[:n]
    assert facts_of(log.tail(n)) == model_facts(chunks)[::-1][:n][::-1]


NEEDLES = st.sampled_from(
    ["a", "b", "A", "ab", "", "\r", "\n", "a\r", "\0", "é", "€", "É", "\ufffd", "a a"]
)


@RUNS
@given(logs.chunks, NEEDLES, st.booleans(), st.sampled_from([None, "stdout", "solver"]))
def test_grep_for_text_finds_the_lines_that_have_it(
    chunks: list[Chunk], needle: str, ignore_case: bool, source: str | None
) -> None:
    def matches(text: str) -> bool:
        text = text if is_special(needle) else model_plain(text)
        return (needle.lower() in text.lower()) if ignore_case else needle in text

    found = make_log(chunks).grep(needle, ignore_case, source)
    expected = [
        fact
        for fact in model_facts(chunks)
        if matches(fact[0]) and (source is None or fact[1].startswith(source))
    ]
    assert facts_of(found) == expected


@RUNS
@given(logs.chunks, NEEDLES | st.binary(max_size=2), st.booleans())
def test_grep_for_bytes_finds_the_lines_that_have_them(
    chunks: list[Chunk], needle: str | bytes, ignore_case: bool
) -> None:
    needle = needle.encode() if isinstance(needle, str) else needle

    def matches(line: bytes) -> bool:
        return (needle.lower() in line.lower()) if ignore_case else needle in line

    found = make_log(chunks).grep(needle, ignore_case)
    expected = [i + 1 for i, x in enumerate(model_lines(chunks)) if matches(x.content)]
    assert [line.number for line in found] == expected


@RUNS
@given(logs.chunks, st.sampled_from(["^a", "b$", "a|€", "[^ -~]", "^$", r"\r$"]), st.booleans())
def test_grep_searches_each_line_with_an_expression(
    chunks: list[Chunk], expression: str, ignore_case: bool
) -> None:
    log = make_log(chunks)
    flags = re.IGNORECASE if ignore_case else 0
    of_text = re.compile(expression, flags)
    found = log.grep(re.compile(expression), ignore_case)
    expected = [fact for fact in model_facts(chunks) if of_text.search(model_plain(fact[0]))]
    assert facts_of(found) == expected
    of_bytes = re.compile(expression.encode(), flags)
    numbers = [i + 1 for i, x in enumerate(model_lines(chunks)) if of_bytes.search(x.content)]
    found = log.grep(re.compile(expression.encode()), ignore_case)
    assert [line.number for line in found] == numbers


@RUNS
@given(logs.chunks, st.integers(0, 3), st.slices(20))
def test_grep_with_context_adds_neighbours_within_the_view(
    chunks: list[Chunk], context: int, part: slice
) -> None:
    view = make_log(chunks)[part]
    texts = [text for text, *_ in model_facts(chunks)[part]]
    near = [
        i
        for i in range(len(texts))
        if any("a" in model_plain(text) for text in texts[max(0, i - context) : i + context + 1])
    ]
    expected = [model_facts(chunks)[part][i] for i in near]
    assert facts_of(view.grep("a", context=context)) == expected


@RUNS
@given(logs.chunks, st.sampled_from(["stdout", "stderr", "solver", "solver/stderr"]))
def test_source_gives_its_lines(chunks: list[Chunk], name: str) -> None:
    log = make_log(chunks)
    expected = [fact for fact in model_facts(chunks) if fact[1].startswith(name)]
    assert facts_of(log.source(name)) == expected
    assert facts_of(log[::-1].source(name)) == expected[::-1]


@RUNS
@given(logs.chunks, st.integers(-1, 12), st.integers(-1, 12))
def test_between_gives_the_lines_of_that_time(chunks: list[Chunk], start: int, end: int) -> None:
    log = make_log(chunks)
    expected = [
        fact
        for fact in model_facts(chunks)
        if start * logs.SECOND <= fact[3] - logs.STARTED <= end * logs.SECOND
    ]
    assert facts_of(log.between(start, end)) == expected
    moments = [log.started + datetime.timedelta(seconds=moment) for moment in (start, end)]
    assert facts_of(log[::-1].between(*moments)) == expected[::-1]


@RUNS
@given(logs.chunks)
def test_narrowing_chains_in_any_order(chunks: list[Chunk]) -> None:
    log = make_log(chunks)
    expected = [
        fact
        for fact in model_facts(chunks)
        if "a" in model_plain(fact[0])
        and fact[1] == "stdout"
        and fact[3] >= logs.STARTED + 2 * logs.SECOND
    ]
    assert facts_of(log.grep("a").source("stdout").between(2)) == expected
    assert facts_of(log.between(2).grep("a").source("stdout")) == expected
    assert facts_of(log.source("stdout").between(2).grep("a").head(2)) == expected[:2]


@RUNS
@given(logs.chunks, NEEDLES)
def test_in_looks_for_a_part_of_the_text(chunks: list[Chunk], needle: str) -> None:
    log = make_log(chunks)
    if "\n" in needle:
        assert (needle in log) == (needle in log.plain)
    else:
        texts = [
            text if is_special(needle) else model_plain(text) for text, *_ in model_facts(chunks)
        ]
        assert (needle in log) == any(needle in text for text in texts)


@RUNS
@given(logs.chunks)
def test_a_log_that_grows_reads_as_if_it_were_read_once(chunks: list[Chunk]) -> None:
    index = lines.LineIndex()
    for i in range(len(chunks) + 1):
        log = make_log(chunks[:i])
        log._index = index
        assert facts_of(log) == model_facts(chunks[:i])
        assert log[-3:].raw == model_joined(model_lines(chunks[:i])[-3:])


@RUNS
@given(
    st.text("ab€\n\r", min_size=1, max_size=20),
    st.sampled_from(["utf-8-sig", "utf-7", "gb18030", "shift_jis", "big5", "iso2022_jp_2"]),
    st.booleans(),
)
def test_an_encoding_of_other_widths_reads_right(text: str, encoding: str, mark: bool) -> None:
    data = text.encode(encoding, "replace")
    if not mark:
        data = data[len("".encode(encoding)) :]
    text = data.decode(encoding)
    pieces = [(0, data[i : i + 3]) for i in range(0, len(data), 3)]
    log = make_log(pieces, encoding=encoding)
    assert log.text == log.stdout == text
    assert log.raw == data
    assert [str(line) for line in log] == [x.text for x in model_lines([(0, text.encode())])]


def test_the_model_is_one_that_can_fail() -> None:
    assert Line("a", "stdout", 1, 0) == "a"
    assert model_facts([(0, b"a"), (1, b"b\n"), (0, b"c\n")]) == [
        ("ac", "stdout", 1, logs.STARTED),
        ("b", "stderr", 2, logs.STARTED + logs.SECOND),
    ]


@RUNS
@given(logs.chunks, st.sets(st.integers(0, 12), max_size=3))
def test_no_line_goes_on_across_a_gap(chunks: list[Chunk], cuts: set[int]) -> None:
    borders = sorted({0, len(chunks), *(cut for cut in cuts if cut < len(chunks))})
    gaps = [sum(len(chunk) for _, chunk in chunks[:border]) for border in borders[1:-1]]
    log = make_log(chunks, gaps=gaps)
    expected = [
        (line.text, line.source, line.time + first * logs.SECOND)
        for first, last in itertools.pairwise(borders)
        for line in model_lines(chunks[first:last])
    ]
    assert [(text, source, time) for text, source, _, time in facts_of(log)] == expected
    assert [str(log[i]) for i in range(len(log))] == [text for text, *_ in expected]
    assert list(log.source("solver")) == [text for text, name, _ in expected if "solver" in name]
    found = [text for text, *_ in expected if "a" in model_plain(text)]
    assert list(log.grep("a")) == found
    assert pickle.loads(pickle.dumps(log)) == log
