"""What users may import, call and ask for stays as it is."""

from __future__ import annotations

import difflib
from pathlib import Path

from helpers.process import check_python
from helpers.public_names import public_names

import ipyfdcapture

KNOWN = Path(__file__).with_name("public_names.txt")


def test_every_public_name_has_the_signature_that_users_know() -> None:
    known = KNOWN.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(known, public_names(), "known", "now", lineterm="", n=0))
    assert not changes, (
        "the public interface has changed; if that is meant, say so in CHANGELOG.md and run\n"
        "    python tests/helpers/public_names.py > tests/unit/public_names.txt\n"
        + "\n".join(changes)
    )


def test_every_public_name_is_there_however_it_is_asked_for(tmp_path: Path) -> None:
    names = sorted(ipyfdcapture.__all__)
    assert sorted({*ipyfdcapture._MODULES} - {"_restore"}) == names
    assert {*names} <= {*dir(ipyfdcapture)}
    check_python(
        """
        import sys
        from ipyfdcapture import *
        import ipyfdcapture
        for name in sys.argv[1:]:
            assert globals()[name] is getattr(ipyfdcapture, name)
        try:
            ipyfdcapture.nothing
        except AttributeError as error:
            assert str(error) == "module 'ipyfdcapture' has no attribute 'nothing'"
        else:
            raise AssertionError("it is there")
        """,
        *names,
        directory=tmp_path,
    )
