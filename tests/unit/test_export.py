"""Logs in files, pandas and Arrow, held against the model."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
from helpers import logs
from helpers.logs import Chunk, make_log, model_lines, model_plain
from helpers.process import check_script
from helpers.wait import eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipyfdcapture import open_log
from ipyfdcapture.log import export
from ipyfdcapture.log.moments import utc_time
from ipyfdcapture.log.reading import Reading

LOG = [(0, b"one\ntw"), (1, b"err\r\n"), (0, "o €\n".encode()), (2, b"bad \xff\0")]
QUICK = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def model_table(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [
        {
            "time": line.time,
            "source": line.source,
            "number": i + 1,
            "text": line.text,
            "plain": model_plain(line.text),
        }
        for i, line in enumerate(model_lines(chunks))
    ]


def in_ns(table: Any) -> list[dict[str, Any]]:
    times = table["time"].cast("int64").to_pylist()
    return [row | {"time": time} for row, time in zip(table.to_pylist(), times, strict=True)]


@QUICK
@given(logs.chunks)
def test_text_is_the_text(tmp_path: Path, chunks: list[Chunk]) -> None:
    log = make_log(chunks)
    log.save(tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_bytes().decode() == log.plain
    log[::2].save(tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_bytes().decode() == log[::2].plain


@QUICK
@given(logs.chunks)
def test_jsonl_is_an_object_a_line(tmp_path: Path, chunks: list[Chunk]) -> None:
    make_log(chunks).save(tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    expected = [
        row | {"time": utc_time(row["time"]).isoformat(timespec="microseconds")}
        for row in model_table(chunks)
    ]
    assert rows == expected
    written = (tmp_path / "x.jsonl").read_text()
    assert written == "".join(json.dumps(row) + "\n" for row in expected)


@QUICK
@given(logs.chunks)
def test_arrow_pandas_and_parquet_hold_the_lines(tmp_path: Path, chunks: list[Chunk]) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    log = make_log(chunks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "BATCH_LINES", 3)
        assert in_ns(pa.table(log)) == model_table(chunks)
        assert in_ns(pa.table(log.tail(4))) == model_table(chunks)[-4:]
        log.save(tmp_path / "x.parquet")
    assert in_ns(parquet.read_table(tmp_path / "x.parquet")) == model_table(chunks)


@QUICK
@given(logs.chunks)
def test_pandas_holds_the_lines(chunks: list[Chunk]) -> None:
    pytest.importorskip("pandas")
    frame = make_log(chunks).to_pandas()
    expected = model_table(chunks)
    assert list(frame.columns) == ["time", "source", "number", "text", "plain"]
    assert list(frame["text"]) == [row["text"] for row in expected]
    assert list(frame["plain"]) == [row["plain"] for row in expected]
    assert list(frame["source"]) == [row["source"] for row in expected]
    assert list(frame["number"]) == [row["number"] for row in expected]
    assert [time.value for time in frame["time"]] == [row["time"] for row in expected]
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"


def test_polars_and_duckdb_read_the_lines_of_a_log() -> None:
    pa = pytest.importorskip("pyarrow")
    log = make_log(LOG)
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(pa.table(log))
    assert frame["text"].to_list() == [str(line) for line in log]
    assert frame["number"].to_list() == [line.number for line in log]
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql("select number from log where source = 'stderr'").fetchall()
    assert found == [(3,)]


def test_arrow_reads_in_batches() -> None:
    pa = pytest.importorskip("pyarrow")
    log = make_log([(0, b"line\n" * 200_000)])
    sizes = [len(batch) for batch in pa.RecordBatchReader.from_stream(log)]
    assert sum(sizes) == 200_000
    assert max(sizes) == export.BATCH_LINES


def test_bad_bytes_that_a_handler_kept_do_not_break_an_export(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    log = make_log([(0, b"bad \xff\n")], errors="surrogateescape")
    for suffix in ("txt", "jsonl", "html", "parquet"):
        log.save(tmp_path / f"x.{suffix}")
    assert (tmp_path / "x.txt").read_text() == "bad \\udcff\n"
    assert json.loads((tmp_path / "x.jsonl").read_text())["text"] == "bad \\udcff"
    assert pa.table(log)["text"].to_pylist() == ["bad \\udcff"]


@QUICK
@given(logs.chunks)
def test_csv_is_read_back_as_it_was(tmp_path: Path, chunks: list[Chunk]) -> None:
    make_log(chunks).save(tmp_path / "x.csv")
    with open(tmp_path / "x.csv", encoding="utf-8", newline="") as file:
        nul = "\x00" if sys.version_info >= (3, 11) else "\ue000"  # Python 3.10 reads none
        lines = (line.replace("\x00", nul) for line in file)
        rows = [
            {name: field.replace(nul, "\x00") for name, field in row.items()}
            for row in csv.DictReader(lines)
        ]
    names = ("source", "number", "text", "plain")
    assert [tuple(row[name] for name in names) for row in rows] == [
        tuple(str(row[name]) for name in names) for row in model_table(chunks)
    ]
    times = [
        (utc_time(line.time)).isoformat(timespec="microseconds") for line in model_lines(chunks)
    ]
    assert [row["time"] for row in rows] == times


#: How each format gives its lines back; a new one needs its way here.
READ_BACK: dict[str, Callable[[Path], list[str]]] = {
    ".txt": lambda path: path.read_text().splitlines(),
    ".log": lambda path: path.read_text().splitlines(),
    ".jsonl": lambda path: [json.loads(line)["text"] for line in path.read_text().splitlines()],
    ".csv": lambda path: [row["text"] for row in csv.DictReader(path.read_text().splitlines())],
    ".html": lambda path: re.findall(r"<span dir=\"ltr\">([^<]*)", path.read_text()),
    ".svg": lambda path: [
        "".join(element.itertext())
        for element in ElementTree.parse(path).iter()
        if element.get("xml:space") or element.tag.endswith("text")
    ],
    ".parquet": lambda path: list(map(str, open_log(path))),
}


@pytest.mark.parametrize("suffix", export._SUFFIXES)
def test_all_formats_give_the_same_lines(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    log = make_log([(i % 2, f"step {i}: residual {i / 8} €\n".encode()) for i in range(12)])
    log.save(tmp_path / f"x{suffix}", viewer=False)
    lines = READ_BACK[suffix](tmp_path / f"x{suffix}")
    assert [line for line in lines if line.startswith("step")] == list(map(str, log))


@pytest.mark.parametrize("suffix", [".txt", ".log", ".jsonl", ".csv", ".html", ".parquet"])
def test_gz_behind_a_suffix_compresses(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    log = make_log(LOG)
    for name in (f"a{suffix}", f"a{suffix}.gz", f"b{suffix}.gz"):
        log.save(tmp_path / name)
    packed = (tmp_path / f"a{suffix}.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / f"a{suffix}").read_bytes()
    assert packed == (tmp_path / f"b{suffix}.gz").read_bytes()
    log.save(tmp_path / "x.gz")
    assert gzip.decompress((tmp_path / "x.gz").read_bytes()).decode() == log.plain


def test_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make_log(LOG).save("~/x.log")
    make_log(LOG).copy_to("~/y")
    assert (tmp_path / "x.log").read_bytes().decode() == make_log(LOG).text
    assert (tmp_path / "y").read_bytes() == make_log(LOG).raw


@QUICK
@given(logs.chunks)
def test_svg_is_a_picture_without_script_whatever_the_lines(
    tmp_path: Path, chunks: list[Chunk]
) -> None:
    make_log([*chunks, (0, b"\n<script>\x1b[31;1mred\x00\n" + b"x" * 1000)]).save(
        tmp_path / "x.svg"
    )
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds <= {"svg", "title", "rect", "g", "text", "tspan"}
    assert "<script>" in "".join(root.itertext())
    assert float(root.attrib["width"]) < 1000


class TestCopies:
    @QUICK
    @given(logs.chunks)
    def test_are_byte_for_byte(self, tmp_path: Path, chunks: list[Chunk]) -> None:
        log = make_log(chunks)
        log.copy_to(tmp_path / "x.any")
        assert (tmp_path / "x.any").read_bytes() == log.raw
        log[::2].copy_to(tmp_path / "x.any")
        assert (tmp_path / "x.any").read_bytes() == log[::2].raw

    def test_in_a_directory_are_named_after_the_log(self, tmp_path: Path) -> None:
        make_log(LOG).copy_to(tmp_path)
        (tmp_path / "solver.out").write_text("a\n")
        (tmp_path / "to").mkdir()
        open_log(tmp_path / "solver.out").copy_to(tmp_path / "to")
        assert sorted(os.listdir(tmp_path)) == ["captured", "solver.out", "to"]
        assert (tmp_path / "to/solver.out").read_text() == "a\n"


class TestEditing:
    def test_opens_a_copy_in_the_users_editor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor = tmp_path / "editor"
        editor.write_text(
            f'#!/bin/sh\ncp "$2" {tmp_path}/new && mv {tmp_path}/new {tmp_path}/seen\n'
        )
        editor.chmod(0o700)
        monkeypatch.setenv("VISUAL", f"'{editor}' --wait")
        make_log(LOG).edit()
        eventually((tmp_path / "seen").exists, "the editor has read the copy")
        assert (tmp_path / "seen").read_bytes().decode() == make_log(LOG).text
        children = psutil.Process().children()
        assert [child for child in children if str(editor) in child.cmdline()] == []

    def test_the_copy_goes_when_the_process_ends(self, tmp_path: Path) -> None:
        check_script("restore/a_log_is_opened_in_an_editor", directory=tmp_path)
        assert list((tmp_path / "tmpdir").glob("ipyfdcapture-*")) == []

    @pytest.mark.parametrize(
        ("command", "said"),
        [("code 'x", r"\$VISUAL is no command: \"code 'x\""), ("nosuch-editor", "no such editor")],
    )
    def test_an_editor_that_cannot_be_started_is_told(
        self, command: str, said: str, monkeypatch: pytest.MonkeyPatch, no_leaks: None
    ) -> None:
        monkeypatch.setenv("VISUAL", command)
        with pytest.raises((RuntimeError, FileNotFoundError), match=said):
            make_log(LOG).edit()

    def test_without_an_editor_says_what_to_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.delenv("EDITOR", raising=False)
        with pytest.raises(RuntimeError, match=r"set \$VISUAL"):
            make_log(LOG).edit()
        monkeypatch.setenv("EDITOR", "vim")
        with open(os.devnull) as nothing:
            monkeypatch.setattr(sys, "__stdin__", nothing)
            with pytest.raises(RuntimeError, match="vim needs a terminal"):
                make_log(LOG).edit()
        monkeypatch.setenv("VISUAL", "no-such-editor-anywhere")
        with pytest.raises(FileNotFoundError, match="no such editor"):
            make_log(LOG).edit()


TEXTS = st.lists(
    st.sampled_from(
        ["a & b\n", "error: <x>\n", "WARNING: w\n", "\x1b[31mred\n", "x" * 400, "\u202e"]
    )
)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 2), TEXTS.map("".join).map(str.encode))) | logs.chunks)
def test_lines_of_a_page_written_at_once_are_those_written_one_by_one(
    tmp_path: Path, chunks: list[Chunk]
) -> None:
    log = make_log([chunk for chunk in chunks if chunk[1]])
    pages = []
    for at_once in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not at_once:
                patch.setattr("ipyfdcapture.log.view.ansi.are_plain", lambda texts: False)
            log.save(tmp_path / "x.html", viewer=False)
        pages.append((tmp_path / "x.html").read_text("utf-8"))
    assert pages[0] == pages[1]


def test_html_is_a_page_with_every_line(tmp_path: Path) -> None:
    log = make_log([(0, b"<b>line %d</b>\n" % i) for i in range(300)])
    log.save(tmp_path / "x.html", viewer=False)
    page = (tmp_path / "x.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert all(f"&lt;b&gt;line {i}&lt;/b&gt;" in page for i in range(300))


class TestFiles:
    def test_one_that_is_there_is_replaced_only_by_a_whole_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "x.txt"
        path.write_text("before")

        def fail(reading: Reading) -> Iterator[str]:
            yield "half"
            raise OSError("disk full")

        monkeypatch.setattr(Reading, "plain_parts", fail)
        with pytest.raises(OSError, match="disk full"):
            make_log(LOG).save(path)
        assert path.read_text() == "before"
        assert os.listdir(tmp_path) == ["x.txt"]

    def test_a_link_keeps_being_one(self, tmp_path: Path) -> None:
        (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
        make_log(LOG).save(tmp_path / "link.txt")
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "real.txt").exists()

    def test_it_has_the_mode_of_any_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "usual").touch()
        make_log(LOG).save(str(tmp_path / "X.TXT"))
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "X.TXT")]
        assert modes[0] == modes[1]

    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o666])
    def test_one_that_is_there_keeps_its_mode(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "x.txt"
        path.touch()
        path.chmod(mode)
        make_log(LOG).save(path)
        assert path.stat().st_size > 0
        assert stat.S_IMODE(path.stat().st_mode) == mode

    def test_an_unknown_suffix_is_refused_in_one_line(self, tmp_path: Path) -> None:
        known = r"one of \.txt, \.log, \.jsonl, \.csv, \.html, \.svg, \.parquet; \.gz after it"
        for name in ("x.xls", "x", "x.zip.gz"):
            with pytest.raises(ValueError, match=known):
                make_log(LOG).save(tmp_path / name)
        assert os.listdir(tmp_path) == []

    def test_a_missing_directory_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no such directory: .*nowhere'$"):
            make_log(LOG).save(tmp_path / "nowhere" / "x.txt")


@pytest.mark.parametrize(
    ("use", "extra"),
    [("to_pandas()", "pandas"), ("save('x.parquet')", "arrow"), ("__arrow_c_stream__()", "arrow")],
)
def test_a_missing_library_is_named_with_the_extra(use: str, extra: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["pandas"] = sys.modules["pyarrow"] = None
sys.path[:0] = {[str(place) for place in Path(__file__).resolve().parents[1:3]]!r}
from helpers.logs import make_log
make_log([(0, b"x")]).{use}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    library = {"pandas": "pandas", "arrow": "pyarrow"}[extra]
    expected = f'ImportError: this needs {library}: pip install "ipyfdcapture[{extra}]"'
    assert done.stderr.splitlines()[-1] == expected
    assert os.listdir(tmp_path) == []
