"""What the fixtures are, for the type checker; and whether loops run in full."""

from __future__ import annotations

import os
from typing import Protocol

from .kernel import Kernel
from .terminal import Terminal

#: With IPYFDCAPTURE_FULL=1 the loops run in full (some minutes each).
FULL = os.environ.get("IPYFDCAPTURE_FULL") == "1"


class Rounds(Protocol):
    def __call__(self, few: int, *, full: int) -> int: ...


class StartKernel(Protocol):
    def __call__(self, name: str = "kernel", *, load: bool = True, **options: object) -> Kernel: ...


class StartTerminal(Protocol):
    def __call__(self, *, load: bool = True) -> Terminal: ...


class Python(Protocol):
    def __call__(self, code: str, *arguments: str, **options: object) -> str: ...


class Script(Protocol):
    def __call__(self, name: str, *arguments: str, **options: object) -> str: ...
