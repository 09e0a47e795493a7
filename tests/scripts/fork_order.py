"""Fork with functions at each stage; write the order in which they were called to a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from ipyfdcapture.system.forking import Stage, at_fork

_called: dict[str, list[str]] = {"before": [], "parent": [], "child": []}


def _noting(when: str, name: str) -> Callable[[], object]:
    def note() -> None:
        _called[when].append(name)

    return note


def _failing(when: str, name: str) -> Callable[[], object]:
    def fail() -> None:
        _called[when].append(name)
        raise ZeroDivisionError

    return fail


def main(path: str) -> None:
    stages = [
        ("locks", Stage.LOCKS),
        ("state", Stage.STATE),
        ("flush", Stage.FLUSH),
        ("threads", Stage.THREADS),
        ("second state", Stage.STATE),
    ]
    for name, stage in stages:
        note = _failing if name == "threads" else _noting
        at_fork(
            stage,
            before=note("before", name),
            in_parent=note("parent", name),
            in_child=note("child", name),
        )
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, json.dumps(_called["child"]).encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as told:
        _called["child"] = json.loads(told.read())
    os.waitpid(child, 0)
    with open(path, "w") as found:
        json.dump(_called, found)


if __name__ == "__main__":
    main(sys.argv[1])
