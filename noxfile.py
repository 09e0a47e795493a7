"""The test suite over the versions that are supported: ``pipx run nox``.

Each Python that is present runs it with each pair of IPython and ipykernel, and a summary comes
last. One of them: ``pipx run nox -s "suite(3.11-oldest)"``; what follows ``--`` is for pytest.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2"
nox.options.error_on_missing_interpreters = False

PAIRS = {
    "oldest": ["ipython==8.12.0", "ipykernel==6.29.0"],
    "last-8-and-6": ["ipython==8.*", "ipykernel==6.*"],
    "last-8-and-7": ["ipython==8.*", "ipykernel==7.*"],
    "newest": ["ipython>=9", "ipykernel>=7"],
}
RUNS = [
    *(("3.10", pair) for pair in PAIRS),
    *(
        (python, pair)
        for python in ("3.11", "3.12", "3.13")
        for pair in PAIRS
        if "8-and-7" not in pair
    ),
    *((python, "newest") for python in ("3.13t", "3.14t")),  # free-threaded
]


@nox.session
@nox.parametrize("python,pair", [nox.param(*run, id="-".join(run)) for run in RUNS])
def suite(session: nox.Session, pair: str) -> None:
    """Run the test suite with a pair of IPython and ipykernel."""
    if session.python == "3.10" and pair == "newest":
        session.skip("IPython 9 needs Python 3.11")
    if session.python in ("3.12", "3.13") and pair == "oldest":
        session.skip("IPython 8.12 cannot read `lines = !command` from Python 3.12 on")
    session.install("-e", ".[test]", *PAIRS[pair])
    session.run("pip", "freeze", "--exclude-editable")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-c", "docs", ".", "build/docs")
