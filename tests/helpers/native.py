"""Native code for the tests, compiled once a session, whichever worker asks first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from .tools import tool_environment
from .workers_lock import one_worker_at_a_time

_SCRIPTS = sysconfig.get_path("scripts")
_SOURCES = Path(__file__).resolve().parent.parent / "native"


@dataclass(frozen=True)
class Native:
    """Compiles the sources in ``tests/native`` into ``directory``."""

    directory: Path

    def c(self, name: str = "out") -> str:
        """Return the path of a shared library, from C."""
        return self._build(name, ".c", "gcc")

    def cpp(self, name: str) -> str:
        return self._build(name, ".cpp", "g++")

    def fortran(self, name: str) -> str:
        return self._build(name, ".f90", "gfortran")

    def rust(self, name: str) -> str:
        flags = ("--crate-type=cdylib", "-Cpanic=abort")
        return self._build(name, ".rs", "rustc", flags, suffix_of_target=".so")

    def go(self, name: str) -> str:
        flags = ("build", "-buildmode=c-shared")
        return self._build(name, ".go", "go", flags, suffix_of_target=".so")

    def program(self, name: str) -> str:
        """Return the path of a program, from C."""
        return self._build(name, ".c", "gcc", ())

    def extension(self, name: str) -> str:
        """Return the path of a Python extension module, from C."""
        return self._build(name, ".c", "gcc", ("-shared", "-fPIC", *_python_headers()))

    def pybind11(self, name: str) -> str:
        """Return the path of a Python extension module, from C++ with pybind11."""
        pybind11 = pytest.importorskip("pybind11")
        flags = ("-shared", "-fPIC", "-std=c++17", *_python_headers())
        return self._build(name, ".cpp", "g++", (*flags, f"-I{pybind11.get_include()}"))

    def f2py(self, name: str) -> str:
        """Return the path of a Python extension module, from Fortran with f2py."""
        pytest.importorskip("numpy")
        _python_headers()
        directory = self.directory / f"f2py-{name}"
        with one_worker_at_a_time(self.directory, directory.name):
            if not directory.exists():
                for tool in ("gfortran", "meson", "ninja"):
                    _find(tool, f"{name}.f90")
                directory.mkdir()
                arguments = ["--backend", "meson", "-c", str(_SOURCES / f"{name}.f90"), "-m", name]
                self._run([sys.executable, "-m", "numpy.f2py", *arguments], cwd=directory)
        (module,) = directory.glob(f"{name}.*.so")
        return str(module)

    def _build(
        self,
        name: str,
        suffix: str,
        compiler: str,
        flags: tuple[str, ...] = ("-shared", "-fPIC"),
        suffix_of_target: str = "",
    ) -> str:
        found = _find(compiler, name + suffix)
        suffix_of_target = suffix_of_target or (".so" if "-shared" in flags else "")
        target = self.directory / (name + suffix_of_target)
        with one_worker_at_a_time(self.directory, target.name):
            if not target.exists():
                command = [found, *flags, "-o", str(target), str(_SOURCES / (name + suffix))]
                if compiler.startswith("g") and compiler != "go":
                    command += ["-O2", "-lpthread"]
                self._run(command, cwd=self.directory)
        return str(target)

    def _run(self, command: list[str], cwd: Path) -> None:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=_environment())
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def importing(module: str) -> str:
    """Return a line that imports the extension module at this path."""
    path = Path(module)
    name = path.name.partition(".")[0]
    return f"import sys; sys.path.insert(0, {str(path.parent)!r}); import {name}\n"


def _environment() -> dict[str, str]:
    """Return an environment in which the tools that came with this Python are found."""
    env = tool_environment()
    return {**env, "PATH": os.pathsep.join([_SCRIPTS, env.get("PATH", "")])}


def _find(tool: str, source: str) -> str:
    found = shutil.which(tool, path=_environment()["PATH"])
    if found is None:
        pytest.skip(f"no {tool} to build {source} with")
    return found


def _python_headers() -> list[str]:
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        pytest.skip("Python's headers are not installed")
    return [f"-I{include}"]
