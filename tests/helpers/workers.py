"""A cluster whose workers are recordings on disk, with clocks and faults of their own."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ipyfdcapture.cluster import leftovers, queries
from ipyfdcapture.cluster.protocol import Answer, Request
from ipyfdcapture.cluster.served import ServedRecording
from ipyfdcapture.log.captured import Captured
from ipyfdcapture.recording.copying import ChunkAppender
from ipyfdcapture.recording.metadata import Metadata
from ipyfdcapture.recording.recording import Recording

#: No process has it.
_NO_PID = 1 << 22


class SimulatedWorker:
    """One worker: what it writes is recorded at once.

    Attributes
    ----------
    refuses
        What it answers to everything, in place of an answer.
    is_silent
        Whether it answers nothing.
    loses
        Of these questions, it gets the next one never.
    parts
        Its tasks: from which position to which (None: it goes on), and by which sources.
    """

    def __init__(
        self, name: str, directory: Path, shift_ns: int = 0, host: str = "elsewhere"
    ) -> None:
        self.name = name
        self.host = host
        self.shift_ns = shift_ns
        self.refuses: Answer | None = None
        self.is_silent = False
        self.loses: set[str] = set()
        self.parts: dict[str, tuple[int, int | None, tuple[int, ...]]] = {}
        self.pid = _NO_PID
        self.ended: list[str] = []
        self.incarnation = uuid.uuid4().hex
        self.spool = directory / f"spool-{self.incarnation}"
        self.spool.mkdir(mode=0o700)
        metadata = Metadata(sources=("stdout", "stderr"), started=self.clock())
        recording, data, index = Recording.create(str(self.spool), metadata)
        self._appender = ChunkAppender(data, index)
        self.left_dir = leftovers.directory(str(directory), self.incarnation)
        self.served = ServedRecording(
            Captured(recording), self.incarnation, self.left_dir, lambda: self.clock()
        )

    def clock(self) -> int:
        return time.time_ns() + self.shift_ns

    def write(self, text: str, source: int = 0, time_ns: int | None = None) -> None:
        """Write now, or at a time by its own clock."""
        self._appender.add(source, text.encode(), self.clock() if time_ns is None else time_ns)
        self._appender.flush()

    def answer(self, request: Request) -> Answer:
        if self.refuses is not None:
            return self.refuses
        if request["do"] == "mark":
            recordings = [self.served.mark()]
            return {
                "name": self.name,
                "host": self.host,
                "pid": self.pid,
                "recordings": recordings,
            }
        if request["do"] == "read":
            where = request["start"], request["stop"], request.get("sources")
            return self.served.read(request["session"], *where)
        if request["do"] == "part":
            return self._part(request["key"])
        if request["do"] == "query":
            return queries.answer(self.served.captured, request)
        if request["do"] == "left":
            return leftovers.read_left(request)
        if request["do"] == "remove":
            leftovers.remove(request["left_dir"])
        self.ended.append(request["do"])
        return {}

    def _part(self, key: str) -> Answer:
        if key not in self.parts:
            return {}
        start, stop, sources = self.parts[key]
        names = self.served.recording.sources
        return {
            "incarnation": self.incarnation,
            "start": start,
            "stop": self.served.end() if stop is None else stop,
            "sources": [(number, names[number]) for number in sources],
            "over": stop is not None,
        }

    def die(self) -> None:
        """End as a killed worker does: its helper has moved its recording."""
        recording = self.served.recording
        os.makedirs(self.left_dir, 0o700)
        leftovers.keep(recording, self.left_dir)

    def close(self) -> None:
        self._appender.close()
        self.served.close()


class SimulatedCluster:
    """Workers of which some are there, some not; each question is answered at once, or never."""

    name = "simulated"

    def __init__(self, *workers: SimulatedWorker) -> None:
        self.present = {f"id {worker.incarnation}": worker for worker in workers}
        self.is_gone = False
        #: Whether nobody says which workers there are.
        self.is_silent = False
        self.is_closed = False
        self.asked = 0
        self.on_ask: Callable[[Request], Any] = lambda request: None

    def add(self, worker: SimulatedWorker) -> None:
        self.present[f"id {worker.incarnation}"] = worker

    def remove(self, worker: SimulatedWorker) -> None:
        self.present.pop(f"id {worker.incarnation}")

    def look(self) -> Future[Answer]:
        if self.is_gone:
            raise ConnectionError("the cluster was closed")
        future: Future[Answer] = Future()
        if not self.is_silent:
            future.set_result({"members": list(self.present)})
        return future

    def ask(self, member: str, request: Request) -> Future[Answer]:
        self.asked += 1
        self.on_ask(request)
        future: Future[Answer] = Future()
        worker = self.present.get(member)
        if worker is None:
            future.set_exception(ConnectionError("it is gone"))
        elif request["do"] in worker.loses:
            worker.loses.remove(request["do"])
        elif not worker.is_silent:
            try:
                future.set_result(worker.answer(request))
            except Exception as error:
                future.set_result({"error": str(error)})
        return future

    def close(self) -> None:
        self.is_closed = True
