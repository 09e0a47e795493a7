"""What goes on with a line that has a level: `grep(level=..., context="entry")`."""

from __future__ import annotations

import pytest
from helpers.logs import make_log

TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()

  File "a.py", line 3, in f
    1 / 0
    ~~^~~
ZeroDivisionError: division by zero
"""


def entries(text: str, level: str = "error") -> list[str]:
    return list(make_log([(0, text.encode())]).grep(level=level, context="entry"))


def test_a_traceback_is_one_entry_up_to_its_last_line() -> None:
    assert entries(f"before\n{TRACEBACK}after\n  indented\n") == TRACEBACK.splitlines()


def test_a_chained_traceback_goes_on() -> None:
    joint = "\nDuring handling of the above exception, another exception occurred:\n\n"
    text = TRACEBACK + joint + TRACEBACK
    assert entries(f"{text}after\n") == text.splitlines()


def test_a_compilers_caret_belongs_to_its_message() -> None:
    head = "a.c:1:5: error: expected ';'"
    body = ["    1 | int x", "      |     ^"]
    text = "\n".join(
        ["a.c: In function 'f':", head, *body, "a.c:2:1: warning: unused", "    2 | x"]
    )
    assert entries(text) == [head, *body]


def test_a_java_stack_belongs_to_its_exception() -> None:
    lines = ['Exception in thread "main" java.lang.IllegalStateException: bad']
    lines += ["\tat J.main(J.java:2)", "Caused by: java.io.IOException: disk", "\t... 1 more"]
    assert entries("\n".join([*lines, "done"])) == lines


@pytest.mark.parametrize(
    "lines",
    [
        [
            "thread 'main' (71) panicked at src/main.rs:3:5:",
            "index out of bounds: the len is 3 but the index is 7",
            "stack backtrace:",
            "   0: rust_begin_unwind",
            "             at /rustc/1.80/library/std/src/panicking.rs:645:5",
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ],
        [
            "error[E0425]: cannot find value `x` in this scope",
            " --> src/main.rs:3:5",
            "  |",
            "3 |     x",
            "  |     ^ not found in this scope",
        ],
        [
            "ERROR: LoadError: UndefVarError: `x` not defined",
            "Stacktrace:",
            " [1] top-level scope",
            "   @ a.jl:1",
            "in expression starting at a.jl:1",
        ],
        [
            "[node1:4711] *** Process received signal ***",
            "[node1:4711] Signal: Segmentation fault (11)",
            "[node1:4711] Signal code: Address not mapped (1)",
            "[node1:4711] Failing at address: (nil)",
            "[node1:4711] [ 0] /lib/x86_64-linux-gnu/libc.so.6(+0x42520)[0x7f]",
            "[node1:4711] [10] ./solver(main+0x20)[0x55]",
            "[node1:4711] [11] /lib/libc.so.6(+0x42520)[0x7f]",
            "[node1:4711] *** End of error message ***",
        ],
        [
            "2026-01-02 03:04:05,678 - distributed.worker - ERROR - Compute Failed",
            "Key:       inc-123",
            "State:     executing",
            "Task:  <Task 'inc-123' inc(...)>",
            "Exception: \"ZeroDivisionError('division by zero')\"",
            "Traceback: '  File \"a.py\", line 1, in inc\\n'",
        ],
    ],
    ids=["rust", "rustc", "julia", "open-mpi", "dask"],
)
def test_what_a_runtime_says_of_an_error_is_one_entry(lines: list[str]) -> None:
    assert entries("\n".join(["before", *lines, "", "after"])) == lines


def test_a_ranks_prefix_stays_before_the_indent() -> None:
    lines = [f"[rank0]: {line}" for line in TRACEBACK.splitlines() if line]
    assert entries("\n".join([*lines, "[rank1]: step 5"])) == lines


def test_what_another_source_wrote_in_between_does_not_part_an_entry() -> None:
    lines = TRACEBACK.splitlines(keepends=True)
    chunks = [(source, text.encode()) for line in lines for source, text in ((1, line), (0, "x\n"))]
    log = make_log(chunks)
    found = log.grep(level="error", context="entry")
    assert "".join(f"{line}\n" for line in found) == TRACEBACK
    assert {line.source for line in found} == {"stderr"}


def test_an_entry_ends_within_a_view() -> None:
    log = make_log([(0, TRACEBACK.encode())])
    assert len(log[:3].grep(level="error", context="entry")) == 3


def test_blank_lines_behind_an_entry_are_not_of_it() -> None:
    assert entries("error: no\n\n\n") == ["error: no"]


@pytest.mark.parametrize("wrong", ["all", "", "Entry"])
def test_another_word_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a context is a number of lines or 'entry'"):
        make_log([(0, b"x\n")]).grep("x", context=wrong)  # type: ignore[call-overload]
