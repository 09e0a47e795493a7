"""What a log looks like: complete, bounded, and harmless whatever the log holds."""

from __future__ import annotations

import copy
import pickle
import re
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from helpers.logs import SECOND, STARTED, Chunk, make_log, make_log_at
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.ipython.on_error import show_last_lines
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.log.view import ansi as safe
from ipyfdcapture.log.view import excerpt, html, timeline, words
from ipyfdcapture.log.view.style_sheet import style_sheet

HOSTILE = [
    b"<script>alert(1)</script>",
    b"<img src=x onerror=alert(1)>",
    b"'\"><svg/onload=alert(1)>",
    b"</pre></div></style><style>*{display:none}",
    b"<!-- --> <![CDATA[ ]]> &lt; &amp; &#x3c;",
    b"javascript:alert(1) http://example.org/x.png",
    b"\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    b"\x1b]0;title\x07\x1b]52;c;YmFk\x07",
    b'\x1b[38;2;1;2;3;"><script>m',
    b'\x1b[31";x="m',
    "\u202eevil\u202c \u2066x\u2069 \u200f".encode(),
    b"\0\x01\x08\x0b\x0c\x0e\x7f\xc2\x9b31m\xc2\x85",
    "\U000e0041\ufff9\u2028\u2029".encode(),
    b"\x1bPq#0\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\",
    b"\x1b[?1049h\x1b[2J\x1b[H\x1b[6n\x1bc\x1b(0\x1b#8\x1b%G\x1b=",
]
_ALLOWED = {
    "div": {"class", "role", "aria-label"},
    "style": set(),
    "b": {"class"},
    "i": set(),
    "u": set(),
    "s": set(),
    "br": set(),
    "code": set(),
    "details": {"class", "open"},
    "summary": set(),
    "pre": {"style"},
    "span": {"class", "dir", "style", "title", "aria-hidden"},
}
_STYLE_VALUE = re.compile(
    r"(?:background-)?color:#[0-9a-f]{3,6}(?:;(?:background-)?color:#[0-9a-f]{3,6})?"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u206f"
    "\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


class Checker(HTMLParser):
    """Fails on any markup that is not known to be harmless; gathers the text."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _ALLOWED, tag
        for name, value in attrs:
            assert name in _ALLOWED[tag], (tag, name)
            if tag == "pre":
                assert value == "font-family:monospace"
            elif name == "open":
                assert value is None
            elif name == "style":
                assert _STYLE_VALUE.fullmatch(value or "") or tag == "td", value
            else:
                assert re.fullmatch("[a-z -]+", value or ""), value
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(markup: str) -> str:
    """Return the text of a view, after checking it."""
    checker = Checker()
    checker.feed(markup)
    checker.close()
    assert checker.open == []
    assert len(markup.encode()) <= html.MAX_BYTES
    assert not _UNSEEN.search(markup)
    return checker.text


def view(log: Captured) -> str:
    return check(log._repr_mimebundle_()["text/html"])


def plain(log: Captured) -> str:
    text = log._repr_mimebundle_()["text/plain"]
    assert not _UNSEEN.search(text)
    return text


class TestSafety:
    @pytest.mark.parametrize("line", HOSTILE)
    def test_a_hostile_line_is_text(self, line: bytes) -> None:
        log = make_log([(0, line + b"\n"), (1, line + b"\n"), (0, line)])
        view(log)
        plain(log)

    def test_markup_is_shown_as_what_it_is(self) -> None:
        assert "<script>alert(1)</script>" in view(make_log([(0, HOSTILE[0])]))

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.lists(
                    st.sampled_from([*HOSTILE, b"\n", b"\r", b"\x1b", b"[31m", b"a", b"\t"])
                    | st.binary(max_size=5)
                ).map(b"".join),
            ).filter(lambda chunk: chunk[1])
        )
    )
    def test_any_mixture_is_harmless(self, chunks: list[Chunk]) -> None:
        log = make_log(chunks)
        view(log)
        plain(log)
        repr(log)

    @settings(deadline=None)
    @given(st.lists(st.sampled_from([*HOSTILE, b"\r", b"\x1b", b"[31m", b"a", b"\t", b"\x1b[K"])))
    def test_what_show_writes_has_colours_and_nothing_else(self, parts: list[bytes]) -> None:
        runs, _ = safe.runs_of(b"".join(parts).decode("utf-8", "replace"))
        written = safe.to_terminal(runs)
        assert not _UNSEEN.search(re.sub(r"\x1b\[[0-9;]*m", "", written))

    def test_names_and_code_are_text_too(self) -> None:
        bad = "<script>'\"\u202e\x1b[31m"
        log = make_log([(0, b"x\ny\n")], sources=[bad, "b"], first_line=bad, cell=1)
        assert "<script>'\"\\u202e" in view(log)
        plain(log)
        repr(log)

    def test_bad_bytes_that_a_handler_kept_are_shown(self) -> None:
        assert "\\udcff" in view(make_log([(0, b"a\xff")], errors="surrogateescape"))


class TestSize:
    @pytest.mark.parametrize(
        "line",
        [
            b"<" * 100_000,
            b'"' * 5_000,
            "\U0001f600".encode() * 10_000,
            b"\x1b[31ma\x1b[32m" * 3000,
            b"\x00" * 10_000,
            b"x" * 1_000_000,
            b"\x1b[1;3;4;9;38;2;1;2;3ma\x1b[m" * 3000,
        ],
    )
    def test_a_view_is_bounded_whatever_its_lines(self, line: bytes) -> None:
        log = make_log([(i % 3, line + b"\n") for i in range(100)])
        assert "70 more lines" in view(log)
        assert len(plain(log)) < 5_000

    def test_a_view_is_bounded_with_many_sources(self) -> None:
        names = [f"{'x' * 200}-{i}/stdout" for i in range(1000)]
        log = make_log([(i, b"a\nb\n") for i in range(1000)], sources=names)
        assert "992 more sources not shown" in view(log)
        assert len(plain(log)) < 5_000

    def test_what_is_cut_is_counted(self) -> None:
        text = view(make_log([(0, b"ab" * 5_000 + b"\n")]))
        shown = len(re.findall("ab", text))
        (missing,) = re.findall(r"… ([\d,]+) more bytes", text)
        assert 2 * shown + int(missing.replace(",", "")) == 10_000


class TestContent:
    def test_the_header_says_what_it_is(self) -> None:
        log = make_log([(0, b"a\n"), (1, b"b\n")], cell=7, failed=True, first_line="solve()")
        assert view(log).startswith("Captured cell [7] · 2 lines · 4 B · 2 s · failedsolve()")
        assert plain(log).startswith("captured: cell [7] · 2 lines · 4 B · 2 s · failed\n")

    def test_head_and_tail_are_there_and_what_is_between_is_counted(self) -> None:
        text = view(make_log([(0, b"".join(b"line %d\n" % i for i in range(1000)))]))
        assert "line 9\n" in text
        assert "line 10\n" not in text
        assert "970 more lines" in text
        assert "line 979\n" not in text
        assert "line 980\n" in text

    def test_sources_are_told_apart_in_words(self) -> None:
        text = view(make_log([(0, b"a\n"), (1, b"b\n"), (2, b"c\n")]))
        assert re.findall(r" s (\S*) *│ (\w)", text) == [
            ("", "a"),
            ("err", "b"),
            ("solver/stderr", "c"),
        ]

    @pytest.mark.parametrize("length", [3, 42, 300])
    def test_a_long_label_does_not_hide_which_stream_it_is(self, length: int) -> None:
        label = "x" * (length - 1) + "<"
        sources = [f"{label}/stdout", f"{label}/stderr"]
        log = make_log([(0, b"a\n"), (1, b"b\n")], sources=sources)
        summary = plain(log).splitlines()
        assert [re.search(r"/(std\w+)", row)[1] for row in summary[1:]] == 2 * ["stdout", "stderr"]
        assert max(map(len, summary)) <= 100
        markup = log._repr_mimebundle_()["text/html"]
        assert len(re.findall("/stderr", markup)) == len(re.findall("/stdout", markup)) == 2
        kinds = re.findall(r'fdlog-src (fdlog-\w+)">[x…]+(?:&lt;)?/(std\w+)│ </span>', markup)
        assert kinds == [("fdlog-out", "stdout"), ("fdlog-err", "stderr")]
        view(log)

    def test_the_head_counts_errors_and_warnings_and_the_first_error_is_in_sight(self) -> None:
        lines = [f"step {i}\n".encode() for i in range(100)]
        lines[50], lines[60], lines[3] = b"ERROR: a\n", b"ERROR: b\n", b"warning: c\n"
        log = make_log([(0, b"".join(lines))], name="run")
        shown = view(log)
        assert "✖ 2 errors · ▲ 1 warning" in shown
        assert "✖ ERROR: a" in shown and "ERROR: b" not in shown and "▲ warning: c" in shown
        assert "39 more lines: run[10:49]" in shown and "26 more lines: run[54:80]" in shown
        assert list(log[10:49])[-1] == "step 48" and log[54] == "step 54"
        assert "✖ 2 errors · ▲ 1 warning" in plain(log)

    def test_without_errors_it_says_nothing_of_them(self) -> None:
        log = make_log([(0, b"all good\n")])
        assert "✖" not in view(log) and "▲" not in view(log)

    def test_a_narrowed_view_says_by_what_shows_numbers_and_marks_the_matches(self) -> None:
        log = make_log([(0, b"a <b> c\nd\nA <B> C\n")], name="run")
        found = log.grep("<b>", ignore_case=True)
        markup = found._repr_mimebundle_()["text/html"]
        assert "run.grep('<b>', ignore_case=True)" in check(markup)
        for match in ("b", "B"):
            assert f'<b class="fdlog-match">&lt;{match}&gt;</b>' in markup
        assert '<details class="fdlog-numbers" open>' in markup
        assert "run.grep('<b>', ignore_case=True).tail(1)" in view(found.tail(1))
        assert "run[0:2]" in view(log[0:2]) and "run.between(0)" in view(log.between(0))
        assert pickle.loads(pickle.dumps(found))._repr_mimebundle_() == found._repr_mimebundle_()
        assert copy.copy(found)._repr_mimebundle_() == found._repr_mimebundle_()

    def test_marks_are_where_the_match_is_whatever_the_colours(self) -> None:
        log = make_log([(0, b"ab\x1b[31mcd\x1b[0mef\n")])
        markup = log.grep(re.compile("ab"))._repr_mimebundle_()["text/html"]
        check(markup)
        assert '<b class="fdlog-match">ab</b>' in markup
        found = log.grep(b"cd")._repr_mimebundle_()["text/html"]
        assert re.search(r"<b class=.fdlog-match.><span [^>]*>cd</span></b>ef", found)

    def test_where_a_style_sheet_is_shown_as_text_it_is_a_comment(self) -> None:
        markup = make_log([(0, b"a\n")])._repr_mimebundle_()["text/html"]
        sheet = markup[markup.index("<style>") + 7 : markup.index("</style>")]
        assert sheet.startswith("<!--") and sheet.endswith("-->")
        assert sheet.count("-->") == 1 and "\n\n" not in sheet and "/*" not in sheet

    def test_dark_pages_are_known_by_their_marks(self) -> None:
        sheet = style_sheet("style.css")
        for mark in ('data-jp-theme-light="false"', "vscode-dark", '[data-theme="dark"]'):
            assert mark in sheet

    def test_numbers_and_times_are_there_for_those_who_ask(self) -> None:
        markup = make_log([(0, b"a\n"), (1, b"b\n")])._repr_mimebundle_()["text/html"]
        assert '<span class="fdlog-n">2 </span>' in markup
        assert re.search(r'<span class="fdlog-t"> *\+1\.000 s </span>', markup)

    def test_the_timeline_shows_sources_and_silences(self) -> None:
        log = make_log_at(
            [
                (0, b"x" * 80 + b"\n", STARTED),
                (1, b"e\n", STARTED + 4 * SECOND),
                (0, b"x" * 40 + b"\n", STARTED + 10 * SECOND),
            ],
            stopped=STARTED + 10 * SECOND,
        )
        found = timeline.timeline(log._read(), 10)
        assert found is not None
        assert [(track.source, track.bars) for track in found.tracks] == [
            ("stdout", "█········▆"),
            ("stderr", "····▂·····"),
        ]
        assert (found.seconds, found.silence, found.silence_start) == (10.0, 6.0, 4.0)
        assert "longest silence 6 s, 4 s after the start" in view(log)

    def test_the_end_of_a_long_progress_line_counts(self) -> None:
        line = b"".join(b"\rprogress %d%%" % i for i in range(1000))
        assert "progress 999%" in view(make_log([(0, line + b"\n")]))
        assert "progress 998%" not in view(make_log([(0, line + b"\n")]))

    def test_an_empty_log_has_a_view(self) -> None:
        assert "0 lines · 0 B" in view(make_log([]))
        assert plain(make_log([])).startswith("captured: 0 lines")

    def test_a_view_of_some_lines_says_of_how_many(self) -> None:
        text = view(make_log([(0, b"a\nb\na\n")]).grep("a"))
        assert "2 of 3 lines" in text

    def test_colours_are_rendered(self) -> None:
        markup = make_log([(0, b"\x1b[1;31mred\x1b[0m \x1b[48;5;21mblue\n")])._repr_mimebundle_()
        assert 'class="ansi-red-fg" style="color:#d9363e"><b>red</b></span>' in markup["text/html"]
        assert "background-color:#0000ff;color:#fff" in markup["text/html"]


class TestContrast:
    """Colours can be read: 4.5 to 1 with the style sheet, 4 to 1 without it."""

    @staticmethod
    def contrast(one: str, other: str) -> float:
        def luminance(colour: str) -> float:
            digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
            levels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
            linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        low, high = sorted([luminance(one), luminance(other)])
        return (high + 0.05) / (low + 0.05)

    def test_of_the_style_sheet(self) -> None:
        sheet = style_sheet("style.css")
        light, dark, of_page = re.findall(r"\.fdlog\{(--fd-red:[^}]*)\}", sheet)
        assert dark == of_page
        for colours, background in ((light, "#ffffff"), (dark, "#111111")):
            for colour in re.findall("#[0-9a-f]{6}", colours):
                assert self.contrast(colour, background) >= 4.5, (colour, background)

    def test_of_inline_colours(self) -> None:
        for colour in html._INLINE:
            for background in ("#ffffff", "#111111"):
                assert self.contrast(colour, background) >= 4, (colour, background)


class TestRow:
    """What a terminal would show of one line."""

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("plain\ttext", "plain\ttext"),
            ("abc\rX", "Xbc"),
            ("abc\b\bX", "aXc"),
            ("abc\r\x1b[KX", "X"),
            ("abc\x1b[2K\rX", "X  "),
            ("abc\b\x1b[1KX", "  X"),
            ("abcdef\rXY\x1b[0K", "XY"),
            ("\b\bab\rX", "Xb"),
            ("\x1b[31mabc\r\x1b[32mX", "Xbc"),
            ("a\x1b", "a\\x1b"),
            ("a\x1b[", "a\\x1b["),
            ("a\x1b]0;never ended", "a\\x1b]0;never ended"),
            ("\x1b]8;;u\x07link\x1b]8;;\x07", "link"),
            ("\x1b(0lqk", "lqk"),
            ("a\x00\x7f\x85", "a\\x00\\x7f\\x85"),
            ("👩‍💻 שלום é", "👩‍💻 שלום é"),  # joined emoji, right-to-left text: as they are
        ],
    )
    def test_it_is_text_that_stands_still(self, line: str, shown: str) -> None:
        assert safe.plain(line) == shown

    @pytest.mark.parametrize(
        ("codes", "style"),
        [
            ("", safe.PLAIN),
            ("1", safe.Style(bold=True)),
            ("1;22", safe.PLAIN),
            ("31", safe.Style(fg=1)),
            ("91;49", safe.Style(fg=9)),
            ("31;39", safe.PLAIN),
            ("44;107", safe.Style(bg=15)),
            ("38;5;9", safe.Style(fg=9)),
            ("38;5;196", safe.Style(fg="#ff0000")),
            ("48;5;255", safe.Style(bg="#eeeeee")),
            ("38;2;1;2;300", safe.Style(fg="#0102ff")),
            ("38:2:1:2:3", safe.Style(fg="#010203")),
            ("38:2::255:0:0", safe.Style(fg="#ff0000")),
            ("1;48:2:0:1:2:3:0;3", safe.Style(bold=True, italic=True, bg="#010203")),
            ("38:5:196;1", safe.Style(fg="#ff0000", bold=True)),
            ("38:5;1", safe.Style(fg=0, bold=True)),
            ("4:3", safe.Style(underline=True)),
            ("1;4;4:0", safe.Style(bold=True)),
            ("58:2::1:2:3;3", safe.Style(italic=True)),
            ("58;5;1;3", safe.Style(italic=True)),
            ("38", safe.PLAIN),
            ("5;8;31", safe.Style(fg=1)),  # blinking and hidden text are neither
            ("9999;4", safe.Style(underline=True)),
        ],
    )
    def test_styles_are_those_of_a_terminal(self, codes: str, style: safe.Style) -> None:
        assert safe.restyled(safe.PLAIN, codes) == style
        again, _ = safe.runs_of(safe.to_terminal([("x", style)]))
        assert again == [("x", style)]

    @pytest.mark.parametrize(
        "unit",
        [
            *("\x1b]", "\x1b[0", "\x1bP", "\x1b ", "a\b", "\r\x1b[31ma", "\x1b[K"),
            *("\x90", "\x98", "\x9d", "\x9e", "\x9f", "ab\b\x1b[1K", "ab\b\x1b[2K"),
        ],
    )
    def test_a_hostile_line_takes_no_time(self, unit: str) -> None:
        safe.runs_of(unit * 20_000)

    def test_dots_with_a_spinner_take_no_time(self) -> None:
        colours = ("\x1b[31m", "\x1b[32m")
        line = "".join(f"{colours[i % 2]}.\x1b[0m|\b/\b-\b" for i in range(100_000))
        runs, _ = safe.runs_of(line)
        assert [text for text, _ in runs] == ["."] * 100_000 + ["-"]

    @given(
        st.lists(
            st.sampled_from(["a", "bcd", "\r", "\b"])
            | st.sampled_from(["\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[31m", "\x1b[m"])
        )
    )
    def test_it_is_what_a_terminal_shows(self, parts: list[str]) -> None:
        cells: list[safe.Run] = []
        cursor, style = 0, safe.PLAIN
        for part in parts:
            if part == "\r":
                cursor = 0
            elif part == "\b":
                cursor = max(0, cursor - 1)
            elif part.endswith("m"):
                style = safe.Style(fg=1) if "31" in part else safe.PLAIN
            elif part.endswith("K"):
                before = [(" ", safe.PLAIN)] * cursor if part[2] in "12" else cells[:cursor]
                cells = before + (cells[cursor:] if part[2] == "1" else [])
            else:
                cells[cursor : cursor + len(part)] = [(character, style) for character in part]
                cursor += len(part)
        runs, _ = safe.runs_of("".join(parts))
        assert [(character, look) for text, look in runs for character in text] == cells
        assert all(one[1] != other[1] for one, other in pairwise(runs))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1 kB"),
        (1000, "1 kB"),
        (123456, "123 kB"),
        (999_600, "1 MB"),
        (1_250_000_000, "1.25 GB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_sizes_are_for_people(count: float, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0123, "12 ms"),
        (0.1, "0.1 s"),
        (12.34, "12.3 s"),
        (59.99, "1 min 0 s"),
        (125, "2 min 5 s"),
        (7300, "2 h 1 min"),
    ],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert words.time_span(seconds) == text


def test_output_over_time_is_looked_at_once_for_all_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    usual = timeline.bytes_over_time
    monkeypatch.setattr(timeline, "bytes_over_time", lambda *a: calls.append(a) or usual(*a))
    make_log([(0, b"a\nb\n")])._repr_mimebundle_()
    assert len(calls) == 1


class TestOneLongLine:
    LENGTH = 30_000_000

    def peak(self, show: Callable[[Captured], object], line: bytes) -> int:
        """Return how much memory it takes to show a log with one long line, in bytes."""
        log = make_log([(0, b"a\n"), (0, line), (1, b"err\n"), (0, b"end\nb\n")])
        assert len(log) == 4
        del line
        tracemalloc.start()
        try:
            show(log)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("line", [b"x", b"x\r"])
    @pytest.mark.parametrize(
        "show",
        [lambda log: log._repr_mimebundle_(), lambda log: show_last_lines(log, 20, "logs")],
        ids=["view", "failed"],
    )
    def test_showing_a_part_of_it_takes_the_memory_of_a_part(
        self, show: Callable[[Captured], object], line: bytes
    ) -> None:
        assert self.peak(show, line * (self.LENGTH // len(line))) < 2_000_000

    def test_a_part_of_it_is_what_all_of_it_would_give(self) -> None:
        for middle in (b"x", b"\r", b"y\r"):
            for end in (b"", b"\n", b"\r\n", b"\r50%\n"):
                line = b"start" + middle * 200_000 + end
                log = make_log([(0, b"a\n"), (0, line), (1, b"err\n")])
                reading = log._read()
                (whole,) = reading.lines.read([1])
                (part,) = reading.lines.read([1], excerpt.ENDS_BYTES)
                assert len(part.raw) + part.left_out == len(whole.raw) == len(line)
                assert len(part.raw) < 20_000
                for most in (100, 5000):
                    expected = excerpt.row_text(reading, whole, most)
                    assert excerpt.row_text(reading, part, most) == expected
