"""Prompts in a captured cell are seen, with what leads to them."""

from __future__ import annotations

import pytest
from helpers.kernel import Kernel, plain


def run(kernel: Kernel, code: str, *answers: str) -> list[tuple[str, str]]:
    """Run a cell and answer its prompts; return the texts that came before each, and after."""
    client = kernel.client
    shown: list[tuple[str, str]] = []
    waiting = list(answers)

    def stdin(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, dict)
        shown.append(("prompt", content["prompt"]))
        client.input(waiting.pop(0))

    def output(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, dict)
        if message["msg_type"] == "stream":
            shown.append(("text", plain(content["text"])))

    client.execute_interactive(
        code, allow_stdin=True, stdin_hook=stdin, output_hook=output, timeout=60
    )
    assert not waiting
    return shown


@pytest.mark.parametrize("magic", ["%%capture_fd -v logs\n", "%%capture_fd --live -v logs\n"])
def test_what_leads_to_a_prompt_is_seen(kernel: Kernel, magic: str) -> None:
    shown = run(
        kernel,
        f"{magic}import os\nprint('choose a or b')\n_ = os.system('echo of a child')\n"
        "x = input('which? ')\nprint('thanks', x)\nimport getpass\ny = getpass.getpass('key? ')\n"
        "class Form:\n    ask = input\nz = Form().ask('and? ')",
        "a",
        "b",
        "c",
    )
    text = "".join(text for kind, text in shown if kind == "text")
    assert text == "choose a or b\nof a child\nthanks a\n"
    assert [text for kind, text in shown if kind == "prompt"] == ["which? ", "key? ", "and? "]
    assert kernel.value("(x, y, z, logs.text)") == ("a", "b", "c", text)


def test_a_debugger_is_seen(kernel: Kernel) -> None:
    shown = run(
        kernel,
        "%%capture_fd -v logs\nimport pdb\ndef f():\n    n = 41\n    pdb.set_trace()\n"
        "    return n\n_ = f()",
        "p n + 1",
        "c",
    )
    text = "".join(text for kind, text in shown if kind == "text")
    assert "return n" in text and "42\n" in text
    assert len([text for kind, text in shown if kind == "prompt"]) == 2


def test_only_the_last_lines_are_shown_and_nothing_stays_in_place(kernel: Kernel) -> None:
    before = kernel.value("repr((__import__('builtins').input, __import__('getpass').getpass))")
    shown = run(
        kernel,
        "x = %capture_fd -v logs [print('line', i) for i in range(99)] and input('? ')",
        "a",
    )
    text = "".join(text for kind, text in shown if kind == "text")
    assert text == "".join(f"line {i}\n" for i in range(79, 99))
    assert kernel.value("(x, len(logs))") == ("a", 99)
    assert before == kernel.value(
        "repr((__import__('builtins').input, __import__('getpass').getpass))"
    )
