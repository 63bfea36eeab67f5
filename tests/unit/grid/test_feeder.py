from dataclasses import replace
from typing import Any

import pytest

from petra.errors import InputError
from petra.grid import Connection
from tests.unit.grid.made_up import FEEDER, TRANSFORMER, line

NAN, INFINITY = float("nan"), float("inf")
L1, L2, L3 = FEEDER.branches
MV, B, *REST = FEEDER.nodes


def problems_of(**changes: Any) -> tuple[str, ...]:
    """Return why the feeder is refused, changed so."""
    with pytest.raises(InputError) as error:
        replace(FEEDER, **changes)
    return error.value.problems


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"branches": (L1, L2, L3, line("l4", "c", "e"))}, "branch l4 closes a ring"),
        ({"branches": (L1, L2, L3, line("l4", "c", "b"))}, "branch l4 closes a ring"),
        ({"branches": (L1, L2)}, "node c is not connected to the source"),
        ({"branches": (L1, L2, L3, line("l4", "c", "x"))}, "node x is used by a branch, but not given"),
        ({"branches": (L1, L2, line("l1", "b", "c"))}, "branch l1 is given twice"),
        ({"nodes": (MV, B, *REST, B)}, "node b is given twice"),
        ({"source_node": "b"}, "from_node must be the source_node"),
        ({"branches": (L1, L2, L3, line("l4", "mv", "e"))}, "a line leaves the source_node"),
        ({"nodes": (MV, replace(B, rated_volts=230.0), *REST)}, "branch l1: its nodes have different rated_volts"),
    ],
)
def test_what_is_no_tree_below_its_source_is_refused(changes: dict[str, Any], reason: str) -> None:
    """Rings, islands, doubled or missing nodes and lines between two voltages are named."""
    assert any(reason in problem for problem in problems_of(**changes))


@pytest.mark.parametrize(
    ("field", "value", "mistake"),
    [
        ("rating_ampere", 0.0, "missing"),
        ("rating_ampere", NAN, "missing"),
        ("rating_ampere", INFINITY, "missing"),
        ("rating_ampere", 0.357, "in kA"),
        ("resistance_ohm", 0.0, "is it zero"),
        ("resistance_ohm", NAN, "is it zero"),
        ("resistance_ohm", 6.3, "milliohm"),
        ("reactance_ohm", 4.0, "milliohm"),
        ("reactance_ohm", -0.004, "milliohm"),
        ("length_metres", 0.05, "in km"),
        ("length_metres", -50.0, "negative"),
        ("capacitance_nanofarad", 0.0000435, "in F or uF"),
        ("capacitance_nanofarad", 0.0435, "in F or uF"),
        ("phases", 1, "three-phase lines only"),
    ],
)
def test_line_with_an_impossible_value_is_refused(field: str, value: float, mistake: str) -> None:
    """Zero, missing, and a thousand times too much or too little: the line and the field are named."""
    changed = replace(L2, **{field: value})  # type: ignore[arg-type] # the table holds both kinds of numbers
    problems = problems_of(branches=(L1, changed, L3))
    assert all(problem.startswith("made up: branch l2: ") for problem in problems)
    assert any(mistake in problem for problem in problems)


@pytest.mark.parametrize(
    ("field", "value", "mistake"),
    [
        ("rated_power_va", 630.0, "in kVA"),
        ("rated_power_va", 0.63, "MVA"),
        ("from_volts", 20.0, "in kV"),
        ("to_volts", NAN, "in kV"),
        ("to_volts", 230.0, "rated_volts of node b are 400"),
        ("short_circuit_voltage", 6.0, "in percent"),
        ("short_circuit_voltage", 0.0, "in percent"),
        ("copper_loss_watts", 6.9, "in kW"),
        ("copper_loss_watts", 50e3, "copper_loss_watts exceeds"),
        ("no_load_loss_watts", 1.65, "in kW"),
        ("no_load_loss_watts", -1.0, "in kW"),
        ("no_load_current", 0.26, "in percent"),
        ("clock", 12, "steps of 30 degrees"),
        ("tap_position", 3, "tap_position is 3, outside"),
        ("tap_step_volts", 0.5, "in kV"),
    ],
)
def test_transformer_with_an_impossible_value_is_refused(field: str, value: float, mistake: str) -> None:
    """Units off by 1000, percent for a fraction, and losses that contradict one another are named."""
    problems = problems_of(transformer=replace(TRANSFORMER, **{field: value}))  # type: ignore[arg-type] # as above
    assert all(problem.startswith("made up: transformer: ") for problem in problems)
    assert any(mistake in problem for problem in problems)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"voltage_min": 96.5}, "voltage_min is 96.5"),
        ({"voltage_min": 1.2}, "voltage_min must lie below"),
        ({"source_voltage": NAN}, "source_voltage is nan"),
        ({"source_voltage": 400.0}, "source_voltage is 400"),
        ({"source_voltage_deviation": 3.0}, "source_voltage_deviation is 3"),
        ({"frequency_hertz": 50e3}, "frequency_hertz"),
        ({"nodes": (MV, replace(B, rated_volts=0.4), *REST)}, "node b: rated_volts is 0.4"),
        ({"source_voltage": 1.09, "source_voltage_deviation": 0.02}, "the busbar has 1.0700 .. 1.1100"),
        ({"transformer": replace(TRANSFORMER, tap_position=-2), "source_voltage": 1.06}, "is the tap right"),
    ],
)
def test_impossible_voltages_are_refused(changes: dict[str, Any], reason: str) -> None:
    """Percent or volts for fractions, and a busbar that is outside the band even without load."""
    assert any(reason in problem for problem in problems_of(**changes))


