"""What a site's CSV file means: which columns, which unit, which sign, which clock.

Decides: what must be said before a file can be read without guessing. Knows no file.
Invariant: a `CsvSpec` that exists makes sense; what does not is refused with all its problems at once.
"""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

from petra.errors import InputError

Column = str | int  # a header, or a 1-based number where headers repeat
Unit = Literal["kW", "W", "kWh", "Wh"]  # kWh and Wh: energy of the step, turned into its average power
Sign = Literal["production_positive", "consumption_positive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeColumns:
    """Where a home's values stand: one signed `net` column, or `production` and `consumption`, or one of them."""

    name: str
    net: Column | None = None  # None: the home has the unsigned columns
    production: Column | None = None  # None: produces nothing, or has a net column
    consumption: Column | None = None  # None: consumes nothing, or has a net column
    node: str | None = None  # the feeder's node; None when there is no grid
    pv_rating_watts: int = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are given."""
        return tuple(column for column in (self.net, self.production, self.consumption) if column is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSpec:
    """How to read a file; time stamps mark the beginning of their step."""

    homes: tuple[HomeColumns, ...]
    unit: Unit
    time_column: Column = 1
    date: datetime.date | None = (
        None  # the day, where the time column has only a time of day; None: the column has dates
    )
    sign: Sign = "production_positive"  # of the net columns
    timezone: str = "UTC"  # IANA; the clock of time stamps without UTC offset
    delimiter: str = ","
    decimal_comma: bool = False
    timestep_seconds: int | None = None  # None: taken from the time stamps
    window_from: str | None = None  # written like a time stamp, included; None: from the first row
    window_until: str | None = None  # excluded; None: to the last row's end
    source: str = ""  # one line for captions, such as the site and the data's licence; empty: the file's name

    def __post_init__(self) -> None:
        """Refuse what makes no sense, all reasons at once."""
        problems = [f"CSV spec: {problem}" for problem in (*_spec_problems(self), *_home_problems(self.homes))]
        if problems:
            raise InputError(problems)


_FORMAT: TypeAdapter[CsvSpec] = TypeAdapter(CsvSpec)


def csv_spec_from_values(values: Mapping[str, object], place: str) -> CsvSpec:
    """Return the spec that a TOML table or the like describes; InputError names every wrong key at `place`."""
    try:
        return _FORMAT.validate_python(values, extra="forbid")
    except ValidationError as error:
        problems = [f"{place}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()]
        raise InputError(problems) from None


def _spec_problems(spec: CsvSpec) -> Iterator[str]:
    """Yield what is wrong with the file's own settings."""
    if spec.unit not in get_args(Unit):
        yield f"unit {spec.unit!r} is unknown; use one of {', '.join(get_args(Unit))}"
    if spec.sign not in get_args(Sign):
        yield f"sign {spec.sign!r} is unknown; use one of {', '.join(get_args(Sign))}"
    if len(spec.delimiter) != 1:
        yield f"delimiter {spec.delimiter!r} is not one character; use ',' or ';' or a tab"
    if spec.timestep_seconds is not None and spec.timestep_seconds <= 0:
        yield f"timestep_seconds {spec.timestep_seconds} is not positive; leave it out to take it from the time stamps"
    try:
        ZoneInfo(spec.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"timezone {spec.timezone!r} is unknown; use an IANA name such as Europe/Berlin"


def _home_problems(homes: tuple[HomeColumns, ...]) -> Iterator[str]:
    """Yield what is wrong with the homes and their columns."""
    if not homes:
        yield "no homes; name at least one with its columns"
    for name, times in Counter(home.name for home in homes).items():
        if times > 1:
            yield f"{times} homes are called {name!r}; give each its own name"
    for home in homes:
        if not home.columns:
            yield f"home {home.name!r} has no column; give net, or production and consumption"
        if home.net is not None and len(home.columns) > 1:
            yield f"home {home.name!r} has a net column and others; give net, or production and consumption"
        if home.pv_rating_watts < 0:
            yield f"home {home.name!r}: pv_rating_watts {home.pv_rating_watts} is negative; give watts, 0 for no plant"
