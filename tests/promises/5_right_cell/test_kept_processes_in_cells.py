"""Processes kept from one cell to the next: in the logs of both, shown once, never in silence."""

from __future__ import annotations

import re

import pytest
from helpers.fixtures import StartKernel
from helpers.kernel import Kernel, Message, Reply
from helpers.process import the_pump

POOLS = {
    "a pool of concurrent.futures, forked": """
import concurrent.futures as cf, multiprocessing as mp, os
def work(i): os.write(1, b'worker\\n')
pool = cf.ProcessPoolExecutor(2, mp_context=mp.get_context('fork'))
def use(): list(pool.map(work, range(4)))
""",
    "a pool of multiprocessing, forked": """
import multiprocessing as mp, os
def work(i): os.write(1, b'worker\\n')
pool = mp.get_context('fork').Pool(2)
def use(): pool.map(work, range(4), 1)
""",
    "a pool of multiprocessing, by a fork server": """
import multiprocessing as mp, posix, tempfile
tempfile.tempdir = '/tmp'  # the path of a socket may have 107 bytes
pool = mp.get_context('forkserver').Pool(2)
def use(): pool.starmap(posix.write, [(1, b'worker\\n')] * 4, 1)
""",
    "a pool of multiprocessing, spawned": """
import multiprocessing as mp, posix, tempfile
tempfile.tempdir = '/tmp'
pool = mp.get_context('spawn').Pool(2)
def use(): pool.starmap(posix.write, [(1, b'worker\\n')] * 4, 1)
""",
    "a shell that is told what to do": """
import subprocess, threading
def shell_of_this_cell():
    global shell
    shell = subprocess.Popen(['sh'], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
def use():
    if 'shell' not in globals(): shell_of_this_cell()
    shell.stdin.write('echo worker; echo worker; echo worker; echo worker; echo >&2\\n')
    shell.stdin.flush()
    shell.stderr.readline()
""",
    "workers that print": """
import multiprocessing as mp
def work(i): print('worker', flush=True)
pool = mp.get_context('fork').Pool(2)
def use(): pool.map(work, range(4), 1)
""",
}
LINE = "4 lines of processes started in cell [{}] are in "


def streamed(messages: list[Message]) -> str:
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")


def await_workers(kernel: Kernel, asked: Reply) -> list[Message]:
    """Return what came with a cell and after it, once four workers were shown."""
    messages = list(asked.messages)
    if streamed(messages).count("worker\n") < 4:
        messages += kernel.until(lambda more: streamed(messages + more).count("worker\n") >= 4)
    return messages + kernel.until(lambda _: False, quiet=True)


def under_others(reply: object) -> str:
    return streamed([m for m in reply.messages if m not in reply.own])  # type: ignore[attr-defined]


@pytest.fixture
def pool_kernel(fresh_kernel: Kernel) -> Kernel:
    fresh_kernel.ok(POOLS["a pool of multiprocessing, forked"].replace("pool =", "make = lambda:"))
    return fresh_kernel


@pytest.mark.parametrize("pool", list(POOLS.values()), ids=list(POOLS))
def test_three_captured_cells_and_a_plain_one(fresh_kernel: Kernel, pool: str) -> None:
    """Each log has what its cell caused, and the first one all that its processes wrote."""
    kernel = fresh_kernel
    first = kernel.ok(f"%%capture_fd -v first\n{pool}\nuse()").count
    second = kernel.ok("%%capture_fd -v second\nuse()")
    assert second.shown.strip() == LINE.format(first) + "`first` and `second`"
    third = kernel.ok("%%capture_fd -v third\nuse()")
    assert third.shown.strip() == LINE.format(first) + "`first` and `third`"
    plain = kernel.ok("use()")
    assert plain.shown.strip() == LINE.format(first) + "`first`"
    counts = "[log.text.count('worker') for log in (first, second, third)]"
    assert kernel.value(counts) == [16, 4, 4]
    assert kernel.value("(second.stdout.count('worker'), third.stdout.count('worker'))") == (4, 4)
    assert kernel.value("{line.source for line in second}") == {f"cell {first}/stdout"}
    assert kernel.ok("1").shown.strip() == "1"


def test_it_is_shown_under_the_running_cell_if_that_shows_live(pool_kernel: Kernel) -> None:
    pool_kernel.ok("%%capture_fd -v first --live\npool = make()\nuse()")
    second = pool_kernel.ok("%%capture_fd -v second --live\nuse()")
    assert streamed(second.own) == "worker\n" * 4
    assert under_others(second) == ""
    later = pool_kernel.ok("%%capture_fd -v third --live\nprint('own')\nuse()")
    assert sorted(streamed(later.own).splitlines()) == ["own"] + ["worker"] * 4
    assert under_others(later) == ""
    assert pool_kernel.value("first.text.count('worker')") == 12


