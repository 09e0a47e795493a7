"""Imports run in one direction between the rooms, and in no circle between files.

Imports inside functions and for type checkers alone count too.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ipyfdcapture"
#: Each room may import those after it.
ROOMS = (
    *("ipython", "viewer", "cluster", "capture", "live"),
    *("output", "log", "drain", "recording", "system"),
)
#: What any room may import: they import `system` alone.
ROOT = ("errors", "checks")
#: What users import beside the package itself, since each needs a package that is not always there:
#: the functions that they call, and nothing else.
FACES = ("dask", "ipyparallel")

MODULES = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in PACKAGE.rglob("*.py")}
Module = tuple[str, ...]


def imported(module: Module, path: Path) -> set[Module]:
    """Return the modules of the package that a module imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*module[: len(module) - node.level], *(node.module or "").split("."))
            for name in node.names:
                found.add(_module_of((*filter(None, base), name.name)))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names if isinstance(node, ast.Import)]
            absolute = [name for name in names if name.split(".")[0] == PACKAGE.name]
            assert not absolute, f"{'/'.join(module)} imports {absolute}: relative imports only"
    return found - {module}


def _module_of(name: Module) -> Module:
    """Return the module that a name is, or is from."""
    while name not in MODULES:
        if (*name, "__init__") in MODULES:
            return (*name, "__init__")
        assert name, "it imports what is not there"
        name = name[:-1]
    return name


IMPORTS = {module: imported(module, path) for module, path in MODULES.items()}


def test_the_rooms_are_those_that_are_named() -> None:
    assert {module[0] for module in MODULES if len(module) > 1} == set(ROOMS)
    assert {module[0] for module in MODULES if len(module) == 1} == {*ROOT, *FACES, "__init__"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_comes_after_it(room: str) -> None:
    allowed = {room, *ROOMS[ROOMS.index(room) + 1 :], *ROOT}
    wrong = {
        (module, other)
        for module, others in IMPORTS.items()
        if module[0] == room
        for other in others
        if other[0] not in allowed
    }
    assert not wrong


@pytest.mark.parametrize("module", ROOT)
def test_the_root_s_modules_import_the_system_alone(module: str) -> None:
    assert {other[0] for other in IMPORTS[(module,)]} <= {"system", *ROOT}


def test_the_faces_are_imported_by_nobody() -> None:
    for module, others in IMPORTS.items():
        assert not {other for other in others if other[0] in FACES}, module


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join("/".join(module) for module in error.args[1]))


def test_a_log_knows_only_recordings_and_the_system() -> None:
    for module, others in IMPORTS.items():
        if module[0] == "log":
            assert {other[0] for other in others} <= {"log", "recording", "system", *ROOT}, module


def test_the_viewer_shows_logs_and_captures_nothing() -> None:
    for module, others in IMPORTS.items():
        if module[0] == "viewer":
            rooms = {"viewer", "log", "recording", "system", *ROOT}
            assert {other[0] for other in others} <= rooms, module
