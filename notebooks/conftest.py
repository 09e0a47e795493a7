"""The cells of a notebook are tests that need each other: one worker runs them, in their order."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: What is not run, since it needs a package that is not there.
collect_ignore = [] if find_spec("distributed") and find_spec("ipyparallel") else ["cluster.ipynb"]


class _NotebooksWhole(LoadScopeScheduling):
    """Hands out one test at a time, and the cells of a notebook together.

    ``--dist=loadgroup`` with a mark for each notebook does not work: it changes the names of tests,
    which pytest from version 9 on does not let it do (pytest-xdist 3.8).
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.endswith(".ipynb") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _NotebooksWhole(config, log)
