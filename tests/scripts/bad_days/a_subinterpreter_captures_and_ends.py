"""A program that runs Python several times in one process captures in one, and ends that."""

import importlib
import sys
import textwrap

interpreters = importlib.import_module(
    "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
)

CODE = textwrap.dedent(
    f"""
    import os, sys
    sys.path[:0] = {sys.path!r}
    from ipyfdcapture import capture_fd
    lines = []
    with capture_fd(drain={sys.argv[1]!r}, on_line=lines.append) as logs:
        os.write(1, b"one line\\n")
    assert logs.text == "one line\\n" and lines == ["one line"], (logs.text, lines)
    """
)
number = (
    interpreters.create("legacy")
    if sys.version_info >= (3, 13)
    else interpreters.create(isolated=False)
)
failed = interpreters.run_string(number, CODE)
assert failed is None, failed
interpreters.destroy(number)
print("end")
