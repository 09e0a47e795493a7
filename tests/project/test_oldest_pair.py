"""Which tests ``.ci/run`` runs with the oldest IPython and ipykernel as well."""

from __future__ import annotations

import inspect
import re

import pytest
from helpers.process import REPO_DIR, TESTS_DIR

#: What a test that meets them names, itself or in the script that it runs.
MEETS = re.compile(
    r"IPython|ipykernel|[Jj]upyter|nbclient|nbconvert|nbval|papermill|load_ext|%%?capture_fd"
)


def source(function: object) -> str:
    """Return the code of a test with that of the scripts that it names."""
    text = inspect.getsource(function)  # type: ignore[arg-type]
    scripts = (TESTS_DIR / "scripts" / f"{name}.py" for name in re.findall(r'"([\w/]+)"', text))
    return "\n".join([text, *(path.read_text("utf-8") for path in scripts if path.is_file())])


def test_each_test_that_meets_ipython_is_marked(request: pytest.FixtureRequest) -> None:
    """Of those that this run has collected: in CI, all."""
    (command,) = re.findall(r"-m ipython (.*)", (REPO_DIR / ".ci" / "run").read_text("utf-8"))
    folders = [REPO_DIR / word for word in command.split()]
    assert [folder for folder in folders if not folder.is_dir()] == []
    unmarked = {
        item.function
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and any(folder in item.path.parents for folder in folders)
        and item.get_closest_marker("ipython") is None
    }
    forgotten = [f.__qualname__ for f in unmarked if MEETS.search(source(f))]
    assert forgotten == [], "mark them with @pytest.mark.ipython"
