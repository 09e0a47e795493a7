"""What a cell shows, in the order in which its messages came."""

from __future__ import annotations

import re
from collections.abc import Callable

from helpers.kernel import Message, Reply


def has_text(text: str, msg_id: str | None = None) -> Callable[[list[Message]], bool]:
    """Return a predicate: a stream message that holds ``text`` has come."""

    def seen(messages: list[Message]) -> bool:
        return any(
            text in message["content"].get("text", "")
            for message in messages
            if msg_id is None or message["parent_header"].get("msg_id") == msg_id
        )

    return seen


def has_drawn(pattern: str) -> Callable[[list[Message]], bool]:
    """Return a predicate: a display whose text matches has come."""

    def seen(messages: list[Message]) -> bool:
        return any(re.search(pattern, text) for text in drawn(messages))

    return seen


def drawn(messages: list[Message]) -> list[str]:
    """Return the texts of all displays and updates that show something, in order."""
    return [
        message["content"]["data"]["text/plain"]
        for message in messages
        if message["msg_type"] in ("display_data", "update_display_data")
        and message["content"]["data"]
    ]


def sequence(messages: list[Message]) -> list[tuple[str, str]]:
    """Return what a reader sees, in order: the texts of one stream joined where they meet."""
    found: list[tuple[str, str]] = []
    for message in messages:
        content = message["content"]
        if message["msg_type"] == "stream":
            kind, text = content["name"], content["text"]
            if found and found[-1][0] == kind:
                text = found.pop()[1] + text
            found.append((kind, text))
        elif message["msg_type"] in ("display_data", "execute_result"):
            found.append((message["msg_type"], content["data"]["text/plain"]))
        elif message["msg_type"] == "error":
            found.append(("error", content["ename"]))
    return found


def outputs(reply: Reply) -> list[Message]:
    kinds = ("stream", "display_data", "update_display_data", "execute_result", "error")
    return [message for message in reply.own if message["msg_type"] in kinds]


def flood_parts(reply: Reply) -> tuple[str, list[str], str]:
    """Return what was shown before the line that counts, that line's states, and the last lines."""
    messages = outputs(reply)
    is_display = [m["msg_type"] in ("display_data", "update_display_data") for m in messages]
    at = is_display.index(True)
    last = len(messages) - is_display[::-1].index(True)
    ids = {
        m["content"]["transient"]["display_id"]
        for m, display in zip(messages, is_display, strict=True)
        if display
    }
    # One in its place while it runs, which becomes empty as the final one is displayed.
    assert len(ids) == len(reply.of_type("display_data")) <= 2
    empty = [m for m in reply.of_type("update_display_data") if not m["data"]]
    assert len(empty) == len(ids) - 1
    assert messages[at]["msg_type"] == "display_data"
    assert is_display.count(True) == len(ids) + len(reply.of_type("update_display_data"))

    def text(some: list[Message]) -> str:
        return "".join(m["content"]["text"] for m in some if m["msg_type"] == "stream")

    assert text(messages[last:]) == ""
    *states, final = drawn(messages)
    summary, _, end = final.partition("\n")
    return text(messages[:at]), [*states, summary], end + "\n"
