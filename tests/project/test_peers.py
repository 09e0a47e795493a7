"""What the README says of others, shown: %%capture, wurlitzer, ipykernel's own watching, capfd.

Each test shows the fault in the other, and that a capture of ours does not have it. Should one
fail because the other was mended, the README has to be mended too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.fixtures import StartKernel
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.process import private_env
from helpers.wait import eventually

#: One print of this much with the GIL held fills a pipe that nobody reads meanwhile.
MANY = 4 << 20


# -- IPython's %%capture ------------------------------------------------------------------------


def test_capture_sees_no_native_output_and_we_do(kernel: Kernel, native: Native) -> None:
    body = (
        f"import ctypes, os\nlib = ctypes.CDLL({native.c()!r})\nlib.say(b'from c\\n')\n"
        f"lib.flush_all()\n"
        "_ = os.write(1, b'raw\\n')\n_ = os.system('echo child')"
    )
    kernel.ok(f"%%capture theirs\n{body}")
    assert kernel.value("theirs.stdout") == ""
    kernel.ok(f"%%capture_fd ours\n{body}")
    assert kernel.value("ours.stdout") == "from c\nraw\nchild\n"


def test_a_failing_cell_under_capture_says_ok_and_under_ours_fails(kernel: Kernel) -> None:
    assert kernel.run("%%capture theirs\n1/0").status == "ok"
    assert kernel.run("%%capture_fd ours\n1/0").status == "error"


def test_await_fails_under_capture_and_works_under_ours(kernel: Kernel) -> None:
    body = "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')"
    assert "Error" in kernel.run(f"%%capture theirs\n{body}").shown
    assert kernel.value("theirs.stdout") == ""
    kernel.ok(f"%%capture_fd ours\n{body}")
    assert kernel.value("ours.stdout") == "awaited\n"


def test_capture_misses_who_holds_the_old_stream_and_we_do_not(kernel: Kernel) -> None:
    kernel.ok(
        "import logging, sys\nlog = logging.getLogger('p')\n"
        "log.addHandler(logging.StreamHandler(sys.stderr))\nlog.propagate = False"
    )
    kernel.ok("%%capture theirs\nlog.warning('held')")
    assert kernel.value("theirs.stderr") == ""
    kernel.ok("%%capture_fd ours\nlog.warning('held')")
    assert kernel.value("ours.stderr") == "held\n"


# -- ipykernel's own watching -------------------------------------------------------------------


def has_stuck(process_id: int) -> bool:
    """Tell whether the main thread of a process waits in write() for a pipe to be read."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process_id}/task/{process_id}/syscall").read_text().split()
        return words[0] == {"x86_64": "1", "aarch64": "64"}.get(os.uname().machine)
    return False


def stays_stuck(process_id: int) -> bool:
    """Tell whether it waits there, and has not moved between many looks."""
    return all(has_stuck(process_id) for _ in range(1000))


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="needs /proc")
def test_ipykernels_watching_hangs_beyond_interrupt_when_the_gil_is_held_and_we_do_not(
    start_kernel: StartKernel,
) -> None:
    kernel = start_kernel()
    kernel.ok("import ctypes, os\nlib = ctypes.PyDLL(None)")
    kernel.ok(f"%%capture_fd ours\nlib.printf(b'1' * {MANY})\nlib.fflush(None)")
    assert kernel.value("len(ours.stdout)") == MANY
    kernel.send("lib.printf(b'1' * 100_000)\nlib.fflush(None)")
    eventually(lambda: stays_stuck(kernel.pid), "ipykernel to hang")
    kernel.interrupt()
    eventually(lambda: stays_stuck(kernel.pid), "ipykernel to hang on")
    assert kernel.process.poll() is None


def test_ipykernels_watching_breaks_characters_at_its_reads_and_we_do_not(
    fresh_kernel: Kernel,
) -> None:
    cell = "import os\n_ = os.write(1, ('\\u20ac' * 2000).encode())"
    asked = fresh_kernel.send(cell)
    reply = fresh_kernel.finish(asked)
    later: list[dict[str, object]] = []

    def shown() -> str:
        later.extend(fresh_kernel.until(lambda _: False, quiet=True))
        messages = [*reply.messages, *later]
        return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")  # type: ignore[index]

    text = eventually(lambda: (t := shown()) and (len(t) >= 2000 and t), "the output")
    assert "\ufffd" in text
    fresh_kernel.ok(f"%%capture_fd ours\n{cell}")
    assert fresh_kernel.value("ours.stdout") == "\u20ac" * 2000


def test_under_ipykernel_a_child_of_one_cell_prints_into_a_later_one_and_under_ours_not(
    fresh_kernel: Kernel,
) -> None:
    start = (
        "import subprocess\nchild = subprocess.Popen(['sh', '-c', 'read go; echo late'],"
        " stdin=subprocess.PIPE)\n"
    )
    wake = "_ = child.communicate(b'go\\n', timeout=30)\n"
    fresh_kernel.ok(start)
    reply = fresh_kernel.ok(wake)
    later = [*reply.messages]

    def stray() -> list[object]:
        later.extend(fresh_kernel.until(lambda _: False, quiet=True))
        return [m for m in later if m["msg_type"] == "stream" and "late" in m["content"]["text"]]

    messages = eventually(stray, "the late output")
    assert messages[0]["parent_header"]["msg_id"] == reply.msg_id  # type: ignore[index]
    count = fresh_kernel.ok(f"%%capture_fd ours\n{start}").count
    quiet = fresh_kernel.ok(wake)
    assert fresh_kernel.value("ours.wait(30)") is True
    assert fresh_kernel.value("ours.stdout") == "late\n"
    assert quiet.shown == f"1 line of processes started in cell [{count}] is in `ours`\n"


