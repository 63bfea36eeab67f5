import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.forecasting import Forecast, Perfect, quantile


def test_forecast_out_of_order_is_refused() -> None:
    """Low above median, or median above high, is no forecast."""
    with pytest.raises(ValueError, match="no forecast"):
        Forecast(low=(0, 2), median=(0, 1), high=(0, 3))
    with pytest.raises(ValueError, match="no forecast"):
        Forecast(low=(0,), median=(5,), high=(3,))


def test_forecast_of_unequal_lengths_is_refused() -> None:
    """Every timestep has all three values."""
    with pytest.raises(ValueError, match="zip"):
        Forecast(low=(0,), median=(1, 1), high=(2, 2))


@pytest.mark.parametrize(("level", "expected"), [(0, 1), (0.1, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.9, 5), (1, 5)])
def test_quantile_is_one_of_the_values(level: float, expected: int) -> None:
    """The smallest value that the share does not exceed, without interpolation, in any order of the values."""
    assert quantile([5, 1, 4, 2, 3], level) == expected


@given(st.lists(st.integers(), min_size=1), st.floats(0, 1))
def test_quantile_covers_its_level(values: list[int], level: float) -> None:
    """At least the asked share of the values is no larger."""
    found = quantile(values, level)
    assert sum(value <= found for value in values) >= level * len(values)


def test_perfect_forecast_continues_the_history_and_ends_in_zeros() -> None:
    """What comes after the history is what will be; beyond the series there is nothing."""
    forecast = Perfect(actual_watts=(1, -2, 3, 4))((1, -2), 3, 96)
    assert forecast.low == forecast.median == forecast.high == (3, 4, 0)
