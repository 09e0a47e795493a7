"""The public names of the package with their signatures, one a line, to compare and to write.

python tests/helpers/public_names.py > tests/unit/public_names.txt
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import ipyfdcapture

#: Classes that users make themselves; the others are handed out.
_MADE_BY_USERS = {"FdCapture"}
#: What syntax calls: the rest that begins with two underscores is not for users.
_SYNTAX = {
    *("__contains__", "__enter__", "__exit__", "__getitem__", "__iter__", "__len__", "__next__"),
    *("__aenter__", "__aexit__", "__await__", "__call__", "__arrow_c_stream__"),
}


def public_names() -> list[str]:
    """Return a line for each public function, class, method, property and attribute."""
    lines = []
    for name in sorted(ipyfdcapture.__all__):
        value = getattr(ipyfdcapture, name)
        if inspect.isclass(value):
            lines.append(name + (_signature(value) if name in _MADE_BY_USERS else ""))
            lines += [f"{name}.{line}" for line in sorted(_members(value))]
        elif inspect.isfunction(value):
            lines.append(name + _signature(value))
        else:
            lines.append(f"{name}: {type(value).__name__}")
    return lines


def _members(owner: type) -> Iterator[str]:
    """Yield what a class of the package has, of its own or from its bases in the package."""
    seen = set()
    for base in owner.__mro__:
        if not base.__module__.startswith("ipyfdcapture"):
            continue
        for name, value in vars(base).items():
            if name in seen or (name.startswith("_") and name not in _SYNTAX):
                continue
            seen.add(name)
            if isinstance(value, property):
                yield f"{name}: {_returned(value.fget)}"
            elif isinstance(value, (classmethod, staticmethod)):
                yield name + _signature(getattr(owner, name))
            elif inspect.isfunction(value):
                yield name + _signature(value)
            else:
                yield f"{name}: {inspect.get_annotations(base).get(name, '')}".removesuffix(": ")


def _returned(function: Any) -> str:
    return str(inspect.signature(function).return_annotation)


def _signature(function: Any) -> str:
    """Return a signature as it is written: annotations are strings, but not shown as such."""
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=_Written(parameter.annotation))
        if parameter.annotation is not parameter.empty
        else parameter
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    returned = signature.return_annotation
    if returned is not signature.empty:
        returned = _Written(returned)
    return str(signature.replace(parameters=parameters, return_annotation=returned))


class _Written:
    def __init__(self, annotation: object) -> None:
        self._text = annotation if isinstance(annotation, str) else repr(annotation)

    def __repr__(self) -> str:
        return self._text


if __name__ == "__main__":
    print("\n".join(public_names()))
