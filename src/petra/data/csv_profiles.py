"""A site's own measurements from a CSV file.

Decides: what is wrong with a file, and tells all of it at once. Guesses nothing, repairs nothing. Knows no market.
Invariant: the result has one value for every step of the window, the average power of the step in whole watts, rounded
half to even. Only rows inside the window are judged: a year with gaps may hold a good day.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from petra.data.csv_spec import Column, CsvSpec, HomeColumns
from petra.data.csv_table import Line, Problems, Table, read_table
from petra.data.csv_times import SiteClock, UnclearTimeError
from petra.data.profiles import HomeProfile, ProfileSet, local_time

# Longer numbers than anybody measures are refused, so that no cell can ask for a gigabyte of digits.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")
_MOST_WATTS = 10**9  # a home of a gigawatt is a mistake of units
_MOST_RATINGS = 2  # so is a plant at more than twice its rating
_WATTS_IN = {"W": 1, "kW": 1000, "Wh": 3600, "kWh": 3_600_000}  # of energies: watt-seconds


class _NotANumberError(Exception):
    """A cell that holds no power; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line and the UTC second at which its step begins."""

    line: Line
    unix: int
    after_unclear: bool  # the line before had no clear time, so nothing can be said about the distance to it


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns columns of the rows inside the window into watts."""

    table: Table
    rows: list[_Row]
    watts: Callable[[str], int]
    problems: Problems

    def column(self, column: Column | None, home: str, *, signed: bool = False) -> tuple[int, ...]:
        """Return a column's powers, 0 where it is not given or a cell is wrong (which is noted)."""
        index = None if column is None else self.table.find(column, f"home {home!r}", self.problems)
        if index is None:
            return (0,) * len(self.rows)
        return tuple(self._cell(row.line, index, signed) for row in self.rows)

    def _cell(self, line: Line, index: int, signed: bool) -> int:
        """Return one cell's power."""
        try:
            watts = self.watts(line.cell(index))
            if watts < 0 and not signed:
                what = f"{line.cell(index)} is negative; production and consumption are values >= 0"
                raise _NotANumberError(f"{what}: turn the sign, or give it as the home's net column")
        except _NotANumberError as error:
            self.problems.add(str(error), line.number, self.table.label(index))
            return 0
        return watts


def read_profiles_csv(path: Path, spec: CsvSpec) -> ProfileSet:
    """Return the homes of a CSV file with a header row; InputError has a line for every problem of the file."""
    problems = Problems(str(path))
    table = read_table(path, spec.delimiter, problems)
    clock = SiteClock(zone=ZoneInfo(spec.timezone), day=spec.date)
    time_index = _time_index(table, spec, problems)
    rows = _timed(table, time_index, clock, problems)
    step = spec.timestep_seconds or _usual_step(rows)
    if step is None:
        problems.stop("two rows with rising times are needed to tell the step's length; set timestep_seconds")
    rows = _inside(rows, step, spec, clock, problems)
    for earlier, later in pairwise(rows):
        if not later.after_unclear and later.unix - earlier.unix != step:
            what = _misstep(earlier, later, step, spec.timezone)
            problems.add(what, later.line.number, table.label(time_index))
    reader = _Reader(table, rows, _watts_reader(spec, step), problems)
    homes = tuple(_home(home, spec, reader) for home in spec.homes)
    problems.raise_any()
    return ProfileSet(
        start_unix=rows[0].unix,
        timestep_seconds=step,
        timezone=spec.timezone,
        homes=homes,
        source=spec.source or path.name,
    )


def _time_index(table: Table, spec: CsvSpec, problems: Problems) -> int:
    """Return the index of the time column; without one, only the columns can be judged."""
    index = table.find(spec.time_column, "time_column", problems)
    if index is None:
        for home in spec.homes:
            for column in home.columns:
                table.find(column, f"home {home.name!r}", problems)
        problems.stop("no row can be read without its time; set time_column to the column that has it")
    return index


def _timed(table: Table, index: int, clock: SiteClock, problems: Problems) -> list[_Row]:
    """Return the rows whose time is clear, and note the others."""
    rows: list[_Row] = []
    after_unclear = False
    for line in table.lines:
        try:
            unix = clock.unix(line.cell(index), rows[-1].unix if rows else None)
        except UnclearTimeError as error:
            problems.add(str(error), line.number, table.label(index))
            after_unclear = True
            continue
        rows.append(_Row(line, unix, after_unclear))
        after_unclear = False
    return rows


