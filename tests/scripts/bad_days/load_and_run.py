"""Load the extension in a new shell, and run the cells that are given as arguments.

The first argument may say where: ``cwd gone``, ``runtime closed``, ``temporary gone``.
"""

import os
import sys
import tempfile

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
where, *cells = sys.argv[1:]
if where == "cwd gone":
    directory = tempfile.mkdtemp()
    os.chdir(directory)
    os.rmdir(directory)
elif where == "runtime closed":
    # Root may search any directory: one that is no directory stands in for it.
    with open("closed", "w"):
        os.environ["JUPYTER_RUNTIME_DIR"] = os.path.abspath("closed") + "/runtime"
elif where == "temporary gone":
    os.environ["TMPDIR"] = os.path.abspath("missing")
    tempfile.tempdir = os.path.abspath("closed")
    with open("closed", "w"):
        pass
elif where:
    os.chdir(where)
result = shell.run_cell("%load_ext ipyfdcapture")
assert result.success, result.error_in_exec
for cell in cells:
    shell.run_cell(cell)
os.chdir("/")  # IPython itself cannot end where the directory is gone
