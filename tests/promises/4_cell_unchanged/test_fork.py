"""Forks and other processes inside a capture do not disturb it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Python
from helpers.kernel import Kernel
from helpers.native import Native
from helpers.prelude import PRELUDE
from helpers.process import the_pump

DRAINS = pytest.mark.parametrize("drain", ["process", "thread"])


def script(code: str) -> str:
    return PRELUDE + code.replace("\n        ", "\n")


# -- os.fork ------------------------------------------------------------------------------------


@DRAINS
@pytest.mark.parametrize(
    "ending",
    ["os._exit(0)", "sys.exit(0)", "raise SystemExit", "os.execvp('true', ['true'])", "1/0"],
)
def test_the_end_of_a_forked_child_does_not_disturb_the_parent(
    python: Python, drain: str, ending: str
) -> None:
    shown = python(
        script(
            f"""
        with capture_fd(drain=sys.argv[1]) as logs:
            print("parent before")
            sys.stdout.flush()
            if not os.fork():
                os.write(1, b"child\\n")
                {ending}
            os.wait()
            print("parent after")
            os.write(1, b"native after\\n")
        assert logs.stdout == "parent before\\nchild\\nparent after\\nnative after\\n", logs.stdout
        with capture_fd(drain=sys.argv[1]) as again:
            print("next")
        assert again.stdout == "next\\n" and logs.stdout.startswith("parent before")
        print("end")
        """
        ),
        drain,
    )
    assert shown == "end\n"


@DRAINS
def test_a_child_that_leaves_the_with_block_does_not_end_the_parents_capture(
    python: Python, drain: str
) -> None:
    shown = python(
        script(
            """
        with capture_fd(drain=sys.argv[1]) as logs:
            child = os.fork()
            if child:
                print("in the parent", flush=True)
            else:
                os.write(1, b"in the child\\n")
        if not child:
            print("outside, in the child", flush=True)  # to where the parent's stdout went before
            logs.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert sorted(logs.stdout.splitlines()) == ["in the child", "in the parent"], logs.stdout
        print("outside, in the parent")
        """
        ),
        drain,
    )
    assert sorted(shown.splitlines()) == ["outside, in the child", "outside, in the parent"]


@DRAINS
def test_a_child_that_closed_all_descriptors_keeps_the_files_that_it_then_opened(
    python: Python, drain: str
) -> None:
    # As those do that become daemons.
    assert not python(
        """
        import os, sys
        from ipyfdcapture import capture_fd

        with capture_fd(drain=sys.argv[1]) as logs:
            child = os.fork()
            if not child:
                os.closerange(3, 1000)
                files = [open(f"file{number}", "w+b") for number in range(40)]
        if not child:
            print("from the child", flush=True)
            for file in files:
                file.write(b"its own")
                file.flush()
                assert open(file.name, "rb").read() == b"its own"
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
        drain,
    )


CLOSE_ALL = """
        def close_all():  # as those do that become daemons, and some of them do not fork
            os.closerange(3, 1000)
            return [open(f"file{number}", "w+b") for number in range(60)]

        def assert_untouched(files):
            for file in files:
                assert os.fstat(file.fileno()).st_size == 0, file.name
                assert os.path.samestat(os.fstat(file.fileno()), os.stat(file.name)), file.name
"""


@DRAINS
def test_a_process_that_closed_all_descriptors_captures_again_and_keeps_its_files(
    python: Python, drain: str
) -> None:
    shown = python(
        script(
            CLOSE_ALL
            + """
        import gc
        drain = sys.argv[1]
        with capture_fd(drain=drain) as first:
            print("first")
        files = close_all()
        if not os.fork():
            os._exit(0)
        os.wait()
        for _ in range(3):
            with capture_fd(drain=drain) as logs:
                print("again")
                os.write(1, b"and natively\\n")
            assert logs.text == "again\\nand natively\\n", logs.text
        assert first.text == "first\\n", first.text
        del first, logs
        gc.collect()
        assert_untouched(files)
        print("end")
        """
        ),
        drain,
    )
    assert shown == "end\n"


