"""The helper's program; at its end, the modules that it has loaded go to a file.

Run in its place, as the helper is: nothing is imported here but what every Python has loaded.
"""

import sys

PROGRAM, FOUND = "@PROGRAM@", "@FOUND@"

sys.argv[0] = PROGRAM
with open(PROGRAM) as _file:
    _code = compile(_file.read(), PROGRAM, "exec")
try:
    exec(_code, {"__name__": "__main__", "__file__": PROGRAM})
finally:
    with open(FOUND + ".new", "w") as _file:
        _file.write("\n".join(sorted(sys.modules)))
    sys.modules["os"].rename(FOUND + ".new", FOUND)
