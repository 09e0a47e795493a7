"""Everything is captured, whole and in the order in which it was written (promises 2 and 8)."""

from __future__ import annotations

import hashlib

import pytest
from helpers.fixtures import Script
from helpers.kernel import Kernel
from helpers.native import Native

# -- order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("merge", ["", "--merge"])
def test_python_c_raw_and_children_are_in_the_order_they_were_written(
    kernel: Kernel, native: Native, merge: str
) -> None:
    kernel.ok(
        f"""%%capture_fd -v logs {merge}
import ctypes, os, subprocess, sys
lib = ctypes.CDLL({native.c()!r})
for i in range(20):
    print('print', i)
    lib.say(b'printf %d\\n' % i)
    os.write(1, b'raw %d\\n' % i)
    lib.say(b'printf again %d\\n' % i)
    os.system(f'echo system {{i}}')
    lib.say(b'printf once more %d\\n' % i)
    subprocess.run(['echo', f'child {{i}}'])
    print('unfinished', end=' ')
    subprocess.run(['echo', f'stdout= {{i}}'], stdout=sys.stdout)
    lib.say(b'before print %d\\n' % i)
"""
    )
    kinds = ("print", "printf", "raw", "printf again", "system", "printf once more", "child")
    expected = []
    for i in range(20):
        expected += [f"{kind} {i}" for kind in kinds]
        expected += [f"unfinished stdout= {i}", f"before print {i}"]
    assert kernel.value("logs.stdout").splitlines() == expected


def test_with_merge_stderr_of_all_kinds_is_in_order_too(kernel: Kernel, native: Native) -> None:
    kernel.ok(
        f"""%%capture_fd -v logs --merge
import ctypes, os, subprocess, sys, warnings
lib = ctypes.CDLL({native.c()!r})
for i in range(20):
    print('o', i)
    print('e', i, file=sys.stderr)
    lib.complain(b'c err %d\\n' % i)
    lib.say(b'c out %d\\n' % i)  # stays in C's buffer until something else writes
    os.write(2, b'raw err %d\\n' % i)
    subprocess.run(['sh', '-c', f'echo sh out {{i}}; echo sh err {{i}} >&2'])
    subprocess.run(['echo', f'to stderr {{i}}'], stdout=sys.stderr)
"""
    )
    kinds = ("o", "e", "c err", "c out", "raw err", "sh out", "sh err", "to stderr")
    expected = [f"{kind} {i}" for i in range(20) for kind in kinds]
    assert kernel.value("logs.text").splitlines() == expected


def test_native_output_from_before_the_capture_is_not_in_it(kernel: Kernel, native: Native) -> None:
    kernel.ok(f"import ctypes\nlib = ctypes.CDLL({native.c()!r})\nlib.say(b'before\\n')")
    kernel.ok("%%capture_fd -v logs\nlib.say(b'during\\n')")
    assert kernel.value("logs.stdout") == "during\n"


def test_native_output_that_was_not_flushed_belongs_to_the_capture(
    kernel: Kernel, native: Native
) -> None:
    kernel.ok(f"import ctypes\nlib = ctypes.CDLL({native.c()!r})")
    kernel.ok("%%capture_fd -v first\nlib.say(b'no flush, no line end')")
    kernel.ok("%%capture_fd -v second\npass")
    assert kernel.value("(first.stdout, second.stdout)") == ("no flush, no line end", "")


def test_wide_characters_of_c_are_in_order_too(script: Script) -> None:
    # They have a buffer of their own. Once a stream has begun with them, it stays with them.
    shown = script("order/wide_characters_of_c_are_in_order_too")
    assert shown == "begin\n" + "".join(
        f"wide {i}\nprint {i}\nagain {i}\nraw {i}\n" for i in range(3)
    )


def test_buffers_of_iostreams_are_flushed_at_the_end(kernel: Kernel, native: Native) -> None:
    kernel.ok(f"import ctypes\ncpp = ctypes.CDLL({native.cpp('iostream')!r})\ncpp.untie()")
    kernel.ok("%%capture_fd -v logs\ncpp.say_cpp(b'from cout')\ncpp.complain_cpp(b'from clog')")
    assert kernel.value("(logs.stdout, logs.stderr)") == ("from cout", "from clog")


def test_buffers_of_fortran_units_are_flushed_at_the_end(kernel: Kernel, native: Native) -> None:
    kernel.ok(f"import ctypes\nf = ctypes.CDLL({native.fortran('units')!r})")
    kernel.ok("%%capture_fd -v logs\nf.say_fortran(3)")
    assert kernel.value("logs.stdout") == "fortran 1\nfortran 2\nfortran 3\n"
    kernel.ok("%%capture_fd -v logs\nf.say_fortran(1)")
    assert kernel.value("logs.stdout") == "fortran 1\n"


# -- counts -----------------------------------------------------------------------------------