def test_the_helper_of_a_process_that_closed_all_descriptors_ends(python: Python) -> None:
    python(
        script(
            CLOSE_ALL
            + """
        from helpers.process import await_end, the_pump
        with capture_fd():
            pass
        helper = the_pump(os.getpid()).pid
        files = close_all()
        await_end(helper)
        with capture_fd():
            assert the_pump(os.getpid()).pid != helper
        """
        )
    )


@DRAINS
def test_a_capture_whose_descriptors_were_closed_keeps_what_came_before(
    python: Python, drain: str
) -> None:
    python(
        script(
            CLOSE_ALL
            + """
        drain = sys.argv[1]
        with capture_fd(drain=drain):
            pass
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with capture_fd(drain=drain) as logs:
                print("before", flush=True)
                assert logs.text == "before\\n"
                files = close_all()
        assert [str(each.message).split(" (")[0] for each in told] == [
            "this process closed the descriptors of a capture"
        ]
        assert logs.text == "before\\n", logs.text
        assert logs.complete
        with capture_fd(drain=drain) as logs:
            print("again")
        assert logs.text == "again\\n", logs.text
        assert_untouched(files)
        """
        ),
        drain,
    )


@DRAINS
@pytest.mark.parametrize("live", ["live='terminal'", "file='copy.txt'", "on_line=print_out"])
def test_live_targets_whose_descriptors_were_closed_leave_others_alone(
    python: Python, drain: str, live: str
) -> None:
    python(
        script(
            CLOSE_ALL
            + f"""
        print_out = lambda line: None
        warnings.simplefilter("ignore")
        with capture_fd(drain=sys.argv[1], live_interval=0.01, {live}) as logs:
            print("before", flush=True)
            files = close_all()
            with contextlib.suppress(OSError):
                print("after", flush=True)
            time.sleep(0.1)
        assert_untouched(files)
        """
        ),
        drain,
    )


def test_spools_of_a_process_that_closed_all_descriptors_go_with_it(
    python: Python, tmp_path: Path
) -> None:
    python(
        script(
            CLOSE_ALL
            + """
        for _ in range(3):
            with capture_fd(spool_dir=sys.argv[1]):
                pass
            files = close_all()
        assert os.listdir(sys.argv[1])
        """
        ),
        str(tmp_path / "spools"),
    )
    assert os.listdir(tmp_path / "spools") == []


def test_the_spool_of_a_process_that_becomes_another_program_goes(
    python: Python, tmp_path: Path
) -> None:
    python(
        script(
            """
        with capture_fd(spool_dir=sys.argv[1]) as logs:
            print("before", flush=True)
            assert logs.text
            until_empty = 'while [ "$(ls "$0")" ]; do sleep 0.05; done'
            os.execvp("sh", ["sh", "-c", until_empty, sys.argv[1]])
        """
        ),
        str(tmp_path / "spools"),
    )


@DRAINS
def test_a_forked_child_may_capture_for_itself(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        with capture_fd(drain=sys.argv[1]) as logs:
            print("parent")
            sys.stdout.flush()
            child = os.fork()
            if not child:
                try:
                    with capture_fd(drain=sys.argv[1]) as mine:
                        print("taken by the child")
                        os.write(1, b"native\\n")
                    print("child saw", repr(mine.stdout), flush=True)
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
        saw = repr("taken by the child\\nnative\\n")
        assert logs.stdout == f"parent\\nchild saw {saw}\\n", logs.stdout
        """
        ),
        drain,
    )
    assert shown == ""


def test_a_child_forked_after_a_capture_may_capture(python: Python) -> None:
    shown = python(
        script(
            """
        warm_up()
        child = os.fork()
        with capture_fd() as logs:
            os.write(1, b"from %s" % (b"parent" if child else b"child"))
        assert logs.stdout == ("from parent" if child else "from child"), logs.stdout
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with capture_fd() as logs:
            os.write(1, b"again")
        assert logs.stdout == "again"
        """
        )
    )
    assert shown == ""


@DRAINS
def test_a_buffer_is_not_written_twice_after_a_fork(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        lib = ctypes.CDLL(None)
        with capture_fd(drain=sys.argv[1]) as logs:
            print("python", end="")
            lib.printf(b"once ")
            child = os.fork()
            if not child:
                lib.printf(b"child ")
                lib.fflush(None)
                os._exit(0)
            os.waitpid(child, 0)
            lib.printf(b"parent")
        assert logs.stdout == "pythononce child parent", logs.stdout
        """
        ),
        drain,
    )
    assert shown == ""


