"""Print the modules of the package that are loaded with the extension, and no others."""

import sys

from IPython.core.interactiveshell import InteractiveShell

InteractiveShell.instance().run_line_magic("load_ext", "ipyfdcapture")
print(*(name for name in sys.modules if name.partition(".")[0] == "ipyfdcapture"))
