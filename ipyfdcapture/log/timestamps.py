"""Times that programs write at the start of their lines, turned into moments.

To add a layout, add a line to `LAYOUTS`, and a line of a real program to
``tests/unit/test_open_log.py``.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ..recording.mapping import Content
from .strands import release_pages

_S = 1_000_000_000  # ns
_DAY_S = 86_400
#: So much of the start of a log is looked at to find its layout.
SAMPLE_BYTES = 1 << 18
#: A layout is that of a log if so many of the lines of the sample have it.
_LEAST_SHARE = 0.02
#: A time stands this near to the start of its line, in bytes.
_NEAR_BYTES = 60
#: A log is looked through in parts of this size.
_PART_BYTES = 1 << 20
#: So many hours are remembered, as they were written, at once.
_MOST_KNOWN = 1 << 16

_CLOCK = rb"\d\d:\d\d:[0-6]\d"
_FRACTION = rb"(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = rb"(?P<zone>Z|[ ]?[+-]\d\d:?\d\d)?"
_MONTHS = b"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
#: With AM or PM, behind a space or the narrow one that newer Javas write.
_CLOCK_12 = rb"[ \d]?\d:\d\d:[0-6]\d(?: |\xe2\x80\xaf)[AP]M"
#: What stands between the parts of a time that `datetime.strptime` reads; the name of a zone, too:
#: but for UTC it is taken for the zone of this machine.
_ASIDE = re.compile(r"(?<=\d)T|(?<=\d{8})[_-]| [A-Z]{3,5}(?= \d{4}$)|,|\u202f")


class Layout(NamedTuple):
    """One way to write a time."""

    #: Who writes so.
    name: str
    #: What to find: a group ``second``, and perhaps ``fraction`` and ``zone``.
    pattern: bytes
    #: How `datetime.strptime` reads the group ``second``; "" : it is a number of seconds.
    format: str
    #: What the text leaves out: "", "year", "date", or "start" (it counts from the start).
    lacks: str = ""


#: Of those that occur in a log, the one that most lines have; of equals, the first.
LAYOUTS = (
    Layout(
        "ISO 8601, Python logging, spdlog, Slurm",
        rb"(?<!\d)(?P<second>\d{4}-[01]\d-[0-3]\d[T ]" + _CLOCK + rb")" + _FRACTION + _ZONE,
        "%Y-%m-%d %H:%M:%S",
    ),
    Layout(
        "Go, nginx",
        rb"(?<!\d)(?P<second>\d{4}/[01]\d/[0-3]\d " + _CLOCK + rb")" + _FRACTION,
        "%Y/%m/%d %H:%M:%S",
    ),
    Layout(
        "Spark, log4j",
        rb"(?<!\d)(?P<second>\d\d/[01]\d/[0-3]\d " + _CLOCK + rb")" + _FRACTION,
        "%y/%m/%d %H:%M:%S",
    ),
    Layout(
        "Apache",
        rb"\[(?P<second>[0-3]\d/(?:" + _MONTHS + rb")/\d{4}:" + _CLOCK + rb")" + _ZONE,
        "%d/%b/%Y:%H:%M:%S",
    ),
    Layout(
        "C's asctime",
        rb"\b(?P<second>(?:" + _MONTHS + rb") [ \d]\d " + _CLOCK + rb" \d{4})\b",
        "%b %d %H:%M:%S %Y",
    ),
    Layout(
        "date",
        rb"\b(?P<second>(?:"
        + _MONTHS
        + rb") [ \d]\d "
        + _CLOCK
        + rb" (?:(?P<zone>UTC|GMT)|[A-Z]{3,5}) \d{4})\b",
        "%b %d %H:%M:%S %Y",
    ),
    Layout(
        "java.util.logging",
        rb"^(?P<second>(?:" + _MONTHS + rb") \d?\d, \d{4},? " + _CLOCK_12 + rb")",
        "%b %d %Y %I:%M:%S %p",
    ),
    Layout(
        "Windows, in the USA",
        rb"(?<!\d)(?P<second>\d?\d/\d?\d/\d{4},? " + _CLOCK_12 + rb")",
        "%m/%d/%Y %I:%M:%S %p",
    ),
    Layout(
        "Europe",
        rb"(?<!\d)(?P<second>[0-3]\d\.[01]\d\.\d{4},? " + _CLOCK + rb")" + _FRACTION,
        "%d.%m.%Y %H:%M:%S",
    ),
    Layout(
        "ISO 8601, compact",
        rb"^\[?(?P<second>[12]\d{3}[01]\d[0-3]\d[T_ -][0-2]\d[0-5]\d[0-6]\d)(?!\d)"
        + _FRACTION
        + _ZONE,
        "%Y%m%d %H%M%S",
    ),
    Layout(
        "syslog",
        rb"^(?P<second>(?:" + _MONTHS + rb") [ \d]\d " + _CLOCK + rb")" + _FRACTION,
        "%b %d %H:%M:%S",
        "year",
    ),
    Layout(
        "glog, klog",
        rb"^[IWEF](?P<second>[01]\d[0-3]\d " + _CLOCK + rb")" + _FRACTION,
        "%m%d %H:%M:%S",
        "year",
    ),
    Layout(
        "seconds since the epoch",
        rb"(?:^\[?|\"(?:ts|time|timestamp)\": ?)(?P<second>1\d{9})(?!\d)" + _FRACTION,
        "",
    ),
    Layout(
        "milliseconds since the epoch",
        rb"(?:^\[?|\"(?:ts|time|timestamp)\": ?)(?P<second>1\d{9})(?P<fraction>\d{3})(?!\d)",
        "",
    ),
    Layout(
        "the kernel's ring buffer", rb"^\[ *(?P<second>\d{1,7})\.(?P<fraction>\d{6})\]", "", "start"
    ),
    Layout(
        "a time of day",
        rb"^[^\w\n]{0,3}(?P<second>[0-2]\d:[0-5]\d:[0-6]\d)(?![\d:])" + _FRACTION,
        "%H:%M:%S",
        "date",
    ),
)


def find_layout(sample: bytes) -> Layout | None:
    """Return the layout of the times in the first lines of a log; None if they have none."""
    lines = sample.count(b"\n") + 1
    best, most = None, _LEAST_SHARE * lines
    for layout in LAYOUTS:
        count = sum(1 for _ in _expression(layout).finditer(sample))
        if count > most:
            best, most = layout, count
    return best


def moments_of(data: Content, layout: Layout, written: int) -> Iterator[tuple[int, int]]:
    """Find the times of lines.

    Parameters
    ----------
    data
        The log.
    layout
        How its lines write times.
    written
        When it was last written, in ns since the epoch: times that lack a year or a date are of
        the last one that is not later.

    Yields
    ------
    tuple
        Where a line starts, and its time in ns since the epoch. A line without a time of its own
        belongs to the one before.
    """
    found = _find(data, layout)
    if layout.lacks == "start":
        yield from _counted_from_start(found, written)
        return
    if layout.lacks == "date":
        yield from _days_added(found, written)
        return
    yield from _whole(found, layout.lacks == "year", written)


#: Where a line starts, the seconds that its text says, and the nanoseconds.
_Found = tuple[int, int, int]


def _expression(layout: Layout) -> re.Pattern[bytes]:
    """Return what finds the time in each line that has one, with all three groups."""
    pattern = layout.pattern
    if not pattern.startswith(b"^"):
        pattern = rb"^[^\n]{0,%d}?" % _NEAR_BYTES + pattern
    for group in (b"fraction", b"zone"):
        if b"(?P<%s>" % group not in pattern:
            pattern += b"(?P<%s>)?" % group
    return re.compile(pattern, re.MULTILINE)


def _find(data: Content, layout: Layout) -> Iterator[_Found]:
    """Yield the times as they stand in the lines, a part of the log at a time."""
    find = _expression(layout).finditer
    seconds_of = _reader(layout)
    for start, lines in _parts(data):
        for match in find(lines):
            second, fraction, zone = match.group("second", "fraction", "zone")
            seconds = seconds_of(second, zone or b"")
            if seconds is not None:
                nanoseconds = int(fraction.ljust(9, b"0")) if fraction else 0
                yield start + match.start(), seconds, nanoseconds


def _parts(data: Content) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, many at a time, with where they start; of a very long one its start."""
    start = 0
    while start < len(data):
        part = bytes(data[start : start + _PART_BYTES])
        end = part.rfind(b"\n") + 1
        if not end or start + len(part) == len(data):
            end = len(part)
        yield start, part[:end]
        start += end
        while not part.endswith(b"\n", 0, end) and start < len(data):  # the rest of that line
            part = bytes(data[start : start + _PART_BYTES])
            end = part.find(b"\n") + 1 or len(part)
            start += end
        release_pages(data)


