"""The extension and its magics: loading, options, variables, bad input."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import pytest
from helpers.fixtures import Python, Script, StartKernel
from helpers.kernel import Kernel, Reply
from helpers.process import LOAD, pumps
from helpers.shown import sequence

BODY = """import os, sys
print('python out')
print('python err', file=sys.stderr)
sys.stdout.flush()
os.write(1, b'native out\\n')
os.write(2, b'native err\\n')
'the value'"""


def usage_error(reply: Reply) -> str:
    """Return the text of a usage error, which is one line and not a traceback."""
    assert reply.status == "error"
    assert reply.error[0] == "UsageError", reply.error
    assert "Traceback" not in reply.traceback and "Traceback" not in reply.shown
    text = reply.error[1]
    assert len(text.strip().splitlines()) == 1, text
    return text


# -- loading ----------------------------------------------------------------------------------


def test_loading_and_unloading_leave_nothing_behind(start_kernel: StartKernel) -> None:
    kernel = start_kernel(load=False)
    kernel.load()
    kernel.ok("%%capture_fd -v logs\nprint('warm up: what lives as long as the process')\n")
    kernel.ok("%unload_ext ipyfdcapture")
    kernel.ok("del logs, _logs")
    kernel.leak_baseline()
    for _ in range(5):
        kernel.ok(LOAD)
        kernel.ok("%%capture_fd -v logs\nprint('x')")
        kernel.ok("%reload_ext ipyfdcapture")
        kernel.ok("%%capture_fd -v logs\nprint('y')")
        kernel.ok("%unload_ext ipyfdcapture")
    kernel.ok("del logs, _logs")
    assert kernel.leaks() == []


def test_loading_twice_is_as_loading_once(fresh_kernel: Kernel) -> None:
    fresh_kernel.leak_baseline()
    fresh_kernel.ok(LOAD)
    fresh_kernel.ok("%reload_ext ipyfdcapture")
    assert fresh_kernel.leaks(ignoring=" at 0x") == []
    counts = fresh_kernel.value(
        "{name: len(held) for name, held in get_ipython().events.callbacks.items()}"
    )
    fresh_kernel.ok("%reload_ext ipyfdcapture")
    assert counts == fresh_kernel.value(
        "{name: len(held) for name, held in get_ipython().events.callbacks.items()}"
    )
    fresh_kernel.ok("%%capture_fd -v logs\nprint('once')")
    assert fresh_kernel.value("logs.text") == "once\n"


def test_unloading_takes_the_magics_away(start_kernel: StartKernel) -> None:
    kernel = start_kernel(load=False)
    kernel.ok(
        "before = [t.__name__ if hasattr(t, '__name__') else str(t)"
        " for t in get_ipython().input_transformers_cleanup]"
    )
    kernel.load()
    kernel.ok("%unload_ext ipyfdcapture")
    assert kernel.value(
        "before == [t.__name__ if hasattr(t, '__name__') else str(t)"
        " for t in get_ipython().input_transformers_cleanup]"
    )
    assert kernel.value("hasattr(__import__('builtins'), '__capture_fd__')") is False
    for cell in ("%%capture_fd logs\nran = 1", "%capture_fd ran = 1"):
        reply = kernel.run(cell)
        assert reply.status == "error" or "not found" in reply.shown
    assert kernel.value("'ran' in globals()") is False
    assert (
        kernel.value("'CaptureFd' in [type(c).__name__ for c in get_ipython().configurables]")
        is False
    )


def test_unloading_inside_a_captured_cell_restores(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%%capture_fd -v logs\nprint('a')\n%unload_ext ipyfdcapture\nprint('b')")
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"
    fresh_kernel.ok(LOAD)
    fresh_kernel.ok("%%capture_fd -v logs\nprint('c')")
    assert fresh_kernel.value("logs.text") == "c\n"


def test_reloading_inside_a_captured_cell_restores(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%%capture_fd -v logs\nprint('a')\n%reload_ext ipyfdcapture\nprint('b')")
    assert fresh_kernel.ok("print('shown')").stream("stdout") == "shown\n"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('c')")
    assert fresh_kernel.value("logs.text") == "c\n"


def test_loading_says_nothing(start_kernel: StartKernel) -> None:
    reply = start_kernel(load=False).load()
    assert reply.shown == ""


def test_both_magics_are_listed(kernel: Kernel) -> None:
    shown = kernel.ok("%lsmagic").shown
    assert "%capture_fd" in shown and "%%capture_fd" in shown


@pytest.mark.parametrize("magic", ["%%capture_fd", "%capture_fd"])
def test_the_question_mark_shows_the_full_help(kernel: Kernel, magic: str) -> None:
    reply = kernel.ok(f"{magic}?")
    assert reply.content is not None
    text = reply.content["payload"][0]["data"]["text/plain"]
    for option in ("--var", "--no-stdout", "--no-stderr", "--no-python", "--display", "--merge"):
        assert option in text
    assert "_logs" in text


def test_a_running_kernel_has_one_helper_and_it_goes_with_the_kernel(
    fresh_kernel: Kernel,
) -> None:
    from helpers.process import await_end, the_pump

    for _ in range(3):
        fresh_kernel.ok("%%capture_fd -v logs\nprint('x')")
    helper = the_pump(fresh_kernel.pid)
    fresh_kernel.shutdown()
    await_end(helper.pid)
    assert pumps(fresh_kernel.pid) == []


# -- what stays light -------------------------------------------------------------------------


@pytest.mark.ipython
def test_importing_the_package_imports_nothing_heavy(python: Python) -> None:
    loaded = python("import sys, ipyfdcapture\nprint(*sys.modules)").split()
    for heavy in (
        "IPython",
        "traitlets",
        "ipykernel",
        "asyncio",
        "pandas",
        "numpy",
        "jupyter_client",
        "zmq",
    ):
        assert heavy not in loaded


#: What ``%load_ext`` loads of the package, by room. All else waits for the first capture, or for a
#: look at a log: who adds to this has users wait for it in every notebook.
LOADED = {
    "capture": "kept_logs",
    "": "checks errors",
    "drain": "__main__ ahead host",
    "ipython": (
        "captures cells completion config every_cell extension first_use kept_output "
        "left_behind magics names shell_output sizes tracebacks transform"
    ),
    "log": "viewing",
    "output": "foreign own_streams router",
    "recording": "crashes files spool",
    "system": (
        "calling clock descriptors forking interrupts living pipes polling recursion replacing "
        "threads user_warnings"
    ),
    "viewer": "",
}


@pytest.mark.ipython
def test_loading_the_extension_loads_no_more_than_it_needs(script: Script) -> None:
    loaded = set(script("magics/modules_that_loading_the_extension_loads").split())
    expected = {"ipyfdcapture"}
    for room, names in LOADED.items():
        package = "ipyfdcapture" + (f".{room}" if room else "")
        expected |= {package, *(f"{package}.{name}" for name in names.split())}
    assert loaded == expected


def test_a_kernel_loads_the_rest_before_the_next_cell(fresh_kernel: Kernel) -> None:
    loaded = "'ipyfdcapture.capture.session' in __import__('sys').modules"
    assert fresh_kernel.value(loaded) is True


@pytest.mark.ipython
def test_loading_the_extension_imports_nothing_heavy(script: Script) -> None:
    loaded = script("magics/loading_the_extension_imports_nothing_heavy").split()
    assert "ipyfdcapture.ipython.extension" in loaded
    for heavy in ("ipykernel", "asyncio", "pandas", "numpy", "jupyter_client", "zmq", "pyarrow"):
        assert heavy not in loaded


@pytest.mark.ipython
def test_a_platform_without_such_descriptors_is_told_in_one_line(script: Script) -> None:
    shown = script("magics/a_platform_without_such_descriptors_is_told_in_one_line")
    lines = shown.splitlines()
    assert len(lines) == 2, shown
    assert "not yet supported on Windows" in lines[0]
    assert "no file descriptors to capture" in lines[1]
    assert all("nothing was changed" in line and "open_log()" in line for line in lines)


# -- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["-v logs", "--var logs", "--var=logs", "logs", "-vlogs", "'logs'"]
)
def test_the_name_is_given_in_any_of_the_usual_ways(kernel: Kernel, line: str) -> None:
    kernel.ok(f"%%capture_fd {line}\nprint('x')")
    assert kernel.value("logs.text") == "x\n"


def test_without_a_name_the_latest_is_in_logs_with_an_underscore(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd\nprint('first')")
    assert kernel.value("_logs.text") == "first\n"
    kernel.ok("%%capture_fd -v named\nprint('second')")
    assert kernel.value("_logs.text") == "second\n"
    assert kernel.value("named is _logs")


def test_by_default_everything_but_displays_is_captured(kernel: Kernel) -> None:
    reply = kernel.ok(f"%%capture_fd -v logs\ndisplay('shown')\n{BODY}")
    assert kernel.value("logs.stdout") == "python out\nnative out\n"
    assert kernel.value("logs.stderr") == "python err\nnative err\n"
    assert (reply.stream("stdout"), reply.stream("stderr")) == ("", "")
    assert reply.displays == [{"text/plain": "'shown'"}]
    assert reply.result == "'the value'"
    assert kernel.value("len(logs.outputs)") == 0


def test_no_stdout_leaves_stdout_alone(kernel: Kernel) -> None:
    reply = kernel.ok(f"%%capture_fd -v logs --no-stdout\n{BODY}")
    assert kernel.value("(logs.stdout, logs.stderr)") == ("", "python err\nnative err\n")
    assert "python out\n" in reply.stream("stdout")
    assert reply.stream("stderr") == ""


def test_no_stderr_leaves_stderr_alone(kernel: Kernel) -> None:
    reply = kernel.ok(f"%%capture_fd -v logs --no-stderr\n{BODY}")
    assert kernel.value("(logs.stdout, logs.stderr)") == ("python out\nnative out\n", "")
    assert "python err\n" in reply.stream("stderr")
    assert reply.stream("stdout") == ""


def test_no_python_takes_native_output_only(kernel: Kernel) -> None:
    reply = kernel.ok(f"%%capture_fd -v logs --no-python\n{BODY}")
    assert kernel.value("(logs.stdout, logs.stderr)") == ("native out\n", "native err\n")
    assert reply.stream("stdout") == "python out\n"
    assert reply.stream("stderr") == "python err\n"
    assert kernel.value("type(__import__('sys').stdout).__name__") == "OutStream"


def test_with_both_streams_off_the_cell_still_runs_or_is_refused(kernel: Kernel) -> None:
    reply = kernel.run(f"%%capture_fd -v logs --no-stdout --no-stderr\n{BODY}")
    if reply.status == "error":
        usage_error(reply)
    else:
        assert "python out\n" in reply.stream("stdout")
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_display_captures_displays_too(kernel: Kernel) -> None:
    reply = kernel.ok(
        "%%capture_fd -v logs --display\nfrom IPython.display import HTML, display\n"
        "print('text')\ndisplay(HTML('<b>bold</b>'))\n'the value'"
    )
    assert reply.displays == []
    assert kernel.value("logs.stdout") == "text\n"
    data = kernel.value("[output.data for output in logs.outputs]")
    assert data[0]["text/html"] == "<b>bold</b>"
    shown = kernel.ok("logs.show()")
    assert shown.displays[0]["text/html"] == "<b>bold</b>"
    assert shown.stream("stdout") == "text\n"


def test_show_keeps_the_order_of_streams_that_take_turns(kernel: Kernel) -> None:
    kernel.ok(
        "import os\n%capture_fd -v logs [os.system(f'echo {i} >&{1 + i % 2}') for i in range(8)]"
    )
    shown = sequence(kernel.ok("logs.show()").own)
    assert "".join(text for _, text in shown) == kernel.value("str(logs)")


def test_no_display_is_accepted_as_in_capture(kernel: Kernel) -> None:
    reply = kernel.ok("%%capture_fd -v logs --no-display\ndisplay('shown')")
    assert reply.displays == [{"text/plain": "'shown'"}]


def test_merge_keeps_both_streams_in_one_exact_order(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs --merge\nimport os, sys\nfor i in range(500):\n"
        "    print('o', i)\n    print('e', i, file=sys.stderr)\n"
        "    os.write(1 + i % 2, b'n %d\\n' % i)"
    )
    expected = "".join(f"o {i}\ne {i}\nn {i}\n" for i in range(500))
    assert kernel.value("logs.text") == expected
    assert kernel.value("len(logs)") == 1500


@pytest.mark.parametrize("drain", ["auto", "process", "thread"])
def test_each_drain_may_be_chosen(kernel: Kernel, drain: str) -> None:
    kernel.ok(f"%%capture_fd -v logs --drain {drain}\n{BODY}")
    assert kernel.value("logs.stdout") == "python out\nnative out\n"


def test_the_options_line_expands_variables_as_other_magics_do(kernel: Kernel) -> None:
    kernel.ok("which = 'chosen'")
    kernel.ok("%%capture_fd -v {which}\nprint('a')")
    assert kernel.value("chosen.text") == "a\n"
    kernel.ok("%%capture_fd -v $which\nprint('b')")
    assert kernel.value("chosen.text") == "b\n"


def test_a_comment_that_looks_like_the_magic_is_only_a_comment(kernel: Kernel) -> None:
    reply = kernel.ok("# %%capture_fd logs\nprint('shown')")
    assert reply.stream("stdout") == "shown\n"
    assert kernel.value("'logs' in globals()") is False


def test_another_magic_whose_name_starts_alike_is_not_ours(kernel: Kernel) -> None:
    reply = kernel.run("%%capture_fdx logs\nran = 1")
    assert reply.status == "error" or "not found" in reply.shown
    assert kernel.value("'ran' in globals()") is False


def test_what_capture_accepts_works_here(kernel: Kernel) -> None:
    for options in (
        "out",
        "--no-stderr out",
        "--no-stdout out",
        "--no-display out",
        "out --no-stderr",
    ):
        kernel.ok(f"%%capture {options}\nprint('x')")
        kernel.ok(f"%%capture_fd {options}\nprint('x')")
        assert kernel.value("type(out).__name__") == "Captured"


def test_captured_serves_code_written_for_captured_io(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd --display out\nimport sys\nprint('o')\n"
        "print('e', file=sys.stderr)\ndisplay(1)"
    )
    assert kernel.value("(out.stdout, out.stderr, str(out))") == ("o\n", "e\n", "o\ne\n")
    assert kernel.value("[type(o).__name__ for o in out.outputs]") == ["RichOutput"]
    for replay in ("out.show()", "out()"):
        shown = kernel.ok(replay)
        assert (shown.stream("stdout"), shown.stream("stderr")) == ("o\n", "e\n")
        assert shown.displays == [{"text/plain": "1"}]


def test_the_repr_is_one_line(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('x\\n' * 100)")
    text = kernel.value("repr(logs)")
    assert len(text.splitlines()) == 1 and len(text) < 200


# -- variables --------------------------------------------------------------------------------


def test_a_new_capture_replaces_the_variable(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('one')")
    kernel.ok("%%capture_fd -v logs\nprint('two')")
    assert kernel.value("logs.text") == "two\n"


def test_a_held_log_outlives_its_name(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('one')")
    kernel.ok("kept = logs")
    kernel.ok("%%capture_fd -v logs\nprint('two')")
    assert kernel.value("(kept.text, logs.text)") == ("one\n", "two\n")


def test_a_name_that_the_cell_assigns_is_bound_to_the_log_afterwards(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd -v logs\nlogs = 'mine'\nprint('x')")
    assert kernel.value("logs.text") == "x\n"


def test_nested_cell_magics_each_have_their_own(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd outer\n%%capture_fd inner\nprint('x')")
    assert kernel.value("(outer.text, inner.text)") == ("", "x\n")


def test_a_nested_run_cell_with_a_capture_gets_its_part(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd outer\nprint('before')\n"
        "get_ipython().run_cell('%%capture_fd inner\\nprint(5)')\nprint('after')"
    )
    assert kernel.value("(outer.text, inner.text)") == ("before\nafter\n", "5\n")


# -- the line magic ---------------------------------------------------------------------------


def test_the_line_magic_captures_one_statement(kernel: Kernel) -> None:
    reply = kernel.ok("%capture_fd print('x')\nprint('shown')")
    assert kernel.value("_logs.text") == "x\n"
    assert reply.stream("stdout") == "shown\n"


@pytest.mark.parametrize("options", ["-v logs", "--var logs", "--var=logs", "-v logs --merge"])
def test_the_line_magic_takes_options_before_its_statement(kernel: Kernel, options: str) -> None:
    kernel.ok(f"%capture_fd {options} print('x')")
    assert kernel.value("logs.text") == "x\n"


def test_the_line_magic_returns_the_value_of_its_statement(kernel: Kernel) -> None:
    kernel.ok("def solve():\n    print('solving')\n    return 42")
    kernel.ok("logs = %capture_fd solve()")
    assert kernel.value("logs") == 42
    assert kernel.value("_logs.text") == "solving\n"
    assert kernel.ok("%capture_fd solve()").result == "42"


def test_the_statement_may_hold_anything(kernel: Kernel) -> None:
    kernel.ok("%capture_fd -v logs print('a -v b --merge', \"q'\" , {1: 2})")
    assert kernel.value("logs.text") == "a -v b --merge q' {1: 2}\n"
    kernel.ok("%capture_fd -v logs for i in range(3): print(i)")
    assert kernel.value("logs.text") == "0\n1\n2\n"
    kernel.ok("%capture_fd -v logs x = 5; print(x)")
    assert kernel.value("(x, logs.text)") == (5, "5\n")


def test_the_line_magic_captures_a_shell_command(kernel: Kernel) -> None:
    kernel.ok("%capture_fd -v logs !echo from the shell")
    assert kernel.value("logs.stdout").replace("\r", "") == "from the shell\n"


def test_an_error_in_the_statement_is_raised_and_the_log_kept(kernel: Kernel) -> None:
    kernel.ok("def fail():\n    print('before')\n    raise ValueError('why')")
    reply = kernel.run("%capture_fd -v logs fail()")
    assert (reply.status, reply.error) == ("error", ("ValueError", "why"))
    assert len(reply.errors) == 1
    assert kernel.value("logs.text") == "before\n"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_a_syntax_error_in_the_statement_is_one(kernel: Kernel) -> None:
    reply = kernel.run("%capture_fd -v logs for for")
    assert reply.status == "error" and reply.error[0] == "SyntaxError"
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_the_line_magic_works_inside_a_function_and_a_loop(kernel: Kernel) -> None:
    kernel.ok(
        "all_logs = []\nfor i in range(3):\n    %capture_fd -v one print('n')\n"
        "    all_logs.append(one)"
    )
    assert kernel.value("[log.text for log in all_logs]") == ["n\n"] * 3


def test_the_line_magic_inside_a_captured_cell_takes_its_part(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd outer\nprint('a')\n%capture_fd -v inner print('b')\nprint('c')")
    assert kernel.value("(outer.text, inner.text)") == ("a\nc\n", "b\n")


# -- bad input --------------------------------------------------------------------------------

BAD_LINES = {
    "an unknown option": ("--nope", "--no-stdout"),
    "an abbreviation": ("--no-std", "--no-stdout"),
    "a number as name": ("-v 1x", "name"),
    "a number as bare name": ("1x", "name"),
    "no name after -v": ("-v", "NAME"),
    "a keyword as name": ("-v class", "name"),
    "a bare keyword": ("None", "name"),
    "two names": ("-v a b", "name"),
    "three words": ("a b c", ""),
    "an attribute as name": ("-v a.b", "name"),
    "an unclosed quote": ("-v 'logs", ""),
    "a bad drain": ("--drain magic", "thread"),
    "a bad size": ("--max-bytes 12X", "64K"),
    "a size of nothing": ("--max-bytes 0", ""),
}


@pytest.mark.parametrize(("line", "says"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_one_line_of_usage_error_and_the_cell_does_not_run(
    kernel: Kernel, line: str, says: str
) -> None:
    before = kernel.value("[__import__('os').fstat(n)[:3] for n in (1, 2)]")
    text = usage_error(kernel.run(f"%%capture_fd {line}\nran = 1"))
    assert says.lower() in text.lower()
    assert kernel.value("'ran' in globals()") is False
    assert before == kernel.value("[__import__('os').fstat(n)[:3] for n in (1, 2)]")
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


@pytest.mark.parametrize("word", ["class", "None", "lambda", "await"])
def test_no_keyword_may_be_the_name(kernel: Kernel, word: str) -> None:
    assert keyword.iskeyword(word)
    assert word in usage_error(kernel.run(f"%%capture_fd -v {word}\nran = 1"))


@pytest.mark.parametrize("body", ["", "\n", "\n  \n\n"])
def test_an_empty_body_is_a_usage_error(kernel: Kernel, body: str) -> None:
    assert "empty" in usage_error(kernel.run(f"%%capture_fd logs{body}"))
    assert kernel.value("'logs' in globals()") is False


def test_a_bad_line_is_a_usage_error_under_time_too(kernel: Kernel) -> None:
    reply = kernel.run("%%time\n%%capture_fd --nope\nran = 1")
    assert "--nope" in reply.shown and "--no-stdout" in reply.shown
    assert kernel.value("'ran' in globals()") is False


def test_a_bad_line_of_the_line_magic_is_a_usage_error(kernel: Kernel) -> None:
    for line in ("--nope print(1)", "-v 1x print(1)", "-v", "", "-v logs"):
        usage_error(kernel.run(f"%capture_fd {line}"))
    assert kernel.ok("print('shown')").stream("stdout") == "shown\n"


def test_the_message_names_what_is_accepted(kernel: Kernel) -> None:
    text = usage_error(kernel.run("%%capture_fd --nope\nran = 1"))
    for option in ("--var", "--no-stdout", "--no-stderr", "--no-python", "--display", "--merge"):
        assert option in text


# -- what a statement sees ----------------------------------------------------------------------

#: Places that a statement may stand in, where ``n`` is 3 and, in the notebook, 100.
PLACES = {
    "a function": "def f():\n    n = 3\n    found = MAGIC\n    return found\nfound = f()",
    "an argument": "def f(n):\n    found = MAGIC\n    return found\nfound = f(3)",
    "a closure": "def f(n):\n    def g():\n        n\n        found = MAGIC\n"
    "        return found\n    return g()\nfound = f(3)",
    "a method": "class C:\n    def f(self, n):\n        self.n = n\n        found = MAGIC\n"
    "        return found\nfound = C().f(3)",
    "a class": "class C:\n    n = 3\n    found = MAGIC\nfound = C.found",
    "a loop in a function": "def f():\n    for n in (2, 3):\n        found = MAGIC\n"
    "    return found\nfound = f()",
    "a generator": "def f(n):\n    found = MAGIC\n    yield found\n[found] = f(3)",
    "a coroutine": "async def f(n):\n    found = MAGIC\n    return found\nfound = await f(3)",
    "an except clause": "def f():\n    try:\n        raise KeyError(3)\n"
    "    except KeyError as error:\n        n = error.args[0]\n        found = MAGIC\n"
    "    return found\nfound = f()",
}
EXPRESSIONS = ("n", "(lambda: n)()", "[n for _ in '1'][0]", "eval('n')", "sum(n for _ in '1')")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_statement_sees_the_variables_of_the_place_it_stands_in(
    kernel: Kernel, place: str
) -> None:
    kernel.ok("n = 100")
    for expression in EXPRESSIONS:
        if "    n = 3\n    found" in place and place.startswith("class") and expression[0] != "n":
            continue  # what is in a class is not seen by functions in it, in any Python
        kernel.ok(
            place.replace("MAGIC", f"%capture_fd -v logs print({expression}) or {expression}")
        )
        assert kernel.value("(found, logs.text)") == (3, "3\n"), expression
    assert kernel.value("n") == 100


def test_a_statement_in_a_comprehension_sees_its_variables(kernel: Kernel) -> None:
    magic = "get_ipython().run_line_magic('capture_fd', '(lambda: [i, n])()')"
    kernel.ok(f"i = n = 100\ndef f(n):\n    return [{magic} for i in range(2)]\nfound = f(3)")
    assert kernel.value("found") == [[0, 3], [1, 3]]
    assert kernel.ok(f"[{magic} for i in range(2)]").result == "[[0, 100], [1, 100]]"
    assert kernel.ok(f"class C:\n    found = [{magic} for i in range(2)]\nC.found").result == (
        "[[0, 100], [1, 100]]"
    )
    nested = magic.replace("[i, n]", "[i, k, n]")
    assert kernel.ok(
        f"n = 200\n[[{nested} for k in (i,)] for i in range(2)], [lambda: j for j in (5,)][0]()"
    ).result == ("([[[0, 0, 200]], [[1, 1, 200]]], 5)")
    kept = "get_ipython().run_line_magic('capture_fd', '(lambda: [i, n])')"
    assert kernel.ok(f"[f] = [{kept} for i in (5,) if (lambda: i)()]\nn = 300\nf()").result == (
        "[5, 300]"
    )


def test_self_is_seen(kernel: Kernel) -> None:
    kernel.ok(
        "class C:\n    n = 3\n    def f(self):\n        %capture_fd -v logs print(self.n)\nC().f()"
    )
    assert kernel.value("logs.text") == "3\n"


def test_a_statement_at_the_top_assigns_and_one_in_a_function_changes_no_global(
    kernel: Kernel,
) -> None:
    kernel.ok("%capture_fd a, b = 1, 2\n%capture_fd def c(): return a + b")
    assert kernel.value("(a, b, c())") == (1, 2, 3)
    kernel.ok("def f():\n    a = 5\n    %capture_fd -v logs a += 1; print(a)\nf()")
    assert kernel.value("(a, logs.text)") == (1, "6\n")
    kernel.ok("def f():\n    %capture_fd global a; a = 7\nf()")
    assert kernel.value("a") == 7


def test_options_see_the_variables_of_a_function_too(kernel: Kernel) -> None:
    kernel.ok("which = 'wrong'\ndef f(which):\n    %capture_fd -v {which} print(1)\nf('right')")
    assert kernel.value("right.text") == "1\n"


@pytest.mark.parametrize(
    "cell",
    [
        "# a comment\ndef f(n):\n    %capture_fd -v logs print(1/n)\nf(0)",
        "def f(n):\n    x = %capture_fd -v logs [1/n for i in '1']\nf(0)",
        "n = 0\n%capture_fd 1/n",
    ],
)
def test_a_traceback_starts_at_the_users_line_and_has_no_frame_of_ours(
    kernel: Kernel, cell: str
) -> None:
    reply = kernel.run(cell)
    assert reply.error[0] == "ZeroDivisionError"
    assert "ipyfdcapture" not in reply.traceback.replace("ipyfdcapture-", "")
    files = re.findall(r"^(?:Cell In|File)\b.*", reply.traceback, re.M)
    line = next(i for i, text in enumerate(cell.split("\n"), 1) if "%capture_fd" in text)
    # Each place is one in this cell, and the last the line that was typed.
    assert all(text.startswith(f"Cell In[{reply.count}], line ") for text in files), files
    assert files[-1].startswith(f"Cell In[{reply.count}], line {line}")
    assert f"line {cell.count(chr(10)) + 1}" in files[0]


def test_a_traceback_of_a_cell_below_another_magic_names_its_cell(kernel: Kernel) -> None:
    reply = kernel.run("%%time\n%%capture_fd\n1/0")
    shown = reply.shown  # the %%time of IPython 8 shows the error itself, and does not fail
    assert "ipyfdcapture" not in shown.replace("ipyfdcapture-", "")
    assert f"Cell In[{reply.count}], line 1\n----> 1 1/0" in shown


# -- lines that are fine ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "%%capture_fd -v logs  # keep it\nprint('x')",
        "%%capture_fd logs # keep it, isn't it\nprint('x')",
        "# a comment\n%%capture_fd -v logs\nprint('x')",
        "\n\n# %%capture_fd other\n\n# more\n%%capture_fd -v logs\nprint('x')",
        "%%capture_fd --max-bytes 1.5G -v logs\nprint('x')",
        "%%capture_fd --max-bytes=10MB -v logs\nprint('x')",
        "%%capture_fd --tail logs\nprint('x')",
        "%%capture_fd --tail 5 logs\nprint('x')",
        "%%capture_fd logs --tail\nprint('x')",
        "%capture_fd --tail -v logs print('x')",
        "%capture_fd -v logs print('x') # --live",
        "%capture_fd -v logs print('x' or '--live')",
        "live = 1\n%capture_fd -v logs print('x', end='\\n' if 5 -live else '')",
    ],
)
def test_what_may_be_written_is_accepted(kernel: Kernel, cell: str) -> None:
    kernel.ok(cell)
    assert kernel.value("logs.text") == "x\n"


@pytest.mark.parametrize("line", ["%capture_fd -h", "%capture_fd --help", "%capture_fd -h ran = 1"])
def test_help_is_shown_and_nothing_runs(kernel: Kernel, line: str) -> None:
    for cell in (line, line.replace("%", "%%"), line.replace("%", "%%") + "\nran = 1"):
        shown = kernel.ok(cell).stream("stdout")
        assert "%%capture_fd [options] [NAME]\n" in shown and "--max-bytes SIZE" in shown
        assert "%%%" not in shown
    assert kernel.value("{'ran'} & {*globals()}") == set()


@pytest.mark.parametrize("path", ["~/of home.txt", "$HOME/of home.txt", "${HOME}/{what}.txt"])
@pytest.mark.parametrize("magic", ["%%capture_fd {}\nprint('x')", "%capture_fd {} print('x')"])
def test_a_path_may_name_the_home_and_variables(kernel: Kernel, path: str, magic: str) -> None:
    kernel.ok("what = 'of home'")
    kernel.ok(magic.format(f'--file "{path}"'))
    home = Path(kernel.value("__import__('os').path.expanduser('~')"))
    assert (home / "of home.txt").read_text() == "x\n"
    (home / "of home.txt").unlink()


def test_tail_without_a_number_shows_what_the_configuration_says(kernel: Kernel) -> None:
    kernel.ok("%config CaptureFd.tail_lines = 2")
    reply = kernel.ok(
        "%%capture_fd --tail -v logs\nfor i in range(9): print('line', i)\ndisplay('now')"
    )
    kernel.ok("%config CaptureFd.tail_lines = 20")
    assert {"text/plain": "line 7\nline 8"} in reply.displays


# -- configuration ----------------------------------------------------------------------------


def test_config_shows_the_traits_with_their_help(kernel: Kernel) -> None:
    shown = kernel.ok("%config CaptureFd").shown
    for trait in ("drain", "encoding", "errors", "spool_dir", "max_bytes"):
        assert re.search(rf"CaptureFd\.{trait}\b", shown), shown
    undocumented = kernel.value(
        "[name for c in get_ipython().configurables if type(c).__name__ == 'CaptureFd'"
        " for name, trait in type(c).class_own_traits(config=True).items() if not trait.help]"
    )
    assert undocumented == []


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("drain", "'magic'"),
        ("encoding", "'no-such'"),
        ("errors", "'no-such'"),
        ("max_bytes", "'12X'"),
        ("max_bytes", "-1"),
    ],
)
def test_a_bad_configuration_value_is_refused_in_words(
    kernel: Kernel, trait: str, value: str
) -> None:
    reply = kernel.run(f"%config CaptureFd.{trait} = {value}")
    assert f"'{trait}' trait" in reply.shown or f"CaptureFd.{trait}" in reply.shown, reply.shown
    kernel.ok("%%capture_fd -v logs\nprint('still works')")
    assert kernel.value("logs.text") == "still works\n"


def test_configuration_sets_the_defaults_of_the_magics(fresh_kernel: Kernel) -> None:
    fresh_kernel.ok("%config CaptureFd.encoding = 'latin-1'")
    fresh_kernel.ok("%config CaptureFd.drain = 'thread'")
    fresh_kernel.ok("%%capture_fd -v logs\nimport os\nos.write(1, b'\\xe9\\n')\nprint('\\xe9')")
    assert fresh_kernel.value("logs.text") == "\xe9\n\xe9\n"
    assert fresh_kernel.value("logs.raw") == b"\xe9\n\xe9\n"


def test_a_configuration_file_sets_them_too(start_kernel: StartKernel) -> None:
    kernel = start_kernel(arguments=("--CaptureFd.encoding=latin-1",))
    kernel.ok("%%capture_fd -v logs\nimport os\nos.write(1, b'\\xe9')")
    assert kernel.value("logs.text") == "\xe9"


# -- options and statement --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("%capture_fd -v logs print({x, 6})", "{5, 6}\n"),
        ("%capture_fd -v logs print('{x} $x {{}}')", "{x} $x {{}}\n"),
        (
            '%capture_fd -v logs import os; _ = os.system("for x in a b; do echo $x; done")',
            "a\nb\n",
        ),
    ],
)
def test_a_statement_is_run_as_it_was_typed(kernel: Kernel, line: str, shown: str) -> None:
    kernel.ok("x = 5")
    kernel.ok(line)
    assert kernel.value("logs.stdout") == shown


def test_options_of_both_magics_are_expanded(kernel: Kernel) -> None:
    kernel.ok(
        "def capture(name):\n"
        "    get_ipython().run_line_magic('capture_fd', '-v {name} print(1)')\n"
        "    %capture_fd --max-bytes {2 * 1000} -v $name print(2)\n"
        "capture('of_function')"
    )
    assert kernel.value("of_function.stdout") == "2\n"
    kernel.ok("name = 'of_cell'")
    kernel.ok("%%capture_fd -v {name}\nprint('{name}')")
    assert kernel.value("of_cell.stdout") == "{name}\n"


@pytest.mark.parametrize(
    "magic", ["%%capture_fd {options}\nprint('a')", "%capture_fd {options} print('a')"]
)
@pytest.mark.parametrize(
    "options",
    ["--file '{path}' -v logs", '-v logs --file="{path}"', '--file "{{where}}" -v logs'],
)
def test_quotes_hold_a_value_together(
    kernel: Kernel, tmp_path: Path, magic: str, options: str
) -> None:
    path = tmp_path / "my log.txt"
    kernel.ok(f"where = {str(path)!r}")
    kernel.ok(magic.format(options=options.format(path=path)))
    assert path.read_text() == "a\n"
    assert kernel.value("logs.stdout") == "a\n"


def test_a_quote_that_does_not_end_is_one_line(kernel: Kernel) -> None:
    assert "--file" in usage_error(kernel.run("%capture_fd --file 'my log.txt print(1)"))


# -- adding to a log --------------------------------------------------------------------------


def test_adding_keeps_displays(kernel: Kernel) -> None:
    kernel.ok("%%capture_fd --display -v logs\ndisplay('first')")
    kernel.ok("%%capture_fd --display --append -v logs\ndisplay('second')")
    assert kernel.value("[each.data['text/plain'] for each in logs.outputs]") == [
        "'first'",
        "'second'",
    ]
    kernel.ok("%%capture_fd --append -v logs\nprint('third')")
    assert kernel.value("len(logs.outputs)") == 2


def test_adding_keeps_children_of_one_label_apart(kernel: Kernel) -> None:
    kernel.ok(
        "%%capture_fd -v logs\n"
        "import subprocess\nfrom ipyfdcapture import popen\n"
        "children = [\n"
        "    popen(['cat'], stdin=subprocess.PIPE, label='x') for _ in 'ab'\n"
        "]\n"
        "for name, child in zip('ab', children):\n"
        "    child.stdin.write(f'{name} begins\\n{name} goes on'.encode()); child.stdin.flush()\n"
        "    while 'goes on' not in child.captured.text: pass\n"
        "for child in children: child.communicate(b' and ends\\n')"
    )
    lines = [f"{name} {does}" for name in "ab" for does in ("begins", "goes on and ends")]
    assert kernel.value("sorted(logs)") == lines
    kernel.ok("%%capture_fd --append -v logs\nprint('more')")
    assert kernel.value("sorted(logs)") == [*lines, "more"]


@pytest.mark.parametrize("change", ["logs = logs.tail(1)", "logs.close()", "logs = 1"])
def test_what_cannot_be_added_to_is_told_of(kernel: Kernel, change: str) -> None:
    kernel.ok("%%capture_fd -v logs\nprint('a'); print('b')")
    kernel.ok(f"{change}; before = logs; ran = False")
    text = usage_error(kernel.run("%%capture_fd --append -v logs\nran = True"))
    assert text.startswith("--append: logs ")
    assert kernel.value("(ran, logs is before)") == (False, True)


def test_a_cell_is_captured_after_an_embedded_shell_has_failed(fresh_kernel: Kernel) -> None:
    """IPython takes that shell for its own from then on: here, nobody could type into it."""
    reply = fresh_kernel.run("%%capture_fd -v logs\nimport IPython\nIPython.embed()")
    assert reply.error[0] == "StdinNotImplementedError"
    fresh_kernel.ok("%%capture_fd -v logs\nprint('in')")
    assert fresh_kernel.value("logs.text") == "in\n"
