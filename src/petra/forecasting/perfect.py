"""The forecast that comes true, for experiments that are not about forecasting (paper 5: readings are the forecast).

Knows the whole future; decides nothing. Invariant: low, median and high are what will be metered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from petra.forecasting.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Perfect:
    """Forecasts the series itself: its element 0 is the first reading of the histories that it will be given."""

    actual_watts: tuple[int, ...]

    def __call__(self, history_watts: Sequence[int], steps: int, steps_per_day: int) -> Forecast:
        """Return what follows the history; nothing (0 W) beyond the series' end."""
        coming = self.actual_watts[len(history_watts) : len(history_watts) + steps]
        coming += (0,) * (steps - len(coming))
        return Forecast(low=coming, median=coming, high=coming)