def _usual_step(rows: list[_Row]) -> int | None:
    """Return the most frequent distance of rising times, the shortest of equally frequent ones."""
    distances = Counter(later.unix - earlier.unix for earlier, later in pairwise(rows))
    rising = [(-times, distance) for distance, times in distances.items() if distance > 0]
    return min(rising)[1] if rising else None


def _inside(rows: list[_Row], step: int, spec: CsvSpec, clock: SiteClock, problems: Problems) -> list[_Row]:
    """Return the rows of the half-open window, noting where the file does not fill it."""
    covered = (min(row.unix for row in rows), max(row.unix for row in rows) + step) if rows else (0, 0)
    edges = list(covered)
    for side, text in enumerate((spec.window_from, spec.window_until)):
        if text is not None:
            try:
                edges[side] = clock.unix(text, None)
            except UnclearTimeError as error:
                problems.add(f"{('window_from', 'window_until')[side]}: {error}")
                return rows
    first, until = edges
    inside = [row for row in rows if first <= row.unix < until]
    span = f"{local_time(covered[0], spec.timezone)} .. {local_time(covered[1], spec.timezone)}"
    window = f"the window {local_time(first, spec.timezone)} .. {local_time(until, spec.timezone)}"
    times = [row.unix for row in inside] or [until]
    if edges == list(covered):
        return inside
    if until <= first:
        problems.add(f"{window} is empty; set window_until after window_from")
    elif first < covered[0] or until > covered[1]:
        problems.add(f"{window} lies outside the data, which cover {span}; choose one inside")
    elif min(times) != first or max(times) + step != until:
        problems.add(f"{window} does not begin and end with steps of the file ({span}, {step} s each); choose others")
    return inside


def _misstep(earlier: _Row, later: _Row, step: int, timezone: str) -> str:
    """Say why two rows do not follow one another."""
    distance = later.unix - earlier.unix
    here, before = (local_time(row.unix, timezone) for row in (later, earlier))
    if distance == 0:
        return f"{here} repeats row {earlier.line.number}; remove one of them"
    if distance < 0:
        return f"{here} comes after {before} of row {earlier.line.number}; put the rows in order of time, with dates"
    if distance % step:
        return f"{here} is {distance} s after {before}, not a whole number of steps of {step} s; correct it"
    missing = distance // step - 1
    return f"{missing} step(s) missing between {before} and {here}; fill them in, or choose a window without the gap"


def _watts_reader(spec: CsvSpec, step: int) -> Callable[[str], int]:
    """Return the function from a cell's text to average watts; it remembers, since profiles repeat their values."""
    factor = Fraction(_WATTS_IN[spec.unit], step if spec.unit.endswith("h") else 1)

    @cache
    def watts(text: str) -> int:
        if not text:
            raise _NotANumberError("is empty; give a number, or choose a window without this row")
        plain = text.replace(",", ".") if spec.decimal_comma and "." not in text else text
        if not _NUMBER.fullmatch(plain) or (spec.decimal_comma and "." in text):
            hint = "decimal_comma is set" if spec.decimal_comma else "set decimal_comma if it has one"
            raise _NotANumberError(f"{text!r} is no number; write digits without thousands separators ({hint})")
        power = round(Fraction(plain) * factor)
        if abs(power) > _MOST_WATTS:
            raise _NotANumberError(f"{text} {spec.unit} is more than a gigawatt; is the unit right?")
        return power

    return watts


def _home(home: HomeColumns, spec: CsvSpec, reader: _Reader) -> HomeProfile:
    """Return one home; where its cells are wrong, that is noted and the values do not matter."""
    if home.net is None:
        production = reader.column(home.production, home.name)
        consumption = reader.column(home.consumption, home.name)
    else:
        sign = 1 if spec.sign == "production_positive" else -1
        net = [sign * watts for watts in reader.column(home.net, home.name, signed=True)]
        production = tuple(max(0, watts) for watts in net)
        consumption = tuple(max(0, -watts) for watts in net)
    most = max(production, default=0)
    if home.pv_rating_watts and most > _MOST_RATINGS * home.pv_rating_watts:
        what = f"home {home.name!r} produces {most} W with a plant of {home.pv_rating_watts} W; is the unit right?"
        reader.problems.add(what, reader.rows[production.index(most)].line.number)
    return HomeProfile(
        name=home.name,
        node=home.node,
        pv_rating_watts=home.pv_rating_watts,
        production_watts=production,
        consumption_watts=consumption,
        consumption_var=(0,) * len(production),
    )