def _reader(layout: Layout) -> Callable[[bytes, bytes], int | None]:
    """Return what turns the text of a second and of a zone into seconds since the epoch."""
    known: dict[tuple[bytes, bytes], int | None] = {}

    # Whole hours are remembered: to read a date is slow, and an hour has one offset from UTC.
    ends_in_minutes = layout.format.endswith("%H:%M:%S")

    def read(second: bytes, zone: bytes) -> int | None:
        if not layout.format:
            return int(second)
        more = 0
        if ends_in_minutes:
            more = 60 * int(second[-5:-3]) + int(second[-2:])
            second = second[:-5] + b"00:00"
        key = second, zone
        if key not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[key] = _seconds(_ASIDE.sub(" ", second.decode()), zone.decode(), layout)
        start = known[key]
        return None if start is None else start + more

    return read


def _seconds(second: str, zone: str, layout: Layout) -> int | None:
    text, form = second, layout.format
    if layout.lacks == "year":  # 2000 is a leap year: the 29th of February is one of its days
        text, form = f"2000 {second}", f"%Y {form}"
    elif layout.lacks == "date":
        text, form = f"1970-01-01 {second}", f"%Y-%m-%d {form}"
    try:
        moment = datetime.datetime.strptime(text, form)
    except ValueError:  # the 31st of February
        return None
    if layout.lacks:
        return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())
    zone = zone.strip()
    if zone in ("Z", "UTC", "GMT"):
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    elif zone:
        offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        if offset >= datetime.timedelta(days=1):
            return None
        zone_info = datetime.timezone(-offset if zone[0] == "-" else offset)
        moment = moment.replace(tzinfo=zone_info)
    try:
        seconds = moment.timestamp()
    except (OverflowError, ValueError, OSError):
        return None
    return int(seconds) if seconds >= 0 else None


