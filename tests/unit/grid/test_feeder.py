from collections.abc import Callable
from dataclasses import replace

import pytest

from petra.errors import InputError
from petra.grid import Branch, Feeder, Node, Transformer

TRANSFORMER = Transformer(
    transformer="T1",
    from_node="mv",
    to_node="b",
    rated_power_va=630e3,
    from_volts=20e3,
    to_volts=400.0,
    short_circuit_voltage=0.06,
    copper_loss_watts=6900.0,
    no_load_current=0.0026,
    no_load_loss_watts=1650.0,
    clock=5,
    tap_side="from",
    tap_position=0,
    tap_min=-2,
    tap_max=2,
    tap_neutral=0,
    tap_step_volts=500.0,
)


def line(name: str, above: str, below: str) -> Branch:
    """Fifty metres of cable."""
    return Branch(
        branch=name,
        from_node=above,
        to_node=below,
        length_metres=50.0,
        resistance_ohm=0.0063,
        reactance_ohm=0.004,
        capacitance_nanofarad=43.5,
        rating_ampere=357.0,
    )


FEEDER = Feeder(
    name="made up",
    source_node="mv",
    source_voltage=1.0,
    voltage_min=0.9,
    voltage_max=1.1,
    nodes=tuple(Node(node=name, name=name, rated_volts=400.0) for name in ("mv", "b", "c", "d", "e")),
    branches=(line("l1", "d", "b"), line("l2", "d", "e"), line("l3", "b", "c")),
    transformer=TRANSFORMER,
)
NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: replace(FEEDER, branches=(*FEEDER.branches, line("l4", "c", "e"))), "form a ring"),
        (lambda: replace(FEEDER, branches=(*FEEDER.branches, line("l4", "c", "b"))), "form a ring"),
        (lambda: replace(FEEDER, branches=FEEDER.branches[:2]), "node c is not connected"),
        (lambda: replace(FEEDER, branches=(*FEEDER.branches, line("l4", "c", "x"))), "node x is used by a branch"),
        (lambda: replace(FEEDER, branches=(*FEEDER.branches[:2], line("l1", "b", "c"))), "branch l1 is given twice"),
        (lambda: replace(FEEDER, nodes=(*FEEDER.nodes, FEEDER.nodes[1])), "node b is given twice"),
        (lambda: replace(FEEDER, source_node="b"), "from_node must be the source_node"),
        (lambda: replace(FEEDER, voltage_min=1.01), "must lie between"),
        (lambda: replace(FEEDER, source_voltage=NAN), "must lie between"),
        (lambda: replace(FEEDER, transformer=replace(TRANSFORMER, tap_position=3)), "tap_position"),
        (lambda: replace(FEEDER, transformer=replace(TRANSFORMER, clock=12)), "clock"),
        (lambda: replace(FEEDER, transformer=replace(TRANSFORMER, copper_loss_watts=50e3)), "copper_loss_watts"),
        (lambda: replace(FEEDER, transformer=replace(TRANSFORMER, to_volts=NAN)), "must be positive"),
        (lambda: replace(FEEDER, transformer=replace(TRANSFORMER, no_load_loss_watts=-1.0)), "must not be negative"),
        (lambda: replace(FEEDER, branches=(replace(FEEDER.branches[0], rating_ampere=0.0),)), "rating_ampere"),
        (lambda: replace(FEEDER, branches=(replace(FEEDER.branches[0], resistance_ohm=NAN),)), "resistance_ohm"),
        (lambda: replace(FEEDER, nodes=(replace(FEEDER.nodes[0], rated_volts=0.0), *FEEDER.nodes[1:])), "rated_volts"),
    ],
)
def test_feeder_is_refused_that_cannot_be_kept_safe(change: Callable[[], Feeder], reason: str) -> None:
    """Rings, islands, doubled or missing nodes and impossible values are named."""
    with pytest.raises(InputError, match=reason):
        change()


def test_all_problems_of_a_feeder_are_reported_together() -> None:
    """Two faults, two lines, each with the feeder's name."""
    with pytest.raises(InputError) as error:
        replace(FEEDER, voltage_min=1.01, branches=FEEDER.branches[:2])
    assert len(error.value.problems) == 2
    assert all(problem.startswith("made up: ") for problem in error.value.problems)


def test_homes_at_unknown_nodes_are_refused_together() -> None:
    """A node that is not there, no node, and the medium-voltage source are no place for a home."""
    with pytest.raises(InputError) as error:
        FEEDER.require_nodes({"home-1": "c", "home-2": "x", "home-3": None, "home-4": "mv"})
    assert [problem.split(" is ")[0] for problem in error.value.problems] == [f"made up: home-{n}" for n in (2, 3, 4)]


def test_links_lead_from_the_source_outwards() -> None:
    """Every node comes after the one above it, whichever way its line was written down."""
    links = FEEDER.links()
    assert {node: link.above for node, link in links.items()} == {"b": "mv", "d": "b", "c": "b", "e": "d"}
    order = ["mv", *links]
    assert all(order.index(link.above) < order.index(node) for node, link in links.items())
