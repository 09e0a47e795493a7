"""Two logs compared, held against simple models."""

from __future__ import annotations

import difflib
import re
from html.parser import HTMLParser
from itertools import takewhile
from operator import eq

import pytest
from helpers.logs import make_log
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture import Captured
from ipyfdcapture.log import sequence_diff
from ipyfdcapture.log.normalizing import KINDS, normalized
from ipyfdcapture.log.view import side_by_side

QUICK = settings(deadline=None, max_examples=100)
numbers = st.lists(st.integers(0, 4), max_size=30)
lines = st.lists(st.sampled_from(["a", "b", "step 1", "step 2", "<b>", "", "\x1b[1ma"]))


def log_of(texts: list[str]) -> Captured:
    return make_log([(0, "".join(f"{text}\n" for text in texts).encode())])


def applied(left: list[int], right: list[int]) -> list[int]:
    """Put the right one together from what is equal in the left one and what is not."""
    made: list[int] = []
    at_left = 0
    for start, at_right, length in sequence_diff.matches(left, right):
        assert start >= at_left and at_right >= len(made) and length > 0
        made += right[len(made) : at_right] + left[start : start + length]
        at_left = start + length
    return made + right[len(made) :]


class TestSequences:
    @QUICK
    @given(numbers, numbers, st.integers(1, 5), st.integers(0, 40))
    def test_what_is_equal_is_in_order_in_both_however_few_steps_are_allowed(
        self, left: list[int], right: list[int], steps: int, most: int
    ) -> None:
        assert applied(left, right) == right
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sequence_diff, "STEPS", steps)
            patch.setattr(sequence_diff, "MOST_STEPS", most)
            assert applied(left, right) == right

    def test_what_only_one_of_them_has_costs_no_step(self) -> None:
        left, right = [0, 10, 11, 0, 12, 0, 0], [20, 0, 0, 21, 0, 22, 0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sequence_diff, "MOST_STEPS", 0)
            found = sequence_diff.matches(left, right)
        assert found == [(0, 1, 1), (3, 2, 1), (5, 4, 1), (6, 6, 1)]

    @QUICK
    @given(st.lists(st.integers(0, 1), max_size=12), st.lists(st.integers(0, 1), max_size=12))
    def test_where_nothing_occurs_once_the_difference_is_the_shortest(
        self, left: list[int], right: list[int]
    ) -> None:
        left, right = left * 2, right * 2
        common = sum(length for *_, length in sequence_diff.matches(left, right))
        table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                table[i + 1][j + 1] = (
                    table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
                )
        assert common == table[-1][-1]

    def test_long_ones_that_differ_in_all_are_bounded(self) -> None:
        left = [i % 7 for i in range(100_000)]
        right = [i * i % 11 for i in range(100_000)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sequence_diff, "MOST_STEPS", 100_000)
            assert applied(left, right) == right


