"""The engines of an ipyparallel cluster, by way of its controller."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ipyparallel.serialize.canning import can

from .ipyparallel_engine import REQUEST, install, unpacked
from .protocol import Answer, Request


class IPyParallelCluster:
    """The way to the engines of one client. See `ipyfdcapture.cluster.protocol.Cluster`.

    An engine is told to capture when it is first asked something: by a task, which waits for those
    that are before it. Everything else goes over the control channel.
    """

    name = "ipyparallel"

    def __init__(self, client: Any, session: str, options: dict[str, Any]) -> None:
        self._client = client
        self._session = session
        self._options = options
        self._installed: set[str] = set()
        # Its first use fills a table, which two threads must not do at once.
        can(None)
        #: Sent before anything that the user sends from now on.
        self._installing = {member: self._send_install(member) for member in self._members()}

    def look(self) -> Future[Answer]:
        """See `Cluster`. The client knows by itself: the controller tells it of each engine."""
        known: Future[Answer] = Future()
        known.set_result({"members": self._members()})
        return known

    def _members(self) -> list[str]:
        if self._client._closed:
            raise ConnectionError("the client was closed")
        engines = dict(self._client._engines)
        return [str(engines[number]) for number in engines if isinstance(number, int)]

    def ask(self, member: str, request: Request) -> Future[Answer]:
        """See `Cluster`."""
        answer: Future[Answer] = Future()
        if member in self._installed or request["do"] == "end":
            self._ask(member, request, answer)
        else:
            self._install(member, request, answer)
        return answer

    def _install(self, member: str, request: Request, answer: Future[Answer]) -> None:
        installing = self._installing.get(member) or self._send_install(member)
        self._installing[member] = installing

        def done(future: Future[Any]) -> None:
            try:
                future.result()
                self._installed.add(member)
                self._ask(member, request, answer)
            except Exception as error:
                self._installing.pop(member, None)  # to be tried again
                answer.set_result({"error": _why(error)})

        installing.add_done_callback(done)

    def _send_install(self, member: str) -> Any:
        engines = dict(self._client._engines)
        numbers = [number for number in engines if engines[number] == member]
        if not numbers:
            raise ConnectionError("it is gone")
        view = self._client[int(numbers[0])]
        return view.apply_async(install, self._session, self._options)

    def _ask(self, member: str, request: Request, answer: Future[Answer]) -> None:
        client = self._client
        asked = client._send(
            client._control_stream, REQUEST, content=request, ident=member.encode()
        )
        # The client ties each future to itself, in a circle that only the collector of garbage
        # undoes. What the circle holds must be small: no reply, and no future that has an answer.
        waiting = [answer]

        def done(future: Future[Any]) -> None:
            taken = waiting.pop()
            try:
                message = future.result()
                found = unpacked(message["content"], message.get("buffers", []))
                message.clear()
                taken.set_result(found)
            except Exception as error:
                taken.set_exception(error)

        asked.add_done_callback(done)

    def close(self) -> None:
        """See `Cluster`. Engines that come from now on are told nothing."""
        self._installed.clear()


def _why(error: Exception) -> str:
    name = getattr(error, "ename", type(error).__name__)
    value = getattr(error, "evalue", str(error))
    if name in ("ModuleNotFoundError", "ImportError"):
        return f"it has no ipyfdcapture that can serve this one ({value})"
    return f"{name}: {value}"
