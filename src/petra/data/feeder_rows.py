"""What the readers of foreign feeder files share: rows whose missing values are problems, and one report at the end.

Decides: how a component's value is asked for and its absence reported, with component and field. Knows no format.
Invariant: nothing is guessed: what is missing becomes NaN and a problem, and a feeder is returned only without any.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path
from typing import Any

from petra.errors import InputError
from petra.grid import Feeder

_LARGEST = 1e18  # nothing of a feeder is larger in any unit; what is was never meant as a number
_SHOWN = 80  # characters of a value that is none


@dataclass(slots=True)
class Report:
    """The problems of one file, each with its place."""

    place: str
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the feeder is called: as its file."""
        return Path(self.place).stem

    def add(self, problem: str) -> None:
        """Note what is wrong."""
        self.problems.append(f"{self.place}: {problem}")

    def feeder(self, make: Callable[[], Feeder]) -> Feeder:
        """Return the feeder, or raise InputError with all problems: the file's, and those of what it describes."""
        try:
            feeder = make()
        except InputError as error:
            # What is missing is reported already, and NaN in its place says it less well.
            told = [problem.removeprefix(f"{self.name}: ") for problem in error.problems if " nan" not in problem]
            self.problems += [f"{self.place}: {problem}" for problem in told]
            raise InputError(self.problems) from None
        if self.problems:
            raise InputError(self.problems)
        return feeder


@dataclass(frozen=True, slots=True)
class Row:
    """One component of a file; `name` is the component's, such as 'line 7'."""

    name: str
    values: Mapping[str, Any]
    report: Report

    def number(self, key: str, default: float = nan) -> float:
        """Return a number; where it is missing the default, and a problem if there is none."""
        value = self.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            return float(value)
        if value is not None and not (isinstance(value, float) and isnan(value)):
            self.report.add(f"{self.name}: {key} is no number: {repr(value)[:_SHOWN]}")
        elif isnan(default):
            self.report.add(f"{self.name}: {key} is missing")
        return default

    def whole(self, key: str, default: float = nan) -> int:
        """Return a whole number; 0 stands in where it is missing, which is a problem."""
        value = self.number(key, default)
        if value % 1:
            self.report.add(f"{self.name}: {key} is no whole number: {value:g}")
        return 0 if isnan(value) else round(value)

    def positive(self, key: str, default: float = nan) -> float:
        """Return a number above 0 that others are divided by; NaN and a problem where it is none."""
        value = self.number(key, default)
        if value <= 0:
            self.report.add(f"{self.name}: {key} is {value:g}, expected more than 0")
        return value if value > 0 else nan

    def refuse(self, key: str, meaning: str) -> None:
        """Report a value other than 0, which PETra's model has no place for."""
        if self.number(key, 0.0):
            self.report.add(f"{self.name}: {key} is not supported: {meaning}")
