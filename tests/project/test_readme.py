"""README and documentation say what is true: their tables come from the code, their links lead
somewhere, and what they claim is tested or measured by something that is there."""

from __future__ import annotations

import importlib
import pydoc
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ipyfdcapture
from ipyfdcapture.ipython.config import CaptureFd
from ipyfdcapture.ipython.options import PARSER

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
README = PAGES["README.md"]
OPTIONS = PAGES["docs/options.md"]
SPEED = PAGES["docs/speed.md"]


def configuration_table() -> str:
    """Return the table of traits for ``docs/options.md``; run this file to print it."""
    rows = ["| trait | default | meaning |", "| --- | --- | --- |"]
    for name, trait in sorted(CaptureFd.class_own_traits(config=True).items()):
        rows.append(f"| `{name}` | `{trait.default_value!r}` | {trait.help} |")
    return "\n".join(rows)


def test_the_table_of_traits_is_the_one_in_the_code() -> None:
    found = re.search(r"<!-- configuration -->\n(.*?)\n<!-- /configuration -->", OPTIONS, re.DOTALL)
    assert found is not None
    assert found[1] == configuration_table()


@pytest.mark.parametrize("page", [README, OPTIONS], ids=["README.md", "docs/options.md"])
def test_every_option_of_the_magic_is_explained(page: str) -> None:
    options = [option for action in PARSER._actions for option in action.option_strings]
    assert len(options) > 15
    table = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    missing = [o for o in options if o not in table and not o.startswith("--no-display")]
    assert missing == []


def test_the_readme_and_the_page_of_options_have_the_same_table() -> None:
    tables = [
        [line for line in page.splitlines() if line.startswith(("| `-", "| `--"))]
        for page in (README, OPTIONS)
    ]
    assert tables[0] == tables[1]


def links_of(page: str) -> set[Path]:
    """Return the files that a page links to or shows."""
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text)
    images = re.findall(r'src(?:set)?="([^":]+)"', text)
    return {(ROOT / page).parent / link for link in (*links, *images)}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_that_are_there(page: str) -> None:
    assert [link for link in sorted(links_of(page)) if not link.is_file()] == []


def test_every_picture_is_shown() -> None:
    shown = {link.resolve() for page in PAGES for link in links_of(page)}
    assert set((ROOT / "docs" / "images").iterdir()) <= shown


def test_the_readme_leads_to_every_page_of_its_reader() -> None:
    linked = {link.relative_to(ROOT).as_posix() for link in links_of("README.md")}
    pages = {page for page in PAGES if page.count("/") == 1}
    assert pages - linked == {"docs/index.md", "docs/api.md"}  # for the site alone


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    named = set(re.findall(r"`((?:docs|ipyfdcapture|notebooks|tests)/[\w/.-]+\w)`", PAGES[page]))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_tests_and_benchmarks_that_are_named_are_there(page: str) -> None:
    """Also where their directory is not said."""
    named = set(re.findall(r"\b((?:bench|test)_\w+\.py)", PAGES[page]))
    assert named <= {path.name for path in (ROOT / "tests").rglob("*.py")}


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    page = PAGES["docs/api.md"]
    module, described = "", {"ipyfdcapture.history"}
    for line in page.splitlines():
        if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.fullmatch(r"\.\. auto\w+:: (\S+)", line):
            described.add(
                found[1] if found[1].startswith("ipyfdcapture.") else f"{module}.{found[1]}"
            )
    assert [name for name in sorted(described) if pydoc.locate(name) is None] == []
    assert {f"ipyfdcapture.{name}" for name in ipyfdcapture.__all__} <= described
    assert ".. py:data:: history" in page


def test_the_table_of_members_has_all_that_a_log_can() -> None:
    table = PAGES["docs/log.md"].split("## All members")[1]
    members = [name for name in dir(ipyfdcapture.Captured) if not name.startswith("_")]
    missing = {name for name in members if not re.search(rf"`(logs\.)?{name}\b", table)}
    assert missing <= {"is_whole", "of_sources"}  # for those who write extensions


# -- How it compares --------------------------------------------------------------------------

