"""Loading the extension imports nothing heavy."""

import sys

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
before = set(sys.modules)
shell.run_line_magic("load_ext", "ipyfdcapture")
shell.run_cell("%%capture_fd -v logs\nprint('x')")
print(*(set(sys.modules) - before))
