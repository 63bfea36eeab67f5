from itertools import combinations

import pytest

from petra.data import CASE_STUDY_DAY, CASE_STUDY_WINDOW, ProfileSet, load_case_study, load_feeder_day


def energy_wh(series: tuple[int, ...]) -> float:
    """Return the energy of quarter hours of average power."""
    return sum(series) / 4


@pytest.fixture(scope="module")
def feeder_day() -> ProfileSet:
    """The whole feeder."""
    return load_feeder_day()[0]


def test_shipped_set_covers_the_day_and_four_weeks_before_it(feeder_day: ProfileSet) -> None:
    """29 local days of 96 quarter hours end with the case study's day."""
    assert feeder_day.steps == 29 * 96
    assert feeder_day.until_unix == CASE_STUDY_DAY[1]
    assert feeder_day.window(*CASE_STUDY_DAY).steps == 96
    assert feeder_day.window(*CASE_STUDY_WINDOW).steps == 14


def test_feeder_day_has_all_homes_and_both_plants(feeder_day: ProfileSet) -> None:
    """34 homes on 34 nodes, of which two have a plant of known rating."""
    assert len({home.node for home in feeder_day.homes}) == len(feeder_day.homes) == 34
    assert [home.pv_rating_watts for home in feeder_day.homes if home.pv_rating_watts] == [8250, 16960]
    assert all(max(home.production_watts) <= home.pv_rating_watts for home in feeder_day.homes)


def test_energy_of_the_day_is_that_of_simbench(feeder_day: ProfileSet) -> None:
    """PV is not moved in time, so its energy is the 106.2 kWh that SimBench itself gives for feeder 0 on this day."""
    day = feeder_day.window(*CASE_STUDY_DAY)
    assert sum(energy_wh(home.production_watts) for home in day.homes) == pytest.approx(106_200, rel=1e-3)


def test_night_has_no_sun(feeder_day: ProfileSet) -> None:
    """A wrong UTC offset would let the plants produce at midnight."""
    night = feeder_day.window(CASE_STUDY_DAY[0], CASE_STUDY_DAY[0] + 4 * 3600)
    assert all(energy_wh(home.production_watts) == 0 for home in night.homes)


def test_no_two_homes_are_copies_of_one_another(feeder_day: ProfileSet) -> None:
    """Homes that share a SimBench profile are moved against one another, so that no scaled copies live next door."""
    day = feeder_day.window(*CASE_STUDY_DAY)
    for one, other in combinations((home.consumption_watts for home in day.homes), 2):
        scale = sum(other) / sum(one)
        difference = sum(abs(b - a * scale) for a, b in zip(one, other, strict=True))
        assert difference > 0.2 * sum(other)


def test_case_study_has_two_producers_and_the_seven_largest_consumers(feeder_day: ProfileSet) -> None:
    """The paper's nine: producers use nothing, consumers produce nothing, no home left out uses more in the window."""
    nine = load_case_study()[0].window(*CASE_STUDY_WINDOW).homes
    producers, consumers = nine[:2], nine[2:]
    assert [home.name for home in producers] == ["pv-1", "pv-2"]
    assert not any(map(any, (home.consumption_watts for home in producers)))
    assert not any(map(any, (home.production_watts for home in consumers)))
    used = [energy_wh(home.consumption_watts) for home in consumers]
    window = feeder_day.window(*CASE_STUDY_WINDOW)
    assert used == sorted((energy_wh(home.consumption_watts) for home in window.homes), reverse=True)[:7]


def test_case_study_window_meets_surplus_and_shortage() -> None:
    """Both market regimes occur, and the window's energies are those of the documentation."""
    window = load_case_study()[0].window(*CASE_STUDY_WINDOW)
    net = [sum(step) for step in zip(*(home.net_watts for home in window.homes), strict=True)]
    assert min(net) < 0 < max(net)
    assert sum(energy_wh(home.production_watts) for home in window.homes) == 20_331.5
    assert sum(energy_wh(home.consumption_watts) for home in window.homes) == 22_367.75


def test_shipped_feeder_is_the_whole_tree() -> None:
    """37 nodes hang on the transformer's busbar, with SimBench's voltages and a neutral tap."""
    profiles, feeder = load_feeder_day()
    assert len(feeder.nodes) == 39
    assert len(feeder.branches) == 37
    assert (feeder.voltage_min, feeder.source_voltage, feeder.voltage_max) == (0.965, 1.025, 1.055)
    assert feeder.transformer.rated_power_va == 630_000
    assert {home.node for home in profiles.homes} <= feeder.links().keys()
