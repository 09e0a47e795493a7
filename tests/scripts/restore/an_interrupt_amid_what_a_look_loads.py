"""An interrupt comes while a module is loaded for a look at a log. Arguments: look, module."""

import sys

from helpers.interrupts import InterruptsImport

import ipyfdcapture
from ipyfdcapture import capture_fd

LOOKS = {
    "view": lambda: logs._repr_mimebundle_()["text/plain"],
    "text": lambda: logs.text,
    "lines": lambda: list(logs),
    "levels": lambda: logs.levels(),
    "name": lambda: ipyfdcapture.run_all,
}
with capture_fd() as logs:
    print("error: it failed")
look = LOOKS[sys.argv[1]]
with InterruptsImport(sys.argv[2]):
    try:
        look()
    except KeyboardInterrupt:
        print("interrupted")
assert sys.argv[2] in sys.modules, "half of it was loaded"
print(look())
