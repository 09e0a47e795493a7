"""The notebooks as they are saved: somebody who opens one sees what it shows. nbval runs them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def test_a_notebook_is_saved_as_it_was_run_from_first_to_last(
    notebook: nbformat.NotebookNode,
) -> None:
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_a_notebook_says_nothing_of_when_it_was_run(notebook: nbformat.NotebookNode) -> None:
    assert [cell for cell in notebook.cells if "execution" in cell.metadata] == []


def test_the_quickstart_ends_with_the_view_of_a_log() -> None:
    (path,) = (path for path in NOTEBOOKS if path.name == "quickstart.ipynb")
    last = nbformat.read(path, as_version=4).cells[-1]
    assert last.source == "logs"
    (output,) = last.outputs
    assert 'class="fdlog"' in output.data["text/html"]
    assert "HiGHS" in output.data["text/html"]
