from typing import Any

import pytest

from petra.data import CsvSpec, HomeColumns, csv_spec_from_values
from petra.errors import InputError

HOME = HomeColumns(name="a", net=2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"unit": "kwh"}, "unit 'kwh' is unknown"),
        ({"sign": "negative"}, "sign 'negative' is unknown"),
        ({"delimiter": ""}, "is not one character"),
        ({"timestep_seconds": 0}, "is not positive"),
        ({"timestep_seconds": -900}, "is not positive"),
        ({"timezone": "Mars/Olympus"}, "timezone 'Mars/Olympus' is unknown"),
        ({"timezone": "../etc"}, "timezone '../etc' is unknown"),
        ({"homes": ()}, "no homes"),
        ({"homes": (HOME, HomeColumns(name="a", net=3))}, "2 homes are called 'a'"),
        ({"homes": (HomeColumns(name="a"),)}, "has no column"),
        ({"homes": (HomeColumns(name="a", net=2, production=3),)}, "has a net column and others"),
        ({"homes": (HomeColumns(name="a", net=2, pv_rating_watts=-1),)}, "is negative"),
    ],
)
def test_spec_is_refused_that_makes_no_sense(wrong: dict[str, Any], reason: str) -> None:
    """Each setting is checked before any file is opened."""
    with pytest.raises(InputError, match=reason):
        CsvSpec(**{"homes": (HOME,), "unit": "kW", **wrong})


def test_all_problems_of_a_spec_are_reported_together() -> None:
    """Three faults, three lines."""
    with pytest.raises(InputError) as error:
        CsvSpec(homes=(), unit="MW", timezone="Mars")  # type: ignore[arg-type]
    assert len(error.value.problems) == 3


def test_wrong_keys_of_a_table_are_reported_together() -> None:
    """Unknown, missing and mistyped keys are named with their place."""
    with pytest.raises(InputError) as error:
        csv_spec_from_values({"colour": 1, "homes": [{"name": "a", "net": 2, "pv_rating_watts": "big"}]}, "[data]")
    places = {problem.split(": ")[1] for problem in error.value.problems}
    assert places == {"colour", "unit", "homes.0.pv_rating_watts"}


def test_numbers_and_digits_stay_apart() -> None:
    """4 is the fourth column, "4" the column whose header is 4."""
    homes = [{"name": "a", "net": 4}, {"name": "b", "net": "4"}]
    spec = csv_spec_from_values({"unit": "W", "homes": homes}, "[data]")
    assert [home.net for home in spec.homes] == [4, "4"]
