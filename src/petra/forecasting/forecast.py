"""What a forecast is, whoever makes it.

Decides: three values for every coming timestep, and how a quantile of integers is taken. Knows no home and no clock.
Invariant: low <= median <= high in every timestep; powers are net watts, production positive (A1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Net power of the coming timesteps in watts: it will probably lie between low and high."""

    low: tuple[int, ...]
    median: tuple[int, ...]
    high: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what is out of order."""
        for low, median, high in zip(self.low, self.median, self.high, strict=True):
            if not low <= median <= high:
                raise ValueError(f"no forecast: {low} <= {median} <= {high} does not hold")


class Forecaster(Protocol):
    """Anything that turns the past into a forecast, without clock or chance."""

    def __call__(self, history_watts: Sequence[int], steps: int, steps_per_day: int) -> Forecast:
        """Forecast so many timesteps; history_watts is every net reading strictly before the first of them."""


def quantile(values: Sequence[int], level: float) -> int:
    """Return the smallest of the values that at least the share `level` (0 .. 1) of them does not exceed."""
    return sorted(values)[max(0, ceil(level * len(values)) - 1)]
