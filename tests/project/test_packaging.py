"""What is released: the wheel and the source distribution hold what they should, and work."""

from __future__ import annotations

import email
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from helpers.fixtures import FULL
from helpers.workers_lock import one_worker_at_a_time

import ipyfdcapture

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ipyfdcapture"

needs_full = pytest.mark.skipif(not FULL, reason="installs from the index: IPYFDCAPTURE_FULL=1")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program that must end well, without this tree on the path; return what it printed."""
    ours = ("PYTHONPATH", "IPYFDCAPTURE_FULL", "TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_in(*places: str) -> set[str]:
    """Return the files below these places of the tree, as a fresh clone has them."""
    found = set()
    for place in places:
        path = ROOT / place
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and not {"__pycache__", ".ipynb_checkpoints", "node_modules"} & set(
                file.parts
            ):
                found.add(file.relative_to(ROOT).as_posix())
    return found


@pytest.fixture(scope="session")
def built(workers_directory: Path) -> Path:
    """A directory with the wheel and the source distribution."""
    for name in ("build", "hatchling", "hatch_fancy_pypi_readme"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    place = workers_directory / "dist"
    with one_worker_at_a_time(workers_directory, "dist"):
        if not list(place.glob("*.whl")):
            place.mkdir(exist_ok=True)
            # The wheel is built from the source distribution, as an installer without wheels would.
            run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, ROOT, cwd=place)
    return place


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    (found,) = built.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_is_pure_and_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"ipyfdcapture-{ipyfdcapture.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files_in("ipyfdcapture")
    assert {"ipyfdcapture/log/view/style.css", "ipyfdcapture/py.typed"} <= names


def test_the_source_distribution_holds_what_its_own_tests_need(sdist: Path) -> None:
    top = f"ipyfdcapture-{ipyfdcapture.__version__}/"
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(top) for name in archive.getnames()}
    places = ["ipyfdcapture", "tests", "notebooks", "docs", "noxfile.py", "pyproject.toml"]
    places += [
        ".ci",
        ".github",
        ".pre-commit-config.yaml",
        "CITATION.cff",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE",
    ]
    assert names - {"PKG-INFO", ".gitignore"} == files_in(*places)


def test_the_metadata_is_that_of_the_tree(metadata: Message) -> None:
    assert metadata["Version"] == ipyfdcapture.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = sorted(re.split(r"[<>=!~ ]", line)[0] for line in needed)
    assert names == ["ipykernel", "ipython", "traitlets"]


def test_the_readme_of_the_index_leads_to_no_file_that_is_not_there(metadata: Message) -> None:
    text = str(metadata.get_payload())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", text) == []
    assert "![" not in text and "<img" not in text and "<source" not in text
    assert "analysis.ipynb works through" in text
    assert text.count("\n## ") == (ROOT / "README.md").read_text().count("\n## ")


def test_the_index_will_take_it(built: Path) -> None:
    if importlib.util.find_spec("twine") is None:
        pytest.skip("twine is not installed")
    files = sorted(built.iterdir())
    assert "PASSED" in run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


def test_the_version_stands_in_one_place_and_has_its_changes_told() -> None:
    version = ipyfdcapture.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version)
    said = [
        path.relative_to(ROOT).as_posix()
        for path in [*PACKAGE.rglob("*.py"), ROOT / "pyproject.toml", ROOT / "noxfile.py"]
        if re.search(rf"\b{re.escape(version)}\b", path.read_text(encoding="utf-8"))
    ]
    assert said == ["ipyfdcapture/__init__.py"]
    assert re.search(rf"^## \[{re.escape(version)}\]", CHANGES, re.MULTILINE) or UNRELEASED


CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.*)$", CHANGES, re.MULTILINE)
UNRELEASED = HEADINGS[:1] == ["[Unreleased]"]


def test_the_changelog_keeps_its_form() -> None:
    assert HEADINGS
    for heading in HEADINGS:
        assert re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
    kinds = re.findall(r"^### (.*)$", CHANGES, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert kinds


# -- installed elsewhere ----------------------------------------------------------------------


def clean_environment(directory: Path, *packages: str) -> Path:
    """Return the directory of the programs of a new environment."""
    venv.create(directory, with_pip=True)
    programs = directory / "bin"
    run(programs / "python", "-m", "pip", "install", "-q", *packages, cwd=directory)
    return programs


@needs_full
@pytest.mark.timeout(900)
def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    programs = clean_environment(tmp_path / "env", f"{wheel}[demo]")
    notebook = ROOT / "notebooks" / "quickstart.ipynb"
    command = ["nbconvert", "--execute", "--to", "markdown", "--stdout", notebook]
    shown = run(programs / "jupyter", *command, cwd=tmp_path)
    assert "HiGHS" in shown
    where = run(
        programs / "python", "-c", "import ipyfdcapture; print(ipyfdcapture.__file__)", cwd=tmp_path
    )
    assert str(tmp_path) in where


@needs_full
@pytest.mark.timeout(900)
def test_the_source_distribution_passes_its_own_tests(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("ipyfdcapture-*")
    programs = clean_environment(tmp_path / "env", f"{source}[test]")
    some = [
        "tests/project/test_readme.py",
        "tests/project/test_packaging.py",
        "tests/unit/test_levels.py",
    ]
    run(programs / "python", "-m", "pytest", "-q", *some, cwd=source)
