"""A real Jupyter kernel, spoken to as a notebook does."""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from .leaks import difference
from .process import AWAIT_LOOK, CHANGES, LOAD, end, private_env
from .wait import LIMIT_S, eventually

_POLL_S = 0.2
#: A kernel that takes longer to be cleaned is started again.
_CLEAN_S = 10.0
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

Message = dict[str, Any]


def plain(text: str) -> str:
    """Return ``text`` without its colours."""
    return _ANSI.sub("", text)


class KernelDied(AssertionError):
    """The kernel ended while it was asked something."""


@dataclass
class Reply:
    """What came back for one execute request."""

    msg_id: str
    #: The content of the execute reply; None if the kernel died first.
    content: dict[str, Any] | None
    #: All that came over IOPub meanwhile, whoever its parent is.
    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> str:
        assert self.content is not None, "no reply came"
        return str(self.content["status"])

    @property
    def error(self) -> tuple[str, str]:
        """The name and the text of the error."""
        assert self.content is not None
        return str(self.content["ename"]), str(self.content["evalue"])

    @property
    def count(self) -> int:
        assert self.content is not None
        return int(self.content["execution_count"])

    @property
    def traceback(self) -> str:
        """The traceback of the execute reply, without colours."""
        assert self.content is not None
        return plain("\n".join(self.content.get("traceback", [str(self.content)])))

    @property
    def own(self) -> list[Message]:
        """The messages whose parent is this request."""
        return [m for m in self.messages if m["parent_header"].get("msg_id") == self.msg_id]

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        return [m["content"] for m in self.own if m["msg_type"] in types]

    def stream(self, name: str) -> str:
        """All text that was shown as stdout or stderr of this cell."""
        return "".join(c["text"] for c in self.of_type("stream") if c["name"] == name)

    @property
    def shown(self) -> str:
        """Everything that a reader of the notebook sees below the cell, without colours."""
        parts = []
        for message in self.own:
            content = message["content"]
            if message["msg_type"] == "stream":
                parts.append(content["text"])
            elif message["msg_type"] in ("display_data", "execute_result", "update_display_data"):
                parts.append(str(content["data"].get("text/plain", content["data"])))
            elif message["msg_type"] == "error":
                parts.append("\n".join(content["traceback"]))
        return plain("\n".join(parts))

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.of_type("error")

    @property
    def displays(self) -> list[dict[str, Any]]:
        """The data of each rich display."""
        return [content["data"] for content in self.of_type("display_data")]

    @property
    def result(self) -> str | None:
        """The text of ``Out``."""
        results = self.of_type("execute_result")
        return results[0]["data"]["text/plain"] if results else None


# ipykernel's main thread may close IOPub while its control thread, which got the request to shut
# down, still says over it that it is idle: that waits for ever then, one time in some two hundred
# and without any extension. Jupyter kills such a kernel; a test would not see whether it ended.
_CONTROL_FIRST = """
def _control_first(kernel=get_ipython().kernel):
    loop = kernel.io_loop
    control, stop = kernel.control_thread, loop.stop
    loop.stop = lambda: (control.join(), stop())
_control_first()
del _control_first
"""


