"""What a simulated meter measures: the rows of a CSV file, timestep by timestep.

Decides: which row belongs to a timestep. Knows no home and no clock.
Invariant: the same file and timestep give the same energies, whenever they are asked for.

The file has a line of names, then one line a timestep: `timestep,produced_watts,consumed_watts`, average powers >= 0;
the first column may be `unix`, the second at which the timestep begins.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from petra.domain.timeline import Timeline
from petra.errors import InputError
from petra.roles.effects import Measured

_POWERS = ("produced_watts", "consumed_watts")
_PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Powers of consecutive timesteps from `first` on, watts."""

    first: int
    produced: tuple[int, ...]
    consumed: tuple[int, ...]

    def repeated(self, timestep: int, seconds: int) -> Measured:
        """Return a timestep's energies where the series begins again when it is over."""
        return self._at(timestep, (timestep - self.first) % len(self.produced), seconds)

    def once(self, timestep: int, seconds: int) -> Measured:
        """Return a timestep's energies where nothing flows before and after the series."""
        return self._at(timestep, timestep - self.first, seconds)

    def net_watts(self) -> tuple[int, ...]:
        """Return production less consumption."""
        return tuple(p - c for p, c in zip(self.produced, self.consumed, strict=True))

    def _at(self, timestep: int, place: int, seconds: int) -> Measured:
        inside = 0 <= place < len(self.produced)
        produced, consumed = (self.produced[place], self.consumed[place]) if inside else (0, 0)
        return Measured(timestep=timestep, produced=produced * seconds, consumed=consumed * seconds)


def read_series(path: Path, timeline: Timeline) -> Series:
    """Read a file; InputError with the problems that it has, by line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not lines or not {*_POWERS} <= lines[0].keys() or not {"timestep", "unix"} & lines[0].keys():
        raise InputError(f"{path}: needs a line of names, timestep (or unix),produced_watts,consumed_watts, and a row")
    problems: list[str] = []
    rows = [_row(line, number, timeline, problems) for number, line in enumerate(lines, start=2)]
    problems += [
        f"line {number}: timestep {row[0]} does not follow {before[0]}"
        for number, (before, row) in enumerate(pairwise(rows), start=3)
        if row[0] != before[0] + 1
    ]
    if problems:
        more = [f"{path}: and {len(problems) - _PROBLEMS_MAX} more"] if len(problems) > _PROBLEMS_MAX else []
        raise InputError([f"{path}: {problem}" for problem in problems[:_PROBLEMS_MAX]] + more)
    return Series(first=rows[0][0], produced=tuple(row[1] for row in rows), consumed=tuple(row[2] for row in rows))


def sensor(series: Series, timestep_seconds: int, *, repeats: bool) -> Callable[[int], Measured]:
    """Return what flowed in a timestep, from a series that repeats or not."""
    measure = series.repeated if repeats else series.once
    return lambda timestep: measure(timestep, timestep_seconds)


def _row(line: dict[str, str], number: int, timeline: Timeline, problems: list[str]) -> Sequence[int]:
    try:
        produced, consumed = (int(line[name]) for name in _POWERS)
        if "timestep" in line:
            timestep = int(line["timestep"])
        else:
            timestep, rest = divmod(int(line["unix"]) - timeline.genesis, timeline.timestep_seconds)
            if rest:
                problems.append(f"line {number}: unix second {line['unix']} is not the beginning of a timestep")
    except (TypeError, ValueError):
        problems.append(f"line {number}: three whole numbers are needed, not {','.join(map(str, line.values()))[:60]}")
        return (0, 0, 0)
    if min(produced, consumed) < 0:
        problems.append(f"line {number}: powers are not negative: production and consumption have a column each")
    return (timestep, produced, consumed)