def test_ten_thousand_lines_to_stderr_are_ten_thousand_lines(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport sys\nfor i in range(10_000):\n"
        "    print('line', i, file=sys.stderr)"
    )
    assert kernel.value("len(logs)") == 10_000
    assert kernel.value("[str(line) for line in logs] == [f'line {i}' for i in range(10_000)]")
    assert kernel.value("{line.source for line in logs}") == {"stderr"}


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_a_million_lines_from_c_are_a_million_lines_in_order(
    kernel: Kernel, native: Native, drain: str
) -> None:
    kernel.ok(
        f"%%capture_fd -v logs --drain {drain}\nimport ctypes\n"
        f"written = ctypes.CDLL({native.c()!r}).write_lines(1, b'line', 1_000_000)"
    )
    assert kernel.value("written") == 1_000_000
    expected = "".join(f"line {i}\n" for i in range(1_000_000)).encode()
    assert kernel.value("len(logs.raw)") == len(expected)
    digest = kernel.value("__import__('hashlib').sha256(logs.raw).hexdigest()")
    assert digest == hashlib.sha256(expected).hexdigest()
    assert kernel.value("len(logs)") == 1_000_000


def test_a_million_lines_through_printf_are_a_million_lines(kernel: Kernel, native: Native) -> None:
    kernel.ok(
        f"%%capture_fd -v logs\nimport ctypes\n"
        f"ctypes.CDLL({native.c()!r}).print_lines(b'line', 1_000_000)"
    )
    assert kernel.value("(len(logs), logs[-1], logs[0])") == (1_000_000, "line 999999", "line 0")


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_random_bytes_come_back_byte_for_byte(kernel: Kernel, drain: str) -> None:
    kernel.ok(
        f"""%%capture_fd -v logs --drain {drain}
import os, random
dice = random.Random(7)
data = dice.randbytes(5_000_000)
left = memoryview(data)
while left:
    left = left[os.write(1, left[:dice.randint(1, 200_000)]):]
"""
    )
    assert kernel.value("logs.raw == data")


@pytest.mark.parametrize("fd", [1, 2])
def test_a_character_across_any_two_writes_is_whole(kernel: Kernel, fd: int) -> None:
    kernel.ok(
        f"""%%capture_fd -v logs
import os
data = ('\\u20ac\\U0001f40d\\xe9x' * 500).encode()
for i in range(len(data)):
    os.write({fd}, data[i:i + 1])
os.write({fd}, ('\\u20ac' * 2000).encode())
"""
    )
    expected = "\u20ac\U0001f40d\xe9x" * 500 + "\u20ac" * 2000
    assert kernel.value("logs.text") == expected
    assert "\ufffd" not in kernel.value("logs.text")


def test_characters_of_both_streams_cut_by_each_other_are_whole(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport os\nfor byte in '\\u20ac\\u20ac\\u20ac'.encode():\n"
        "    os.write(1, bytes([byte]))\n    os.write(2, bytes([byte]))"
    )
    assert kernel.value("(logs.stdout, logs.stderr)") == ("\u20ac" * 3, "\u20ac" * 3)


def test_a_bad_byte_disturbs_nothing_else(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport os\nos.write(1, b'a\\xffb\\xc3\\xa9\\xe2\\x82\\n\\xe2')"
    )
    assert kernel.value("logs.text") == "a\ufffdb\xe9\ufffd\n\ufffd"
    assert kernel.value("logs.raw") == b"a\xffb\xc3\xa9\xe2\x82\n\xe2"


def test_line_ends_survive_in_the_text(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport os\nprint('p\\r\\nq\\rr')\nos.write(1, b'a\\r\\n"
        "b\\rc\\n\\0d')"
    )
    assert kernel.value("logs.stdout") == "p\r\nq\rr\na\r\nb\rc\n\0d"


def test_nul_bytes_and_escapes_survive(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nimport os\nos.write(1, bytes(range(128)))")
    assert kernel.value("logs.raw") == bytes(range(128))


# -- whoever writes ---------------------------------------------------------------------------


def test_a_logging_handler_from_before_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        "import logging, sys\nhandler = logging.StreamHandler(sys.stderr)\n"
        "log = logging.getLogger('x')\n"
        "log.addHandler(handler)\nlog.setLevel('INFO')\nlog.propagate = False"
    )
    reply = kernel.ok("%%capture_fd -v logs\nlog.info('logged')")
    assert kernel.value("logs.stderr") == "logged\n"
    assert reply.stream("stderr") == ""
    assert kernel.ok("log.info('shown')").stream("stderr") == "shown\n"


def test_a_progress_bar_that_holds_the_old_stream_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        "import sys\nclass Bar:\n"
        "    def __init__(self): self.file = sys.stderr; self.write = sys.stderr.write\n"
        "    def step(self, n):\n        self.file.write(f'\\r{n}%')\n        self.file.flush()\n"
        "        self.write('!')\nbar = Bar()"
    )
    reply = kernel.ok("%%capture_fd -v logs\nfor n in (10, 20): bar.step(n)")
    assert "\r10%" in kernel.value("logs.stderr") and "\r20%" in kernel.value("logs.stderr")
    assert "%" not in reply.stream("stderr")
    assert kernel.ok("bar.step(30)").stream("stderr") == "\r30%!"


