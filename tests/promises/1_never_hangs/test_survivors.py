"""Children that live on after their cell: undisturbed, and still recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from helpers.fixtures import Script, StartKernel
from helpers.kernel import Kernel
from helpers.process import await_end, end_process, is_gone, pumps, the_pump
from helpers.wait import eventually

StartServer = Callable[..., "Server"]
DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])

#: A server that says what it is told through a named pipe, and ends when nobody holds that.
SERVER = "while read line; do echo server $line; done < {pipe}; echo server ends"


class Server:
    """A child that was started in a captured cell, told what to write through a named pipe.

    It is an orphan in a session of its own: ipykernel ends its children when it ends.
    """

    def __init__(self, kernel: Kernel, directory: Path, options: str = "") -> None:
        path, pid = directory / "told", directory / "server-pid"
        os.mkfifo(path)
        self._told: int | None = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        server = SERVER.format(pipe=path)
        kernel.ok(
            f"%%capture_fd -v logs {options}\nimport subprocess\nprint('cell')\n"
            f"subprocess.run(['sh', '-c', '(\"$0\" \"$@\" & echo $! > {pid})',"
            f" 'setsid', 'sh', '-c', {server!r}], stdin=subprocess.DEVNULL)"
        )
        self.pid = int(pid.read_text())

    def tell(self, text: str) -> None:
        eventually(lambda: self._write(text.encode() + b"\n"), "the server to read")

    def _write(self, line: bytes) -> int:
        assert self._told is not None
        try:
            return os.write(self._told, line)
        except BlockingIOError:
            return 0

    @property
    def lives(self) -> bool:
        return not is_gone(self.pid)

    def end(self) -> None:
        """Let it come to its end."""
        if self._told is not None:
            os.close(self._told)
            self._told = None

    def kill(self) -> None:
        """Kill it, unless it was let come to its end."""
        if self._told is not None:
            end_process(self.pid)
            await_end(self.pid)
        self.end()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server in a kernel, which ends with the test."""
    started: list[Server] = []

    def start(kernel: Kernel, options: str = "") -> Server:
        started.append(Server(kernel, tmp_path, options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@DRAINS
def test_the_end_of_a_cell_does_not_wait_for_a_child_that_lives_on(
    kernel: Kernel, start_server: StartServer, drain: str
) -> None:
    server = start_server(kernel, f"--drain {drain}")
    assert server.lives
    assert kernel.value("(logs.stdout, logs.complete)") == ("cell\n", False)


@DRAINS
def test_late_output_is_recorded_in_the_capture_that_started_the_child(
    kernel: Kernel, start_server: StartServer, drain: str
) -> None:
    server = start_server(kernel, f"--drain {drain}")
    server.tell("one")
    eventually(lambda: kernel.value("logs.stdout") == "cell\nserver one\n", "the late line")
    kernel.ok(f"%%capture_fd -v other --drain {drain}\nprint('another cell')")
    server.tell("two")
    eventually(lambda: "server two\n" in kernel.value("logs.stdout"), "a later line")
    shown = kernel.ok("print('not captured')")
    assert shown.stream("stdout") == "not captured\n"
    assert kernel.value("other.text") == "another cell\n"
    assert kernel.value("logs.complete") is False
    server.end()
    assert kernel.value("logs.wait(30)") is True
    assert kernel.value("logs.complete") is True
    assert kernel.value("logs.stdout") == "cell\nserver one\nserver two\nserver ends\n"
    await_end(server.pid)
    assert kernel.value("logs.dropped") == 0


@DRAINS
def test_waiting_has_a_limit(kernel: Kernel, start_server: StartServer, drain: str) -> None:
    server = start_server(kernel, f"--drain {drain}")
    assert kernel.value("logs.wait(0.05)") is False
    assert kernel.value("logs.wait(0)") is False
    assert kernel.value("logs.complete") is False
    assert server.lives


def test_waiting_can_be_interrupted(
    kernel: Kernel, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(kernel)
    running = tmp_path / "running"
    asked = kernel.send(f"open({str(running)!r}, 'w').close()\nlogs.wait()")
    eventually(running.exists, "the cell")
    kernel.interrupt()
    reply = kernel.finish(asked)
    assert reply.status == "error" and reply.error[0] == "KeyboardInterrupt"
    kernel.ok("%%capture_fd -v other\nprint('x')")
    assert kernel.value("other.text") == "x\n"
    assert server.lives


@DRAINS
@pytest.mark.parametrize("release", ["logs.close()", "del logs, _logs\nimport gc\ngc.collect()"])
def test_letting_go_of_the_log_does_not_harm_the_child(
    kernel: Kernel, start_server: StartServer, drain: str, release: str
) -> None:
    server = start_server(kernel, f"--drain {drain}")
    kernel.ok(release)
    for n in range(200):
        server.tell("x" * 1000 + str(n))
    server.end()
    await_end(server.pid)
    assert kernel.ok("'alive'").result == "'alive'"


def test_a_server_outlives_further_captures_and_reloading(
    start_kernel: StartKernel, start_server: StartServer
) -> None:
    kernel = start_kernel()
    server = start_server(kernel)
    for n in range(20):
        kernel.ok(f"%%capture_fd -v other\nprint({n})")
        server.tell(str(n))
    kernel.ok("%reload_ext ipyfdcapture")
    server.tell("after reload")
    kernel.ok("%unload_ext ipyfdcapture")
    server.tell("after unload")
    server.end()
    await_end(server.pid)
    assert kernel.value("logs.wait(30)") is True
    expected = [*(f"server {n}" for n in range(20)), "server after reload", "server after unload"]
    assert kernel.value("logs.stdout").splitlines() == ["cell", *expected, "server ends"]


@pytest.mark.parametrize("ending", ["in peace", "killed"])
def test_a_server_outlives_its_kernel_and_is_never_killed_by_a_broken_pipe(
    start_kernel: StartKernel, start_server: StartServer, ending: str
) -> None:
    kernel = start_kernel()
    server = start_server(kernel)
    helper = the_pump(kernel.pid)
    if ending == "killed":
        kernel.kill()
    else:
        kernel.shutdown()
    for n in range(500):
        server.tell("y" * 1000 + str(n))
    assert server.lives
    assert not is_gone(helper.pid)
    server.end()
    await_end(server.pid)
    await_end(helper.pid)
    # The shell runs to its last line only if no write of its failed.
    assert pumps(kernel.pid) == []


def test_after_the_end_of_its_kernel_a_server_writes_to_the_original_descriptor(
    start_kernel: StartKernel,
    start_server: StartServer,
) -> None:
    kernel = start_kernel()
    server = start_server(kernel)
    server.tell("in the recording")
    eventually(lambda: "in the recording" in kernel.value("logs.stdout"), "the late line")
    kernel.kill()
    server.tell("to the terminal")
    eventually(lambda: "server to the terminal" in kernel.terminal.read_text(), "the last line")
    assert "in the recording" not in kernel.terminal.read_text()
    server.end()
    eventually(lambda: "server ends" in kernel.terminal.read_text(), "the end")


@DRAINS
def test_in_a_plain_process_late_output_goes_to_the_original_after_its_end(
    script: Script, drain: str, tmp_path: Path
) -> None:
    script(
        "survivors/in_a_plain_process_late_output_goes_to_the_original_after_its_end",
        drain,
        preexec_fn=lambda: os.mkfifo("go"),
    )
    directory = tmp_path / "python"
    pid = int((directory / "pid").read_text())
    with open(directory / "go", "w") as go:
        go.write("words\n")
    await_end(pid)
    if drain == "process":  # a thread ends with its process, and with it the pipe
        eventually(
            lambda: "late words\n" in (directory / "script.out").read_text(), "the late output"
        )
        eventually(
            lambda: "late err\n" in (directory / "script.err").read_text(), "the late errors"
        )
    assert is_gone(pid)


def test_a_daemon_that_closes_its_streams_makes_the_log_complete(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport subprocess\n"
        "daemon = subprocess.Popen(['sh', '-c', 'echo hello; exec >/dev/null 2>&1; exec "
        "sleep 1000'])\n"
    )
    assert kernel.value("logs.wait(30)") is True
    assert kernel.value("logs.stdout") == "hello\n"
    assert kernel.value("daemon.poll()") is None
    kernel.ok("daemon.kill(); daemon.wait()")


def test_a_thread_that_lives_on_holds_up_nobody_and_prints_into_the_log_of_its_cell(
    kernel: Kernel,
) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport os, threading\n"
        "written, go, done = threading.Event(), threading.Event(), threading.Event()\n"
        "def late():\n    os.write(1, b'in\\n')\n    written.set()\n    go.wait()\n"
        "    print('late print')\n    done.set()\n"
        "started = threading.Thread(target=late)\nstarted.start()\nwritten.wait(30)"
    )
    assert kernel.value("(logs.complete, logs.stdout)") == (False, "in\n")
    reply = kernel.ok("go.set()\ndone.wait(30)\nstarted.join(30)")
    assert kernel.value("(logs.wait(30), logs.stdout)") == (True, "in\nlate print\n")
    assert "late" not in reply.stream("stdout")


def test_the_length_of_the_log_grows_with_what_a_child_writes(
    kernel: Kernel, start_server: StartServer
) -> None:
    server = start_server(kernel)
    lengths = []
    for n in range(5):
        server.tell(str(n))
        lengths.append(
            eventually(
                lambda n=n: kernel.value("len(logs)") == n + 2 and n + 2,  # type: ignore[misc]
                f"line {n}",
            )
        )
    assert lengths == [2, 3, 4, 5, 6]


def test_many_survivors_at_once_are_each_recorded_in_their_own_log(kernel: Kernel) -> None:
    kernel.ok("import subprocess\nall_logs, children = [], []")
    for n in range(12):
        kernel.ok(
            f"%%capture_fd -v one\n"
            f"children.append(subprocess.Popen(['sh', '-c', 'read x; echo late {n}'],"
            " stdin=subprocess.PIPE))"
        )
        kernel.ok("all_logs.append(one)")
    kernel.ok("for child in children: child.communicate(b'go\\n', timeout=30)")
    assert kernel.value("all(log.wait(30) for log in all_logs)")
    assert kernel.value("[log.stdout for log in all_logs]") == [f"late {n}\n" for n in range(12)]


def test_a_writer_that_never_pauses_does_not_keep_the_cell_from_ending(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport subprocess\nflood = subprocess.Popen(['yes', 'y' * 100])"
    )
    assert kernel.value("logs.complete") is False
    assert kernel.value("set(logs.head(10)) <= {'y' * 100}")
    kernel.ok("flood.kill(); flood.wait()")
    assert kernel.value("logs.wait(30)") is True
    text = kernel.value("logs.raw[:1010]")
    assert text == (b"y" * 100 + b"\n") * 10
    kernel.ok("logs.close()")


def test_closing_a_log_lets_a_flooding_child_run_on(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport subprocess\n"
        "flood = subprocess.Popen(['yes'], stderr=subprocess.DEVNULL)"
    )
    pid = kernel.value("flood.pid")
    kernel.ok("logs.close()")

    def written() -> float:
        # Not `io_counters`, which macOS has not. A child that waits for ever gets no time at all.
        return float(psutil.Process(pid).cpu_times().system)

    before = written()
    eventually(lambda: written() > before, "the child to write on")
    assert kernel.value("flood.poll()") is None
    kernel.ok("flood.kill(); flood.wait()")
