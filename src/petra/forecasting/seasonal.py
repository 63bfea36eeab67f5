"""The default forecast: the usual power at this time of day, corrected by the last surprise.

usual    = mean of this time of day over the four weeks before, the same weekday counted twice from two weeks on
surprise = what was read minus what was usual
forecast = usual + share * last surprise + a quantile of the errors that this rule made lately around this time of day

The share comes from how surprises persisted at this time of day and at this distance: nearly all of a cloud's effect
lasts 15 minutes, hardly any of a kettle's. Knows no clock, weather or home: a day is steps_per_day readings, so for a
day after a change of daylight-saving time the usual is an hour off. Needs no fitting and no library.
Invariant: integers throughout, so that every machine gives the same forecast; any history will do, also an empty one.
Measured in benchmarks/forecast_accuracy.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from petra.forecasting.forecast import Forecast, quantile

_USUAL_DAYS = 28  # days that make up what is usual
_ERROR_DAYS = 14  # days whose errors count as "lately"
_NEAR_STEPS = 4  # steps before and after that count as "around this time of day"
_FEWEST_ERRORS = 9
_SHARE_ONE = 1024  # a share of 1; shares are whole 1024ths


@dataclass(frozen=True, slots=True, kw_only=True)
class Seasonal:
    """Forecasts from history alone; the levels say how rarely net power shall fall below low or rise above high."""

    low_quantile: float = 0.1
    high_quantile: float = 0.9

    def __post_init__(self) -> None:
        """Refuse levels out of order."""
        if not 0 <= self.low_quantile <= 0.5 <= self.high_quantile <= 1:
            raise ValueError("quantile levels must satisfy 0 <= low_quantile <= 0.5 <= high_quantile <= 1")

    def __call__(self, history_watts: Sequence[int], steps: int, steps_per_day: int) -> Forecast:
        """Forecast so many timesteps after the history; zeros when it is empty."""
        past = _Past(tuple(history_watts), steps_per_day)
        triples = [self._step(past, distance) for distance in range(1, steps + 1)]
        return Forecast(
            low=tuple(low for low, _, _ in triples),
            median=tuple(median for _, median, _ in triples),
            high=tuple(high for _, _, high in triples),
        )

    def _step(self, past: "_Past", distance: int) -> tuple[int, int, int]:
        """Return low, median and high of the step so far behind the last reading."""
        readings = past.readings
        if not readings:
            return 0, 0, 0
        target = len(readings) - 1 + distance
        first_day = -(-distance // past.steps_per_day)  # the latest day whose same time of day has been read
        usual = past.usual(target, first_day)
        pairs = past.surprises_around(target, distance)
        if usual is None or len(pairs) < _FEWEST_ERRORS:
            expected = readings[-1] if usual is None else usual
            return min(expected, *readings), expected, max(expected, *readings)
        share = _share(pairs)
        last = past.surprise(len(readings) - 1, 1)
        expected = usual + _part(share, last or 0)
        errors = [later - _part(share, earlier) for earlier, later in pairs]
        seen = past.readings_around(target)
        # A home that never drew power around this time (or never fed in) is not forecast to begin with it now.
        floor = 0 if min(seen) >= 0 else None
        ceiling = 0 if max(seen) <= 0 else None
        levels = (self.low_quantile, 0.5, self.high_quantile)
        low, median, high = (_between(expected + quantile(errors, level), floor, ceiling) for level in levels)
        return low, median, high


class _Past:
    """The readings of one home, and what was usual and surprising in them."""

    def __init__(self, readings: tuple[int, ...], steps_per_day: int) -> None:
        self.readings = readings
        self.steps_per_day = steps_per_day
        self.surprise = cache(self._surprise)

    def usual(self, index: int, first_day: int) -> int | None:
        """Return the mean of the same time of day, first_day days before and earlier; None when there is none."""
        newest = index - first_day * self.steps_per_day
        oldest = index - max(first_day, _USUAL_DAYS) * self.steps_per_day
        if newest < 0:
            return None
        days = self.readings[oldest if oldest >= 0 else newest % self.steps_per_day : newest + 1 : self.steps_per_day]
        total, count = sum(days), len(days)
        if count >= 14:
            # The same weekday counts once more: worth 7 % a day ahead on Sundays, and costs 2 % a step ahead.
            weeks = days[-1 - (-first_day % 7) :: -7]
            total, count = total + sum(weeks), count + len(weeks)
        return total // count

    def surprises_around(self, target: int, distance: int) -> list[tuple[int, int]]:
        """Return surprises that lay `distance` steps apart, the later ones around the target's time of day lately."""
        first_day = -(-distance // self.steps_per_day)
        pairs = []
        for index in self._around(target):
            earlier, later = self.surprise(index - distance, 1), self.surprise(index, first_day)
            if earlier is not None and later is not None:
                pairs.append((earlier, later))
        return pairs

    def readings_around(self, target: int) -> list[int]:
        """Return the readings around the target's time of day lately."""
        return [self.readings[index] for index in self._around(target)]

    def _around(self, target: int) -> list[int]:
        """Return the indices of the readings around the target's time of day lately."""
        centres = (target - day * self.steps_per_day for day in range(1, _ERROR_DAYS + 1))
        around = (centre + near for centre in centres for near in range(-_NEAR_STEPS, _NEAR_STEPS + 1))
        return [index for index in around if 0 <= index < len(self.readings)]

    def _surprise(self, index: int, first_day: int) -> int | None:
        """Return what was read minus what was usual; None where nothing was usual yet."""
        usual = self.usual(index, first_day) if index >= 0 else None
        return None if usual is None else self.readings[index] - usual


def _share(pairs: list[tuple[int, int]]) -> int:
    """Return which part of the earlier surprise the later one was, by least squares, in 1024ths of 0 .. 1."""
    products = sum(earlier * later for earlier, later in pairs)
    squares = sum(earlier * earlier for earlier, _ in pairs)
    return min(_SHARE_ONE, max(0, products * _SHARE_ONE // squares)) if squares else 0


def _part(share: int, watts: int) -> int:
    """Return the share of a power, rounded down."""
    return watts * share // _SHARE_ONE


def _between(watts: int, floor: int | None, ceiling: int | None) -> int:
    """Return the power, kept above floor and below ceiling where these are given."""
    raised = watts if floor is None else max(floor, watts)
    return raised if ceiling is None else min(ceiling, raised)
