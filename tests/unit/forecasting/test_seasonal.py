import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.data import CASE_STUDY_DAY, load_feeder_day
from petra.forecasting import Seasonal

STEPS_PER_DAY = 24


def days(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return whole days one after the other."""
    return tuple(watts for shape in shapes for watts in shape)


SUNNY = tuple(max(0, 6 - abs(12 - hour)) * 500 for hour in range(STEPS_PER_DAY))


@pytest.mark.parametrize("levels", [(-0.1, 0.9), (0.6, 0.9), (0.1, 0.4), (0.1, 1.1), (float("nan"), 0.9)])
def test_levels_out_of_order_are_refused(levels: tuple[float, float]) -> None:
    """The median must lie between the levels."""
    with pytest.raises(ValueError, match="quantile levels"):
        Seasonal(low_quantile=levels[0], high_quantile=levels[1])


def test_nothing_is_forecast_from_nothing() -> None:
    """An empty history gives zeros; no steps give an empty forecast."""
    assert Seasonal()((), 3, STEPS_PER_DAY).median == (0, 0, 0)
    assert Seasonal()((1, 2), 0, STEPS_PER_DAY).median == ()


def test_first_hours_are_forecast_as_the_last_reading_within_what_was_seen() -> None:
    """Without a day before, there is nothing better than the last value, and the range is all that is known."""
    forecast = Seasonal()((5, 9, 7), 2, STEPS_PER_DAY)
    assert (forecast.low, forecast.median, forecast.high) == ((5, 5), (7, 7), (9, 9))


def test_second_day_is_forecast_as_the_first() -> None:
    """One day is enough to know what is usual at which time."""
    assert Seasonal()(SUNNY, STEPS_PER_DAY, STEPS_PER_DAY).median == SUNNY


@given(st.lists(st.integers(-(2**40), 2**40), max_size=80), st.integers(0, 30), st.integers(1, 24))
def test_any_history_gives_a_forecast(history: list[int], steps: int, steps_per_day: int) -> None:
    """A total function: low <= median <= high for every step, and the same answer when asked again."""
    forecast = Seasonal()(history, steps, steps_per_day)
    assert len(forecast.low) == len(forecast.median) == len(forecast.high) == steps
    assert forecast == Seasonal()(tuple(history), steps, steps_per_day)


def test_days_that_repeat_are_forecast_exactly() -> None:
    """What always happened is expected, at every distance, also beyond a day."""
    forecast = Seasonal()(days(*[SUNNY] * 20), 3 * STEPS_PER_DAY, STEPS_PER_DAY)
    assert forecast.low == forecast.median == forecast.high == SUNNY * 3


def test_weekday_matters_from_two_weeks_on() -> None:
    """A shop that rests every seventh day is expected, a day ahead, to need less on that day than on any other."""
    work, rest = (-1000,) * STEPS_PER_DAY, (-100,) * STEPS_PER_DAY
    weeks = days(*[*[work] * 6, rest] * 4)
    expected = [
        Seasonal()(weeks[: len(weeks) - back * STEPS_PER_DAY], STEPS_PER_DAY, STEPS_PER_DAY).median[-1]
        for back in range(7)
    ]
    assert expected[1] > max(expected[:1] + expected[2:])


def test_clouds_are_taken_to_last_for_a_step() -> None:
    """After days of which each was evenly sunny or grey, a grey morning means a grey noon."""
    grey = tuple(watts // 4 for watts in SUNNY)
    past = days(*[SUNNY, grey] * 7)
    noon = STEPS_PER_DAY // 2
    after_grey = Seasonal()(past + grey[:noon], 1, STEPS_PER_DAY).median[0]
    after_sun = Seasonal()(past + SUNNY[:noon], 1, STEPS_PER_DAY).median[0]
    assert after_grey == pytest.approx(grey[noon], rel=0.3)
    assert after_sun == pytest.approx(SUNNY[noon], rel=0.3)


def test_plant_is_never_forecast_to_consume() -> None:
    """Whatever the errors were, low stays at 0 where nothing was ever drawn; the same holds for a pure consumer."""
    series = load_feeder_day()[0]
    plant = next(home.production_watts for home in series.homes if home.pv_rating_watts)
    need = tuple(-watts for watts in series.homes[0].consumption_watts)
    first = series.index_of(CASE_STUDY_DAY[0])
    assert min(Seasonal()(plant[:first], 96, 96).low) == 0
    assert max(Seasonal()(need[:first], 96, 96).high) <= 0


def test_forecast_beats_yesterday_on_the_shipped_homes() -> None:
    """Over eight homes the error is well below that of 'as yesterday', and the band holds about four fifths."""
    series = load_feeder_day()[0]
    first = series.index_of(CASE_STUDY_DAY[0])
    steps = range(first, first + 96, 4)
    inside = error = yesterday = 0
    for home in series.homes[:8]:
        for step in steps:
            forecast = Seasonal()(home.net_watts[:step], 1, 96)
            inside += forecast.low[0] <= home.net_watts[step] <= forecast.high[0]
            error += abs(forecast.median[0] - home.net_watts[step])
            yesterday += abs(home.net_watts[step - 96] - home.net_watts[step])
    assert error < 0.75 * yesterday
    assert 0.7 < inside / (8 * len(steps)) < 0.95
