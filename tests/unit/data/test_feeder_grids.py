import pytest

from petra.data import CASE_STUDY_DAY, GRIDS, load_grid, load_rural_stress
from petra.errors import InputError
from petra.grid import Envelope, SafetyLedger


def test_unknown_grid_is_refused() -> None:
    """The names that there are, are named."""
    with pytest.raises(InputError, match="use one of rural1, rural3"):
        load_grid("rural2")


@pytest.mark.parametrize(
    ("name", "nodes", "rated_kva", "tap"),
    [
        ("rural1", 15, 160, 1),
        ("rural3", 129, 400, -1),
        ("semiurb4", 44, 400, 0),
        ("semiurb5", 111, 630, 0),
        ("urban6", 59, 630, -1),
    ],
)
def test_shipped_grids_are_whole(name: str, nodes: int, rated_kva: int, tap: int) -> None:
    """Each has SimBench's size, transformer and tap, and makes a ledger with an account at every connected node."""
    feeder = load_grid(name)
    assert (len(feeder.nodes), feeder.transformer.tap_position) == (nodes, tap)
    assert feeder.transformer.rated_power_va == rated_kva * 1000
    envelopes = {
        node.node: Envelope(node=node.node, import_watts=0, export_watts=0) for node in feeder.nodes if node.connected
    }
    assert len(SafetyLedger(feeder, envelopes).loads(0)) > nodes * 0.7


def test_list_of_grids_is_what_is_shipped() -> None:
    """Every name can be loaded."""
    assert [load_grid(name).name.split("--")[0] for name in GRIDS] == [f"SimBench 1-LV-{name}" for name in GRIDS]


def test_rural_stress_has_more_sun_than_its_transformer_carries() -> None:
    """13 homes at 13 nodes, 8 plants of 468 kW together; at noon of the case study's day 233 kW are left over."""
    profiles, feeder = load_rural_stress()
    assert len({home.node for home in profiles.homes}) == len(profiles.homes) == 13
    ratings = [home.pv_rating_watts for home in profiles.homes if home.pv_rating_watts]
    assert (len(ratings), sum(ratings)) == (8, 468_200)
    day = profiles.window(*CASE_STUDY_DAY)
    surplus = max(map(sum, zip(*(home.net_watts for home in day.homes), strict=True)))
    assert surplus > 1.4 * feeder.transformer.rated_power_va
    assert all(home.consumption_var != (0,) * profiles.steps for home in profiles.homes)
