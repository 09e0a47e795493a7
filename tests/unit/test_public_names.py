"""What users may import, call and ask for stays as it is."""

from __future__ import annotations

import difflib
from pathlib import Path

from helpers.public_names import public_names

KNOWN = Path(__file__).with_name("public_names.txt")


def test_every_public_name_has_the_signature_that_users_know() -> None:
    known = KNOWN.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(known, public_names(), "known", "now", lineterm="", n=0))
    assert not changes, (
        "the public interface has changed; if that is meant, say so in CHANGELOG.md and run\n"
        "    python tests/helpers/public_names.py > tests/unit/public_names.txt\n"
        + "\n".join(changes)
    )
