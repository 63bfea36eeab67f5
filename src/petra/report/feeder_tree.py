"""Where the nodes of a feeder stand in its pictures, and which colour a loading or a voltage has (R26, R31).

Decides: two layouts and the classes of colours. On the map each far end has a row, and the largest branch goes straight
on from the source to the right. In rows each node has one, under the node above it: small branches come first and are
set in, the largest goes straight down. Knows no pixel.
Invariant: a colour means the same in every picture; what exceeds a limit, or has no solution, is `over`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Grid = Mapping[str, Any]
Value = float | None  # None: no power flow has a solution
OVER = "over"
LOAD_EDGES = (0.25, 0.5, 0.75, 0.9, 1.0)  # upper ends of the classes of loading; 1 = the rating
BAND_EDGES = (-0.9, -0.7, -0.4, 0.4, 0.7, 0.9, 1.0)  # of voltage; -1 = the lower limit, 1 = the upper one


class Place(NamedTuple):
    """Where a node stands: how far to the right, and in which row from the top."""

    column: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What hangs on what: every node's elder, and its children, the one with most below it first."""

    source: str
    above: Mapping[str, str]
    children: Mapping[str, Sequence[str]]


def tree_of(grid: Grid) -> Tree:
    """Return the shape of a day's feeder."""
    above = {node: link["above"] for node, link in grid["links"].items()}  # from the source outwards
    source = next(node for node in above.values() if node not in above)
    children: dict[str, list[str]] = {node: [] for node in (source, *above)}
    sizes = dict.fromkeys(children, 1)
    for node in reversed(above):
        sizes[above[node]] += sizes[node]
    for node, elder in above.items():
        children[elder].append(node)
    return Tree(
        source=source,
        above=above,
        children={node: sorted(own, key=lambda child: -sizes[child]) for node, own in children.items()},
    )


def places_on_map(tree: Tree) -> dict[str, Place]:
    """Return every node's place from left to right, links from the source and far ends counted."""
    places: dict[str, Place] = {}
    rows = 0
    waiting: list[tuple[str, int, int | None]] = [(tree.source, 0, None)]
    while waiting:
        node, column, row = waiting.pop()
        if row is None:
            row, rows = rows, rows + 1
        places[node] = Place(column, row)
        largest, others = tree.children[node][:1], tree.children[node][1:]
        waiting += [(child, column + 1, None) for child in reversed(others)]
        waiting += [(child, column + 1, row) for child in largest]
    return places


def places_in_rows(tree: Tree) -> dict[str, Place]:
    """Return every node's row from top to bottom, and how often the way to it left a larger branch."""
    places: dict[str, Place] = {}
    waiting = [(tree.source, 0)]
    while waiting:
        node, indent = waiting.pop()
        places[node] = Place(indent, len(places))
        largest, others = tree.children[node][:1], tree.children[node][1:]
        waiting += [(child, indent) for child in largest]
        waiting += [(child, indent + 1) for child in others]
    return places


def load_class(share: Value) -> str:
    """Return the colour of a loading: load1 is next to nothing, the last one next to the rating."""
    return OVER if share is None or share > 1 else f"load{_place_in(LOAD_EDGES, share)}"


def volt_class(volts: Value, limits: Mapping[str, float]) -> str:
    """Return the colour of a voltage: volt1 is next to the lower limit, the last one next to the upper."""
    if volts is None or not limits["voltage_min"] <= volts <= limits["voltage_max"]:
        return OVER
    return f"volt{_place_in([_voltage(edge, limits) for edge in BAND_EDGES], volts)}"


def volt_edges(limits: Mapping[str, float]) -> list[float]:
    """Return the ends of the classes of voltage, from the lower to the upper limit."""
    return [_voltage(edge, limits) for edge in (-1.0, *BAND_EDGES)]


def _voltage(edge: float, limits: Mapping[str, float]) -> float:
    """Return the voltage that lies so far from the middle of the band to a limit."""
    low, high = limits["voltage_min"], limits["voltage_max"]
    return (low + high) / 2 + edge * (high - low) / 2


def _place_in(edges: Sequence[float], value: float) -> int:
    """Return the number of the class that ends at or above a value, from 1."""
    return min(len(edges), 1 + sum(1 for edge in edges if value > edge))
