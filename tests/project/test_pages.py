"""Every example of the README and of the pages of documentation runs, and shows what it says.

`helpers.examples` tells how a page says it. The notebooks are run by nbval.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.examples import Example, examples_of, matches
from helpers.kernel import Kernel
from helpers.process import AWAIT_LOOK, await_end, pumps, run_python
from helpers.wait import LIMIT_S

ROOT = Path(__file__).resolve().parents[2]
RUN_PAGE = ROOT / "tests" / "scripts" / "run_page.py"
_PRELUDE = "from helpers.examples import check_value as _check_value"

EXAMPLES = {
    page.relative_to(ROOT).as_posix(): examples
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    if (examples := examples_of(page, ROOT))
}


def skip_if_something_is_missing(page: str) -> None:
    for name in {example.needs for example in EXAMPLES[page]} - {""}:
        if shutil.which(name) is None:
            pytest.importorskip(name)


IN_A_KERNEL = [page for page, found in EXAMPLES.items() if any(one.uses_magic for one in found)]
AS_A_PROGRAM = [page for page in EXAMPLES if page not in IN_A_KERNEL]


@pytest.mark.parametrize("page", IN_A_KERNEL)
def test_the_examples_of_a_notebook_show_what_the_page_says(
    page: str, start_kernel: Callable[..., Kernel]
) -> None:
    skip_if_something_is_missing(page)
    kernel = start_kernel(load=False)
    kernel.ok(_PRELUDE, store_history=False)
    has_crashed = False
    for example in EXAMPLES[page]:
        kernel.ok(example.setup, store_history=False)
        helpers = pumps(kernel.pid) if example.crashes else []
        reply = kernel.run(example.checked_code)
        if example.crashes:
            assert reply.content is None, f"{example.where}: the kernel lives"
            kernel.await_death()
            for helper in helpers:  # which keeps what there was
                await_end(helper.pid)
            kernel.restart()
            kernel.ok(_PRELUDE, store_history=False)
            has_crashed = True
        elif has_crashed:
            example.check(reply.shown + kernel.ok(AWAIT_LOOK, store_history=False).shown)
        else:
            example.check(reply.shown)


@pytest.mark.timeout(5 * LIMIT_S)
@pytest.mark.parametrize("buffering", ["line", "block"])
@pytest.mark.parametrize("page", AS_A_PROGRAM)
def test_the_examples_of_a_program_show_what_the_page_says(
    page: str, buffering: str, tmp_path: Path
) -> None:
    skip_if_something_is_missing(page)
    examples = EXAMPLES[page]
    codes = tmp_path / "examples.json"
    codes.write_text(
        json.dumps([(each.where, each.setup + each.checked_code) for each in examples])
    )
    program = RUN_PAGE.read_text(encoding="utf-8")
    # What a page needs may be a cluster, which takes its time to start.
    timeout = 4 * LIMIT_S if any(each.needs for each in examples) else LIMIT_S
    done = run_python(program, str(codes), buffering, directory=tmp_path, timeout=timeout)
    assert done.returncode == 0, done.stderr
    *shown, rest = done.stdout.split("\x1e")
    *complaints, last_complaint = done.stderr.split("\x1e")
    assert rest == last_complaint == "".join(complaints) == ""
    for example, text in zip(examples, shown, strict=True):
        example.check(text)


def test_the_pages_have_examples_of_both_kinds() -> None:
    assert {"README.md", "docs/quickstart.md", "docs/crashes.md"} <= set(IN_A_KERNEL)
    assert "docs/library.md" in AS_A_PROGRAM
    assert sum(map(len, EXAMPLES.values())) > 30


# -- how a page says it -----------------------------------------------------------------------


def examples_in(text: str, directory: Path) -> list[Example]:
    page = directory / "page.md"
    page.write_text(text)
    return examples_of(page, directory)


def test_a_block_of_text_right_below_is_what_an_example_shows(tmp_path: Path) -> None:
    (example,) = examples_in("```python\nprint(1)\n```\n\n```text\n1\n```\n", tmp_path)
    example.check("1\n")
    with pytest.raises(AssertionError, match=r"page\.md:1 shows"):
        example.check("2\n")
    with pytest.raises(AssertionError):
        example.check("1\n2\n")


def test_without_a_block_of_text_an_example_must_show_nothing(tmp_path: Path) -> None:
    (example,) = examples_in("```python\nprint(1)\n```\nelse\n```text\n1\n```\n", tmp_path)
    example.check("")
    with pytest.raises(AssertionError):
        example.check("1\n")


def test_a_value_is_checked_where_it_stands(tmp_path: Path) -> None:
    code = "with open('x') as f:\n    f.read()  # -> 'te...'\nlen(x), 3  # -> (1, 3)\n"
    (example,) = examples_in(f"```python\n{code}```\n", tmp_path)
    assert example.checked_code.splitlines()[1:] == [
        "    _check_value((f.read()), \"'te...'\")",
        "_check_value((len(x), 3), '(1, 3)')",
    ]
    assert matches("'te...'", "'text'") and not matches("'te...'", "'no'")


def test_comments_belong_to_the_example_below_them(tmp_path: Path) -> None:
    block = "```python\n1\n```\n"
    first, second = examples_in(
        f"<!-- setup: a_solver -->\n\n{block}\n<!-- crashes -->\n{block}", tmp_path
    )
    assert "solver" in first.setup and not first.crashes
    assert second.crashes and not second.setup


def test_a_block_of_a_kind_that_nobody_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="pycon"):
        examples_in("```pycon\n>>> 1\n```\n", tmp_path)