def test_all_problems_of_a_feeder_are_reported_together() -> None:
    """Four faults, four lines, each with the feeder's name, the component and the field."""
    changed = replace(L2, rating_ampere=0.357, resistance_ohm=0.0)
    problems = problems_of(voltage_min=1.2, branches=(L1, changed))
    assert [problem.split("; ")[0] for problem in problems] == [
        "made up: voltage_min must lie below voltage_max",
        "made up: branch l2: rating_ampere is 0.357, expected 5 .. 5000 A",
        "made up: branch l2: resistance_ohm per km is 0, expected 0.005 .. 50 ohm/km",
        "made up: node c is not connected to the source",
    ]


def test_connections_that_the_promise_does_not_cover_are_refused_together() -> None:
    """An account without a node, a connected node without an account, and a single-phase connection."""
    feeder = replace(FEEDER, nodes=tuple(replace(node, connected=node.node in {"c", "e"}) for node in FEEDER.nodes))
    with pytest.raises(InputError) as error:
        feeder.require_connections(
            [
                Connection(account="home-1", node="d", phases=1),
                Connection(account="home-2", node="x"),
                Connection(account="home-3", node=None),
                Connection(account="home-4", node="mv"),
                Connection(account="home-5", node="e"),
            ]
        )
    found = error.value.problems
    assert "home-1 at node d: phases is 1; a single-phase connection is refused" in found[0]
    assert [problem.split(" is ")[0] for problem in found[1:4]] == [f"made up: home-{number}" for number in (2, 3, 4)]
    assert "node c: homes are connected here, but no account answers for them" in found[4]
    assert len(found) == 5


def test_homes_at_unknown_nodes_are_refused_together() -> None:
    """A node that is not there, no node, and the medium-voltage source are no place for a home."""
    with pytest.raises(InputError) as error:
        FEEDER.require_nodes({"home-1": "c", "home-2": "x", "home-3": None, "home-4": "mv"})
    assert [problem.split(" is ")[0] for problem in error.value.problems] == [f"made up: home-{n}" for n in (2, 3, 4)]


def test_every_connected_node_with_an_account_is_accepted() -> None:
    """Nodes without homes need no account, and two accounts may share a node."""
    feeder = replace(FEEDER, nodes=tuple(replace(node, connected=node.node == "e") for node in FEEDER.nodes))
    feeder.require_connections([Connection(account=name, node="e") for name in ("home-1", "home-2")])


def test_tap_and_source_interval_set_the_voltage_without_load() -> None:
    """One step up on the high side lowers the busbar by the step; the source's deviation widens the interval."""
    tapped = replace(FEEDER, transformer=replace(TRANSFORMER, tap_position=1), source_voltage_deviation=0.01)
    assert tapped.no_load_voltages == pytest.approx((0.99 / 1.025, 1.01 / 1.025))
    low_side = replace(TRANSFORMER, tap_side="to", tap_position=1, tap_step_volts=10.0)
    assert replace(FEEDER, transformer=low_side).no_load_voltages == pytest.approx((1.025, 1.025))


def test_links_lead_from_the_source_outwards() -> None:
    """Every node comes after the one above it, whichever way its line was written down."""
    links = FEEDER.links()
    assert {node: link.above for node, link in links.items()} == {"b": "mv", "d": "b", "c": "b", "e": "d"}
    order = ["mv", *links]
    assert all(order.index(link.above) < order.index(node) for node, link in links.items())
