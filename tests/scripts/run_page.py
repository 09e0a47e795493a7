"""Run the examples of a page one after another, as one program.

The arguments are a JSON file with the code of each, and how ``sys.stdout`` is buffered: by
``line``, as in a terminal, or by ``block``, as in a pipe. After each, a record separator (RS) is
written to descriptors 1 and 2.
"""

import json
import os
import sys
from pathlib import Path

from helpers.examples import check_value

sys.stdout.reconfigure(line_buffering=sys.argv[2] == "line")  # type: ignore[union-attr]
names = {"__name__": "__main__", "_check_value": check_value}
for where, code in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    exec(compile(code, where, "exec"), names)
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, b"\x1e")
    os.write(2, b"\x1e")
