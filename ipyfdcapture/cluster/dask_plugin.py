"""The plugin that has a Dask worker capture its output.

It is pickled by value: so a worker without this package has it too, and can say so. Nothing of
this package is imported before it is set up.
"""

from __future__ import annotations

from typing import Any

from distributed import WorkerPlugin


def make_plugin(session: str, options: dict[str, Any], client_process: str) -> WorkerPlugin:
    """Return the plugin for one log."""

    is_timed = options["tasks"]

    class CaptureOutput(WorkerPlugin):  # type: ignore[misc]
        name = f"ipyfdcapture-{session}"

        def setup(self, worker: Any) -> None:
            try:
                from .dask_worker import attach
            except ImportError as error:
                failure = f"it has no ipyfdcapture that can serve this one ({error})"

                async def answer(request: dict[str, Any]) -> dict[str, Any]:
                    return {"error": failure}

                worker.handlers.setdefault("ipyfdcapture", answer)
            else:
                attach(worker, session, options, client_process)

        def teardown(self, worker: Any) -> None:
            try:
                from .dask_worker import detach
            except ImportError:
                return
            detach(worker, session)

        def transition(self, key: Any, start: str, finish: str, **more: Any) -> None:
            if is_timed and "executing" in (start, finish):
                from .dask_worker import note_task

                note_task(key, begins=finish == "executing")

    return CaptureOutput()
