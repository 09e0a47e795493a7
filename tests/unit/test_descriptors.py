"""Descriptors of ours are closed once, and never another's."""

from __future__ import annotations

import os

from ipyfdcapture.system.descriptors import Descriptor


def test_one_that_was_closed_is_not_taken_for_another_of_the_same_file() -> None:
    first = Descriptor(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    assert first.is_ours()
    first.close()
    second = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        assert second == first and not first.is_ours()
        first.close()
        os.fstat(second)
    finally:
        os.close(second)
