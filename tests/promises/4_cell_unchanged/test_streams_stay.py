"""``sys.stdout`` and ``sys.stderr`` stay the objects that they are (promise 4): what is kept of
them, put in their place or wrapped around them in one cell works in the cells that follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.fixtures import Python, Script
from helpers.kernel import Kernel, Reply

#: The first line of the captured cell.
WAYS = {
    "quiet": "%%capture_fd -v logs\n",
    "live": "%%capture_fd --live -v logs\n",
    "every_cell": "",
}


@pytest.fixture(params=WAYS)
def line(request: pytest.FixtureRequest, kernel: Kernel) -> Iterator[str]:
    """The first line of a captured cell; or none, with every cell captured."""
    if request.param == "every_cell":
        kernel.ok("%capture_fd --every-cell")
    yield WAYS[request.param]
    if request.param == "every_cell":
        kernel.ok("%capture_fd --off\n__import__('ipyfdcapture').history.clear()")


def shown_anywhere(reply: Reply, *before: Reply) -> str:
    """Return what was shown as stdout meanwhile, under this cell or one of those before.

    ipykernel tells ``sys.stdout`` which cell is running. What the user put there does not pass it
    on, so that the text comes under an earlier one, captured or not.
    """
    cells = {each.msg_id for each in (reply, *before)}
    return "".join(
        message["content"]["text"]
        for message in reply.messages
        if message["msg_type"] == "stream"
        and message["content"]["name"] == "stdout"
        and message["parent_header"].get("msg_id") in cells
    )


FACTS = (
    "(id(sys.stdout), type(sys.stdout).__name__, sys.stdout.encoding, sys.stdout.errors,"
    " sys.stdout.name, sys.stdout.isatty(), hasattr(sys.stdout, 'buffer'), sys.stdout.closed,"
    " id(sys.__stdout__), id(sys.stderr), type(sys.stdout).__module__)"
)


def test_the_objects_and_what_they_are_is_the_same_in_the_cell(kernel: Kernel, line: str) -> None:
    kernel.ok("import sys")
    before = kernel.value(FACTS)
    kernel.ok(f"{line}inside = {FACTS}")
    assert kernel.value("inside") == before == kernel.value(FACTS)


#: In a captured cell, then in plain ones. ``shown`` is what the last one shows.
KEPT = {
    "a bound method that is called": (
        "old = sys.stdout.write",
        "old('a\\n')\nprint('b')",
        "a\nb\n",
    ),
    "a bound method that is put back": (
        "old = sys.stdout.write\nsys.stdout.write = lambda text: old(text)",
        "sys.stdout.write = old\nprint('a')\nprint('b')",
        "a\nb\n",
    ),
    "a bound flush": ("old = sys.stdout.flush", "print('a')\nold()", "a\n"),
    "an object": ("old = sys.stdout", "print('a', file=old)\nprint('b')", "a\nb\n"),
    "a logging handler": (
        "import logging\nlog = logging.getLogger('kept')\n"
        "log.addHandler(logging.StreamHandler(sys.stdout))",
        "log.warning('a')\nlog.handlers.clear()",
        "a\n",
    ),
    "print as a partial": (
        "import functools\nsay = functools.partial(print, file=sys.stdout)",
        "say('a')",
        "a\n",
    ),
    "a default argument": (
        "def say(text, to=sys.stdout): to.write(text + '\\n')",
        "say('a')",
        "a\n",
    ),
    "writelines": ("old = sys.stdout.writelines", "old(['a\\n', 'b\\n'])", "a\nb\n"),
    "redirect_stdout that spans cells": (
        "import contextlib, io\nredirect = contextlib.redirect_stdout(io.StringIO())\n"
        "text = redirect.__enter__()\nprint('in')",
        "print('in too')\nredirect.__exit__(None, None, None)\nprint(text.getvalue(), end='')",
        "in\nin too\n",
    ),
}


@pytest.mark.parametrize(("keep", "use", "shown"), KEPT.values(), ids=KEPT)
def test_what_a_captured_cell_keeps_of_a_stream_works_in_later_cells(
    kernel: Kernel, line: str, keep: str, use: str, shown: str
) -> None:
    before = [kernel.ok("import sys"), kernel.ok(f"{line}{keep}")]
    assert shown_anywhere(kernel.ok(use), *before) == shown
    assert kernel.ok("print('next')").stream("stdout") == "next\n"
    assert "child" in kernel.ok("!echo child").stream("stdout")
    kernel.ok("%%capture_fd -v again\nprint('captured')")
    assert kernel.value("again.text") == "captured\n"


@pytest.mark.parametrize("keep", ["sys.stdout.write", "sys.stdout", "sys.__stdout__"])
def test_what_a_plain_cell_keeps_of_a_stream_is_captured_in_a_later_one(
    kernel: Kernel, keep: str
) -> None:
    kernel.ok(f"import sys\nkept = {keep}\nwrite = getattr(kept, 'write', kept)")
    reply = kernel.ok("%%capture_fd -v logs\nprint('one')\n_ = write('two\\n')\nprint('three')")
    assert (reply.stream("stdout"), kernel.value("logs.text")) == ("", "one\ntwo\nthree\n")


#: What a user or a library puts into ``sys.stdout`` in a captured cell.
OWN = {
    "a logger that writes a file too": """