def test_a_bar_of_tqdm_is_captured(kernel: Kernel) -> None:
    pytest.importorskip("tqdm")
    kernel.ok("%%capture_fd -v logs\nfrom tqdm import tqdm\nfor _ in tqdm(range(3)): pass")
    assert "3/3" in kernel.value("logs.stderr")


def test_a_child_that_is_given_sys_stdout_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport subprocess, sys\n"
        "subprocess.run(['echo', 'out'], stdout=sys.stdout)\n"
        "subprocess.run('echo err >&2', shell=True, stderr=sys.stderr)"
    )
    assert kernel.value("(logs.stdout, logs.stderr)") == ("out\n", "err\n")


def test_a_child_that_opens_dev_stdout_is_captured(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\nimport os\nos.write(1, b'a\\n')\n"
        "os.system('echo b > /dev/stdout; echo c > /dev/stderr; echo d > /dev/fd/1')"
    )
    assert kernel.value("(logs.stdout, logs.stderr)") == ("a\nb\nd\n", "c\n")


def test_threads_that_print_and_write_at_once_lose_nothing(kernel: Kernel) -> None:
    kernel.ok(
        """%%capture_fd -v logs
import os, threading
def work(name):
    for i in range(500):
        print(f'{name} printed {i}\\n', end='')
        os.write(1, f'{name} wrote {i}\\n'.encode())
threads = [threading.Thread(target=work, args=(f't{n}',)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
    )
    lines = kernel.value("logs.stdout").splitlines()
    for n in range(8):
        mine = [line for line in lines if line.startswith(f"t{n} ")]
        expected = [f"t{n} {verb} {i}" for i in range(500) for verb in ("printed", "wrote")]
        assert mine == expected
    assert len(lines) == 8000


@pytest.mark.parametrize("drain", ["process", "thread"])
def test_print_waits_for_room_in_a_descriptor_that_was_made_not_to_block(
    kernel: Kernel, drain: str
) -> None:
    kernel.ok(
        f"%%capture_fd -v logs --drain {drain}\nimport os\nos.set_blocking(1, False)\n"
        "print('x' * 20_000_000)\nfor number in range(1000): print('y' * 5000)"
    )
    assert kernel.value("[(line[0], len(line)) for line in logs]") == [
        ("x", 20_000_000),
        *[("y", 5000)] * 1000,
    ]


def test_the_streams_of_a_captured_cell_are_the_kernels_and_lead_to_the_descriptors(
    kernel: Kernel,
) -> None:
    facts = (
        "[(s.isatty(), s.encoding, s.writable(), s.closed, hasattr(s, 'buffer'))"
        " for s in (sys.stdout, sys.stderr)]"
    )
    kernel.ok("import sys")
    plain = kernel.value(facts)
    kernel.ok(
        f"""%%capture_fd -v logs
facts = {facts}
numbers = sys.stdout.fileno(), sys.stderr.fileno()
print('text')
sys.stdout.write('more\\n')
sys.stdout.writelines(['l1\\n', 'l2\\n'])
print('end', flush=True)
"""
    )
    assert kernel.value("facts") == plain
    assert kernel.value("numbers") == (1, 2)
    assert kernel.value("logs.stdout") == "text\nmore\nl1\nl2\nend\n"


def test_a_surrogate_in_a_print_does_not_fail_the_cell(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('bad \\udc80 half')\nprint('next')")
    text = kernel.value("logs.stdout")
    assert text.startswith("bad ") and text.endswith(" half\nnext\n")


def test_a_plain_process_captures_as_a_kernel_does(script: Script, native: Native) -> None:
    shown = script("order/a_plain_process_captures_as_a_kernel_does", native.c())
    assert shown == "before\nafter\n"


def test_other_descriptors_can_be_captured_too(script: Script) -> None:
    shown = script("order/other_descriptors_can_be_captured_too")
    assert shown == "done\n"


def test_facts_of_a_capture_are_right(kernel: Kernel) -> None:
    kernel.ok("import datetime, sys\nbefore = datetime.datetime.now(datetime.timezone.utc)")
    kernel.ok("%%capture_fd -v logs\nprint('four')\nprint('e', file=sys.stderr)")
    kernel.ok("after = datetime.datetime.now(datetime.timezone.utc)")
    assert kernel.value("before <= logs.started <= logs[0].time <= after")
    assert kernel.value("logs.started.tzinfo is not None and logs[0].time.tzinfo is not None")
    assert kernel.value("(logs.nbytes, logs.dropped, logs.complete)") == (7, 0, True)
    assert kernel.value("bool(logs.duration)")
    assert sorted(kernel.value("[(str(line), line.source) for line in logs]")) == [
        ("e", "stderr"),
        ("four", "stdout"),
    ]
    assert kernel.value("[line.number for line in logs]") == [1, 2]
