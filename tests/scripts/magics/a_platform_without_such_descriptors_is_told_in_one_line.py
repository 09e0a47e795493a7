"""A platform without such descriptors is told in one line."""

import contextlib
import io
import sys

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()


def state():
    return (
        list(shell.input_transformers_cleanup),
        dict(shell.magics_manager.magics["cell"]),
        {n: list(c) for n, c in shell.events.callbacks.items()},
        list(shell.configurables),
    )


before = state()
for platform in ("win32", "emscripten"):
    for name in [m for m in sys.modules if m.startswith("ipyfdcapture")]:
        del sys.modules[name]
    really, sys.platform = sys.platform, platform
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        import ipyfdcapture

        ipyfdcapture.load_ipython_extension(shell)
        ipyfdcapture.unload_ipython_extension(shell)
    sys.platform = really
    print((out.getvalue() + err.getvalue()).strip())
after = state()
assert before == after
