"""What a cell shows beside its live output (displays, widgets, cleared outputs) keeps its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.kernel import Kernel, Reply
from helpers.shown import drawn, outputs
from helpers.terminal import Terminal
from helpers.wait import LIMIT_S

#: What must look as it does without a capture, whichever way it is shown live.
CELLS = {
    "displays": "print('a')\ndisplay('one')\nprint('b', end='')\ndisplay('two')\nprint('c')",
    "updates": "handle = display('a', display_id=True)\nprint('x')\nhandle.update('b')\n"
    "print('y')\nhandle.update('c')",
    "clear_output": "from IPython.display import clear_output\nprint('start')\nfor i in range(3):\n"
    "    clear_output(wait=True)\n    print('step', i)\nclear_output()\nprint('end')",
    "display and clear": "from IPython.display import clear_output\nfor i in range(3):\n"
    "    clear_output(wait=True)\n    display(i)\n    print('step', i)",
}
WIDGETS = {
    "an output widget": "import ipywidgets\nout = ipywidgets.Output()\nprint('before')\n"
    "with out:\n    print('inside')\n    print('more', end='')\nprint('after')",
    "one by turns": "import ipywidgets\nout = ipywidgets.Output()\nfor i in range(3):\n"
    "    with out:\n        print('inside', i)\n    print('outside', i)",
    "cleared": "import ipywidgets\nout = ipywidgets.Output()\nprint('cell')\nfor i in range(3):\n"
    "    with out:\n        out.clear_output(wait=True)\n        print('inside', i)\nprint('end')",
    "nested": "import ipywidgets\none, two = ipywidgets.Output(), ipywidgets.Output()\n"
    "with one:\n    print('one')\n    with two:\n        print('two')\n    print('one again')\n"
    "print('cell')",
    "an error inside": "import ipywidgets\nout = ipywidgets.Output()\n"
    "with out:\n    print('inside')\n    1/0\nprint('after')",
    "stderr": "import ipywidgets, sys\nout = ipywidgets.Output()\n"
    "with out:\n    print('inside', file=sys.stderr)\nprint('after', file=sys.stderr)",
    "a bar": "from tqdm.notebook import tqdm\nfor i in tqdm(range(3)):\n    pass\nprint('end')",
}
WAYS = {
    "every cell": None,
    "live": "%%capture_fd --live -v logs\n{cell}",
    "a statement": "def work():\n    exec({cell!r}, globals())\n%capture_fd --live -v logs work()",
    "in Python": "from ipyfdcapture import capture_fd\nwith capture_fd(live='iopub') as logs:\n"
    "    exec({cell!r})",
}


def places(reply: Reply) -> list[tuple[str, Any]]:
    """Return what a front end gets, in order: the texts of one stream joined where they meet."""
    found: list[tuple[str, Any]] = []
    for message in reply.own:
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            text = content["text"]
            if found and found[-1][0] == content["name"]:
                text = found.pop()[1] + text
            found.append((content["name"], text))
        elif kind == "comm_msg" and "msg_id" in content["data"].get("state", {}):
            is_entered = bool(content["data"]["state"]["msg_id"])
            found.append(("widget", "begins" if is_entered else "ends"))
        elif kind in ("display_data", "update_display_data"):
            found.append((kind, "a widget" if len(content["data"]) > 1 else content["data"]))
        elif kind == "clear_output":
            found.append((kind, content["wait"]))
        elif kind == "error":
            found.append((kind, content["ename"]))
    return found


def captured(kernel: Kernel, way: str | None, cell: str) -> Reply:
    if way is not None:
        return kernel.ok(way.format(cell=cell))
    kernel.ok("%capture_fd --every-cell")
    reply = kernel.ok(cell)
    kernel.ok("%capture_fd --off\n__import__('ipyfdcapture').history.clear()")
    return reply


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_it_looks_as_it_does_without(kernel: Kernel, cell: str, way: str | None) -> None:
    assert places(captured(kernel, way, cell)) == places(kernel.ok(cell))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("cell", WIDGETS.values(), ids=WIDGETS.keys())
def test_widgets_show_what_they_do_without(kernel: Kernel, cell: str, way: str | None) -> None:
    pytest.importorskip("ipywidgets")
    if "tqdm" in cell:
        pytest.importorskip("tqdm")
    kernel.ok(cell)  # what is told once is told now
    assert places(captured(kernel, way, cell)) == places(kernel.ok(cell))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_native_output_goes_to_the_widget_too(kernel: Kernel, way: str | None) -> None:
    pytest.importorskip("ipywidgets")
    cell = (
        "import ctypes, ipywidgets, os\nout = ipywidgets.Output()\n"
        "with out:\n    _ = ctypes.CDLL(None).printf(b'printf\\n')\n"
        "    _ = os.write(1, b'raw\\n')\n    _ = os.system('echo child')\n"
        "_ = os.write(1, b'after\\n')"
    )
    assert places(captured(kernel, way, cell)) == [
        ("widget", "begins"),
        ("stdout", "printf\nraw\nchild\n"),
        ("widget", "ends"),
        ("stdout", "after\n"),
    ]


@pytest.mark.ipython
def test_a_notebook_keeps_in_the_widget_what_was_printed_there(tmp_path: Path) -> None:
    pytest.importorskip("ipywidgets")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [
        "%load_ext ipyfdcapture\n%capture_fd --every-cell",
        "import ipywidgets, os\nout = ipywidgets.Output()\nprint('before')\n"
        "with out:\n    print('inside'); _ = os.system('echo child')\nprint('after')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(
        notebook, timeout=LIMIT_S, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert "".join(o.text for o in notebook.cells[1].outputs) == "before\nafter\n"
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (held,) = [w["state"]["outputs"] for w in widgets.values() if "outputs" in w["state"]]
    assert "".join(o["text"] for o in held) == "inside\nchild\n"


# -- cleared ------------------------------------------------------------------------------------


@pytest.fixture
def small_limit(kernel: Kernel) -> Iterator[Kernel]:
    kernel.ok("%config CaptureFd.live_max_bytes = 100")
    yield kernel
    kernel.ok("%config CaptureFd.live_max_bytes = 1_000_000")


CLEARED = (
    "%%capture_fd --live -v logs\nfrom IPython.display import clear_output, display\n{enter}\n"
    "for i in range(100): print('line', i)\ndisplay('seen')\n{clear}\nprint('line', 100)"
)


def test_what_counts_a_flood_is_displayed_anew_after_it_was_cleared(small_limit: Kernel) -> None:
    reply = small_limit.ok(CLEARED.format(enter="", clear="clear_output()"))
    kinds = [m["msg_type"] for m in outputs(reply) if m["msg_type"] != "stream"]
    # Before: the line that counts, if it was time for it. After: the line, and the last lines.
    assert kinds[-1] in ("display_data", "update_display_data")
    at = [m["msg_type"] for m in reply.own].index("clear_output")
    after = [m for m in reply.own[at:] if m in outputs(reply)]
    assert [m["msg_type"] for m in after][:1] == ["display_data"]
    assert drawn(after)[-1].endswith("line 99\nline 100")


def test_a_cleared_widget_is_not_the_cell(small_limit: Kernel) -> None:
    pytest.importorskip("ipywidgets")
    reply = small_limit.ok(
        CLEARED.format(
            enter="import ipywidgets; out = ipywidgets.Output(); display(out)",
            clear="with out: clear_output()",
        )
    )
    assert [kind for kind, _ in places(reply)].count("clear_output") == 1
    ids = {
        m["content"]["transient"].get("display_id")
        for m in outputs(reply)
        if m["msg_type"] in ("display_data", "update_display_data")
        and m["content"]["data"].get("text/plain", "").startswith("\u2026")
    }
    # One while it runs; the final state is another, and empties that.
    emptied = [m for m in reply.of_type("update_display_data") if not m["data"]]
    assert len(ids) == 1 + len(emptied) <= 2


def test_in_a_terminal_displays_stand_where_they_were_made(terminal: Terminal) -> None:
    shown = terminal.run(
        "%%capture_fd --live -v logs\nimport os\nprint('one', end='')\ndisplay('two')\n"
        "_ = os.system('echo three')\ndisplay('four')\n'five'"
    )
    assert re.search(r"one'two'\s+three\s+'four'\s+Out\[\d+\]: 'five'", shown), shown
    assert terminal.value("logs.text") == repr("onethree\n")
