"""Real libraries that were imported, set up or started in a captured cell, and go on afterwards."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest
from helpers.kernel import Kernel
from helpers.real import need

_CELL_LIMIT_S = 300.0

#: A library, what its first cell does, and what later ones do.
LIBRARIES: dict[str, list[str]] = {
    "click": [
        "import click",
        "click.secho('out', fg='green'); click.secho('err', fg='red', err=True)",
    ],
    "loguru": [
        "from loguru import logger\n"
        "import sys\n"
        "logger.remove(); handler = logger.add(sys.stderr, format='<green>{message}</green>')",
        "logger.info('one')",
        "logger.remove(handler)\nlogger.add(print, format='{message}')",
        "logger.info('two')",
    ],
    "rich": [
        "import rich, rich.console, sys\n"
        "console = rich.console.Console(force_jupyter=False, width=80)",
        "console.print('[red]red[/red]')",
        "rich.print('[bold]bold')",
    ],
    "tqdm": [
        "import tqdm, sys\n"
        "def bar(file): return tqdm.tqdm(range(3), file=file, mininterval=0, miniters=1,\n"
        "    bar_format='{desc}{n_fmt}/{total_fmt}', desc='bar')",
        "for i in bar(sys.stdout): pass",
        "for i in bar(None): tqdm.tqdm.write(str(i))",
    ],
    "colorama": [
        "import colorama\ncolorama.init()",
        "print(colorama.Fore.RED + 'red')",
        "colorama.deinit()",
        "print(colorama.Fore.RED + 'x')",
    ],
    "structlog": [
        "import structlog, sys\n"
        "structlog.configure(processors=[structlog.dev.ConsoleRenderer(colors=True)])\n"
        "log = structlog.get_logger()",
        "log.info('one', a=1)",
        "structlog.get_logger('other').warning('two')",
    ],
    "logging": [
        "import logging\nlogging.basicConfig(force=True, level='INFO')",
        "logging.info('one')",
        "import warnings; logging.captureWarnings(True)",
        "logging.getLogger('py.warnings').warning('two'); logging.captureWarnings(False)",
    ],
    # As wandb does: it keeps the bound method, and puts a function over it.
    "a mirror": [
        "import sys\n"
        "class Mirror:\n"
        "    def __init__(self, stream):\n"
        "        self.stream, self.write, self.seen = stream, stream.write, []\n"
        "        def write(text):\n"
        "            self.seen.append(text)\n"
        "            return self.write(text)\n"
        "        stream.write = write\n"
        "    def take_off(self): self.stream.write = self.write\n"
        "mirror = Mirror(sys.stdout)\n"
        "print('in its own cell')",
        "print('one')",
        "print(len(mirror.seen) > 0)",
        "mirror.take_off()",
        "print('two')",
    ],
}


def streams(kernel: Kernel, cell: str) -> tuple[str, str]:
    """Run a cell; return what it showed as stdout and as stderr."""
    reply = kernel.ok(cell)
    return reply.stream("stdout"), reply.stream("stderr")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Kernel]]:
    """Three kernels for all libraries: without captures, with one at first, with one each time."""
    with contextlib.ExitStack() as closing:
        started = []
        for name in ("plain", "at-first", "each-time"):
            kernel = Kernel(tmp_path_factory.mktemp(name))
            closing.callback(kernel.close)
            kernel.load()
            started.append(kernel)
        yield started


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_from_a_captured_cell_writes_what_it_would_have_written(
    kernels: list[Kernel], name: str
) -> None:
    if name not in ("logging", "a mirror"):
        need(name)
    plain, at_first, each_time = kernels
    first, *later = LIBRARIES[name]
    expected = streams(plain, first)
    for kernel in (at_first, each_time):
        assert streams(kernel, f"%%capture_fd -v logs\n{first}") == ("", "")
        assert kernel.value("(logs.stdout, logs.stderr)") == expected
    written = ""
    for cell in later:
        expected = streams(plain, cell)
        written += "".join(expected)
        assert streams(at_first, cell) == expected
        assert streams(each_time, f"%%capture_fd -v logs\n{cell}") == ("", "")
        assert each_time.value("(logs.stdout, logs.stderr)") == expected
    assert written  # else this tests nothing
    assert at_first.value("logs.complete")


@pytest.mark.timeout(_CELL_LIMIT_S)
def test_a_search_with_two_jobs_in_three_captured_cells_and_a_plain_one(
    fresh_kernel: Kernel,
) -> None:
    """joblib keeps its workers from cell to cell."""
    need("sklearn")
    kernel = fresh_kernel
    kernel.ok(
        "import os; os.environ['PYTHONUNBUFFERED'] = '1'\n"  # else workers keep it to themselves
        "from sklearn.datasets import make_classification\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.model_selection import GridSearchCV\n"
        "X, y = make_classification(60, random_state=0)\n"
        "def search():\n"
        "    grid = {'C': [0.1, 1.0]}\n"
        "    GridSearchCV(LogisticRegression(), grid, cv=2, n_jobs=2, verbose=3).fit(X, y)\n"
    )
    for name in ("first", "second", "third"):
        kernel.run(f"%%capture_fd -v {name}\nsearch()", timeout=_CELL_LIMIT_S)
    plain = kernel.run("search()", timeout=_CELL_LIMIT_S)
    fits = "[log.text.count('] END') for log in (first, second, third)]"
    assert kernel.value(fits) == [16, 4, 4]  # the first has what its own workers write
    assert kernel.value("[log.stdout.count('Fitting 2 folds') for log in (second, third)]") == [
        1,
        1,
    ]
    assert plain.shown.count("Fitting 2 folds") == 1
    assert re.search(r"\d lines? of processes started in cell", plain.shown)


@pytest.mark.timeout(_CELL_LIMIT_S)
def test_workers_of_a_dask_cluster(fresh_kernel: Kernel) -> None:
    need("distributed")
    kernel = fresh_kernel
    start = (
        "%%capture_fd -v first\n"
        "from distributed import Client, LocalCluster\n"
        "cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True,\n"
        "                       dashboard_address=None)\n"
        "client = Client(cluster)\n"
        "def work(i):\n"
        "    import os\n"
        "    os.write(1, b'worker %d\\n' % i)\n"
        "def use(i): client.submit(work, i, pure=False).result()\n"
        "use(0)"
    )
    assert kernel.run(start, timeout=_CELL_LIMIT_S).status == "ok"
    kernel.ok("%%capture_fd -v second\nuse(1)")
    plain = kernel.ok("use(2)")
    assert "1 line of processes started in cell" in plain.shown
    kernel.run("client.close(); cluster.close()", timeout=_CELL_LIMIT_S)
    assert kernel.value("[str(line) for line in second]") == ["worker 1"]
    found = "[str(line) for line in first if 'worker ' in line and len(line) == 8]"
    assert kernel.value(found) == ["worker 0", "worker 1", "worker 2"]


def test_a_thread_prints_into_a_widget_as_its_cell_does(kernel: Kernel) -> None:
    need("ipywidgets")
    kernel.ok("import ipywidgets, threading\nout = ipywidgets.Output()")
    kernel.ok("def work():\n    with out: print('in the widget')")
    found = []
    for start in ("work()", "t = threading.Thread(target=work); t.start(); t.join()"):
        shown = kernel.ok(f"%%capture_fd -v logs\n{start}\nprint('beside it')").shown
        found.append((shown, kernel.value("logs.text")))
    assert found[0] == found[1]