class Both:
    def __init__(self): self.to = sys.stdout; self.file = open({path!r}, 'a')
    def write(self, text): self.to.write(text); self.file.write(text); self.file.flush()
    def flush(self): self.to.flush()
sys.stdout = Both()
""",
    "one with slots": """
class Slots:
    __slots__ = ('to', 'file')
    def __init__(self): self.to = sys.stdout; self.file = open({path!r}, 'a')
    def write(self, text): self.to.write(text); self.file.write(text); self.file.flush()
    def flush(self): self.to.flush()
sys.stdout = Slots()
""",
    "a mirror on the method": """
import types
old, file = sys.stdout.write, open({path!r}, 'a')
def mirror(text):
    old(text); file.write(text); file.flush()
sys.stdout = types.SimpleNamespace(write=mirror, flush=sys.stdout.flush)
""",
    "a wrapper of a wrapper": """
class Both:
    def __init__(self, to): self.to = to; self.file = open({path!r}, 'a')
    def write(self, text): self.to.write(text); self.file.write(text); self.file.flush()
    def flush(self): self.to.flush()
class Plain:
    def __init__(self, to): self.to = to
    def __getattr__(self, name): return getattr(self.to, name)
sys.stdout = Plain(Both(sys.stdout))
""",
}


@pytest.mark.parametrize("put", OWN.values(), ids=OWN)
def test_what_a_cell_puts_in_the_place_of_a_stream_stays_and_is_captured_through(
    kernel: Kernel, line: str, put: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.log"
    if "__slots__" in put and kernel.value("hasattr(get_ipython(), '_tee')"):
        pytest.skip("IPython 9 and later need a stream that takes attributes")
    before = [
        kernel.ok("import sys; original = sys.stdout"),
        kernel.ok(line + put.format(path=str(path)) + "print('one')"),
    ]
    assert shown_anywhere(kernel.ok("print('two')"), *before) == "two\n"
    reply = kernel.ok("%%capture_fd -v logs\nprint('three')")
    assert (reply.stream("stdout"), kernel.value("logs.text")) == ("", "three\n")
    assert path.read_text() == "one\ntwo\nthree\n"
    kernel.ok("sys.stdout = original")
    assert kernel.ok("print('four')").stream("stdout") == "four\n"


def test_a_stream_in_memory_that_a_cell_puts_in_place_stays(kernel: Kernel, line: str) -> None:
    kernel.ok("import io, sys; original = sys.stdout, sys.stderr")
    kernel.ok(f"{line}sys.stdout = mine = io.StringIO(); sys.stderr = errors = io.StringIO()")
    reply = kernel.ok("print('x')\nprint('y', file=sys.stderr)")
    assert (reply.stream("stdout"), reply.stream("stderr")) == ("", "")
    assert kernel.value("(mine.getvalue(), errors.getvalue())") == ("x\n", "y\n")
    # It does not lead to the descriptor: another stands in for it while a cell is captured.
    kernel.ok("%%capture_fd -v logs\nprint('captured')")
    found = kernel.value("(logs.text, mine.getvalue(), sys.stdout is mine)")
    assert found == ("captured\n", "x\n", True)
    kernel.ok("sys.stdout, sys.stderr = original")
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_what_a_stream_in_memory_stood_for_is_captured_as_well(kernel: Kernel, line: str) -> None:
    """A logger keeps it, and the cell may put it back."""
    kernel.ok(
        "import contextlib, io, logging, os, sys; from ipyfdcapture import history; mine = None"
    )
    kernel.ok("handler = logging.StreamHandler(sys.stdout)")
    kernel.ok(f"{line}block = contextlib.redirect_stdout(io.StringIO()); mine = block.__enter__()")
    reply = kernel.ok(f"""{line}handler.emit(logging.makeLogRecord(dict(msg="logged")))
