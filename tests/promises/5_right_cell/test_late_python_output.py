"""What a cell's threads, tasks and pools print is in its log (promise 5): also after it has ended,
while other cells run, captured or not."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from helpers.fixtures import Script
from helpers.kernel import Kernel
from helpers.program import in_a_program
from helpers.shown import has_text
from helpers.wait import LIMIT_S

from ipyfdcapture import capture_fd

#: Starts something that prints "late" once ``go`` is set, and keeps what it can be waited for by.
STARTS = {
    "thread": "def work():\n    go.wait(30); print('late')\n"
    "thread = threading.Thread(target=work); thread.start()",
    "daemon": "def work():\n    go.wait(30); print('late')\n"
    "thread = threading.Thread(target=work, daemon=True); thread.start()",
    "subclass": "class T(threading.Thread):\n"
    "    def run(self): go.wait(30); print('late')\n"
    "thread = T(); thread.start()",
    "threads_thread": "def work():\n    go.wait(30); print('late')\n"
    "def outer():\n    global inner\n    inner = threading.Thread(target=work); inner.start()\n"
    "thread = threading.Thread(target=outer); thread.start(); thread.join(); thread = inner",
    "timer": "thread = threading.Timer(0, lambda: (go.wait(30), print('late'))); thread.start()",
    "pool": "pool = globals().get('pool') or concurrent.futures.ThreadPoolExecutor(1)\n"
    "def work():\n    go.wait(30); print('late')\n"
    "_ = pool.submit(work)",
    "task": "async def work():\n    while not go.is_set(): await asyncio.sleep(0.01)\n"
    "    print('late')\n"
    "task = asyncio.create_task(work())",
    "to_thread": "def work():\n    go.wait(30); print('late')\n"
    "task = asyncio.create_task(asyncio.to_thread(work))",
    "executor": "def work():\n    go.wait(30); print('late')\n"
    "future = asyncio.get_running_loop().run_in_executor(None, work)",
    "kept_method": "say = sys.stdout.write\n"
    "def work():\n    go.wait(30); say('late\\n')\n"
    "thread = threading.Thread(target=work); thread.start()",
    "stderr": "def work():\n    go.wait(30); print('late', file=sys.stderr)\n"
    "thread = threading.Thread(target=work); thread.start()",
    "logging": "log = logging.getLogger('late'); log.propagate = False\n"
    "log.handlers[:] = [logging.StreamHandler()]\n"
    "def work():\n    go.wait(30); log.warning('late')\n"
    "thread = threading.Thread(target=work); thread.start()",
    "unfinished": "def work():\n    go.wait(30); print('la', end=''); print('te', end='')\n"
    "thread = threading.Thread(target=work); thread.start()",
}
NEXT = {
    "plain": "",
    "captured": "%%capture_fd -v other\n",
    "live": "%%capture_fd --live -v other\n",
}


@pytest.mark.parametrize("following", NEXT.values(), ids=NEXT)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_it_is_in_the_log_of_its_cell_and_not_in_the_next_ones(
    kernel: Kernel, start: str, following: str
) -> None:
    kernel.ok(
        "import asyncio, concurrent.futures, logging, sys, threading, time\ngo = threading.Event()"
    )
    kernel.ok(f"%%capture_fd -v logs\nprint('early')\n{start}")
    assert kernel.value("(logs.text, logs.complete)") == ("early\n", False)
    reply = kernel.ok(
        f"{following}go.set()\nprint('next')\nfor _ in range(3): await asyncio.sleep(0.02)"
    )
    assert kernel.value("logs.wait(20)") is True
    late = "late" if "'te'" in start else "late\n"
    assert kernel.value("(logs.text, logs.complete)") == (f"early\n{late}", True)
    if following:
        assert kernel.value("other.text") == "next\n"
    if "captured" not in following or "live" in following:
        assert reply.stream("stdout") == (
            "" if following.startswith("%%capture_fd -v") else "next\n"
        )


def test_a_pools_idle_thread_does_not_keep_a_log_incomplete(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2); pool.submit(print, 'in').result()"
    )
    assert kernel.value("(logs.wait(20), logs.text)") == (True, "in\n")
    kernel.ok("%%capture_fd -v more\npool.submit(print, 'in too').result()")
    assert kernel.value("(logs.text, more.wait(20), more.text)") == ("in\n", True, "in too\n")
    # ipykernel 6 shows it under the cell that started the thread, without a capture too.
    shown = kernel.ok("pool.submit(print, 'plain').result()").messages
    assert [m["content"]["text"] for m in shown if m["msg_type"] == "stream"] == ["plain\n"]
    kernel.ok("pool.shutdown()")


@pytest.mark.parametrize(
    "give",
    [
        "pool.apply_async(work, (1,))",
        "pool.map_async(work, [1, 1])",
        "pool.starmap_async(work, [(1,), (1,)])",
        "list_of(pool.imap(work, [1, 1]))",
        "list_of(pool.imap_unordered(work, [1, 1]))",
    ],
)
@pytest.mark.parametrize("header", ["", "%%capture_fd -v makes\n"], ids=["plain", "captured"])
def test_a_pool_of_threads_works_for_the_cell_that_gives_it_calls(
    kernel: Kernel, header: str, give: str
) -> None:
    kernel.ok(
        "import threading\ngo = threading.Event()\n"
        "def work(i): go.wait(30); print('late')\n"
        "class list_of:\n"
        "    def __init__(self, found): self.found = found\n"
        "    def get(self, timeout): return list(self.found)"
    )
    kernel.ok(f"{header}from multiprocessing.pool import ThreadPool\npool = ThreadPool(1)")
    kernel.ok(f"%%capture_fd -v gives\nresult = {give}")
    assert kernel.value("gives.complete") is False
    reply = kernel.ok("%%capture_fd -v other\ngo.set(); _ = result.get(30)\nprint('other')")
    assert reply.shown == ""
    # Without a GIL, a thread of the pool's own lets go of what it gave when it next does something.
    kernel.ok("import sys\ngetattr(sys, '_is_gil_enabled', lambda: True)() or pool.apply(int)")
    assert kernel.value("gives.wait(20)")
    assert kernel.value("(set(gives), other.text)") == ({"late"}, "other\n")
    if header:
        assert kernel.value("(makes.complete, makes.text)") == (True, "")
    kernel.ok("pool.terminate()")


def test_calls_that_a_pool_of_threads_never_makes_do_not_keep_a_log_incomplete(
    kernel: Kernel,
) -> None:
    kernel.ok(
        "import threading\nfrom multiprocessing.pool import ThreadPool\n"
        "go = threading.Event()\npool = ThreadPool(1)\n_ = pool.apply_async(go.wait, (30,))"
    )
    kernel.ok("%%capture_fd -v logs\n_ = pool.map_async(print, [1, 2])\n_ = None")
    assert kernel.value("logs.complete") is False
    kernel.ok("go.set(); pool.terminate(); pool.join(); del pool; import gc; _ = gc.collect()")
    assert kernel.value("logs.wait(20)") is True


@pytest.mark.parametrize(
    "kept",
    [
        "async def f(): pass\ntask = asyncio.ensure_future(f()); await task",
        "handle = asyncio.get_running_loop().call_later(600, print, 'x')",
        "context = __import__('contextvars').copy_context()",
        "future = asyncio.get_running_loop().create_future()",
    ],
)
def test_what_only_keeps_a_context_does_not_keep_a_log_incomplete(
    kernel: Kernel, kept: str
) -> None:
    kernel.ok(f"%%capture_fd -v logs\nimport asyncio\nprint('in')\n{kept}")
    assert kernel.value("(logs.wait(20), logs.text)") == (True, "in\n")


def test_it_is_shown_under_its_own_cell_if_that_is_shown_live(kernel: Kernel) -> None:
    kernel.ok("import threading; go = threading.Event()")
    first = kernel.ok(
        "%%capture_fd --live -v logs\n"
        "thread = threading.Thread(target=lambda: (go.wait(30), print('late')))\n"
        "thread.start()"
    )
    messages = kernel.ok(
        "%%capture_fd -v other\ngo.set(); thread.join()\nlogs.wait(20)\nprint('next')"
    ).messages
    if not has_text("late", first.msg_id)(messages):
        messages += kernel.until(has_text("late", first.msg_id))
    messages += kernel.ok("import time\nfor _ in range(10): time.sleep(0.05)").messages
    under = [
        message["parent_header"]["msg_id"]
        for message in messages
        if message["msg_type"] == "stream" and "late" in message["content"]["text"]
    ]
    assert under == [first.msg_id]
    assert kernel.value("other.text") == "next\n"


def test_output_of_a_subshells_plain_cell_is_not_taken_by_a_captured_one(kernel: Kernel) -> None:
    """As in a subshell: a cell without a capture of its own runs in a context of its own."""
    kernel.ok(
        "%%capture_fd -v logs\n"
        "import contextvars, threading\n"
        "from ipyfdcapture.output import router\n"
        "def cell():\n"
        "    mark = router.begin_cell()\n"
        "    print('of the other cell')\n"
        "    router.end_cell(mark)\n"
        "def other(): contextvars.Context().run(cell)\n"
        "threads = [threading.Thread(target=other)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print('mine')"
    )
    assert kernel.value("logs.text") == "mine\n"


@pytest.mark.parametrize("end", ["in another thread", "before one within it"])
def test_what_starts_after_the_end_does_not_write_into_a_log_that_an_earlier_thread_keeps_open(
    end: str,
) -> None:
    go = threading.Event()

    def wait_and_print() -> None:
        go.wait(LIMIT_S)
        print("earlier")

    async def print_in_a_task() -> None:
        await asyncio.create_task(asyncio.to_thread(print, "a task"))
        print("the first task")

    with capture_fd() as around:
        capture = capture_fd()
        logs = capture.start()
        earlier = threading.Thread(target=wait_and_print)
        earlier.start()
        if end == "in another thread":
            ending = threading.Thread(target=capture.stop)
            ending.start()
            ending.join(LIMIT_S)
        else:
            with capture_fd():
                capture.stop()
        later = threading.Thread(target=print, args=("a thread",))
        later.start()
        later.join(LIMIT_S)
        asyncio.run(print_in_a_task())
        print("here")
        go.set()
        earlier.join(LIMIT_S)
    assert logs.wait(LIMIT_S)
    assert logs.text == "earlier\n"
    assert list(around) == ["a thread", "a task", "the first task", "here"]


@in_a_program
@pytest.mark.parametrize("drain", ["process", "thread"])
def test_threads_that_do_not_end_take_a_bounded_number_of_descriptors_and_lose_nothing(
    drain: str,
) -> None:
    go = threading.Event()

    def wait_and_print(number: int) -> None:
        go.wait(LIMIT_S)
        print("late", number)

    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    logs, threads, counts = [], [], []
    for number in range(50):
        with capture_fd(drain=drain) as log:
            print("in", number)
            threads.append(threading.Thread(target=wait_and_print, args=(number,)))
            threads[-1].start()
        logs.append(log)
        counts.append(descriptors())
    # A thread as drain has both ends of all here. Of 50 logs, some 20 are waited for.
    assert counts[-1] - counts[0] < 30 * (6 if drain == "process" else 12)
    # Who began long ago is not waited for any more, as if it were a callback.
    assert (logs[0].complete, logs[-1].complete) == (True, False)
    go.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert [log.text for log in logs] == [f"in {n}\nlate {n}\n" for n in range(50)]
    assert all(log.complete for log in logs)
    assert descriptors() <= counts[0]
    for log in logs:
        log.close()


@pytest.mark.parametrize("arguments", [["newline"], [""], ["newline", "closed"]])
def test_a_thread_that_stalls_amid_a_write_writes_into_its_log(
    script: Script, arguments: list[str]
) -> None:
    """Until nobody waits for the threads of its capture any more; if the log is there."""
    name = "threads/a_thread_that_stalls_amid_a_write_writes_into_its_log"
    assert script(name, *arguments) == "end\n"
