"""Tables out of logs: by a pattern, or found by themselves in what real solvers printed."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import logs
from helpers.logs import STARTED, Chunk, make_log, model_lines, model_plain
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture import open_log
from ipyfdcapture.log import bounded, columns, extraction

DATA = Path(__file__).parent.parent / "data/tables"
KINDS = ["pandas", "polars", "arrow", "dicts"]
QUICK = settings(deadline=None, max_examples=50)
LOG = make_log(
    [
        (0, b"step 1: loss 0.5 (ok)\n"),
        (1, b"warning\n"),
        (0, b"\x1b[1mstep\x1b[0m 2: loss 1e-3 (bad)\nstep 3: loss nan\n"),
    ]
)


def as_dicts(table: Any) -> list[dict[str, Any]]:
    if isinstance(table, list):
        return table
    if hasattr(table, "to_pylist"):
        return list(table.to_pylist())
    if hasattr(table, "to_dicts"):
        return list(table.to_dicts())
    return list(table.to_dict("records"))


def cells(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


class TestExtract:
    @pytest.mark.parametrize("kind", KINDS)
    def test_gives_a_row_a_match_with_its_line_time_and_source(self, kind: str) -> None:
        if kind != "dicts":
            pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
        rows = as_dicts(LOG.extract(r"step (?P<i>\d+): loss (?P<loss>[\d.e-]+)", to=kind))
        assert cells(rows, "number", "source", "i", "loss") == [
            (1, "stdout", 1, 0.5),
            (3, "stdout", 2, 0.001),
        ]
        assert (rows[1]["time"] - rows[0]["time"]).total_seconds() == 2
        assert [type(row["i"]) for row in rows] == [int, int]

    @pytest.mark.parametrize("kind", KINDS)
    def test_bytes_that_are_no_text_are_kept_in_each_kind(self, kind: str) -> None:
        if kind != "dicts":
            pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
        log = make_log([(0, b"name=\xffx\n")], errors="surrogateescape")
        rows = as_dicts(log.extract("name=(?P<name>.*)", to=kind))
        kept = "\udcffx" if kind == "dicts" else "\\udcffx"  # libraries hold UTF-8 alone
        assert cells(rows, "name") == [(kept,)]

    def test_without_a_wish_it_gives_the_first_kind_whose_library_is_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for kind, library in columns._LIBRARIES.items():
            if importlib.util.find_spec(library) is not None:
                assert columns.checked_kind(None) == kind
            monkeypatch.setitem(sys.modules, library, None)
            with pytest.raises(ImportError, match=f"this needs {library}"):
                LOG.extract("a", to=kind)
        assert isinstance(LOG.extract("a"), list)

    def test_all_matches_of_a_line_are_rows(self) -> None:
        rows = LOG.extract(r"(?P<letter>[ab])", to="dicts")
        assert cells(rows, "number", "letter") == [(2, "a"), (3, "b"), (3, "a"), (4, "a")]

    def test_groups_without_a_name_and_none_at_all_are_columns_too(self) -> None:
        assert cells(LOG.extract(r"(\d): (\w+)", to="dicts"), "group1", "group2")[0] == (1, "loss")
        assert cells(LOG.extract(r"\d:", to="dicts"), "match") == [("1:",), ("2:",), ("3:",)]

    def test_names_that_are_ours_stay_the_users(self) -> None:
        rows = LOG.extract(r"(?P<source>step) (?P<time>\d+)", to="dicts")
        assert cells(rows, "source", "time", "log_source", "number")[0] == ("step", 1, "stdout", 1)

    @pytest.mark.parametrize(
        ("texts", "values"),
        [
            ("1 -2 +3", [1, -2, 3]),
            ("1 2.5 .5 1e3 1.D-02", [1.0, 2.5, 0.5, 1000.0, 0.01]),
            ("inf -inf 1", [float("inf"), float("-inf"), 1.0]),
            ("1 2 n/a", ["1", "2", "n/a"]),
            ("0x1f 7", ["0x1f", "7"]),
            ("1_000 7", ["1_000", "7"]),
            ("99999999999999999999 1", ["99999999999999999999", "1"]),
            ("1" * 5000, ["1" * 5000]),
        ],
    )
    def test_numbers_are_numbers_if_the_whole_column_is(
        self, texts: str, values: list[Any]
    ) -> None:
        log = make_log([(0, "".join(f"x={text}\n" for text in texts.split()).encode())])
        for kind in KINDS:
            if kind != "dicts":
                pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
            found = [row["x"] for row in as_dicts(log.extract(r"x=(?P<x>\S+)", to=kind))]
            assert found == values and list(map(type, found)) == list(map(type, values))

    def test_a_group_that_took_no_part_is_missing(self) -> None:
        rows = LOG.extract(r"step (?P<i>\d)(?:.*\((?P<how>\w+)\))?", to="dicts")
        assert cells(rows, "i", "how") == [(1, "ok"), (2, "bad"), (3, None)]
        pytest.importorskip("pandas")
        frame = LOG.extract(r"(?P<word>warning)|step (?P<i>\d)", to="pandas")
        assert list(frame.i.dropna()) == [1, 2, 3]

    @QUICK
    @given(logs.chunks, st.sampled_from([r"(?P<a>\w)(?P<b>.)", r"a", r"(\d+)", r"[^a]{2,3}"]))
    def test_is_what_a_loop_over_the_lines_finds(self, chunks: list[Chunk], pattern: str) -> None:
        expected = [
            (i, line.source, match.group())
            for i, line in enumerate(model_lines(chunks), 1)
            for match in re.finditer(pattern, model_plain(line.text))
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(columns, "as_numbers", list)
            rows = make_log(chunks).extract(f"(?P<all>{pattern})", to="dicts")
        assert cells(rows, "number", "source", "all") == expected

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"pattern": "("}, "is no regular expression"),
            ({"pattern": "a", "to": "numpy"}, "to is one of pandas, polars, arrow, dicts"),
            ({"pattern": "a", "line_limit": 0}, "line_limit must be a number of seconds"),
        ],
    )
    def test_bad_arguments_are_refused(self, arguments: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said) as raised:
            LOG.extract(**arguments)
        assert len(str(raised.value).splitlines()) == 1
        for wrong in (None, b"a", re.compile(b"a")):
            with pytest.raises(TypeError, match="a pattern is a str"):
                LOG.extract(wrong)  # type: ignore[arg-type]


class TestAPatternThatTakesForEver:
    def test_is_bounded_and_the_lines_are_named(self, no_leaks: None) -> None:
        log = make_log([(0, b"x=1\n" + b"a" * 1_000_000 + b"\nx=2\n" + b"a" * 40 + b"!\nx=3\n")])
        with pytest.warns(UserWarning, match=r"takes over 0.2 s on lines 2, 4, left out") as told:
            rows = log.extract(r"x=(?P<x>\d)|(?:a+)+$(?<=b)", to="dicts", line_limit=0.2)
        assert told[0].filename == __file__
        assert cells(rows, "number", "x") == [(1, 1), (3, 2), (5, 3)]

    def test_that_does_not_is_not_cut_off_however_many_lines_there_are(self) -> None:
        log = make_log([(0, b"x=1\n" * 200_000)])
        assert len(log.extract(r"x=(?P<x>\d+)", to="dicts", line_limit=0.05)) == 200_000

    def test_an_error_amid_it_ends_the_process(self, no_leaks: None) -> None:
        def lines() -> Any:
            yield columns.Origin(1, 0, ""), "x"
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(bounded, "BATCH_LINES", 1)
            list(bounded.find_in_lines(re.compile("(x+x+)+y"), lines(), 1.0, []))

    @pytest.mark.parametrize("pattern", ["abc", "[0-9]x?", r"a{2,9}", "(a|b)"])
    def test_a_plain_one_needs_no_process(
        self, pattern: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(bounded, "_start")
        log = make_log([(0, b"9x aaa abc\n" + b"a" * 9000 + b"x" * 10_000_000)])
        assert len(log.extract(pattern, to="dicts")) >= 1


@pytest.mark.parametrize("sign", [" ", ",", "\t", "-"])
def test_a_very_long_line_is_searched_in_pieces_that_cut_no_word(
    sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "PIECE_BYTES", 100_000)
    values = [str(100_000 + i) for i in range(100_000)]
    log = make_log([(0, b"x=1\n"), (1, sign.join(values).encode() + b"\nx=2\n"), (0, b"x=3")])
    pieces = r"line 2: so long that the pattern .* was searched for in pieces"
    with pytest.warns(UserWarning, match=pieces) as told:
        rows = log.extract(r"(\d{6,})|x=(\d)", to="dicts")
    assert len(told) == 1 and told[0].filename == __file__
    assert cells([row for row in rows if row["group2"]], "number", "group2") == [
        (1, 1),
        (3, 2),
        (4, 3),
    ]
    found = [str(row["group1"]) for row in rows if row["number"] == 2]
    missed = set(values) - set(found)
    assert found == [value for value in values if value not in missed]
    assert not missed if sign != "-" else len(missed) < 10
    with pytest.warns(UserWarning, match=pieces):
        assert log[1:].extract(r"\d{6}", to="dicts")[0]["match"] == 100_000


#: The log, the name of its table, how many rows, and cells of the first and the last.
TABLES = [
    ("highs", "HiGHS branch", 7, {"best_bound": float("inf")}, {"gap": 0.0, "lp_iterations": 5363}),
    ("highs_simplex", "HiGHS simplex", 2, {"iteration": 0}, {"objective": -8.3694402808}),
    ("highs_ipm", "interior point", 13, {"primal_objective": -5.2620888}, {"iteration": 12}),
    ("highs_pdlp", "HiGHS PDLP", 2, {"dual_objective": 4780}, {"iteration": 2480, "kind": "A"}),
    ("gurobi", "Gurobi branch", 65, {"incumbent": 1064.0, "gap": 57.8}, {"infeasible": 16}),
    ("gurobi_lp", "interior point", 8, {"primal_objective": 8729.77727}, {"iteration": 7}),
    ("gurobi_lp", "Gurobi simplex", 3, {"objective": 1602.0}, {"iteration": 3}),
    ("cbc", "CBC", 31, {"pass": 1, "infeasible": 1}, {"pass": 31, "objective": -1662.63}),
    ("ipopt", "Ipopt", 29, {"objective": 6316.2, "lg_rg": None}, {"ls": 1, "inf_du": 1.62e-14}),
    ("cpsat", "CP-SAT", 14, {"event": "Bound", "best": float("-inf")}, {"next_high": 1658}),
    ("lightgbm", "XGBoost", 13, {"round": 1, "training's l2": 0.0790964}, {"round": 12}),
    ("xgboost", "XGBoost", 12, {"round": 0, "train-rmse": 0.24271}, {"eval-mae": 0.068}),
    ("keras_lines", "Keras", 3, {"epoch": 1, "loss": 0.2403}, {"epoch": 3, "val_loss": 0.08}),
    ("keras_bars", "Keras", 7, {"epoch": 1, "val_loss": None}, {"epoch": 3, "step": 13}),
    ("tqdm", "tqdm", 114, {"bar": "train", "percent": 0}, {"n": 30, "total": 30}),
]


class TestTable:
    @pytest.mark.parametrize(("log", "name", "count", "first", "last"), TABLES)
    def test_of_a_real_log_is_found(
        self, log: str, name: str, count: int, first: dict[str, Any], last: dict[str, Any]
    ) -> None:
        rows = open_log(DATA / f"{log}.log").table(name.lower(), to="dicts")
        assert len(rows) == count
        for row, wanted in ((rows[0], first), (rows[-1], last)):
            for column, value in wanted.items():
                exact = value is None or isinstance(value, str)
                assert row[column] == (value if exact else pytest.approx(value, rel=1e-5))

    def test_of_scip_has_its_columns(self) -> None:
        rows = open_log(DATA / "scip.log").table(to="dicts")
        assert len(rows) > 40
        assert (rows[0]["found_by"], rows[0]["dualbound"], rows[0]["gap"]) == ("p", 3531.0, 248.57)
        assert rows[0]["mem_or_heur"] == "locks" and rows[0]["compl"] is None

    @pytest.mark.parametrize("plus", ["+", " + "])
    def test_of_a_cross_validation_has_means_and_deviations(self, plus: str) -> None:
        lines = "".join(f"[{i}]\ttrain-rmse:0.{9 - i}{plus}0.0{i}\n" for i in range(3))
        rows = make_log([(0, lines.encode())]).table("xgboost", to="dicts")
        assert [row["train-rmse"] for row in rows] == [0.9, 0.8, 0.7]
        assert [row["train-rmse-std"] for row in rows] == [0.0, 0.01, 0.02]

    def test_every_row_is_a_line_of_the_table(self) -> None:
        log = open_log(DATA / "gurobi.log")
        rows = log.table(to="dicts")
        start = log.grep("Expl Unexpl")[0].number
        assert [row["number"] for row in rows] == list(range(start + 2, start + 2 + len(rows)))

    @pytest.mark.parametrize("kind", KINDS)
    def test_comes_as_each_kind(self, kind: str) -> None:
        if kind != "dicts":
            pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
        for path in DATA.iterdir():
            assert len(open_log(path).table(to=kind)) > 1

    def test_that_is_not_there_is_told_with_those_that_are(self) -> None:
        with pytest.raises(ValueError, match="no table was found"):
            LOG.table()
        with pytest.raises(ValueError, match="no table is called 'nope'; there are HiGHS"):
            open_log(DATA / "highs.log").table("nope")
        with pytest.raises(ValueError, match="it has HiGHS branch and bound"):
            open_log(DATA / "highs.log").table("scip")

    def test_of_an_unknown_program_is_a_line_of_names_and_rows_of_as_many_numbers(self) -> None:
        log = make_log(
            [
                (0, b"My solver 1.0\n  Iter   Residual  Res drop  Time\n -----------\n"),
                (
                    0,
                    b"   0   1.0e+00      -      0.1s\n"
                    b"\x1b[1m   1   2.5e-01     75%     0.2s\x1b[0m\n",
                ),
                (1, b"a note in between\n"),
                (0, b"restarted with a new step\n   2   1.0e-01     60%     0.3s\n1 2 3\n"),
                (2, b"x|y\n1|2\n3|4\n5|6\n"),
            ]
        )
        rows = log.table("columns Iter", to="dicts")
        assert cells(rows, "number", "Iter", "Residual", "Res drop", "Time") == [
            (4, 0, 1.0, None, 0.1),
            (5, 1, 0.25, 75, 0.2),
            (8, 2, 0.1, 60, 0.3),
        ]
        assert cells(log.table("columns x", to="dicts"), "source", "x", "y")[0] == (
            *("solver/stderr", 1, 2),
        )
        assert len(log.table(to="dicts")) == 3

    def test_of_a_known_program_comes_before_that_of_an_unknown_one(self) -> None:
        log = make_log([(0, b"a b\n" + b"1 2\n" * 20 + b"[0]\tloss:0.2\n[1]\tloss:0.1\n")])
        assert cells(log.table(to="dicts"), "loss") == [(0.2,), (0.1,)]
        assert len(log.table("columns a, b", to="dicts")) == 20

    def test_of_hostile_lines_takes_no_time(self) -> None:
        lines = [b"1 " * 900, b"[1]\t" + b"a:1\t" * 400, b" 1%|" * 400, b"#1 1s best:1 next:[" * 90]
        make_log([(0, b"\n".join(lines) * 50 + b"\n" + b"1" * 1_000_000)]).grep("").head(1)
        with pytest.raises(ValueError, match=r"no table|it has"):
            make_log([(0, b"\n".join(lines) + b"\n")]).table("cp-sat")


class TestPlot:
    def test_draws_a_panel_a_column_over_time(self) -> None:
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        pyplot = pytest.importorskip("matplotlib.pyplot")
        pyplot.close("all")
        LOG.extract(r"step (?P<i>\d+): loss (?P<loss>[\d.e-]+)", plot=True, to="dicts")
        (number,) = pyplot.get_fignums()
        panels = pyplot.figure(number).axes
        assert [panel.get_ylabel() for panel in panels] == ["i", "loss"]
        assert list(panels[1].lines[0].get_xdata()) == [0.0, 2.0]
        assert LOG[0].time_ns == STARTED
        with pytest.raises(ValueError, match="no column holds numbers"):
            LOG.extract("(?P<word>warning)", plot=True)
        pyplot.close("all")
