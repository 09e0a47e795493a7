"""System calls are refused that the program can do without: seccomp filters do that."""

from __future__ import annotations

import errno

import pytest
from helpers import sandbox
from helpers.fixtures import Script

pytestmark = pytest.mark.skipif(
    not sandbox.OPTIONAL_CALLS, reason="no seccomp filter for this machine"
)


@pytest.mark.parametrize("drain", ["process", "thread"])
@pytest.mark.parametrize("call", sandbox.OPTIONAL_CALLS)
def test_a_refused_call_loses_nothing(script: Script, call: str, drain: str) -> None:
    shown = script("bad_days/a_refused_call_loses_nothing", call, str(errno.EPERM), drain)
    assert shown == "end\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENOMEM])
def test_a_refused_splice_loses_nothing_whatever_the_reason(script: Script, number: int) -> None:
    shown = script("bad_days/a_refused_call_loses_nothing", "splice", str(number), "auto")
    assert shown == "end\n"