def _whole(found: Iterator[_Found], no_year: bool, written: int) -> Iterator[tuple[int, int]]:
    days: dict[int, int] = {}
    for start, seconds, nanoseconds in found:
        if no_year:
            day, of_day = divmod(seconds, _DAY_S)
            if day not in days:
                days[day] = _start_of_day(day, written)
            seconds = days[day] + of_day
        yield start, seconds * _S + nanoseconds


def _start_of_day(day: int, written: int) -> int:
    """Return when the last such day that is not later than a moment began, in local time."""
    last = datetime.datetime.fromtimestamp(written / _S) + datetime.timedelta(days=1)
    wanted = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=day)
    for year in range(last.year, last.year - 9, -1):
        try:
            moment = wanted.replace(year=year)
        except ValueError:  # no 29th of February
            continue
        if moment <= last:
            return max(0, int(moment.timestamp()))
    return 0


def _days_added(found: Iterator[_Found], written: int) -> Iterator[tuple[int, int]]:
    """Count midnights: the last line is of the day on which the log was written."""
    times = list(found)
    if not times:
        return
    days = [0]
    for (_, before, _), (_, after, _) in pairwise(times):
        # A step back of some minutes is disorder; one of most of a day is midnight.
        days.append(days[-1] + (before - after > _DAY_S // 2))
    last = datetime.datetime.fromtimestamp(written / _S)
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    latest = days[-1] + (times[-1][1] > (last - midnight).total_seconds() + 1)
    first_seconds = [
        int((midnight - datetime.timedelta(days=latest - day)).timestamp())
        for day in range(days[-1] + 1)
    ]
    for (start, seconds, nanoseconds), day in zip(times, days, strict=True):
        yield start, (first_seconds[day] + seconds) * _S + nanoseconds


def _counted_from_start(found: Iterator[_Found], written: int) -> Iterator[tuple[int, int]]:
    """Count back from the last line, which was written when the file was."""
    times = [(start, seconds * _S + nanoseconds) for start, seconds, nanoseconds in found]
    last = max((moment for _, moment in times), default=0)
    for start, moment in times:
        yield start, max(0, written - last + moment)