class Kernel:
    """A kernel process in its own session, and a client of it.

    Attributes
    ----------
    terminal
        The file that the kernel's own descriptors 1 and 2 lead to.
    """

    def __init__(
        self,
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        preexec_fn: Callable[[], Any] | None = None,
        arguments: tuple[str, ...] = (),
        user: int | None = None,
    ) -> None:
        self.directory = directory
        self.terminal = directory / "terminal"
        self.connection_file = directory / "kernel-connection.json"
        self._env = {**private_env(directory), **(env or {})}
        self._preexec_fn = preexec_fn
        self._arguments = arguments
        self._user = user
        self._start()

    # -- life -------------------------------------------------------------------------------

    def _start(self) -> None:
        with open(self.terminal, "ab") as terminal:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "ipykernel_launcher"),
                    *("-f", str(self.connection_file)),
                    "--HistoryManager.enabled=True",
                    "--HistoryManager.hist_file=:memory:",
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                env=self._env,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=self._preexec_fn,
                user=self._user,
            )
        eventually(self._is_ready_to_connect, "the kernel's connection file")
        self.client = BlockingKernelClient()
        self.client.load_connection_file(str(self.connection_file))
        self.client.start_channels()
        self._await_first_answer()

    def _is_ready_to_connect(self) -> bool:
        if self.process.poll() is not None:
            raise KernelDied(self.terminal.read_text(errors="replace"))
        try:
            return bool(json.loads(self.connection_file.read_text())["shell_port"])
        except (OSError, ValueError):
            return False

    def _await_first_answer(self) -> None:
        """Ask until an answer and its IOPub messages arrive: the subscription takes a moment."""
        asked: set[str] = set()

        def answered() -> bool:
            if self.process.poll() is not None:
                raise KernelDied(self.terminal.read_text(errors="replace"))
            asked.add(self.client.kernel_info())
            with contextlib.suppress(queue.Empty):
                while True:
                    message = self.client.get_iopub_msg(timeout=_POLL_S)
                    if message["parent_header"].get("msg_id") in asked:
                        return True
            return False

        eventually(answered, "the kernel's first answer")
        deadline = time.monotonic() + LIMIT_S
        while asked:
            asked.discard(self.client.get_shell_msg(timeout=LIMIT_S)["parent_header"]["msg_id"])
            assert time.monotonic() < deadline
        self.until(lambda messages: not messages, quiet=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def interrupt(self) -> None:
        """Interrupt as Jupyter does: the whole process group."""
        os.killpg(self.pid, signal.SIGINT)

    def await_file(self, name: str) -> None:
        """Wait until a cell has made a file in the kernel's directory."""
        eventually((self.directory / name).exists, f"the file {name}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.await_death()

    def await_death(self) -> int:
        return self.process.wait(LIMIT_S)

    def restart(self) -> None:
        """Start again with the same connection file, as a notebook does after a crash."""
        self.close()
        self._start()

    def shutdown(self) -> None:
        """End the kernel in peace."""
        self.ok(_CONTROL_FIRST, silent=True)
        self.client.shutdown()
        self.await_death()
        self.close()

    def close(self) -> None:
        self.client.stop_channels()
        if self.process.poll() is None:
            end(self.process.pid)
        self.process.wait(LIMIT_S)

    # -- asking -------------------------------------------------------------------------------

    def send(self, code: str, **options: Any) -> str:
        """Ask to execute a cell, and do not wait. Returns the id of the request."""
        options.setdefault("allow_stdin", False)
        # Otherwise a kernel throws away what arrives within moments of an error.
        options.setdefault("stop_on_error", False)
        return str(self.client.execute(code, **options))

    def finish(self, msg_id: str, timeout: float = LIMIT_S) -> Reply:
        """Wait for the end of a request that was sent: its reply, and its last IOPub message."""
        reply = Reply(msg_id, None)
        deadline = time.monotonic() + timeout
        idle = False
        while not idle or reply.content is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no end within {timeout:g} s: {reply}")
            if not idle:
                with contextlib.suppress(queue.Empty):
                    message = self.client.get_iopub_msg(timeout=_POLL_S)
                    reply.messages.append(message)
                    idle = (
                        message["msg_type"] == "status"
                        and message["content"]["execution_state"] == "idle"
                        and message["parent_header"].get("msg_id") == msg_id
                    )
            if reply.content is None:
                with contextlib.suppress(queue.Empty):
                    answer = self.client.get_shell_msg(timeout=_POLL_S if idle else 0)
                    if answer["parent_header"]["msg_id"] == msg_id:
                        reply.content = answer["content"]
            if self.process.poll() is not None and not idle:
                return reply
        return reply

    def run(self, code: str, *, timeout: float = LIMIT_S, **options: Any) -> Reply:
        """Execute a cell and return all that came back."""
        return self.finish(self.send(code, **options), timeout)

    def ok(self, code: str, **options: Any) -> Reply:
        """Execute a cell that must succeed."""
        reply = self.run(code, **options)
        if reply.content is None:
            raise KernelDied(self.terminal.read_text(errors="replace"))
        assert reply.status == "ok", f"{code}\n{reply.traceback}"
        return reply

    def value(self, expression: str, *, after: str = "", timeout: float = LIMIT_S) -> Any:
        """Return the value of an expression in the kernel: plain data only.

        The code ``after`` runs first; it must succeed.
        """
        coded = (
            "__import__('base64').b64encode("
            f"repr({expression}).encode('utf-8', 'surrogatepass')).decode()"
        )
        reply = self.run(after, silent=True, user_expressions={"value": coded}, timeout=timeout)
        assert reply.content is not None, "the kernel died"
        assert reply.status == "ok", f"{after}\n{reply.traceback}"
        answer = reply.content["user_expressions"]["value"]
        assert answer["status"] == "ok", f"{expression}: {answer['ename']}: {answer['evalue']}"
        text = base64.b64decode(ast.literal_eval(answer["data"]["text/plain"]))
        return ast.literal_eval(text.decode("utf-8", "surrogatepass"))

    def until(
        self,
        seen: Callable[[list[Message]], bool],
        *,
        quiet: bool = False,
        timeout: float = LIMIT_S,
    ) -> list[Message]:
        """Collect later IOPub messages until ``seen(messages)``.

        With ``quiet``, the predicate is asked whenever nothing comes for a moment.
        """
        messages: list[Message] = []
        deadline = time.monotonic() + timeout
        while True:
            try:
                messages.append(self.client.get_iopub_msg(timeout=_POLL_S))
            except queue.Empty:
                if quiet:
                    return messages
            if not quiet and seen(messages):
                return messages
            assert time.monotonic() < deadline, f"not seen within {timeout:g} s: {messages}"

    # -- the extension --------------------------------------------------------------------------

    def load(self) -> Reply:
        return self.ok(LOAD)

    def load_and_look(self) -> str:
        """Load the extension; return what it says, also of what crashed kernels left."""
        return self.load().shown + self.ok(AWAIT_LOOK, store_history=False).shown

    def clean(self) -> list[str]:
        """Empty the namespace. Return what else is not as it was at the first call."""
        changes: list[str] = self.value(CHANGES, after="%reset -f", timeout=_CLEAN_S)
        return changes

    def leak_baseline(self) -> None:
        """Remember what is open now."""
        # The first print of a kernel opens something of ZeroMQ's.
        self.ok("import helpers.leaks as _leaks\nprint('warm')", store_history=False)
        self.ok("_baseline = _leaks.snapshot()", store_history=False)
        self._hooks_between_cells = self.value("_leaks.hooks()")
        self.ok("_baseline = _leaks.snapshot()", store_history=False)

    def leaks(self, ignoring: str | None = None) -> list[str]:
        """Return what is different from the baseline, without lines that hold ``ignoring``."""
        # In a cell, as the baseline was: outside one, IPython has other hooks.
        self.ok(
            f"_left = _leaks.settled_difference(_baseline, ignoring={ignoring!r})",
            store_history=False,
        )
        left: list[str] = self.value("_left")
        between = self.value("_leaks.hooks()")
        return left + difference(
            {"between cells": self._hooks_between_cells}, {"between cells": between}
        )