@DRAINS
def test_a_child_of_a_child_is_captured(python: Python, drain: str) -> None:
    shown = python(
        script(
            """
        with capture_fd(drain=sys.argv[1]) as logs:
            child = os.fork()
            if not child:
                grandchild = os.fork()
                if not grandchild:
                    os.write(1, b"grandchild\\n")
                    os._exit(0)
                os.waitpid(grandchild, 0)
                subprocess.run(["echo", "great-grandchild"])
                os._exit(0)
            os.waitpid(child, 0)
        assert logs.stdout == "grandchild\\ngreat-grandchild\\n", logs.stdout
        """
        ),
        drain,
    )
    assert shown == ""


# -- no trace in children -----------------------------------------------------------------------


@DRAINS
@pytest.mark.parametrize("close_fds", [True, False])
def test_a_child_inherits_the_streams_and_nothing_else_of_ours(
    python: Python, drain: str, close_fds: bool
) -> None:
    shown = python(
        script(
            f"""
        code = "import os; print(*sorted(os.listdir('/proc/self/fd'), key=int))"
        list_fds = [sys.executable, "-c", code]
        before = subprocess.run(list_fds, close_fds={close_fds}, stdout=subprocess.PIPE).stdout
        kind = sys.argv[1]
        with capture_fd(drain=kind, merge=True) as outer, capture_fd(drain=kind) as logs:
            subprocess.run(list_fds, close_fds={close_fds})
        assert logs.raw.split() == before.split(), (logs.raw, before)
        with capture_fd(drain=sys.argv[1]) as logs:
            os.system("ls /proc/self/fd | sort -n")
        assert logs.raw.split() in ([b"0", b"1", b"2"], [b"0", b"1", b"2", b"3"]), logs.raw
        """
        ),
        drain,
    )
    assert shown == ""


def test_waiting_for_any_child_meets_only_the_users_own(fresh_kernel: Kernel) -> None:
    fresh_kernel.ok("import os")
    fresh_kernel.ok("%%capture_fd -v logs\nprint('the helper runs')")
    reply = fresh_kernel.run("%%capture_fd -v logs\nos.wait()")
    assert reply.status == "error" and reply.error[0] == "ChildProcessError"
    fresh_kernel.ok(
        "%%capture_fd -v logs\nchild = os.spawnlp(os.P_NOWAIT, 'true', 'true')\nmet = os.wait()[0]"
    )
    assert fresh_kernel.value("child == met")