def test_it_is_shown_under_its_own_cell_if_that_alone_showed_live(pool_kernel: Kernel) -> None:
    pool_kernel.ok("%%capture_fd -v first --live\npool = make()\nuse()")
    for cell in ("%%capture_fd -v second\nuse()", "use()"):
        asked = pool_kernel.run(cell)
        later = await_workers(pool_kernel, asked)
        assert asked.shown == ""
        others = [m for m in later if m["parent_header"].get("msg_id") != asked.msg_id]
        assert streamed(others) == "worker\n" * 4


def test_after_a_live_cell_it_is_shown_under_its_own_again(pool_kernel: Kernel) -> None:
    first = pool_kernel.run("%%capture_fd -v first --live\npool = make()\nuse()")
    pool_kernel.ok("%%capture_fd -v second --live\nuse()")
    asked = pool_kernel.run("use()")
    later = await_workers(pool_kernel, asked)
    own = [m for m in later if m["parent_header"].get("msg_id") == first.msg_id]
    assert streamed(own) == "worker\n" * 4
    assert asked.shown == ""


def test_every_cell_shows_it_under_the_cell_that_caused_it(pool_kernel: Kernel) -> None:
    pool_kernel.ok("%capture_fd --every-cell")
    pool_kernel.ok("pool = make()\nuse()")
    for _ in range(3):
        reply = pool_kernel.ok("use()")
        assert streamed(reply.own) == "worker\n" * 4
        assert under_others(reply) == ""


def test_a_server_never_appears_under_a_cell_that_shows_nothing_live(pool_kernel: Kernel) -> None:
    pool_kernel.ok("%%capture_fd -v first\npool = make()\nuse()")
    for cell in ("%%capture_fd -v second\nuse()", "use()"):
        assert "worker" not in pool_kernel.ok(cell).shown
    assert pool_kernel.ok("%%capture_fd -v third --live\nprint('own')").shown == "own\n"
    for option in ("--tail 5", "--progress"):
        assert "worker" in pool_kernel.ok(f"%%capture_fd -v second {option}\nuse()").shown


def test_a_cell_that_is_run_again_and_again_has_it_each_time(pool_kernel: Kernel) -> None:
    # From the third time on, nobody holds the log of the cell that started the processes.
    pool_kernel.ok("pool = None")
    cell = "%%capture_fd -v logs\npool = pool or make()\nuse()"
    for _ in range(5):
        pool_kernel.ok(cell)
        assert pool_kernel.value("logs.text.count('worker')") == 4


def test_the_line_names_what_holds_the_log(pool_kernel: Kernel) -> None:
    count = pool_kernel.ok("%%capture_fd\npool = make()\nuse()").count
    assert pool_kernel.ok("use()").shown.strip() == LINE.format(count) + "`_logs`"
    pool_kernel.ok("keep = [_logs]\ndel _logs")
    shown = pool_kernel.ok("use()").shown.strip()
    assert shown == LINE.format(count) + "a log that has no name"
    pool_kernel.ok("from ipyfdcapture import capture_fd\nwith capture_fd() as logs: again = make()")
    pool_kernel.ok("pool = again\nkeep.clear()\nuse()")
    shown = pool_kernel.ok("use()").shown
    assert shown.strip() == "4 lines of processes started in an earlier capture are in `logs`"


def test_the_line_counts_what_has_no_line_end_and_measures_a_flood(pool_kernel: Kernel) -> None:
    pool_kernel.ok("def write(what): pool.map(print, [what], 1)\nimport functools")
    pool_kernel.ok(
        "%%capture_fd -v first\npool = make()\nshow = functools.partial(print, end='', flush=True)"
    )
    reply = pool_kernel.ok("pool.map(show, ['no line end'], 1)")
    assert re.search(
        r"^1 line of processes started in cell \[\d+\] is in `first`$", reply.shown, re.M
    )
    reply = pool_kernel.ok("pool.map(show, ['x' * 100_000_000], 1)")
    assert re.search(r"^100 MB of processes started in .* is in `first`$", reply.shown, re.M)


def test_a_helper_that_was_killed_takes_nothing_from_either_log(pool_kernel: Kernel) -> None:
    pool_kernel.ok("%%capture_fd -v first\npool = make()\nuse()")
    the_pump(pool_kernel.pid).kill()
    for name in ("second", "third"):
        pool_kernel.ok(f"%%capture_fd -v {name}\nuse()")
        assert pool_kernel.value(f"{name}.text.count('worker')") == 4
    pool_kernel.ok("use()")
    assert pool_kernel.value("first.text.count('worker')") == 16


def test_a_crashed_kernel_leaves_what_kept_processes_wrote(start_kernel: StartKernel) -> None:
    kernel = start_kernel()
    kernel.ok(POOLS["a pool of multiprocessing, forked"].replace("pool =", "make = lambda:"))
    count = kernel.ok("%%capture_fd -v first\npool = make()\nuse()").count
    kernel.send("%%capture_fd -v second\nimport os\nuse()\nos.kill(os.getpid(), 9)")
    kernel.await_death()
    kernel.restart()
    kernel.load()
    kernel.ok("%capture_fd --recover -v logs")
    assert kernel.value("logs.text.count('worker')") == 4
    assert kernel.value("{line.source for line in logs}") == {f"cell {count}/stdout"}
