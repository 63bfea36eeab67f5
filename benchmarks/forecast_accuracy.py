"""How well the default forecast does on the shipped feeder: prints one JSON object.

Mean absolute error over the 96 steps of 26.05.2016, divided by that of 'as yesterday' (1 = no better), each step
forecast from everything before it. `last` is 'as a moment ago'. Medians over the 34 homes' net power, and over the
2 plants alone; below_low and above_high are the shares of steps outside the 0.1 and 0.9 quantiles.

    python benchmarks/forecast_accuracy.py
"""

import json
import time
from statistics import median

from petra.data import CASE_STUDY_DAY, load_feeder_day
from petra.forecasting import Seasonal

STEPS_PER_DAY = 96


def scores(series: tuple[int, ...], first: int, distance: int) -> dict[str, float]:
    """Return the errors relative to yesterday's, and how often the day fell below low and rose above high."""
    errors = {"seasonal": 0, "last": 0, "yesterday": 0}
    below = above = 0
    for step in range(first, first + STEPS_PER_DAY):
        history = series[: step - distance + 1]
        forecast = Seasonal()(history, distance, STEPS_PER_DAY)
        errors["seasonal"] += abs(forecast.median[-1] - series[step])
        errors["last"] += abs(history[-1] - series[step])
        errors["yesterday"] += abs(series[step - STEPS_PER_DAY] - series[step])
        below += series[step] < forecast.low[-1]
        above += series[step] > forecast.high[-1]
    relative = {name: error / errors["yesterday"] for name, error in errors.items()}
    return relative | {"below_low": below / STEPS_PER_DAY, "above_high": above / STEPS_PER_DAY}


def summary(all_series: list[tuple[int, ...]], first: int, distance: int) -> dict[str, float]:
    """Return the median errors and the mean misses over some series."""
    results = [scores(series, first, distance) for series in all_series]
    medians = {name: median(result[name] for result in results) for name in ("seasonal", "last")}
    misses = {name: sum(result[name] for result in results) / len(results) for name in ("below_low", "above_high")}
    return {name: round(value, 3) for name, value in (medians | misses).items()}


def main() -> None:
    """Measure and print."""
    profiles, _ = load_feeder_day()
    first = profiles.index_of(CASE_STUDY_DAY[0])
    homes = [home.net_watts for home in profiles.homes]
    plants = [home.production_watts for home in profiles.homes if home.pv_rating_watts]
    started = time.perf_counter()
    one_step = {"homes": summary(homes, first, 1), "plants": summary(plants, first, 1)}
    seconds = time.perf_counter() - started
    calls = (len(homes) + len(plants)) * STEPS_PER_DAY
    result = {"one_step_ahead": one_step, "milliseconds_per_forecast": round(seconds / calls * 1e3, 3)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