def test_the_helper_is_in_its_own_session_and_holds_no_terminal(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(kernel.pid)
    assert os.getsid(helper.pid) != os.getsid(kernel.pid)
    assert os.getpgid(helper.pid) != os.getpgid(kernel.pid)
    assert helper.terminal() is None
    targets = {os.readlink(f"/proc/{helper.pid}/fd/{fd}") for fd in (0, 1, 2)}
    assert targets == {"/dev/null"}


def test_the_helper_takes_nothing_from_the_environment(python: Python, tmp_path: Path) -> None:
    """No sitecustomize, no PYTHONPATH, no module of the user's that has a standard name."""
    traps = tmp_path / "python" / "traps"
    traps.mkdir(parents=True)
    for name in ("json", "socket", "select", "struct", "sitecustomize", "usercustomize"):
        (traps / f"{name}.py").write_text(f"open('{traps}/imported-{name}', 'w').close()\n1/0\n")
    shown = python(
        script(
            """
        os.environ["PYTHONPATH"] = sys.argv[1]
        os.environ["PYTHONHOME"] = "/nonexistent"
        os.environ["PYTHONSTARTUP"] = sys.argv[1] + "/json.py"
        os.environ["PYTHONUTF8"] = "nonsense"
        os.chdir(sys.argv[1])
        from helpers.process import the_pump
        import warnings
        warnings.simplefilter("error")
        with capture_fd(drain="process") as logs:
            os.write(1, b"captured")
            the_pump(os.getpid(), timeout=10)
        print(logs.stdout)
        """
        ),
        str(traps),
    )
    assert shown == "captured\n"
    assert list(traps.glob("imported-*")) == []


# -- forks of kernels and of threads ------------------------------------------------------------


def test_a_fork_of_a_kernel_in_a_captured_cell_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        """%%capture_fd -v logs
import os, sys
print('parent')
sys.stdout.flush()
child = os.fork()
if not child:
    print('child', flush=True)
    os.write(1, b'native child\\n')
    os._exit(0)
os.waitpid(child, 0)
print('parent again')
"""
    )
    assert kernel.value("logs.stdout") == "parent\nchild\nnative child\nparent again\n"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_forks_in_threads_during_captures_do_not_deadlock(python: Python) -> None:
    shown = python(
        script(
            """
        import warnings
        warnings.simplefilter("ignore")
        def fork_often(n):
            for i in range(30):
                child = os.fork()
                if not child:
                    os.write(1, b"c\\n")
                    os._exit(0)
                os.waitpid(child, 0)
        total = 0
        threads = [threading.Thread(target=fork_often, args=(n,)) for n in range(3)]
        captured = []
        with capture_fd() as outer:
            [t.start() for t in threads]
            while any(t.is_alive() for t in threads):
                with capture_fd() as logs:
                    print("p")
                captured.append(logs)
            [t.join() for t in threads]
        # Characters, not lines: print() writes its line end apart, so another may come between.
        text = "".join(log.stdout for log in [*captured, outer])
        whole = len(text) == 2 * (90 + len(captured))
        print(text.count("c"), text.count("p") == len(captured), whole)
        """
        )
    )
    assert shown == "90 True True\n"


def test_a_fork_after_a_capture_meets_no_other_thread(python: Python) -> None:
    # Python warns of a fork in a process with several threads.
    shown = python(
        """
import os
counts = []
os.register_at_fork(before=lambda: counts.append(len(os.listdir("/proc/self/task"))))
from ipyfdcapture import capture_fd
with capture_fd(drain="process") as logs:
    if not os.fork():
        os._exit(0)
    os.wait()
if not os.fork():
    os._exit(0)
os.wait()
print(counts)
"""
    )
    assert shown == "[1, 1]\n"


def test_after_a_fork_the_death_of_the_helper_is_noticed(python: Python, native: Native) -> None:
    shown = python(
        """
import ctypes, os, signal, sys, threading, warnings
from helpers.process import the_pump
from ipyfdcapture import capture_fd
warnings.simplefilter("ignore")
lib = ctypes.CDLL(sys.argv[1])
with capture_fd(drain="process") as logs:
    helper = the_pump(os.getpid()).pid
    if not os.fork():
        os._exit(0)
    os.wait()
    os.kill(helper, signal.SIGSTOP)
    threading.Timer(0.05, os.kill, (helper, signal.SIGKILL)).start()
    lib.write_lines(1, b"line", 300_000)  # more than a pipe holds: somebody has to notice
print(len(logs))
""",
        native.c(),
    )
    assert shown == "300000\n"


def test_forks_go_on_after_an_idle_helper_was_killed(python: Python) -> None:
    shown = python(
        script(
            """
        from helpers.process import await_end, the_pump
        with capture_fd() as logs:
            print("before")
        pump = the_pump(os.getpid())
        pump.kill()
        await_end(pump.pid)
        with capture_fd() as later:
            print("after")
        for _ in range(3):
            if not os.fork():
                os._exit(0)
            os.wait()
        print(logs.text + later.text, end="")
        """
        )
    )
    assert shown == "before\nafter\n"
