"""Configuration: every trait of `CaptureFd`, from a file, at run time, and what overrides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fixtures import StartKernel
from helpers.kernel import Kernel

from ipyfdcapture.ipython.config import CaptureFd

TRAITS = CaptureFd.class_own_traits(config=True)
#: For each trait another value than the default's.
OTHER: dict[str, Any] = {
    "drain": "thread",
    "encoding": "latin-1",
    "errors": "backslashreplace",
    "every_cell": True,
    "history_max_bytes": 5000,
    "keep_crashed": 3,
    "keep_crashed_bytes": 6000,
    "keep_crashed_days": 7,
    "live_interval": 0.5,
    "live_max_bytes": 4000,
    "live_max_lines": 50,
    "max_bytes": 3000,
    "on_error": "hide",
    "spool_dir": "spool",
    "tail_lines": 2,
    "tty": True,
    "tty_size": (120, 40),
}
#: Values that are refused, and what the line says that is accepted.
BAD: list[tuple[str, str, str]] = [
    ("drain", "'magic'", "'auto', 'process', 'thread'"),
    ("encoding", "'no-such'", "an encoding and an error handler that Python has"),
    ("encoding", "'hex'", "an encoding and an error handler that Python has"),
    ("encoding", "8", "unicode string"),
    ("errors", "'no-such'", "an encoding and an error handler that Python has"),
    ("every_cell", "'perhaps'", "boolean"),
    ("history_max_bytes", "'12X'", "64K, 100M, 1.5G or 10MB"),
    ("keep_crashed", "-1", "-1"),
    ("keep_crashed", "'many'", "int"),
    ("keep_crashed_bytes", "'12X'", "64K, 100M, 1.5G or 10MB"),
    ("keep_crashed_days", "0", "0"),
    ("live_interval", "0", "0"),
    ("live_interval", "'soon'", "float"),
    ("live_max_bytes", "None", "64K, 100M, 1.5G or 10MB"),
    ("live_max_lines", "0", "0"),
    ("max_bytes", "'12X'", "64K, 100M, 1.5G or 10MB"),
    ("max_bytes", "-1", "64K, 100M, 1.5G or 10MB"),
    ("on_error", "'ask'", "'show', 'hide'"),
    ("spool_dir", "None", "unicode string"),
    ("tail_lines", "0", "0"),
    ("tty", "'perhaps'", "boolean"),
    ("tty_size", "(120,)", "(columns, rows), such as (120, 40), or None"),
    ("tty_size", "'120x40'", "(columns, rows), such as (120, 40), or None"),
]
CONFIGURED = "next(c for c in get_ipython().configurables if type(c).__name__ == 'CaptureFd')"


def test_each_trait_is_in_these_tests() -> None:
    assert set(OTHER) == set(TRAITS) == {trait for trait, _, _ in BAD}
    same = [name for name, value in OTHER.items() if value == TRAITS[name].default_value]
    assert same == []


@pytest.mark.parametrize(("trait", "value", "accepted"), BAD)
def test_a_bad_value_is_refused_in_one_line_that_says_what_is_accepted(
    kernel: Kernel, trait: str, value: str, accepted: str
) -> None:
    before = kernel.value(f"{CONFIGURED}.{trait}")
    reply = kernel.run(f"%config CaptureFd.{trait} = {value}")
    print(reply.shown)
    last = reply.shown.strip().splitlines()[-1]
    assert trait in last and accepted in last, reply.shown
    assert kernel.value(f"{CONFIGURED}.{trait}") == before
    kernel.ok("%%capture_fd -v logs\nprint('still works')")
    assert kernel.value("logs.text") == "still works\n"


def test_every_trait_can_be_set_in_a_configuration_file(
    start_kernel: StartKernel, tmp_path: Path
) -> None:
    profile = tmp_path / "kernel" / "ipythondir" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        "".join(f"c.CaptureFd.{name} = {value!r}\n" for name, value in OTHER.items())
    )
    kernel = start_kernel()
    assert kernel.value(f"{{name: getattr({CONFIGURED}, name) for name in {list(OTHER)}}}") == OTHER


def test_every_trait_can_be_set_at_run_time(fresh_kernel: Kernel) -> None:
    for name, value in OTHER.items():
        fresh_kernel.ok(f"%config CaptureFd.{name} = {value!r}")
    found = fresh_kernel.value(f"{{name: getattr({CONFIGURED}, name) for name in {list(OTHER)}}}")
    assert found == OTHER


# -- what they do, and what overrides them ----------------------------------------------------


@pytest.fixture
def configured(kernel: Kernel, request: pytest.FixtureRequest) -> Kernel:
    """The shared kernel with the traits of ``request.param``; the defaults come back."""
    for name, value in request.param.items():
        kernel.ok(f"%config CaptureFd.{name} = {value!r}")
    request.addfinalizer(
        lambda: [
            kernel.ok(f"%config CaptureFd.{name} = {TRAITS[name].default_value!r}")
            for name in request.param
        ]
    )
    return kernel


def with_traits(**traits: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("configured", [traits], indirect=True, ids=[str(traits)])


@with_traits(drain="thread")
def test_drain_and_its_option(configured: Kernel) -> None:
    cell = "import threading\nnames = [t.name for t in threading.enumerate()]"
    configured.ok(f"%%capture_fd -v logs\n{cell}")
    assert "ipyfdcapture-drain" in configured.value("names")
    configured.ok(f"%%capture_fd -v logs --drain process\n{cell}")
    assert "ipyfdcapture-drain" not in configured.value("names")


@with_traits(max_bytes=3000)
def test_max_bytes_and_its_option(configured: Kernel) -> None:
    configured.ok("%%capture_fd -v logs\nprint('x' * 9999)")
    assert configured.value("(len(logs.raw), logs.dropped)") == (3000, 7000)
    configured.ok("%%capture_fd -v logs --max-bytes 4000\nprint('x' * 9999)")
    assert configured.value("(len(logs.raw), logs.dropped)") == (4000, 6000)


@with_traits(on_error="hide")
def test_on_error_and_its_option(configured: Kernel) -> None:
    cell = "print('the last words')\n1/0"
    assert "the last words\n" not in configured.run(f"%%capture_fd -v logs\n{cell}").stream(
        "stdout"
    )
    shown = configured.run(f"%%capture_fd -v logs --on-error show\n{cell}").stream("stdout")
    assert "the last words\n" in shown


@with_traits(tail_lines=2)
def test_tail_lines(configured: Kernel) -> None:
    reply = configured.run("%%capture_fd -v logs\nfor i in range(9): print('line', i)\n1/0")
    assert reply.stream("stdout").splitlines()[1:] == ["line 7", "line 8"]


@with_traits(errors="backslashreplace", encoding="ascii")
def test_encoding_and_errors(configured: Kernel) -> None:
    configured.ok("%%capture_fd -v logs\nimport os\n_ = os.write(1, b'caf\\xe9\\n')")
    assert configured.value("logs.text") == "caf\\xe9\n"


@with_traits(live_interval=0.5, live_max_bytes=40, tail_lines=1)
def test_the_limits_of_live_output(configured: Kernel) -> None:
    reply = configured.ok(
        "%%capture_fd -v logs --live\nfrom ipyfdcapture.capture.session import current_capture\n"
        "interval = current_capture().options.live_interval\n"
        "for i in range(100): print('line', i)"
    )
    assert configured.value("interval") == 0.5
    assert "line 99" in reply.shown and "line 50\n" not in reply.shown


@with_traits(keep_crashed=0)
def test_keep_crashed(configured: Kernel) -> None:
    cell = (
        "from ipyfdcapture.capture.session import current_capture\n"
        "kept = current_capture().options.crash_dir"
    )
    configured.ok(f"%%capture_fd -v logs\n{cell}")
    assert configured.value("kept") is None
    configured.ok(
        f"%config CaptureFd.keep_crashed = 1\n%capture_fd -v logs {cell.split(chr(10))[0]}"
    )
    configured.ok(f"%%capture_fd -v logs\n{cell}")
    assert configured.value("kept is not None")


@with_traits(live_max_lines=3, tail_lines=1)
def test_live_max_lines(configured: Kernel) -> None:
    reply = configured.ok("%%capture_fd --live -v logs\nfor i in range(9): print(i)")
    assert reply.stream("stdout") == "0\n1\n2\n"
    assert any("9 lines" in data.get("text/plain", "") for data in reply.displays)
