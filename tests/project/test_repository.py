"""What the places that show this repository are told: workflows, issue forms, how to cite it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture
def noxfile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setitem(sys.modules, "nox", MagicMock())
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_of(matrix: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the Python and the pair of each run that a matrix makes."""
    excluded = {(each["python"], each["pair"]) for each in matrix["exclude"]}
    product = {(python, pair) for python in matrix["python"] for pair in matrix["pair"]}
    included = {(each["python"], each["pair"]) for each in matrix["include"]}
    return (product - excluded) | included


def test_the_tests_run_with_every_pair_of_versions_that_nox_knows(noxfile: ModuleType) -> None:
    jobs = read(".github/workflows/tests.yml")["jobs"]
    runs = runs_of(jobs["suite"]["strategy"]["matrix"])
    runs |= {(python, "newest") for python in jobs["free-threaded"]["strategy"]["matrix"]["python"]}
    skipped = {("3.10", "newest"), ("3.12", "oldest"), ("3.13", "oldest")}  # as suite() says
    assert runs == set(noxfile.RUNS) - skipped


def test_files_that_workflows_name_are_there() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        words = workflow.read_text(encoding="utf-8").split()
        named = [word for word in words if word.startswith("tests/") and word.endswith(".py")]
        assert [word for word in named if not (ROOT / word).is_file()] == [], workflow.name


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_for_a_cell_and_for_versions(path: Path) -> None:
    form = read(path)
    assert form["name"] and form["description"]
    fields = {field["id"]: field["attributes"] for field in form["body"]}
    assert len(fields) == len(form["body"])
    assert fields["cell"]["render"] == "python"
    assert any("version" in str(field) for field in fields.values())


def test_the_citation_names_the_project_as_its_metadata_does() -> None:
    citation = read("CITATION.cff")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'name = "{citation["title"]}"' in project
    assert f'license = "{citation["license"]}"' in project
    assert f'authors = [{{ name = "{citation["authors"][0]["name"]}" }}]' in project