print("captured")
block.__exit__(None, None, None)
print("put back")
os.write(1, b"native\\n")""")
    number = kernel.value("len(history) and max(history)")
    log = "logs" if line else f"history[{number}]"
    found = kernel.value(f"({log}.text, mine.getvalue())")
    # With every cell captured, a stream in memory goes on getting what is written to it.
    captured, kept = ("captured\n", "") if line else ("", "captured\n")
    assert found == (f"logged\n{captured}put back\nnative\n", kept)
    assert reply.stream("stdout") == ("" if line == WAYS["quiet"] else found[0])
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


LIBRARIES = {
    "click": ("import click", "click.secho('x', fg='red')"),
    "loguru": (
        "from loguru import logger\nlogger.remove()\n"
        "_ = logger.add(sys.stdout, format='{message}')",
        "logger.info('x')",
    ),
    "rich": (
        "import rich.console\nconsole = rich.console.Console(file=sys.stdout)",
        "console.print('x')",
    ),
    "tqdm": ("import tqdm", "list(tqdm.tqdm(range(3), file=sys.stdout, ncols=20)); print('x')"),
    "colorama": (
        "import colorama\ncolorama.init()",
        "print(colorama.Fore.RED + 'x'); colorama.deinit()",
    ),
    "structlog": ("import structlog\nlog = structlog.get_logger()", "log.info('x')"),
}


@pytest.mark.parametrize(("imports", "use"), LIBRARIES.values(), ids=LIBRARIES)
def test_a_library_that_a_captured_cell_imports_shows_what_it_shows_without_in_later_ones(
    start_kernel: object, imports: str, use: str
) -> None:
    pytest.importorskip(imports.split()[1].split(".")[0])

    def shown(name: str, line: str) -> str:
        kernel = start_kernel(name)  # type: ignore[operator]
        kernel.ok("import sys")
        kernel.ok(f"{line}{imports}")
        return str(kernel.ok(use).shown)

    captured = shown("captured", "%%capture_fd -v logs\n")
    assert "x" in captured
    # A time, or a rate, is another one each time.
    strip = lambda text: "".join(each for each in text if not each.isdigit())  # noqa: E731
    assert strip(captured)[-3:] == strip(shown("plain", ""))[-3:]


@pytest.mark.parametrize("has_proxies", [False, True], ids=["", "beside streams of threads"])
def test_records_of_outputs_have_what_was_shown_and_not_what_was_captured(
    fresh_kernel: Kernel, has_proxies: bool
) -> None:
    kernel = fresh_kernel
    has_records = kernel.value("hasattr(get_ipython().history_manager, 'outputs')")
    if not has_records:
        pytest.skip("IPython 9 and later record outputs")
    kernel.ok(
        "recorded = lambda: ''.join(text for outputs in "
        "get_ipython().history_manager.outputs.values() for each in outputs "
        "for text in each.bundle.get('stream', []))"
    )
    if has_proxies:
        kernel.ok("import ipyfdcapture; ipyfdcapture.install_thread_streams()")
    kernel.ok("%%capture_fd -v logs\nprint('quiet')")
    kernel.ok("%%capture_fd --live -v logs\nprint('live')")
    assert kernel.ok("print('plain')").stream("stdout") == "plain\n"
    recorded = kernel.value("recorded()")
    assert "live\n" in recorded and "plain\n" in recorded and "quiet" not in recorded


def test_a_captured_cell_cannot_close_the_kernels_streams(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nimport sys\nsys.stdout.close()\nsys.stderr.close()")
    reply = kernel.ok("print('out')\nprint('err', file=sys.stderr)")
    assert (reply.stream("stdout"), reply.stream("stderr")) == ("out\n", "err\n")


@pytest.mark.parametrize("kind", ["pipe", "file", "appended", "terminal"])
def test_sixteen_threads_print_while_captures_come_and_go_and_nothing_is_lost_or_doubled(
    script: Script, kind: str
) -> None:
    assert script(
        "restore/sixteen_threads_print_while_captures_come_and_go", kind, timeout=200
    ) == ("errors [], missing 0, doubled 0, zeros 0\n")


def test_threads_that_replace_the_stream_amid_the_writes_of_others_lose_and_double_nothing(
    script: Script,
) -> None:
    assert script(
        "restore/streams_are_replaced_while_threads_print_and_captures_come_and_go", timeout=200
    ) == ("errors [], missing 0, doubled 0, in its place\n")


def test_a_capture_that_ends_amid_a_print_leaves_it_a_stream(script: Script) -> None:
    """`print` does not hold on to the stream that it writes to, before Python 3.14."""
    assert script("restore/what_ends_amid_a_print_leaves_it_a_stream") == (
        "[('in ', 'amid out\\n'), ('in amid out\\n', '')]\n"
    )


def test_sixteen_threads_print_in_a_kernel_while_captures_come_and_go(
    fresh_kernel: Kernel,
) -> None:
    kernel = fresh_kernel
    started = kernel.ok("""
