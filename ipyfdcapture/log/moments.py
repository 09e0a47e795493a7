"""Moments: as recordings keep them (ns since the epoch), and as users read and give them."""

from __future__ import annotations

import datetime

#: A datetime (naive: local time), or the time since the start: a timedelta, or seconds.
Moment = datetime.datetime | datetime.timedelta | float

_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


def local_time(time_ns: int) -> datetime.datetime:
    """Return a moment (ns since the epoch) in local time, to the microsecond."""
    return utc_time(time_ns).astimezone()


def utc_time(time_ns: int) -> datetime.datetime:
    """Return a moment (ns since the epoch) in UTC, to the microsecond."""
    return _EPOCH + datetime.timedelta(microseconds=time_ns // 1000)


def microseconds_of(moment: Moment, started: datetime.datetime) -> int:
    """Return a moment that a user gave, in µs since the epoch.

    Parameters
    ----------
    moment
        A datetime (naive: local time), or the time since ``started``: a timedelta, or seconds.
    started
        When the log starts.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it lies outside the years that a datetime can hold.
    """
    given = moment
    try:
        if isinstance(moment, int | float):
            moment = datetime.timedelta(seconds=moment)
        if isinstance(moment, datetime.timedelta):
            moment = started + moment
        if isinstance(moment, datetime.datetime):
            return (moment.astimezone() - _EPOCH) // datetime.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise ValueError(
            f"a moment is well within the years 1 to 9999, not {given!r}; None: no limit"
        ) from None
    raise TypeError(
        f"a moment is a datetime, a timedelta or seconds since the start, not {given!r}"
    )
