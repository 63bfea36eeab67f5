import pytest

from petra.data import GRIDS, load_grid
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
