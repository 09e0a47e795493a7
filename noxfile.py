"""The test suite over the versions that are supported: ``pipx run nox`` (or ``nox -s oldest``)."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["newest", "oldest"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The newest IPython and ipykernel that this Python can have."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.10")
def oldest(session: nox.Session) -> None:
    """The oldest IPython and ipykernel that are supported."""
    session.install("-e", ".[test]", "ipython==8.12.0", "ipykernel==6.29.0")
    session.run("pytest", *session.posargs)
