"""Expressions that may take for ever: told apart from the others, broken off, and told."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator

import pytest
from helpers import logs
from helpers.logs import Chunk, make_log, model_lines, model_plain
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.log import bounded, finding, narrowing, search
from ipyfdcapture.log.bounded import BoundedSearch
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.cost import UNLIMITED, longest_quick
from ipyfdcapture.log.seen import Sight

#: Each example starts processes.
FULL = os.environ.get("IPYFDCAPTURE_FULL") == "1"
QUICK = settings(deadline=None, max_examples=400 if FULL else 8)
#: Takes two to the power of the number of a's on a line that does not end with b.
ENDLESS = re.compile(r"^(a+)+b$|hit")
A_LINE = b"a" * 60


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch, no_leaks: None) -> None:
    monkeypatch.setattr(narrowing, "LINE_LIMIT_S", 0.1)


def numbers(log: Captured) -> list[int]:
    return [line.number for line in log]


@pytest.mark.usefixtures("short_limit")
class TestGrep:
    LOG = make_log([(0, b"hit 1\n" + A_LINE + b"\nhit 2\n"), (1, b"hit 3\n"), (0, A_LINE)])

    def test_passes_over_lines_on_which_an_expression_takes_for_ever_and_names_them(self) -> None:
        with pytest.warns(UserWarning, match=r"takes over 0.1 s on lines 2, 5, left out") as told:
            assert numbers(self.LOG.grep(ENDLESS)) == [1, 3, 4]
        assert told[0].filename == __file__

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            ({"ignore_case": True}, [1, 3, 4]),
            ({"source": "stdout"}, [1, 3]),
            ({"context": 1}, [1, 2, 3, 4, 5]),
            ({"context": "entry"}, [1, 3, 4]),
        ],
    )
    def test_does_so_however_it_is_asked(
        self, arguments: dict[str, object], found: list[int]
    ) -> None:
        with pytest.warns(UserWarning, match="on lines 2, 5, left out"):
            view = self.LOG.grep(ENDLESS, **arguments)  # type: ignore[arg-type]
        assert numbers(view) == found
        markup = view._repr_mimebundle_()["text/html"].replace('<b class="fdlog-match">', "")
        assert "hit 1" in markup

    def test_does_so_in_a_narrower_view_and_for_bytes(self) -> None:
        with pytest.warns(UserWarning, match="on lines 2, 5, left out"):
            assert numbers(self.LOG[::-1].grep(ENDLESS)) == [4, 3, 1]
        with pytest.warns(UserWarning, match="on lines 2, 5, left out"):
            assert numbers(self.LOG.grep(re.compile(ENDLESS.pattern.encode()))) == [1, 3, 4]

    def test_names_the_lines_of_its_source_alone(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert numbers(self.LOG.grep(ENDLESS, source="stderr")) == [4]

    def test_in_does_not_take_expressions_and_literals_are_never_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(bounded, "_start")
        log = make_log([(0, b"a" * 1_000_000 + b"\nb\n")])
        assert "a" * 500_000 in log and b"b" in log
        assert numbers(log.grep("(a+)+b")) == []


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+$", r"(\w+\s?)*$", "(a|aa)+$", "(x+x+)+y", "(a*)*", "(a?b?)*c", "(.|a)*x"),
        *(r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:\s|$)+x", r"([^,]*,?)*x", "a?" * 30 + "a" * 30),
        *("((a{0,9})*)*b", "(?=(a+)+b)x", "((?:ab?)+)+c", r"(\d|\d\d)+x", "(?i:(a|A))*(a|A)*$"),
    ],
)
def test_an_expression_that_may_take_for_ever_is_told_apart(pattern: str) -> None:
    assert longest_quick(re.compile(pattern)) <= 8192
    if pattern != "(?i:(a|A))*(a|A)*$":
        assert longest_quick(re.compile(pattern)) == 0
        assert longest_quick(re.compile(pattern.encode())) == 0


@pytest.mark.parametrize(
    ("pattern", "at_least"),
    [
        *((pattern, UNLIMITED) for pattern in ("abc", "[0-9]x?", "a{2,9}", r"\b(?:err|warn)\b")),
        *((pattern, 8192) for pattern in (r"loss=(\d+), step=(\d+)", "a.*b", r"iteration x+$")),
        *((pattern, 8192) for pattern in (r"(?:\d+,)*;", r"(\d+\.)*\d+", r"(?:(?!foo).)*bar")),
        *(
            (pattern, 8192)
            for pattern in (r"[\w.]+@\w+", r"(?:[\d.]+\s+){3}", r"(\w+)\s*=\s*(\S+)")
        ),
        *((pattern, 400) for pattern in (".*foo.*bar", r"(?P<a>\d+) (?P=a)")),
        (r"^\s*(\S+)\s+(\S+)$", 1 << 20),
    ],
)
def test_one_that_does_not_is_searched_here(pattern: str, at_least: int) -> None:
    assert longest_quick(re.compile(pattern)) >= at_least
    assert longest_quick(re.compile(pattern.encode())) >= at_least


PIECES = st.lists(
    st.sampled_from([*"ab.$^()|*+?", "[ab]", "[^a]", "{2,9}", r"\w", r"\s", "(?:", "(?=", "(?!"]),
    max_size=9,
).map("".join)


@st.composite
def expressions(draw: st.DrawFn) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while True:
            try:
                return re.compile(draw(PIECES))
            except re.error:
                continue


@QUICK
@given(st.lists(expressions(), min_size=9, max_size=9))
def test_what_is_searched_here_ends(patterns: list[re.Pattern[str]]) -> None:
    for pattern in patterns:
        longest = min(longest_quick(pattern), 300)
        lines = [unit * (longest // len(unit)) + end for unit in ("a", "ab") for end in ("", "!")]
        with BoundedSearch(pattern, 20) as there:
            there.longest_here = -1
            _, slow = there.matching([line[-longest:] if longest else "" for line in lines])
        assert slow == []


@QUICK
@given(expressions(), st.lists(st.text("ab \n\x85€", max_size=8), max_size=6))
def test_what_is_searched_there_is_what_is_found_here(
    pattern: re.Pattern[str], lines: list[str]
) -> None:
    expected = [i for i, line in enumerate(lines) if pattern.search(line)]
    of_bytes = re.compile(pattern.pattern.encode())
    encoded = [line.encode() for line in lines]
    expected_of_bytes = [i for i, line in enumerate(encoded) if of_bytes.search(line)]
    for there in (False, True):
        with BoundedSearch(pattern, 20) as bound, BoundedSearch(of_bytes, 20) as bound_of_bytes:
            if there:
                bound.longest_here = bound_of_bytes.longest_here = -1
            assert bound.matching(lines) == (expected, [])
            assert bound_of_bytes.matching(encoded) == (expected_of_bytes, [])


class TestALineInPieces:
    @pytest.fixture(autouse=True, params=[2, 40])
    def small_pieces(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(finding, "PIECE_BYTES", request.param)
            patch.setattr(search, "OVERLAP_BYTES", 8)
            patch.setattr(search._Expression, "overlap", 8)
            patch.setattr("ipyfdcapture.log.lines.BLOCK_BYTES", 16)
            patch.setattr("ipyfdcapture.log.strands.PART_BYTES", 16)
            yield

    @settings(deadline=None, max_examples=30)
    @given(logs.chunks, st.sampled_from(["a", "ab", "B a", "é", "€", "a" * 20]), st.slices(9))
    def test_text_and_bytes_are_found_wherever_they_are(
        self, chunks: list[Chunk], needle: str, part: slice
    ) -> None:
        chunks = [(source, chunk * 3) for source, chunk in chunks if b"\x1b" not in chunk]
        chunks = [(source, re.sub(b"[\r\b\x80-\x9f]", b"", chunk)) for source, chunk in chunks]
        log = make_log([(source, chunk) for source, chunk in chunks if chunk])
        texts = [line.text for line in model_lines(chunks)]
        expected = [i + 1 for i, text in enumerate(texts) if needle in model_plain(text)]
        assert numbers(log.grep(needle)) == expected
        assert numbers(log.grep(needle.upper(), ignore_case=True)) >= expected
        found = [i + 1 for i, x in enumerate(model_lines(chunks)) if needle.encode() in x.content]
        assert numbers(log.grep(needle.encode())) == found
        view = [n for n in range(1, len(texts) + 1)[part] if n in expected]
        assert numbers(log[part].grep(needle)) == view
        assert (needle in log) == bool(expected)

    def test_an_expression_is_searched_in_each_and_that_is_told(self) -> None:
        log = make_log([(0, b"a\n" + b"x" * 100 + b"b1" + b"x" * 100 + b"\nb2\n")])
        with pytest.warns(UserWarning, match=r"^line 2: so long that the pattern 'b.' was"):
            assert numbers(log.grep(re.compile("b."))) == [2, 3]

    def test_is_given_up_once_it_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def too_slow(search: BoundedSearch, lines: list[str]) -> tuple[list[int], list[int]]:
            asked.extend(lines)
            return [], [0]

        monkeypatch.setattr(BoundedSearch, "matching", too_slow)
        log = make_log([(0, b"a" * 1000)])
        in_pieces = pytest.warns(UserWarning, match="in pieces")
        with in_pieces, pytest.warns(UserWarning, match="takes over 1 s on line 1, left out"):
            assert numbers(log.grep(re.compile("(a+)+$"))) == []
        assert len(asked) == 1

    def test_a_level_is_looked_for_at_its_start_and_its_end(self) -> None:
        log = make_log([(0, b"error: " + b"x" * 200 + b"\n" + b"#" * 200 + b"\rwarning: x\nok\n")])
        assert numbers(log.grep(level="=error")) == [1]
        assert numbers(log[::-1].grep(level="=warning")) == [2]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(logs._BYTES | st.binary(max_size=9) | st.just(b"\x1b[1000C|")), st.integers(0, 5000)
)
def test_a_line_that_is_taken_for_short_is_short(parts: list[bytes], enough: int) -> None:
    body = b"".join(parts) + b"\n"
    for errors in ("replace", "backslashreplace"):
        longest = max(map(len, Sight("utf-8", errors).seen_body(body).split("\n")))
        assert search._longest(body, enough) > enough or longest <= enough
