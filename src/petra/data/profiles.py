"""What the homes of a site produce and consume, step by step, in watts.

Decides: the one shape that every source of data is brought into. Knows no file, no market and no forecast.
Invariant: all homes have equally many steps, powers are averages over a step and never negative, names are unique.
Production minus consumption is the paper's sign: positive = production (A1).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from petra.errors import InputError

_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f/\\.][^\x00-\x1f\x7f/\\]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeProfile:
    """One home's production and consumption: average power of each step in whole watts, both >= 0."""

    name: str
    node: str | None  # the feeder's node; None when the data have no grid
    pv_rating_watts: int  # 0 = no plant
    production_watts: tuple[int, ...]
    consumption_watts: tuple[int, ...]
    consumption_var: tuple[int, ...]  # reactive, inductive positive; all 0 when unknown

    @property
    def net_watts(self) -> tuple[int, ...]:
        """Production minus consumption of each step."""
        return tuple(p - c for p, c in zip(self.production_watts, self.consumption_watts, strict=True))

    def part(self, first: int, until: int) -> "HomeProfile":
        """Return the steps first .. until - 1."""
        return replace(
            self,
            production_watts=self.production_watts[first:until],
            consumption_watts=self.consumption_watts[first:until],
            consumption_var=self.consumption_var[first:until],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSet:
    """The homes of a site over the same run of steps."""

    start_unix: int  # UTC seconds at the first step's beginning
    timestep_seconds: int
    timezone: str  # IANA name, for display only
    homes: tuple[HomeProfile, ...]
    source: str  # one line for captions: name and licence

    def __post_init__(self) -> None:
        """Refuse sets that no simulation could use, all reasons at once."""
        problems = list(_problems(self))
        if problems:
            raise InputError(problems)

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.homes[0].production_watts)

    @property
    def until_unix(self) -> int:
        """UTC seconds at the last step's end."""
        return self.start_unix + self.steps * self.timestep_seconds

    def index_of(self, unix: int) -> int:
        """Return the index of the step that covers this UTC second; InputError when none does."""
        if not self.start_unix <= unix < self.until_unix:
            raise InputError(f"{self.source}: {self._local(unix)} lies outside the data; {self._coverage()}")
        return (unix - self.start_unix) // self.timestep_seconds

    def window(self, first_unix: int, until_unix: int) -> "ProfileSet":
        """Return the steps from first_unix (included) to until_unix (excluded); InputError says what the data cover."""
        offsets = (first_unix - self.start_unix, until_unix - self.start_unix)
        inside = 0 <= offsets[0] < offsets[1] <= self.steps * self.timestep_seconds
        if not inside or any(offset % self.timestep_seconds for offset in offsets):
            window = f"{self._local(first_unix)} .. {self._local(until_unix)}"
            raise InputError(f"{self.source}: the data have no steps that make up {window}; {self._coverage()}")
        first, until = (offset // self.timestep_seconds for offset in offsets)
        return replace(self, start_unix=first_unix, homes=tuple(home.part(first, until) for home in self.homes))

    def _coverage(self) -> str:
        """Say which windows can be cut."""
        span = f"{self._local(self.start_unix)} .. {self._local(self.until_unix)}"
        return f"they cover {span} in steps of {self.timestep_seconds} s: choose a window of whole steps inside"

    def _local(self, unix: int) -> str:
        """Show a moment as the site's clock does."""
        return local_time(unix, self.timezone)


def local_time(unix: int, timezone: str) -> str:
    """Show a moment as clocks in an IANA time zone do, with the UTC offset; seconds only where there are some."""
    try:
        moment = datetime.fromtimestamp(unix, UTC).astimezone(ZoneInfo(timezone))
    except (ValueError, OverflowError, OSError):  # before the year 1 or after 9999
        return f"unix second {unix}"
    return moment.isoformat(" ", "seconds" if moment.second else "minutes")


def _problems(profiles: ProfileSet) -> Iterator[str]:
    """Yield what is wrong with a set, each with its remedy."""
    place = profiles.source
    if not profiles.homes:
        yield f"{place}: no homes; name at least one"
    if profiles.timestep_seconds <= 0:
        yield f"{place}: a step of {profiles.timestep_seconds} s; give a positive length"
    for name, times in Counter(home.name for home in profiles.homes).items():
        if times > 1:
            yield f"{place}: {times} homes are called {name!r}; give each its own name"
    for home in profiles.homes:
        if not _FILE_NAME.fullmatch(home.name):
            wrong = f"{place}: {home.name[:80]!r} cannot name a home, whose files are called so"
            yield f"{wrong}: give 1 to 64 characters, no /, \\, or control character, and no dot at first"
    steps = {len(home.production_watts) for home in profiles.homes}
    steps |= {len(home.consumption_watts) for home in profiles.homes}
    steps |= {len(home.consumption_var) for home in profiles.homes}
    if len(steps) > 1 or steps == {0}:
        yield f"{place}: series of {', '.join(map(str, sorted(steps)))} steps; give all the same, at least one"
    for home in profiles.homes:
        if min((*home.production_watts, *home.consumption_watts, home.pv_rating_watts)) < 0:
            yield f"{place}: {home.name} has negative power; give production and consumption as values >= 0"
