"""The scenario's rule about the grid: what it cannot promise on the data is refused before anything is played."""

import pytest

from petra.errors import InputError
from petra.play.world import build_world
from petra.scenario import load_scenario
from petra.scenario.load import parse_scenario
from tests.unit.play.test_world import HERE
from tests.unit.scenario.test_load import GOOD


def problems_of(text: str) -> list[str]:
    """Return why the world of a scenario cannot be built."""
    with pytest.raises(InputError) as raised:
        build_world(parse_scenario(GOOD + text, "small.toml"), "small.toml", HERE)
    return list(raised.value.problems)


def test_firm_parts_that_could_overload_the_feeder_are_refused() -> None:
    """The feeder's voltage does not bear 100 kW at every home; the safe share is told."""
    *_, alone, remedy = problems_of('[community]\nfirm_import_watts = 100_000\n[grid]\nrule = "feeder"\n')
    assert "envelopes alone" in alone and "of each envelope would be safe" in remedy


def test_more_reactive_power_than_counted_on_is_refused() -> None:
    """A home whose data take more var than its envelope allows is named."""
    problems = problems_of('[community]\nfirm_import_watts = "highest"\n[grid]\nrule = "feeder"\n')
    assert any("home-80 takes" in problem and "raise absorbed_var_per_watt" in problem for problem in problems)


def test_unknown_rule_is_refused() -> None:
    """A rule that is not there is told with the ones that are."""
    with pytest.raises(InputError, match=r"\[grid\] rule: .*feeder.*limits.*connection.*none"):
        parse_scenario(GOOD + '[grid]\nrule = "hope"\n', "small.toml")


def test_rural_stress_has_firm_parts_from_its_data() -> None:
    """Each home may always use its own highest consumption, and send 2 kW."""
    world = build_world(load_scenario("rural-stress"), "rural-stress", HERE)
    assert all(home.firm_import_watts == max(home.profile.consumption_watts) for home in world.homes)
    assert {home.envelope.export_watts for home in world.homes} == {2_000}
