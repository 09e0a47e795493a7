"""What the plugin does on a Dask worker."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from .host import process_id
from .protocol import Answer, Request
from .service import service

#: What a worker is asked by, among Dask's own operations.
OPERATION = "ipyfdcapture"


def attach(worker: Any, session: str, options: dict[str, Any], client_process: str) -> None:
    """Capture a worker's output for one more log, and answer what is asked about it."""
    if client_process == process_id():
        failure = "it is a thread of the client's own process (processes=False): use capture_fd"
        worker.handlers[OPERATION] = functools.partial(_refuse, failure)
        return
    worker.handlers[OPERATION] = _answer
    try:
        service.begin(session, worker_name(worker), options, worker.loop.add_callback)
    except Exception as error:
        worker.handlers[OPERATION] = functools.partial(_refuse, str(error))


def detach(worker: Any, session: str) -> None:
    """End it, because the log was closed, or because the worker ends."""
    if worker.status.name in ("running", "paused"):
        service.end(session)
    else:
        service.end_all()


def worker_name(worker: Any) -> str:
    """Return what a worker is called: ``worker-3`` for those that have a number for a name."""
    name = worker.name
    if isinstance(name, int):
        return f"worker-{name}"
    return str(name).rpartition("://")[2]


def note_task(key: Any, begins: bool) -> None:
    """A task begins, or has ended: with one thread, what is written in between is its own."""
    if begins:
        service.begin_part(str(key))
    else:
        service.end_part(str(key))


async def _answer(request: Request) -> Answer:
    """Answer in another thread: the loop of a worker has other things to do."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, service.answer, request)


async def _refuse(failure: str, request: Request) -> Answer:
    return {"error": failure}
