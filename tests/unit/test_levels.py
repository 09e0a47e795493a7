"""Levels, by real lines of the programs that write them, each with what a person would say.

``level_lines.jsonl`` has some 1,200: a quarter of them ("held") were not looked at when the rules
were made, and stand for the lines that nobody thought of.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from helpers.logs import make_log
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyfdcapture.log import levels
from ipyfdcapture.log.levels import (
    CODES,
    FORMATS,
    LEVELS,
    WORDS,
    LevelCodes,
    LevelFinder,
    checked_level,
    level_of,
    levels_meant,
)
from ipyfdcapture.log.seen import Sight

LINES: list[tuple[str | None, str, str]] = [
    tuple(json.loads(line))
    for line in Path(__file__).with_name("level_lines.jsonl").read_text("utf-8").splitlines()
]

SAMPLES = [
    # glog, absl, gRPC, klog
    ("info", "I0102 15:04:05.678901 123456 net.cpp:84] Creating Layer conv1"),
    ("warning", "W20240102 15:04:05.678901  4242 gpu_timer.cc:114] Skipping the delay kernel"),
    (
        "error",
        "E0000 00:00:1731000000.123456  9876 cuda_dnn.cc:8310] Unable to register cuDNN factory",
    ),
    ("critical", "F0102 15:04:05.678901 123456 solver.cpp:66] Check failed: param_.has_net()"),
    ("info", "I0102 15:04:05.678901       1 main.go:42] listening on :8080"),
    # TensorFlow
    (
        "info",
        "2024-01-02 15:04:05.678901: I tensorflow/core/platform/cpu_feature_guard.cc:182] This "
        "TensorFlow binary is optimized to use available CPU instructions",
    ),
    (
        "warning",
        "2024-01-02 15:04:05.678901: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] "
        "TF-TRT Warning: Could not find TensorRT",
    ),
    (
        "error",
        "2024-01-02 15:04:05.678901: E tensorflow/compiler/xla/stream_executor/cuda/cuda_dnn.cc:"
        "9342] Unable to register cuDNN factory",
    ),
    # Python
    ("warning", "WARNING:root:watch out"),
    ("critical", "CRITICAL:my.app:it is over"),
    ("info", "2024-01-02 15:04:05,678 - my.app - INFO - started"),
    ("error", "2024-01-02 15:04:05,678 ERROR [my.app] no such table"),
    ("warning", "[2024-01-02 15:04:05,678] WARNING in app: deprecated"),
    ("debug", "2024-01-02 15:04:05,678 | DEBUG | x=3"),
    ("warning", "/usr/lib/python3/scipy/_lib.py:12: RuntimeWarning: divide by zero"),
    ("warning", "<stdin>:1: DeprecationWarning: invalid escape sequence '\\d'"),
    ("error", "Traceback (most recent call last):"),
    ("warning", "2024-01-02 15:04:05.678 | WARNING  | __main__:main:12 - careful"),
    # spdlog
    ("info", "[2024-01-02 15:04:05.678] [info] Welcome to spdlog!"),
    ("critical", "[2024-01-02 15:04:05.678] [engine] [critical] Support for int: 42"),
    ("error", "[2024-01-02 15:04:05.678] [\x1b[31m\x1b[1merror\x1b[m] in colour"),
    # Rust
    ("info", "[2024-01-02T15:04:05Z INFO  my_crate::net] listening"),
    ("warning", "[2024-01-02T15:04:05Z WARN  my_crate] slow"),
    ("error", "[ERROR my_crate] failed"),
    ("debug", "2024-01-02T15:04:05.678901Z DEBUG hyper::client: pooling"),
    ("trace", "\x1b[2m2024-01-02T15:04:05.678901Z\x1b[0m \x1b[35mTRACE\x1b[0m mio: poll"),
    # GDAL, OpenCV
    ("warning", "Warning 1: TIFFReadDirectory:Sum of Photometric type-related color channels"),
    ("error", "ERROR 4: missing.tif: No such file or directory"),
    ("critical", "FATAL 3: out of memory"),
    ("warning", "[ WARN:0@0.048] global loadsave.cpp:268 findDecoder imread_('x.png'): can't open"),
    ("error", "[ERROR:0@0.012] global obsensor_uvc_stream_channel.cpp:158 getStreamChannelGroup"),
    ("info", "[ INFO:0@0.003] global registry_parallel.impl.hpp:96 ParallelBackendRegistry"),
    (
        "error",
        "OpenCV(4.8.0) /io/opencv/modules/imgproc/src/color.cpp:182: error: (-215:Assertion)",
    ),
    # learners and clusters
    ("info", "[LightGBM] [Info] Number of positive: 212, number of negative: 357"),
    ("warning", "[LightGBM] [Warning] No further splits with positive gain, best gain: -inf"),
    ("critical", "[LightGBM] [Fatal] Check failed: (num_data) > (0)"),
    ("warning", "[15:04:05] WARNING: /workspace/src/learner.cc:742: Parameters are not used"),
    ("info", "node1:1234:1250 [0] NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>"),
    ("warning", "node1:1234:1250 [3] NCCL WARN Cuda failure 'out of memory'"),
    ("error", "[0]PETSC ERROR: Caught signal number 11 SEGV"),
    ("warning", "24/01/02 15:04:05 WARN NativeCodeLoader: Unable to load native-hadoop library"),
    ("error", 'time="2024-01-02T15:04:05Z" level=error msg="no route"'),
    ("info", "ts=2024-01-02T15:04:05Z level=info caller=main.go:12 msg=ready"),
    ("warning", '{"time":"2024-01-02T15:04:05Z","level":"warn","msg":"slow"}'),
    # compilers and builders
    ("warning", "main.c:12:5: warning: unused variable 'x' [-Wunused-variable]"),
    ("error", "src/a b.cpp:3:10: error: expected ';' after expression"),
    (
        "warning",
        "\x1b[01m\x1b[Kbad.cpp:2:20:\x1b[m\x1b[K \x1b[01;35m\x1b[Kwarning: \x1b[m\x1b[Kunused "
        "[\x1b[01;35m\x1b[K\x1b]8;;https://gcc.gnu.org/x.html\x07-Wunused\x1b]8;;\x07\x1b[m\x1b[K]",
    ),
    ("error", "\x1b]8;;file:///a.c\x1b\\a.c\x1b]8;;\x1b\\:3:1: error: with a link on its name"),
    ("critical", "main.c:1:10: fatal error: nosuch.h: No such file or directory"),
    ("info", "main.c:10:6: note: declared here"),
    ("error", "collect2: error: ld returned 1 exit status"),
    ("warning", "/usr/bin/ld: warning: creating DT_TEXTREL in a PIE"),
    ("error", "C:\\src\\main.c:3:1: error: unknown type name"),
    ("warning", "main.cpp(12): warning C4996: 'strcpy': This function may be unsafe"),
    ("warning", 'kernel.cu(12): warning #177-D: variable "x" was declared but never referenced'),
    ("error", "error[E0308]: mismatched types"),
    ("warning", "warning: unused import: `std::io`"),
    ("error", "Error: Symbol 'x' at (1) has no IMPLICIT type"),
    ("warning", "CMake Warning at CMakeLists.txt:3 (message):"),
    ("error", "CMake Error: The source directory does not exist."),
    ("error", "make[2]: *** [CMakeFiles/x.dir/build.make:76: main.o] Error 1"),
    ("error", "ERROR: Could not find a version that satisfies the requirement nosuch"),
    ("info", "[INFO] BUILD SUCCESS"),
    ("warning", "[warn] old configuration"),
]

PLAIN = [
    "",
    "Iteration 12: loss=0.3",
    "no errors were found",
    "warnings are off",
    "     In file included from main.c:1:",
    "I am a line",
    "Error rate 0.3",
    "http://example.org/error: x".replace("error", "page"),
    "   12 |   int x;",
    "{}",
    "\x1b[31mred\x1b[0m",
]


@pytest.mark.parametrize(("level", "line"), SAMPLES)
def test_a_real_line_has_its_level(level: str, line: str) -> None:
    assert level_of(line.encode()) == level


@pytest.mark.parametrize("line", PLAIN)
def test_a_line_that_says_nothing_of_the_kind_has_none(line: str) -> None:
    assert level_of(line.encode()) is None


def test_lines_of_real_programs_have_the_level_that_a_person_gives() -> None:
    wrong = [
        (level, level_of(line.encode()), line)
        for level, line, _ in LINES
        if level_of(line.encode()) != level
    ]
    assert wrong == []


def test_many_lines_at_once_have_the_levels_that_each_has_alone() -> None:
    lines = [line.encode() for _, line, _ in LINES]
    expected = [level for level, *_ in LINES]
    finder = LevelFinder(Sight("utf-8", "replace"))
    assert finder.levels(b"".join(line + b"\n" for line in lines)) == expected
    assert finder.levels(b"".join(line + b"\r\n" for line in lines)) == expected
    log = make_log([(0, b"".join(line + b"\n" for line in lines))])
    for level in LEVELS:
        found = log.grep(level=f"={level}")
        assert [line.number for line in found] == [
            i + 1 for i, (known, *_) in enumerate(LINES) if known == level
        ]


def test_no_line_is_passed_over_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_PARTS", (b"",))  # which all lines have
    assert [level_of(line.encode()) for _, line, _ in LINES] == [level for level, *_ in LINES]


def test_lines_that_are_passed_over_fit_no_rule() -> None:
    words = [word for _, line, _ in LINES for word in line.split() if word.isascii()]
    chosen = random.Random(11)
    lines = [" ".join(chosen.choices(words, k=chosen.randint(1, 6))) for _ in range(3000)]
    shapes = [re.sub("[0-9]", "0", line) for line in lines if not re.search("[\b\r\x1b]", line)]
    by_rules = [levels._level_of_shape(shape, levels._patterns(True)) for shape in shapes]
    assert levels._levels_of([shape.encode() for shape in shapes]) == by_rules
    assert len(set(by_rules)) > 3 and by_rules.count(None) > 500


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_level_does_not_depend_on_the_digits_of_a_line(data: st.DataObject) -> None:
    level, line, _ = data.draw(st.sampled_from(LINES))
    digits = data.draw(st.text("0123456789", min_size=len(line), max_size=len(line)))
    changed = "".join(
        new if old.isascii() and old.isdigit() else old
        for old, new in zip(line, digits, strict=True)
    )
    assert level_of(changed.encode()) == level


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_what_is_remembered_is_what_would_be_found(data: st.DataObject) -> None:
    words = st.sampled_from(
        ["ERROR", "warning:", "error:", "0", "[", "]", " ", "a.c:1:", "\x1b[31m"]
    )
    lines = data.draw(st.lists(st.lists(words, max_size=6).map("".join)))
    finder = LevelFinder(Sight("utf-8", "replace"))
    for _ in range(2):
        together = finder.levels("".join(f"{line}\n" for line in lines).encode())
        assert together == [level_of(line.encode()) for line in lines]


def test_words_in_any_order_have_the_levels_that_each_line_has_alone() -> None:
    words = [word for _, line, _ in LINES for word in line.split()]
    chosen = random.Random(7)
    lines = [" ".join(chosen.choices(words, k=8)).encode() for _ in range(2000)]
    together = LevelFinder(Sight("utf-8", "replace")).levels(b"\n".join(lines) + b"\n")
    assert together == [level_of(line) for line in lines]
    assert len(set(together)) > 3


@pytest.mark.parametrize(
    "prefix", ["  ", "[rank0]: ", "[1,0]<stderr>:", "(pid=12) ", "\r", "\x1b[1m", "12it [00:01]"]
)
def test_a_prefix_does_not_hide_a_level(prefix: str) -> None:
    for level, line in (
        ("warning", "WARNING: diverging"),
        ("error", "Traceback (most recent call last):"),
        ("critical", "terminate called after throwing an instance of 'std::bad_alloc'"),
        (None, "error: 1.2e-3"),
    ):
        assert level_of((prefix + line).encode()) == level


def test_every_rule_has_a_line() -> None:
    lines = [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for _, line, _ in LINES]
    lines += [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for _, line in SAMPLES]
    shapes = [re.sub("[0-9]", "0", line) for line in lines]
    without = [
        rule.name
        for rule in FORMATS
        if not any(re.search(rf"(?:^|[^\w])(?:{rule.pattern})", shape) for shape in shapes)
    ]
    assert without == []


def test_no_rule_names_a_digit_but_0() -> None:
    for rule in FORMATS:
        pattern = re.sub(r"\{\d*,?\d*\}", "", rule.pattern)  # how often
        assert not re.search("[1-9]", pattern), rule.name


def test_every_word_means_a_level() -> None:
    assert set(WORDS.values()) == set(LEVELS)


def test_a_level_means_this_or_worse_and_with_a_sign_this_alone() -> None:
    assert levels_meant("warning") == {"warning", "error", "critical"}
    assert levels_meant("=warn") == {"warning"}
    assert levels_meant("trace") == set(LEVELS)
    with pytest.raises(ValueError, match="not 'loud'"):
        levels_meant("=loud")


def test_levels_may_be_named_as_formats_do() -> None:
    assert checked_level("warn") == checked_level("WARNING") == "warning"
    assert checked_level("fatal") == "critical"
    for bad in ("w", "loud", "", 3):
        with pytest.raises(ValueError, match="a level is one of trace, debug, info"):
            checked_level(bad)  # type: ignore[arg-type]


def test_a_hostile_line_takes_no_time() -> None:
    # Each would take minutes in an expression that goes back and forth.
    for unit in ("{", '{"a",', "[2024-01-02 15:04:05,678 a - ", "a:1", "x(", "[ [", "make["):
        level_of((unit * 200_000).encode())


@given(st.lists(st.sampled_from([line.encode() for _, line in SAMPLES]) | st.binary(max_size=40)))
def test_levels_of_many_lines_are_those_of_each(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    assert list(LevelCodes(Sight("utf-8", "replace")).of_lines(lines)) == [
        CODES[level_of(line)] for line in lines
    ]
