"""What a thread hands down: to the threads and tasks that it starts, and to what it gives a pool.

Contexts are copied for tasks and callbacks; Python does not do so for threads. A worker of a pool
serves many, so it begins with nothing, and each call has what its submitter has.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..system.finalizers import Finalizer
from ..system.forking import fork_safe_lock
from ..system.replacing import Interception
from ..system.threads import WorkThread
from .own_streams import NOTHING, Streams, in_context, leave_void_streams, own_streams
from .router import CaptureMark

#: Threads of these serve whoever comes, as long as the process lives.
_SERVANTS = ("concurrent.futures", "multiprocessing", "tqdm._monitor")

lock = fork_safe_lock()
_users = 0


def hold_hooks() -> None:
    """Have streams handed down, until as many `release_hooks`."""
    global _users
    with lock:
        _users += 1
        if _users == 1:
            for hook in _THREAD_HOOKS:
                hook.put()
        if "asyncio" in sys.modules and not _task_hooks:
            from asyncio.base_events import BaseEventLoop

            _task_hooks.append(Interception(BaseEventLoop, "create_task", _create_task).put())
        if "multiprocessing.pool" in sys.modules:
            _hook_thread_pools()


def _hook_thread_pools() -> None:
    """Have calls given to a `multiprocessing.pool.ThreadPool` write where their givers do."""
    from multiprocessing.pool import ThreadPool

    with lock:
        if _users and not _pool_hooks:
            for method in ("apply_async", "_map_async", "imap", "imap_unordered"):
                _pool_hooks.append(Interception(ThreadPool, method, _give).put())


def release_hooks() -> None:
    """Undo one `hold_hooks`."""
    global _users
    with lock:
        _users -= 1
        if not _users:
            for hooks in (_pool_hooks, _task_hooks):
                while hooks:
                    hooks.pop().undo()
            for hook in reversed(_THREAD_HOOKS):
                hook.undo()


def _start_thread(start: Callable[..., None], thread: threading.Thread) -> None:
    """Start a thread that writes where its starter does."""
    if isinstance(thread, WorkThread):
        start(thread)
        return
    streams = own_streams()
    is_servant = _is_servant(thread)
    if is_servant and not _pool_hooks and "multiprocessing.pool" in sys.modules:
        _hook_thread_pools()  # its first worker: the module came in since the capture began
    if streams is None or is_servant:
        start(thread)
        return
    attributes = vars(thread)
    replaced = {"run": attributes["run"]} if "run" in attributes else {}
    mark = _mark_of(streams)

    def put_back() -> None:
        attributes.pop("run", None)
        attributes.update(replaced)

    def run() -> None:
        put_back()
        in_context.set(streams)
        try:
            thread.run()
        finally:
            if mark is not None:
                mark.leave_thread()

    attributes["run"] = run
    if mark is not None:
        mark.enter_thread()
    try:
        start(thread)
    except BaseException:
        put_back()
        if mark is not None:
            mark.leave_thread()
        raise


def _is_servant(thread: threading.Thread) -> bool:
    """Tell whether a thread is a library's own, and does not work for who starts it."""
    target = getattr(thread, "_target", None)
    return any(
        (getattr(each, "__module__", None) or "").startswith(_SERVANTS)
        for each in (type(thread), target)
    )


def _mark_of(streams: Streams | None) -> CaptureMark | None:
    """Return the mark of the capture that gets what is written with ``streams``."""
    while streams is not None and not isinstance(streams, CaptureMark):
        if not streams.is_over and streams.stdout is not None:
            return None  # a stream of its own comes first
        streams = streams.outer
    return streams


def _create_task(create: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Create a task, which the capture of this context counts."""
    context = kwargs.get("context")
    if context is None:
        leave_void_streams()
    else:
        with contextlib.suppress(RuntimeError):  # it is entered: then it is looked after there
            context.run(leave_void_streams)
    task = create(*args, **kwargs)
    mark = _mark_of(own_streams() if context is None else context.get(in_context))
    if mark is not None:
        mark.add_task(task)
    return task


def _submit(
    submit: Callable[..., Any],
    pool: ThreadPoolExecutor,
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Submit a call that writes where its submitter does, to a worker that serves all."""
    streams = own_streams()
    if streams is None:
        return submit(pool, function, *args, **kwargs)
    mark = _mark_of(streams)
    token = in_context.set(NOTHING)  # a worker started now must not inherit
    try:
        future = submit(pool, _call_with, streams, function, *args, **kwargs)
    finally:
        in_context.reset(token)
    if mark is not None:
        mark.enter_thread()
        future.add_done_callback(lambda future: mark.leave_thread())
    return future


def _give(give: Callable[..., Any], pool: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Give a pool of threads a function to call, once or for each of many arguments.

    Nothing tells when it was called for the last time, or that it never will be. So it counts
    until nobody holds it any more.
    """
    streams = own_streams()
    function = args[0] if args else kwargs.get("func")
    if streams is None or function is None:
        return give(pool, *args, **kwargs)
    call = functools.partial(_call_with, streams, function)
    mark = _mark_of(streams)
    if mark is not None:
        mark.enter_thread()
        Finalizer(call, mark.leave_thread, at_exit=False)
    if args:
        return give(pool, call, *args[1:], **kwargs)
    return give(pool, **{**kwargs, "func": call})


def _call_with(streams: Streams, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = in_context.set(streams)
    try:
        return function(*args, **kwargs)
    finally:
        in_context.reset(token)


_THREAD_HOOKS = (
    Interception(threading.Thread, "start", _start_thread),
    Interception(ThreadPoolExecutor, "submit", _submit),
)
_task_hooks: list[Interception] = []
_pool_hooks: list[Interception] = []
