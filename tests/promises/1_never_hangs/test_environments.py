"""Containers, clusters and locked-down machines: captures work there, or say why not."""

from __future__ import annotations

import pytest
from helpers import environments
from helpers.fixtures import Script

#: What is told beside the death of the helper, which each test brings about; by environment.
FALLS_BACK = {"nameless", "nameless_umask_777"}
VARIABLES = {
    "locale_c": {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("drain", ["auto", "thread"])
@pytest.mark.parametrize("name", environments.NAMES)
def test_a_capture_keeps_its_promises(script: Script, name: str, drain: str) -> None:
    why_not = environments.can_enter(name)
    if why_not:
        pytest.skip(why_not)
    env = VARIABLES.get(name, {})
    kind, *told = script(
        "environments/a_capture_keeps_its_promises", name, drain, env=env
    ).splitlines()
    if name == "no_socketpair":
        assert kind == "refused"
        assert len(told) == 1, told
        assert "Operation not permitted" in told[0]
    elif drain == "thread":
        assert (kind, told) == ("thread", [])
    elif kind == "thread":
        assert name in FALLS_BACK, told
        assert len(told) == 1, told
        assert "no helper process can be started" in told[0]
    else:
        assert len(told) == 1, told
        assert "helper process was killed" in told[0]
