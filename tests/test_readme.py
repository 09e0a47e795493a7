"""The README says what is true: its tables come from the code, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ipyfdcapture.config import CaptureFd
from ipyfdcapture.magics import PARSER

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def configuration_table() -> str:
    """Return the table of traits for the README; run this file to print it."""
    rows = ["| trait | default | meaning |", "| --- | --- | --- |"]
    for name, trait in sorted(CaptureFd.class_own_traits(config=True).items()):
        rows.append(f"| `{name}` | `{trait.default_value!r}` | {trait.help} |")
    return "\n".join(rows)


def test_the_table_of_traits_is_the_one_in_the_code() -> None:
    found = re.search(r"<!-- configuration -->\n(.*?)\n<!-- /configuration -->", README, re.DOTALL)
    assert found is not None
    assert found[1] == configuration_table()


def test_every_option_of_the_magic_is_explained() -> None:
    options = [option for action in PARSER._actions for option in action.option_strings]
    assert len(options) > 15
    missing = [o for o in options if o not in README and not o.startswith("--no-display")]
    assert missing == []


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_to_files_that_are_there(link: str) -> None:
    assert (ROOT / link).is_file()


NAMED = re.findall(r"`((?:tests|notebooks)/[\w/.]+)`", README)


@pytest.mark.parametrize("path", sorted(set(NAMED)))
def test_files_that_are_named_are_there(path: str) -> None:
    assert (ROOT / path).is_file()


if __name__ == "__main__":
    print(configuration_table())
