"""Where nodes stand in the pictures of a feeder, and which colours loadings and voltages have."""

from typing import Any

import pytest

from petra.report.feeder_tree import load_class, places_in_rows, places_on_map, tree_of, volt_class

LIMITS = {"voltage_min": 0.9, "voltage_max": 1.1}


def grid(**above: str) -> dict[str, Any]:
    """Return a feeder of nodes and what they hang on, from the source outwards."""
    return {"links": {node: {"above": elder, "element": f"to {node}"} for node, elder in above.items()}}


def test_largest_branch_goes_straight_on() -> None:
    """On the map the trunk keeps its row; each other far end gets one of its own, and no two nodes meet."""
    tree = tree_of(grid(a="source", short="a", b="a", c="b", d="c", twig="b"))
    places = places_on_map(tree)
    assert [places[node].row for node in ("source", "a", "b", "c", "d")] == [0] * 5
    assert [places[node].column for node in ("source", "a", "b", "c", "d")] == [0, 1, 2, 3, 4]
    assert places["twig"] == (3, 1) and places["short"] == (2, 2)
    assert len(set(places.values())) == len(places)


def test_every_node_has_a_row_below_the_node_above_it() -> None:
    """In rows small branches come first and are set in; the trunk goes on below them, not set in."""
    tree = tree_of(grid(a="source", short="a", b="a", c="b", d="c", twig="b"))
    places = places_in_rows(tree)
    assert sorted(places, key=lambda node: places[node].row) == ["source", "a", "short", "b", "twig", "c", "d"]
    assert {node: place.column for node, place in places.items() if place.column} == {"short": 1, "twig": 1}


def test_busbar_alone_is_a_feeder() -> None:
    """A feeder of one node has a place for it and its source."""
    tree = tree_of(grid(a="source"))
    assert places_on_map(tree) == {"source": (0, 0), "a": (1, 0)} and len(places_in_rows(tree)) == 2


@pytest.mark.parametrize(
    ("share", "colour"),
    [(0.0, "load1"), (0.25, "load1"), (0.26, "load2"), (0.9, "load4"), (1.0, "load5"), (1.01, "over"), (None, "over")],
)
def test_loading_has_a_colour(share: float | None, colour: str) -> None:
    """The rating itself is kept; beyond it, and where nothing solves the flow, the colour is that of an overload."""
    assert load_class(share) == colour


@pytest.mark.parametrize(
    ("volts", "colour"),
    [(0.8999, "over"), (0.9, "volt1"), (0.92, "volt2"), (1.0, "volt4"), (1.1, "volt7"), (1.101, "over")],
)
def test_voltage_has_a_colour(volts: float, colour: str) -> None:
    """The band is parted more finely towards its limits, which belong to it."""
    assert volt_class(volts, LIMITS) == colour
