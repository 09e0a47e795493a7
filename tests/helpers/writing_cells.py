"""Cells that write in many ways: streams, threads, tasks, children, logging, displays.

What native code and children write to descriptors is not among them: in a kernel without captures
nothing tells when it is shown. They run one after another in one kernel, with nothing of ours in
the way or with every cell captured, and must show the same.
"""

from __future__ import annotations

WRITING = {
    "a thread that prints and is joined": (
        "import threading\n"
        "t = threading.Thread(target=print, args=('in a thread',)); t.start(); t.join()\n"
        "print('after')"
    ),
    "threads and a queue": (
        "import queue, threading\n"
        "q = queue.Queue()\n"
        "def w():\n"
        "    for i in iter(q.get, None): print(i)\n"
        "t = threading.Thread(target=w); t.start()\n"
        "for i in range(5): q.put(i)\n"
        "q.put(None); t.join()"
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as p: print(list(p.map(lambda i: i * i, range(4))))"
    ),
    "a pool of threads that prints": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as p: list(p.map(print, range(4)))"
    ),
    "multiprocessing's pool of threads": (
        "from multiprocessing.pool import ThreadPool\n"
        "with ThreadPool(1) as p: p.map(print, range(4), 1)"
    ),
    "a task": (
        "import asyncio\n"
        "async def f():\n"
        "    print('task'); return 3\n"
        "t = asyncio.create_task(f())\n"
        "print(await t)"
    ),
    "gathered tasks": (
        "import asyncio\n"
        "async def f(i):\n"
        "    await asyncio.sleep(0); print(i)\n"
        "await asyncio.gather(*map(f, range(3)))"
    ),
    "to_thread": ("import asyncio\nawait asyncio.to_thread(print, 'to_thread')"),
    "an executor": (
        "import asyncio\nawait asyncio.get_running_loop().run_in_executor(None, print, 'executor')"
    ),
    "a timer": ("import threading\nt = threading.Timer(0, print, ('timer',)); t.start(); t.join()"),
    "captured output of a child": (
        "import subprocess\n"
        "subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout"
    ),
    "check_output": (
        "import subprocess\n"
        "subprocess.check_output('echo out; echo err >&2', shell=True, stderr=subprocess.STDOUT)"
    ),
    "os.popen": ("import os\nprint(os.popen('echo popen').read())"),
    "a child of asyncio": (
        "import asyncio\n"
        "p = await asyncio.create_subprocess_exec('echo', 'x', stdout=asyncio.subprocess.PIPE)\n"
        "(await p.communicate())[0]"
    ),
    "system and a value": "!echo a; echo b >&2",
    "sx": "%sx echo hidden",
    "script magic": ("%%script sh\necho in sh\necho err >&2"),
    "script magic to variables": ("%%script --out out sh\necho in sh"),
    "a logging handler": (
        "import logging, sys\n"
        "h = logging.StreamHandler(sys.stdout); l = logging.getLogger('own'); "
        "l.handlers = [h]; l.propagate = False; l.warning('logged')"
    ),
    "logging to stderr": (
        "import logging\n"
        "l = logging.getLogger('own.err'); l.handlers = [logging.StreamHandler()]; "
        "l.propagate = False; l.error('logged')"
    ),
    "logging with no handler": (
        "import logging\nlogging.getLogger('own.none').warning('last resort')"
    ),
    "warnings": ("import warnings\nwarnings.simplefilter('always')\nwarnings.warn('careful')"),
    "a deprecation": ("import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=1)"),
    "redirect_stdout": (
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as s: print('hidden')\n"
        "s.getvalue()"
    ),
    "redirect_stderr to stdout": (
        "import contextlib, sys\n"
        "with contextlib.redirect_stderr(sys.stdout): print('e', file=sys.stderr)"
    ),
    "a replaced stream": (
        "import sys\n"
        "class W:\n"
        "    def __init__(s, o): s.o = o\n"
        "    def write(s, t): return s.o.write(t.upper())\n"
        "    def flush(s): s.o.flush()\n"
        "old = sys.stdout; sys.stdout = W(old); print('loud'); sys.stdout = old"
    ),
    "a patched write": (
        "import sys\n"
        "old = sys.stdout.write\n"
        "sys.stdout.write = lambda t: old(t.upper())\n"
        "print('loud')\n"
        "sys.stdout.write = old\n"
        "print('quiet')"
    ),
    "writelines": ("import sys\nsys.stdout.writelines(['a\\n', 'b\\n'])"),
    "write's value": ("import sys\nsys.stdout.write('abc')"),
    "the facts of the streams": (
        "import sys\n"
        "[(type(s).__name__, s.encoding, s.errors if hasattr(s, 'errors') else None, s.name, "
        "s.isatty(), s.writable(), s.closed) for s in (sys.stdout, sys.stderr)]"
    ),
    "write bytes fails": (
        "import sys\ntry: sys.stdout.write(b'x')\nexcept TypeError as e: print(e)"
    ),
    "writing a number fails": (
        "import sys\ntry: sys.stdout.write(3)\nexcept TypeError as e: print(e)"
    ),
    "no buffer": ("import sys\nhasattr(sys.stdout, 'buffer')"),
    "nulls and control characters": "print('a\\0b\\x07c\\x1b[31mred\\x1b[0m')",
    "a long line": "print('x' * 10000)",
    "many flushes": "for i in range(20): print(i, end=' ', flush=True)",
    "an empty write": "print('', end='')",
    "display and clear": (
        "from IPython.display import clear_output\nprint('gone'); clear_output(); print('stays')"
    ),
    "clear that waits": (
        "from IPython.display import clear_output\n"
        "print('gone'); clear_output(wait=True); print('stays')"
    ),
    "an updated display": (
        "from IPython.display import display\n"
        "h = display('a', display_id='own'); h.update('b'); print('c')"
    ),
    "a progress bar of IPython": (
        "from IPython.display import ProgressBar\nfor i in ProgressBar(2): print(i)"
    ),
    "capture_output": (
        "from IPython.utils.capture import capture_output\n"
        "with capture_output() as c: print('hidden'); display('x')\n"
        "c.stdout, len(c.outputs)"
    ),
    "capture shown again": (
        "from IPython.utils.capture import capture_output\n"
        "with capture_output() as c: print('shown again')\n"
        "c.show()"
    ),
    "pprint": ("import pprint\npprint.pprint({'a': [1, 2]})"),
    "traceback.print_exc": (
        "import traceback\ntry: 1/0\nexcept ZeroDivisionError: traceback.print_exc(limit=0)"
    ),
    "an unraisable": (
        "import sys\n"
        "sys.unraisablehook, old = (lambda u: print('unraisable', u.exc_type.__name__)), "
        "sys.unraisablehook\n"
        "class D:\n"
        "    def __del__(self): 1/0\n"
        "D()\n"
        "None\n"
        "sys.unraisablehook = old"
    ),
    "doctest": (
        "import doctest\n"
        "def f():\n"
        "    '''\n"
        "    >>> print('x')\n"
        "    y\n"
        "    '''\n"
        "doctest.run_docstring_examples(f, {'f': f})"
    ),
    "a context variable": (
        "import contextvars\nv = contextvars.ContextVar('own', default=1); v.set(2); v.get()"
    ),
    "a context variable kept": "v.get()",
    "a post-run hook": (
        "def hook(*a): print('post')\n"
        "get_ipython().events.register('post_run_cell', hook)\n"
        "print('body')"
    ),
    "a post-run hook goes": "get_ipython().events.unregister('post_run_cell', hook)",
    "fileno": ("import sys\ntry: sys.stdout.fileno() > 0\nexcept Exception as e: print(type(e))"),
    "raise SystemExit caught": ("try: raise SystemExit(3)\nexcept SystemExit as e: print(e.code)"),
    "a magic of ones own": (
        "from IPython.core.magic import register_line_magic\n"
        "@register_line_magic\n"
        "def own(line): print('magic', line); return 5\n"
        "%own x"
    ),
    "a cell magic of ones own": ("%%capture out\nprint('x')"),
    "its result": "out.stdout",
    "a semicolon": "print('x');",
    "an output widget": (
        "import ipywidgets\n"
        "o = ipywidgets.Output()\n"
        "with o: print('inside')\n"
        "[x['text'] for x in o.outputs]"
    ),
    "an output widget in a thread": (
        "import ipywidgets, threading\n"
        "o = ipywidgets.Output()\n"
        "def w():\n"
        "    with o: print('inside')\n"
        "t = threading.Thread(target=w); t.start(); t.join()\n"
        "[x['text'] for x in o.outputs]"
    ),
    "signal handlers": ("import signal\nsignal.getsignal(signal.SIGINT).__name__"),
}
