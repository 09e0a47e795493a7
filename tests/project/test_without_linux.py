"""What the tests without what Linux alone has name is there."""

from __future__ import annotations

import pytest
from helpers.process import TESTS_DIR
from helpers.without_linux import (
    CHOSEN,
    NEED_A_MAC,
    NEED_LIBSTDCPP,
    NEED_SPLICE,
    why_left_out,
)


@pytest.mark.parametrize("named", [NEED_SPLICE, NEED_A_MAC, NEED_LIBSTDCPP, CHOSEN])
def test_each_test_that_is_named_is_there(named: dict[str, list[str]]) -> None:
    for file, tests in named.items():
        text = (TESTS_DIR / file).read_text(encoding="utf-8")
        for test in tests:
            assert f"def {test.partition('[')[0].rpartition('::')[2]}(" in text, test


def test_a_part_of_each_promise_is_chosen() -> None:
    promises = {file.partition("/")[2].partition("/")[0] for file in CHOSEN if "/test_" in file}
    assert {path.name for path in (TESTS_DIR / "promises").glob("[0-9]*")} - promises == set()


def test_nothing_is_left_out_on_linux_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    file, tests = next(iter(NEED_SPLICE.items()))
    monkeypatch.setattr("os.splice", None, raising=False)
    assert why_left_out(file, next(iter(tests))) is None
    monkeypatch.delattr("os.splice")
    assert why_left_out(file, next(iter(tests)))
