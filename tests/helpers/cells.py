"""Cells that a capture must not change, and where their tracebacks point."""

from __future__ import annotations

import re

from helpers.kernel import Reply

_HEADER = re.compile(r"^(Cell In\[\d+\]|File \S+)", re.M)
_ARROW = re.compile(r"^-+> (\d+) (.*)$")


WELL_BEHAVED = {
    "a value": "1 + 1",
    "a value that is hidden": "1 + 1;",
    "a statement": "x = 1",
    "None": "None",
    "only comments": "# nothing to see\n# here",
    "a print and a value": "print('printed')\n'the value'",
    "both streams": "import sys\nprint('o')\nprint('e', file=sys.stderr)",
    "a print without a line end": "print('no end', end='')",
    "carriage returns": "print('10%\\r20%\\r\\n', end='')",
    "text in many scripts": "print('h\\xe9llo \\u20ac \\u4e2d\\u6587 \\U0001f40d')",
    "a display": "display('shown')",
    "a rich display": "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))\n7",
    "a display between prints": "print('a')\ndisplay({'k': 1})\nprint('b')",
    "a class with a rich repr": (
        "class R:\n    def _repr_html_(self): return '<i>r</i>'\n"
        "    def __repr__(self): return 'R'\nR()"
    ),
    "top-level await": "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')\n'done'",
    "top-level async for": (
        "async def numbers():\n    yield 1\n    yield 2\n"
        "async for n in numbers():\n    print(n)\n'end'"
    ),
    "top-level async with": (
        "import contextlib\n@contextlib.asynccontextmanager\nasync def c():\n"
        "    print('in')\n    yield 5\n    print('out')\nasync with c() as n:\n    print(n)\nn"
    ),
    "a future import first": "from __future__ import annotations\ndef f(x: undefined): ...\n"
    "f.__annotations__",
    "a docstring first": "'''A docstring.'''\nprint(__doc__ is None)",
    "a shell command": "!echo from the shell",
    "a shell command's lines": "lines = !echo one; echo two\nlines",
    "a shell command with a variable": "word = 'expanded'\n!echo {word} $word",
    "a bash body": "%%bash\necho from bash\necho to stderr >&2",
    "a capture inside": "%%capture inner\nprint('inner')",
    "a nested run_cell": "r = get_ipython().run_cell('print(5)\\n6')\nr.result",
    "a nested run_cell that fails": "r = get_ipython().run_cell('1/0')\nr.success",
    "a line magic": "%pwd",
    "an assigned magic": "where = %pwd\nimport os\nwhere == os.getcwd()",
    "the previous value": "3\n_",
    "the input history": "len(In) == get_ipython().execution_count",
    "indented like a paste": "    print('indented')\n    4",
    "blank lines first": "\n\nprint('after blanks')\n8",
    "a line that looks like a magic in a string": "s = '''\n%%time\n'''\ns",
    "a semicolon list": "print(1); print(2); 3",
    "a decorator": "def d(f):\n    print('decorated')\n    return f\n@d\ndef g(): ...",
    "a match of globals": "y = 3\n'y' in globals() and 'y' in locals()",
}


FAILING = {
    "an error": "1/0",
    "an error further down": "print('before')\n\nx = 1\nraise ValueError('why')\nprint('after')",
    "an error in a function of the cell": "def f(n):\n    return 1 // n\nprint('in')\nf(0)",
    "an error in a library": "import json\njson.loads('{')",
    "an assertion": "assert 1 == 2, 'no'",
    "an unknown name": "print('x')\nno_such_name",
    "a syntax error": "x = 1\ndef broken(:\n    pass",
    "an unfinished cell": "print('a'",
    "an indentation error": "if True:\n1",
    "an exit": "raise SystemExit(3)",
    "an interrupt by hand": "raise KeyboardInterrupt('by hand')",
    "an error of a base class": "class E(BaseException): ...\nraise E('base')",
    "an error after await": "import asyncio\nawait asyncio.sleep(0)\nraise OSError(5, 'late')",
    "a chain of errors": "try:\n    1/0\nexcept ZeroDivisionError as e:\n"
    "    raise KeyError('k') from e",
    "a usage error": "%no_such_magic",
    "an unknown cell magic": "%%no_such_magic\nbody",
    "a usage error of a magic": "%alias",
    "a failing bash body": "%%bash\necho out\nexit 3",
    "a question that nobody answers": "input('name? ')",
    "a refused write": "import os\nos.write(10**6, b'x')",
    "no text": "import sys\nsys.stdout.write(5)",
    "a thread that is started twice": "import threading\n"
    "t = threading.Thread(target=int)\nt.start()\nt.start()",
    "a call to a pool that is shut down": "from concurrent.futures import ThreadPoolExecutor\n"
    "p = ThreadPoolExecutor(1)\np.shutdown()\np.submit(int)",
    "a group of errors": "import sys\n"
    "raise (ExceptionGroup('g', [ValueError(1)]) if sys.version_info >= (3, 11) else "
    "ValueError(1))",
}


def places(reply: Reply, shift: int) -> list[tuple[str, int, str]]:
    """Return where a traceback points: cell or file, line number, source line."""
    found = []
    where = ""
    for line in reply.traceback.splitlines():
        if header := _HEADER.match(line):
            where = "cell" if header[1].startswith("Cell") else header[1]
            if "ipykernel_" in where:
                where = "cell"
        if arrow := _ARROW.match(line):
            number = int(arrow[1]) - (shift if where == "cell" else 0)
            found.append((where, number, arrow[2]))
    return found