def test_under_ipykernel_a_child_given_sys_stdout_escapes_the_notebook_and_under_ours_not(
    fresh_kernel: Kernel,
) -> None:
    cell = "import subprocess, sys\n_ = subprocess.run(['echo', 'escaped'], stdout=sys.stdout)"
    reply = fresh_kernel.ok(cell)
    assert "escaped" not in reply.shown
    assert "escaped" in fresh_kernel.terminal.read_text()
    fresh_kernel.ok(f"%%capture_fd ours\n{cell}")
    assert fresh_kernel.value("ours.stdout") == "escaped\n"


# -- wurlitzer ----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="needs /proc")
def test_wurlitzer_hangs_when_the_gil_is_held_and_we_do_not(tmp_path: Path) -> None:
    pytest.importorskip("wurlitzer")
    code = (
        "import ctypes, sys\nif sys.argv[1] == 'wurlitzer':\n"
        "    from wurlitzer import pipes as capture\n"
        "else:\n    from ipyfdcapture import capture_fd as capture\nlib = ctypes.PyDLL(None)\n"
        f"with capture():\n    lib.printf(b'1' * {MANY})\n    lib.fflush(None)\nprint('ended')\n"
    )

    def start(which: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, which],
            env=private_env(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
        )

    ours = start("ours")
    assert ours.communicate(timeout=60)[0] == "ended\n"
    theirs = start("wurlitzer")
    try:
        eventually(lambda: stays_stuck(theirs.pid), "wurlitzer to hang")
        theirs.send_signal(2)
        eventually(lambda: stays_stuck(theirs.pid), "wurlitzer to hang on")
        assert theirs.poll() is None
    finally:
        theirs.kill()
        theirs.communicate()


def test_wurlitzer_breaks_characters_at_its_reads_and_we_do_not(tmp_path: Path) -> None:
    wurlitzer = pytest.importorskip("wurlitzer")
    assert wurlitzer.__version__.startswith("3.")
    code = (
        "import os\nfrom wurlitzer import pipes\nfrom ipyfdcapture import capture_fd\n"
        "data = ('\\u20ac' * 2000).encode()\n"
        "with pipes() as (out, err):\n    os.write(1, data)\ntheirs = out.read()\n"
        "with capture_fd() as ours:\n    os.write(1, data)\n"
        "print('\\ufffd' in theirs, ours.stdout == '\\u20ac' * 2000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=private_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "True True\n", done.stderr


def test_wurlitzer_holds_what_it_captures_in_memory_and_we_do_not(
    tmp_path: Path, native: Native
) -> None:
    pytest.importorskip("wurlitzer")
    code = (
        "import ctypes, os, psutil, sys\nlib = ctypes.CDLL(sys.argv[1])\n"
        "lib.write_lines.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_long]\n"
        "from wurlitzer import pipes\nfrom ipyfdcapture import capture_fd\n"
        "resident = lambda: psutil.Process().memory_info().rss\n"
        "with capture_fd() as ours: os.write(1, b'warm')\n"
        "start = resident()\nwith capture_fd() as ours: lib.write_lines(1, b'x' * 100, 500_000)\n"
        "mine = resident() - start\n"
        "start = resident()\nwith pipes() as (out, err): lib.write_lines(1, b'x' * 100, 500_000)\n"
        "theirs = resident() - start\n"
        "print(mine < 8 << 20, theirs > 50_000_000, ours.nbytes > 50_000_000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, native.c()],
        env=private_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == "True True True\n", (done.stdout, done.stderr)


# -- pytest's capfd -----------------------------------------------------------------------------


def test_a_child_that_opens_its_stdout_afresh_cuts_a_file_short_and_not_a_pipe(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = "echo one; echo two > /dev/stdout; echo three"
    subprocess.run(["sh", "-c", command], check=True)
    theirs = capfd.readouterr().out
    assert "one" not in theirs
    code = (
        "import subprocess, sys\nfrom ipyfdcapture import capture_fd\nwith capture_fd() as logs:\n"
        "    subprocess.run(['sh', '-c', sys.argv[1]])\nprint(repr(logs.stdout))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command],
        env=private_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == repr("one\ntwo\nthree\n") + "\n", done.stderr


# -- none of them -------------------------------------------------------------------------------


def test_none_of_them_keeps_the_last_words_of_a_crash_and_we_do(
    start_kernel: StartKernel,
) -> None:
    from helpers.process import await_end, the_pump

    kernel = start_kernel()
    kernel.ok("%%capture_fd warm\nprint('warm')")
    helper = the_pump(kernel.pid)
    kernel.run("%%capture_fd ours\nimport os\nos.write(1, b'last words')\nos.kill(os.getpid(), 9)")
    await_end(helper.pid)
    kernel.restart()
    kernel.load()
    kernel.ok("%capture_fd --recover -v ours")
    assert kernel.value("ours.stdout") == "last words"