class TestDiff:
    @QUICK
    @given(lines, lines)
    def test_changes_lead_from_one_log_to_the_other(self, a: list[str], b: list[str]) -> None:
        left, right = log_of(a), log_of(b)
        diff = left.diff(right)
        seen = [text.replace("\x1b[1m", "") for text in a], [t.replace("\x1b[1m", "") for t in b]
        assert bool(diff) == (seen[0] != seen[1])
        made: list[str] = []
        at = 0
        for change in diff.changes:
            made += seen[0][at : change.left.start] + seen[1][slice(*_ends(change.right))]
            at = change.left.stop
        assert made + seen[0][at:] == seen[1]
        assert len(list(diff.only_left())) == sum(len(change.left) for change in diff.changes)
        assert [str(line) for line in diff.only_right()] == [
            b[i] for change in diff.changes for i in change.right
        ]

    @QUICK
    @given(lines, lines)
    def test_it_prints_as_diff_does(self, a: list[str], b: list[str]) -> None:
        a, b = ([t.replace("\x1b[1m", "") for t in texts] for texts in (a, b))
        diff = log_of(a).diff(log_of(b))
        printed = str(diff).splitlines()
        shown = [line for line in printed if not line.startswith("@@")]
        assert shown.count("-a") - shown.count("+a") == a.count("a") - b.count("a")
        theirs = [*difflib.unified_diff(a, b, lineterm="", n=0)][2:]
        is_one = len(diff.changes) == 1 and sum(line.startswith("@@") for line in theirs) == 1
        # One of several equal lines in a row may be any of them.
        at_start = sum(1 for _ in takewhile(bool, map(eq, a, b)))
        at_end = sum(1 for _ in takewhile(bool, map(eq, a[::-1], b[::-1])))
        if is_one and at_start + at_end <= min(len(a), len(b)):
            assert printed == theirs

    @pytest.mark.parametrize(
        ("left", "right", "kind"),
        [
            ("loss 0.5 after 3", "loss 1e-4 after 12", "numbers"),
            ("2026-01-02 03:04:05,123 done", "2026-01-03 13:14:15,9 done", "times"),
            ("took 1.5 s", "took 12 s", "times"),
            ("Jan  2 03:04:05 node1: up", "Dec 31 23:59:59 2025 node1: up", "times"),
            ("2026/01/02T03:04:05Z up 3:04", "2026/01/02 13:04 +01:00 up 12:30:01.5", "times"),
            ("at 0x7ffe12 in f", "at 0x55aa9c01 in f", "addresses"),
            ("read /home/a/x.nc ok", "read /scratch/b/x.nc ok", "paths"),
        ],
    )
    def test_what_is_set_aside_does_not_count(self, left: str, right: str, kind: str) -> None:
        a, b = log_of([left, "same"]), log_of([right, "same"])
        assert a.diff(b)
        assert not a.diff(b, ignore=kind)
        assert not a.diff(b, ignore=tuple(KINDS))
        assert f"{kind} set aside" in repr(a.diff(b, ignore=(kind,)))

    def test_what_is_not_set_aside_does(self) -> None:
        assert log_of(["x1 = 2"]).diff(log_of(["x2 = 2"]), ignore="numbers")
        assert log_of(["a 1"]).diff(log_of(["b 1"]), ignore=tuple(KINDS))

    @QUICK
    @given(st.lists(st.text("a1:./0x -T\t"), max_size=5))
    def test_setting_aside_keeps_the_lines_apart(self, texts: list[str]) -> None:
        kinds = tuple(KINDS)
        together = normalized("\n".join(texts), kinds).split("\n")
        assert together == [normalized(text, kinds) for text in texts or [""]]

    def test_sources_and_kinds_of_logs_do_not_matter(self) -> None:
        left = make_log([(0, b"a\n"), (1, b"b\n")])
        assert not left.diff(make_log([(2, b"a\nb")]))
        assert list(left.diff(make_log([]))._repr_html_()).count("a")
        assert [str(line) for line in left.source("stderr").diff(left).only_right()] == ["a"]

    def test_bad_arguments_are_refused(self) -> None:
        log = log_of(["a"])
        with pytest.raises(ValueError, match="ignore takes times, addresses, paths, numbers"):
            log.diff(log, ignore="dates")
        with pytest.raises(TypeError, match="a log is compared with another log"):
            log.diff("a")  # type: ignore[arg-type]


class TestView:
    @QUICK
    @given(lines, lines)
    def test_shows_both_and_folds_what_is_equal(self, a: list[str], b: list[str]) -> None:
        view = log_of(a).diff(log_of(b))._repr_html_()
        reader = _Text()
        reader.feed(view)
        assert reader.open == []
        assert "<b>" not in view.split("</b>", 1)[1]
        if len(a) > 6 and a == b:
            assert "no difference" in view

    def test_is_bounded_and_says_what_is_left_out(self) -> None:
        left, right = log_of([f"a{i}" for i in range(5000)]), log_of([f"b{i}" for i in range(5000)])
        view = left.diff(right)._repr_html_()
        assert "4,600 more changed lines: print(diff)" in view
        assert len(view) < side_by_side.MAX_BYTES
        texts = ["x" * 5000 if i % 4 else "same" for i in range(3000)]
        view = log_of(texts).diff(log_of([t.replace("x", "y") for t in texts]))._repr_html_()
        assert len(view) < 1.5 * side_by_side.MAX_BYTES and "more change" in view

    def test_has_no_spaces_alone_between_tags_which_nbconvert_takes_together(self) -> None:
        left = make_log([(0, b"same\n   \n    4.06 (viol.)\nx    y\n")])
        right = make_log([(0, b"same\n   \n    0 (viol.)\nx  y\n")])
        html = left.diff(right)._repr_html_()
        assert re.search(r">[ \t]+<", html) is None
        assert "\u00a0   <mark>4" in html

    def test_marks_what_differs_in_a_line_by_more_than_colour(self) -> None:
        view = log_of(["same", "loss 0.5"]).diff(log_of(["same", "loss 0.25"]))._repr_html_()
        assert "- <span" in view and "+ <span" in view
        assert "loss 0.<mark>5</mark>" in view and "loss 0.<mark>25</mark>" in view


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _ends(lines: range) -> tuple[int, int]:
    return lines.start, lines.stop
