"""Tab on the line of a magic, and what the names of the package and of a log say of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.kernel import Kernel


def completed(kernel: Kernel, line: str) -> list[str]:
    """Return the whole lines that Tab would make of a line."""
    code = line + "\nprint(1)" if line.startswith("%%") else line
    reply: Any = kernel.client.complete(code, len(line), reply=True, timeout=60)
    content = reply["content"]
    return [code[: content["cursor_start"]] + match for match in content["matches"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--", ["--live", "--tail", "--max-bytes", "--help"]),
        ("--no-", ["--no-stdout", "--no-stderr", "--no-python"]),
        ("--dr", ["--drain"]),
        ("--live --ta", ["--live --tail"]),
        ("--drain ", ["--drain auto", "--drain process", "--drain thread"]),
        ("--drain p", ["--drain process"]),
        ("--on-error h", ["--on-error hide"]),
        ("-v first_l", ["-v first_log"]),
        ("--var ", ["--var first_log"]),
    ],
)
@pytest.mark.parametrize("magic", ["%capture_fd", "%%capture_fd"])
def test_options_values_and_logs_complete(
    kernel: Kernel, magic: str, line: str, words: list[str]
) -> None:
    kernel.ok("%capture_fd -v first_log print(1)")
    found = completed(kernel, f"{magic} {line}")
    for word in words:
        assert f"{magic} {word}" in found, found


@pytest.mark.parametrize("magic", ["%capture_fd", "%%capture_fd", "y = %capture_fd"])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--l", ["--live"]),
        ("--no-", ["--no-display", "--no-python", "--no-stderr", "--no-stdout", "--no-tty"]),
        (
            "--live --drain ",
            ["--live --drain auto", "--live --drain process", "--live --drain thread"],
        ),
        ("-v first_l", ["-v first_log"]),
    ],
)
def test_nothing_but_what_may_stand_there_is_offered(
    kernel: Kernel, magic: str, line: str, words: list[str]
) -> None:
    """`--len` is Python as well."""
    kernel.ok("%capture_fd -v first_log print(1)")
    assert completed(kernel, f"{magic} {line}") == [f"{magic} {word}" for word in words]


def test_a_statement_completes_as_python(kernel: Kernel) -> None:
    kernel.ok("%capture_fd -v first_log print(1)")
    kernel.ok("import collections")
    line = "%capture_fd -v first_log collections.Ordered"
    assert any(each.endswith("OrderedDict") for each in completed(kernel, line))
    assert not [each for each in completed(kernel, "%capture_fd f(x) --l") if "--live" in each]


def test_unload_takes_the_completion_away(fresh_kernel: Kernel) -> None:
    line = "%%capture_fd --l"
    fresh_kernel.ok("%config IPCompleter.use_jedi = False")  # which takes seconds to begin
    assert completed(fresh_kernel, line) == ["%%capture_fd --live"]
    fresh_kernel.ok("%unload_ext ipyfdcapture")
    assert "%%capture_fd --live" not in completed(fresh_kernel, line)


def test_the_package_lists_its_public_names(kernel: Kernel) -> None:
    kernel.ok("import ipyfdcapture")
    names = set(kernel.value("dir(ipyfdcapture)"))
    assert {"Captured", "capture_fd", "history"} <= names
    assert not names & {"sys", "annotations", "capture", "live", "TYPE_CHECKING"}


def test_the_question_mark_on_a_log_shows_what_it_can_do(kernel: Kernel) -> None:
    kernel.ok("%capture_fd -v logs print(1)")
    reply = kernel.ok("logs?")
    assert reply.content is not None
    text = reply.content["payload"][0]["data"]["text/plain"]
    for name in ("grep(", "tail(", "levels(", "save(", "logs[-1]", "stderr"):
        assert name in text