#: The tests in test_peers.py that show what each row of the table says of the others.
SHOWN_BY = {
    "native output": ["capture_sees_no_native_output_and_we_do"],
    "native code that holds the GIL and prints a lot": [
        "ipykernels_watching_hangs_beyond_interrupt_when_the_gil_is_held_and_we_do_not",
        "wurlitzer_hangs_when_the_gil_is_held_and_we_do_not",
    ],
    "a character that is cut by a read": [
        "ipykernels_watching_breaks_characters_at_its_reads_and_we_do_not",
        "wurlitzer_breaks_characters_at_its_reads_and_we_do_not",
    ],
    "a failing cell": ["a_failing_cell_under_capture_says_ok_and_under_ours_fails"],
    "`await` in the cell": ["await_fails_under_capture_and_works_under_ours"],
    "who kept the old `sys.stdout` (logging, tqdm)": [
        "capture_misses_who_holds_the_old_stream_and_we_do_not"
    ],
    "a child process given `stdout=sys.stdout`": [
        "under_ipykernel_a_child_given_sys_stdout_escapes_the_notebook_and_under_ours_not"
    ],
    "a child that writes after its cell": [
        "under_ipykernel_a_child_of_one_cell_prints_into_a_later_one_and_under_ours_not"
    ],
    "memory for what is captured": ["wurlitzer_holds_what_it_captures_in_memory_and_we_do_not"],
    "the last words of a kernel that crashes": [
        "none_of_them_keeps_the_last_words_of_a_crash_and_we_do"
    ],
}
#: What the sentence below the table says of capfd.
SHOWN_OF_CAPFD = "a_child_that_opens_its_stdout_afresh_cuts_a_file_short_and_not_a_pipe"


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table_in(text: str) -> list[list[str]]:
    """Return the rows of the one table in ``text``, the header first and without the rule."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [rows[0], *rows[2:]]


def test_every_statement_about_others_has_its_test() -> None:
    rows = table_in(section("How it compares"))[1:]
    assert [row[0] for row in rows] == list(SHOWN_BY)
    named = [f"test_{name}" for names in SHOWN_BY.values() for name in names]
    named.append(f"test_{SHOWN_OF_CAPFD}")
    peers = (Path(__file__).parent / "test_peers.py").read_text(encoding="utf-8")
    there = re.findall(r"^def (test_\w+)", peers, re.MULTILINE)
    assert sorted(named) == sorted(there)
    assert "capfd" in section("How it compares")


# -- How fast -----------------------------------------------------------------------------------


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    monkeypatch.delitem(sys.modules, "common", raising=False)
    return importlib.import_module("bench_drain")


def benchmark_part() -> str:
    found = re.search(r"<!-- benchmarks -->\n(.*?)<!-- /benchmarks -->", SPEED, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_table_of_benchmarks_has_the_form_that_the_command_writes(bench: ModuleType) -> None:
    part = benchmark_part()
    header, *rows = table_in(part)
    assert header == ["work", *(title for title, _ in bench.WAYS.values())]
    assert [row[0] for row in rows] == [work.title for work in bench.WORKS.values()]
    for work, row in zip(bench.WORKS.values(), rows, strict=True):
        for way, cell in zip(bench.WAYS, row[1:], strict=True):
            assert re.fullmatch(expected_cell(work, way), cell), (work.title, way, cell)


def expected_cell(work: object, way: str) -> str:
    """Return the form of one cell, as an expression."""
    unit, hangs, without = (getattr(work, name) for name in ("unit", "hangs", "without"))
    if way in hangs:
        return "hangs"
    if way in without:
        return "—"
    number = r"-?\d+\.\d" if unit == "MB" else r"\d+\.\d\d"
    if way == "helper":
        return rf"\*\*{number} {unit}\*\*"
    return rf"{number} {unit}" + ("" if unit == "MB" else r" \(\d+\.\d x\)")


def test_the_table_of_benchmarks_says_when_on_what_and_with_what_it_was_measured() -> None:
    last = benchmark_part().strip().splitlines()[-1]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d; \d+ cores, \d+ GiB; \w+ \S+ \w+; Python 3\.\d+\.\d+; "
        r"ipyfdcapture \d\S*; wurlitzer \d\S*; ipykernel \d\S*; medians of \d+\.",
        last,
    ), last


def test_the_command_writes_the_table_where_it_stands(bench: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(SPEED, encoding="utf-8")
    bench.write_between_markers(str(page), benchmark_part())
    assert page.read_text(encoding="utf-8") == SPEED
    bench.write_between_markers(str(page), "new\n")
    assert page.read_text(encoding="utf-8") == SPEED.replace(benchmark_part(), "new\n")


if __name__ == "__main__":
    print(configuration_table())
