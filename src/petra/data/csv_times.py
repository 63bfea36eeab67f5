"""From the time stamps that people write to UTC seconds.

Decides: which forms are understood and what a local time means where clocks change. Knows no file and no column.
Invariant: a stamp that could mean two moments is never guessed; a stamp that means none is refused.
Forms: 2016-05-26 14:15[:00][Z|+02:00], also with T; 26.05.2016 14:15; 14:15 (with a date given beside); unix seconds.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_UNIX = re.compile(r"[0-9]{9,11}")
_STAMP = re.compile(
    r"(?:(?:(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"|(?P<day_first>[0-9]{1,2})\.(?P<month_second>[0-9]{1,2})\.(?P<year_last>[0-9]{4}))[ T]+)?"
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r" ?(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_FORMS = "write 2016-05-26 14:15 or 26.05.2016 14:15, with a UTC offset such as +02:00 if you have it"


class UnclearTimeError(Exception):
    """A time stamp that means no moment, or more than one; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteClock:
    """How a site writes its time."""

    zone: ZoneInfo
    day: date | None  # assumed for stamps that have only a time of day; None: such stamps are refused

    def unix(self, text: str, previous: int | None) -> int:
        """Return the UTC second of a stamp, which comes after `previous` (None: nothing is known of what came before).

        Where clocks are set back, a local time occurs twice: the first that comes after `previous` is meant.
        """
        if _UNIX.fullmatch(text):
            return int(text)
        found = _STAMP.fullmatch(text)
        if found is None:
            raise UnclearTimeError(f"{text!r} is no time; {_FORMS}")
        moment = self._written(text, found)
        if moment.tzinfo is not None:
            return int(moment.timestamp())
        return self._local(text, moment, previous)

    def _written(self, text: str, found: re.Match[str]) -> datetime:
        """Return the stamp as it is written, aware only if it has an offset."""
        parts = found.groupdict()
        year = parts["year"] or parts["year_last"]
        if year is None and self.day is None:
            raise UnclearTimeError(f"{text!r} has no date; set `date` to the day that the file describes")
        if year is not None and not 1970 <= int(year) < 2200:
            raise UnclearTimeError(f"{text!r} is in no year that could have been metered; {_FORMS}")
        hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
        try:
            day = self.day if year is None else _day(int(year), parts)
            assert day is not None
            midnight = datetime(day.year, day.month, day.day, tzinfo=_zone(parts["offset"]))
        except ValueError as error:
            raise UnclearTimeError(f"{text!r} is no date: {error}; {_FORMS}") from None
        if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second > 0):
            raise UnclearTimeError(f"{text!r} is no time of day; write 00:00 to 23:59, or 24:00 for the day's end")
        return midnight + timedelta(hours=hour, minutes=minute, seconds=second)

    def _local(self, text: str, local: datetime, previous: int | None) -> int:
        """Return the moment that the site's own clock showed this."""
        first, second = (int(local.replace(tzinfo=self.zone, fold=fold).timestamp()) for fold in (0, 1))
        if first == second:
            return first
        if datetime.fromtimestamp(first, self.zone).replace(tzinfo=None) != local:
            raise UnclearTimeError(
                f"{text!r} does not exist: clocks in {self.zone.key} are set forward over it; "
                "leave these rows out (the day is shorter), or write UTC offsets if the file's clock is not set"
            )
        if previous is None:
            raise UnclearTimeError(
                f"{text!r} occurs twice: clocks in {self.zone.key} are set back over it; write it with its UTC offset"
            )
        return first if first > previous else second


def _day(year: int, parts: dict[str, str]) -> date:
    """Return the date in either order of writing."""
    return date(year, int(parts["month"] or parts["month_second"]), int(parts["day"] or parts["day_first"]))


def _zone(offset: str | None) -> timezone | None:
    """Return the written UTC offset."""
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:])))
