"""What is known of each worker of a log, without fetching anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..log.levels import LEVELS
from ..log.view.words import size
from .feeds import Feed, Member
from .names import printable


@dataclass(frozen=True)
class WorkerStatus:
    """One worker, as `WorkersLog.workers` returns it.

    A restarted worker has one entry, for all that it has written under its name.
    """

    #: What its lines are found by: ``logs.source(name)``.
    name: str
    #: ``running``, ``silent`` (it does not answer), ``lost`` (it is gone), or ``failed`` (it cannot
    #: be captured).
    state: str
    #: How often it was restarted since the log began.
    restarts: int
    #: What it has written, and how much of that is in the log here.
    nbytes: int
    fetched: int
    #: Lines that were counted so far; while a worker is busy, it counts behind.
    lines: int
    last_line: str
    #: The worst level of a line so far, or None.
    worst: str | None
    #: For how long (s) it has written nothing; None: it never wrote.
    silent_s: float | None
    #: One line that says what is missing, and why; empty if nothing is.
    trouble: str


class WorkerTable(list[WorkerStatus]):
    """What `WorkersLog.workers` returns: a list that is shown as a table."""

    def __repr__(self) -> str:
        if not self:
            return "no worker has answered yet"
        head = ("worker", "state", "written", "lines", "worst", "silent", "last line")
        rows = [head, *map(_row, self)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *(each.trouble for each in self if each.trouble)])

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(repr(self))  # type: ignore[attr-defined]


def _row(status: WorkerStatus) -> tuple[str, ...]:
    state = f"{status.state}, restarted" if status.restarts else status.state
    silent = "" if status.silent_s is None else f"{status.silent_s:.0f} s"
    last = printable(status.last_line)[:60]
    lines = f"{status.lines:,}"
    return status.name, state, size(status.nbytes), lines, status.worst or "", silent, last


def status_of(feeds: Iterable[Feed], members: Iterable[Member], now: int) -> list[WorkerStatus]:
    """Return one entry for each worker that has, or had, a recording; then those without.

    ``now`` is the time (ns) by the log's clock.
    """
    by_label: dict[str, list[Feed]] = {}
    for feed in feeds:
        by_label.setdefault(feed.label, []).append(feed)
    known = {feed.member for all_of in by_label.values() for feed in all_of}
    statuses = [_status(label, by_label[label], now) for label in sorted(by_label, key=_natural)]
    for member in members:
        if member not in known and (member.trouble or member.is_silent):
            state = "failed" if member.trouble else "silent"
            name = printable(member.id)
            trouble = _trouble_of(member, name)
            statuses.append(WorkerStatus(name, state, 0, 0, 0, 0, "", None, None, trouble))
    return statuses


def _natural(label: str) -> list[tuple[str, int]]:
    """Return what sorts worker-10 behind worker-9."""
    return [(word, int(part or 0)) for word, part in re.findall(r"(\D*)(\d*)", label)]


def _status(label: str, feeds: list[Feed], now: int) -> WorkerStatus:
    latest = feeds[-1]
    summaries = [each.summary for each in feeds if each.summary]
    worst = [each["worst"] for each in summaries if each["worst"]]
    # A worker that had given us up began another recording, and was not restarted.
    own = [each for each in feeds if not each.lapsed]
    return WorkerStatus(
        name=label,
        state=_state(latest),
        restarts=max(0, len(own) - 1),
        nbytes=sum(each.end for each in feeds),
        fetched=sum(each.fetched - each.missing for each in feeds),
        lines=sum(each["lines"] for each in summaries),
        # One that was restarted may have written nothing since.
        last_line=next((each["last_line"] for each in summaries[::-1] if each["lines"]), ""),
        worst=max(worst, key=LEVELS.index, default=None),
        silent_s=min((s for each in feeds if (s := each.silent_s(now)) is not None), default=None),
        trouble="; ".join(filter(None, map(_trouble, feeds))),
    )


def _state(feed: Feed) -> str:
    if feed.member.is_gone:
        return "lost"
    if feed.member.is_silent:
        return "silent"
    return "failed" if feed.member.trouble else "running"


def _trouble(feed: Feed) -> str:
    """Return what is missing of one recording, in one line."""
    if feed.given_up:
        return f"what {feed.label} wrote last is missing: {feed.given_up}"
    if feed.lapsed:
        when = datetime.fromtimestamp(feed.lapsed / 1e9).strftime("%H:%M:%S")
        return f"what {feed.label} wrote after {when} is missing until it heard from us again"
    if feed.dropped_why:
        return f"{size(feed.dropped)} of {feed.label} are missing: {feed.dropped_why}"
    if feed.missing:
        return f"{size(feed.missing)} of {feed.label} are missing: max_bytes had dropped them"
    if feed.is_paused and feed.is_behind:
        left = size(feed.end - feed.fetched)
        return f"{left} of {feed.label} are not here yet: fetch() has them"
    if feed.trouble and feed.is_behind:
        return f"{size(feed.end - feed.fetched)} of {feed.label} cannot be read: {feed.trouble}"
    return "" if feed.member.is_gone else _trouble_of(feed.member, feed.label)


def _trouble_of(member: Member, name: str) -> str:
    if member.is_silent:
        return f"{name} does not answer: what it writes comes once it does"
    return f"{name} is not captured: {member.trouble}" if member.trouble else ""
