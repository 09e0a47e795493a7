"""Native code for the tests, compiled once a session."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

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

    def program(self, name: str) -> str:
        """Return the path of a program, from C."""
        return self._build(name, ".c", "gcc", ())

    def extension(self, name: str) -> str:
        """Return the path of a Python extension module, from C."""
        include = sysconfig.get_path("include")
        if not (Path(include) / "Python.h").exists():
            pytest.skip("Python's headers are not installed")
        return self._build(name, ".c", "gcc", ("-shared", "-fPIC", f"-I{include}"))

    def _build(
        self,
        name: str,
        suffix: str,
        compiler: str,
        flags: tuple[str, ...] = ("-shared", "-fPIC"),
    ) -> str:
        found = shutil.which(compiler)
        if found is None:
            pytest.skip(f"no {compiler} to compile {name}{suffix} with")
        target = self.directory / (name + (".so" if "-shared" in flags else ""))
        if not target.exists():
            command = [found, "-O2", *flags, str(_SOURCES / (name + suffix)), "-o", str(target)]
            subprocess.run([*command, "-lpthread"], check=True, capture_output=True)
        return str(target)
