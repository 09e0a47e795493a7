"""``--display`` beside what uses displays: widgets, progress bars, cleared outputs, threads."""

from __future__ import annotations

import pytest
from helpers.kernel import Kernel

WIDGET = "import ipywidgets\nout = ipywidgets.Output()\n"
#: Cells that show something by way of other tools.
CELLS = {
    "an output widget": WIDGET + "with out:\n    print('inside')\n    display('inside')",
    "an output widget that is shown and cleared": WIDGET
    + "display(out)\nwith out:\n    print('inside')\nout.clear_output()",
    "interact": "import ipywidgets\nipywidgets.interact(lambda x: print(x) or x, x=3)",
    "an output widget's function": WIDGET + "@out.capture(clear_output=True)\n"
    "def f(): print('inside')\nf()",
    "rich.progress": "import rich.progress\n"
    "for _ in rich.progress.track(range(3), description='work'): pass",
    "clear_output": "from IPython.display import clear_output\nclear_output(wait=True)\n"
    "display(1)\nclear_output()",
    "a thread with a parent": "import threading\nshell = get_ipython()\n"
    "parent = shell.get_parent()\n"
    "def work():\n    shell.set_parent(parent)\n    display('from a thread')\n"
    "thread = threading.Thread(target=work); thread.start(); thread.join()",
    "a display that is updated": "shown = display('a', display_id=True)\nshown.update('b')",
    "a hook of the publisher": "hook = lambda message: message\n"
    "get_ipython().display_pub.register_hook(hook)\n"
    "get_ipython().display_pub.unregister_hook(hook)",
}
#: What shows results and displays.
STATE = "(repr(__import__('sys').displayhook), 'publish' in vars(get_ipython().display_pub))"


@pytest.mark.parametrize("options", ["--display", "--display --live"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_a_cell_that_runs_runs_with_its_displays_captured(
    kernel: Kernel, cell: str, options: str
) -> None:
    for module in ("ipywidgets", "rich"):
        if module in cell:
            pytest.importorskip(module)
    before = kernel.value(STATE)
    reply = kernel.run(f"%%capture_fd {options} -v logs\n{cell}\nprint('after')")
    assert reply.status == "ok" and not reply.errors, reply.traceback
    assert kernel.value("logs.text").endswith("after\n")
    assert "\x1b[2K" not in reply.stream("stdout")
    assert kernel.value(STATE) == before


@pytest.mark.parametrize("wait", [True, False])
def test_what_is_cleared_is_not_kept(kernel: Kernel, wait: bool) -> None:
    body = (
        "from IPython.display import clear_output\n"
        f"for i in range(4):\n    clear_output(wait={wait})\n    display(i)\nprint('end')"
    )
    for options in ("--display", "--display --live"):
        reply = kernel.ok(f"%%capture_fd {options} -v logs\n{body}")
        assert "\x1b" not in reply.stream("stdout")
        assert kernel.value("[o.data['text/plain'] for o in logs.outputs]") == ["3"]
    kernel.ok("%%capture_fd --display --append -v logs\ndisplay('more')\nclear_output()")
    assert kernel.value("[o.data['text/plain'] for o in logs.outputs]") == ["3"]


def test_a_result_that_is_suppressed_is_not_kept_and_others_are_out(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd --display -v logs\n'quiet';")
    assert kernel.value("logs.outputs") == []
    reply = kernel.ok("%%capture_fd --display -v logs\n'loud'")
    assert reply.result is None
    assert kernel.value("[o.data['text/plain'] for o in logs.outputs]") == ["'loud'"]
    assert kernel.value(f"Out[{reply.count}]") == "loud"


def test_what_is_displayed_in_an_output_widget_is_the_widgets(kernel: Kernel) -> None:
    pytest.importorskip("ipywidgets")
    reply = kernel.ok(
        f"%%capture_fd --display -v logs\n{WIDGET}display('outside')\n"
        "with out:\n    display('inside')\n    from IPython.display import clear_output\n"
        "    clear_output()\ndisplay('outside again')"
    )
    assert reply.displays == [{"text/plain": "'inside'"}]
    assert kernel.value("[o.data['text/plain'] for o in logs.outputs]") == [
        "'outside'",
        "'outside again'",
    ]
