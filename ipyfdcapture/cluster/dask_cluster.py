"""The workers of a Dask cluster, by way of its scheduler.

A plugin, which the scheduler gives to every worker, also to those that come later, has a worker
capture its output, and adds a question to those that it answers. No task is scheduled for it, and
no event is kept.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from concurrent.futures import Future
from typing import Any

from distributed import Client

from ..errors import CaptureError
from .dask_plugin import make_plugin
from .dask_worker import OPERATION
from .host import process_id
from .protocol import Answer, Request
from .questions import PATIENCE_S


class DaskCluster:
    """The way to the workers of one client. See `ipyfdcapture.cluster.protocol.Cluster`."""

    name = "Dask"

    def __init__(self, client: Any, session: str, options: dict[str, Any]) -> None:
        self._client = client
        self._plugin = f"ipyfdcapture-{session}"
        _hide_lost_questions()
        plugin = make_plugin(session, options, process_id())
        client.register_plugin(plugin)

    def look(self) -> Future[Answer]:
        """See `Cluster`."""
        if self._client.status in ("closed", "closing", "newly-created"):
            raise ConnectionError("the client was closed")
        return self._submit(self._look())

    async def _look(self) -> Answer:
        asked = self._client.scheduler.ncores()
        return {"members": list(await asyncio.wait_for(asked, PATIENCE_S))}

    def ask(self, member: str, request: Request) -> Future[Answer]:
        """See `Cluster`."""
        return self._submit(self._ask(member, request))

    async def _ask(self, member: str, request: Request) -> Answer:
        message = {"op": OPERATION, "request": request}
        _asked.add(member)
        # One that is gone by now is left out of the answers: an error would be logged at length.
        asked = self._client.scheduler.broadcast(msg=message, workers=[member], on_error="ignore")
        answers = await asyncio.wait_for(asked, PATIENCE_S)
        if member not in answers:
            raise ConnectionError("it is gone")
        answer: Answer = answers[member]
        return answer

    def _submit(self, coroutine: Any) -> Future[Any]:
        loop = self._client.loop.asyncio_loop
        if loop.is_closed():
            coroutine.close()
            raise ConnectionError("the client was closed")
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def close(self) -> Future[Any] | None:
        """See `Cluster`."""
        if self._client.status != "running":
            return None
        scheduler = self._client.scheduler
        return self._submit(scheduler.unregister_worker_plugin(name=self._plugin))


#: The addresses of all workers that were asked something.
_asked: set[str] = set()


def _is_no_lost_question(record: logging.LogRecord) -> bool:
    found = re.match(r"broadcast to (\S+) failed: ", record.getMessage())
    return found is None or found[1] not in _asked


@functools.cache
def _hide_lost_questions() -> None:
    """Have a scheduler in this process say nothing of questions to workers that are gone.

    It logs an error for each, at once, half a minute later or when it is closed: in a notebook,
    that is under the cell that made the cluster. So this stays. Whoever else sends such a message
    gets an exception, too.
    """
    logging.getLogger("distributed.scheduler").addFilter(_is_no_lost_question)


def check_client(client: Any, tasks: bool) -> Client:
    """Return a client whose workers can be captured. Raises `ValueError` or `CaptureError`.

    With ``tasks``, its workers must be able to tell the output of one task from another's.
    """
    if not isinstance(client, Client):
        raise ValueError(f"capture_workers takes a dask.distributed.Client, not {client!r}")
    if client.asynchronous:
        raise ValueError("capture_workers needs a synchronous Client: Client(asynchronous=False)")
    if client.status != "running":
        raise CaptureError(f"the client is {client.status}: there is nothing to capture")
    if getattr(client.cluster, "processes", None) is False:
        raise ValueError(
            "the workers of a LocalCluster(processes=False) are threads of this process: "
            "use capture_fd or %%capture_fd"
        )
    threads = client.nthreads() if tasks else {}
    if any(count > 1 for count in threads.values()):
        raise ValueError(
            f"tasks=True needs workers with one thread: these have up to {max(threads.values())}, "
            "and native code does not say which of them writes"
        )
    return client
