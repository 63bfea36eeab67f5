"""From scenario and data to a world: what does not fit together is refused, all of it at once."""

from pathlib import Path

import pytest

from petra.errors import InputError
from petra.play.world import build_world, local_day
from petra.scenario import load_scenario
from petra.scenario.load import parse_scenario
from tests.unit.scenario.test_load import GOOD

HERE = Path(__file__).parent


def test_window_outside_the_data_is_refused() -> None:
    """A window that the data do not cover is told with what they cover."""
    text = GOOD.replace("2016-05-26T17:45:00", "2016-06-26T17:45:00")
    with pytest.raises(InputError, match=r"they cover 2016-04-28 .* choose a window"):
        build_world(parse_scenario(text, "small.toml"), "small.toml", HERE)


def test_unknown_and_doubled_homes_are_told_together() -> None:
    """An override for a home that the data do not have is told with the names that they have."""
    text = GOOD + "".join(f'[[community.home]]\nname = "{name}"\n' for name in ("castle", "pv-1", "pv-1"))
    with pytest.raises(InputError) as raised:
        build_world(parse_scenario(text, "small.toml"), "small.toml", HERE)
    unknown, doubled = raised.value.problems
    assert "castle" in unknown and "pv-1, pv-2" in unknown
    assert doubled == "small.toml: [[community.home]] pv-1: stands there twice"


def test_horizon_that_refuses_every_withdrawal_is_told() -> None:
    """A DSO whose horizon is shorter than the homes' could never grant anything."""
    with pytest.raises(InputError, match="no withdrawal could ever be granted"):
        build_world(parse_scenario(GOOD + "[dso]\nhorizon_timesteps = 0\n", "small.toml"), "small.toml", HERE)


def test_case_study_is_the_papers_window() -> None:
    """9 homes, 14 timesteps of 15 minutes; timestep 1 is 14:15 local time, and trading begins 15 minutes earlier."""
    world = build_world(load_scenario("case-study"), "case-study", HERE)
    assert (len(world.homes), world.first_timestep, world.last_timestep) == (9, 1, 14)
    assert world.genesis == 1_464_264_900 - 900
    assert (world.starts - world.genesis) % world.scenario.chain.block_seconds == 0
    first, until = local_day(world)
    assert (until - first, first) == (96, 28 * 96)


def test_home_gets_the_communitys_values_unless_it_has_its_own() -> None:
    """An override changes one home and leaves the others; a plant's rating is its capacity."""
    text = GOOD + '[[community.home]]\nname = "pv-1"\nopening_balance_eur = 7.5\n'
    world = build_world(parse_scenario(text, "small.toml"), "small.toml", HERE)
    first, second = world.homes[:2]
    assert (first.opening_balance, second.opening_balance) == (7_500_000_000, 20_000_000_000)
    assert first.production_capacity_watts == first.profile.pv_rating_watts == first.firm_export_watts