import sys, threading
from ipyfdcapture import capture_fd
ended, written = threading.Event(), {}
def write(name):
    number = 0
    while not ended.wait(0.001):
        number += 1
        sys.stdout.write(f"<{name} {number}>\\n")
    written[name] = number
threads = [threading.Thread(target=write, args=(f"t{i}",)) for i in range(16)]
for thread in threads: thread.start()
""")
    reply = kernel.ok("""
texts = []
for _ in range(100):
    with capture_fd() as logs:
        threading.Event().wait(0.002)
    texts.append(logs.text)
ended.set()
for thread in threads: thread.join()
""")
    replies = [reply, kernel.ok("pass")]
    shown = "".join(
        message["content"]["text"]
        for each in (started, *replies)
        for message in each.messages
        if message["msg_type"] == "stream"
    )
    captured, written = kernel.value("(''.join(texts), written)")
    lines = (shown + captured).splitlines()
    assert captured and sorted(lines) == sorted(
        f"<{name} {i + 1}>" for name, number in written.items() for i in range(number)
    )


LEADS_AWAY = """
import os
kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
print("away", flush=True)
os.dup2(kept, 1); os.close(kept); os.close(null)
print("back")
"""


@pytest.mark.parametrize("header", ["%%capture_fd -v logs", "%%capture_fd --live -v logs"])
def test_print_in_a_kernel_does_not_follow_descriptor_1(kernel: Kernel, header: str) -> None:
    assert kernel.ok(LEADS_AWAY).stream("stdout") == "away\nback\n"
    kernel.ok(f"{header}\n{LEADS_AWAY}")
    assert kernel.value("logs.text") == "away\nback\n"


def test_print_in_a_plain_program_follows_descriptor_1(python: Python) -> None:
    body = LEADS_AWAY.replace("\n", "\n    ")
    program = f"from ipyfdcapture import capture_fd\nwith capture_fd() as logs:{body}\n"
    assert python(f"{LEADS_AWAY}{program}print(repr(logs.text))") == "back\n'back\\n'\n"
