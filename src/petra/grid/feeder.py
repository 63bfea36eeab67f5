"""One feeder as the DSO knows it: nodes, lines and the transformer that it hangs on, in SI units.

Decides: what is a feeder that PETra can keep safe: a tree with its source at the transformer's upper side (DESIGN 7).
Knows no load, no power flow, no file. Invariant: every node is reached from the source on exactly one path.
Lines are balanced three-phase: values are per phase, capacitance to ground; voltages are phase to phase.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from petra.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A point where lines meet or homes connect."""

    node: str  # short and unique in the feeder
    name: str  # the DSO's own name, for display
    rated_volts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A line between two nodes; its values are those of the whole length."""

    branch: str
    from_node: str
    to_node: str
    length_metres: float
    resistance_ohm: float
    reactance_ohm: float
    capacitance_nanofarad: float
    rating_ampere: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """The transformer between the medium-voltage source (`from`) and the feeder's busbar (`to`)."""

    transformer: str
    from_node: str
    to_node: str
    rated_power_va: float
    from_volts: float  # rated voltage of the winding, which need not be the node's
    to_volts: float
    short_circuit_voltage: float  # fraction of the rated voltage
    copper_loss_watts: float  # at rated power
    no_load_current: float  # fraction of the rated current
    no_load_loss_watts: float
    clock: int  # of the vector group: 5 = the low side lags by 150 degrees
    tap_side: Literal["from", "to"]
    tap_position: int
    tap_min: int
    tap_max: int
    tap_neutral: int
    tap_step_volts: float  # change of the tapped winding's rated voltage by one position


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What joins a node to the node above it, seen from below."""

    above: str
    element: Branch | Transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """A radial feeder; voltages of the source and of the allowed band are fractions of the rated voltage."""

    name: str
    source_node: str
    source_voltage: float
    voltage_min: float
    voltage_max: float
    nodes: tuple[Node, ...]
    branches: tuple[Branch, ...]
    transformer: Transformer

    def __post_init__(self) -> None:
        """Refuse what is no radial feeder with sensible values, all reasons at once."""
        problems = [*_value_problems(self), *_shape_problems(self)]
        if problems:
            raise InputError([f"{self.name}: {problem}" for problem in problems])

    @property
    def elements(self) -> tuple[Branch | Transformer, ...]:
        """The transformer and all lines."""
        return (self.transformer, *self.branches)

    def links(self) -> dict[str, Link]:
        """Return the link above every node but the source; iterating meets each node after the one above it."""
        neighbours = _neighbours(self)
        links: dict[str, Link] = {}
        queue = [self.source_node]
        for above in queue:
            for node, element in neighbours[above]:
                if node != self.source_node and node not in links:
                    links[node] = Link(above=above, element=element)
                    queue.append(node)
        return links

    def require_nodes(self, homes: Mapping[str, str | None]) -> None:
        """Raise InputError naming every home whose node (the value) is no low-voltage node of the feeder."""
        known = {node.node for node in self.nodes} - {self.source_node}
        problems = [
            f"{self.name}: {home} is at node {node!r}, which is not there; use one of {_listing(known)}"
            for home, node in homes.items()
            if node not in known
        ]
        if problems:
            raise InputError(problems)


def _listing(names: set[str]) -> str:
    """Show some names, not a page of them."""
    shown = sorted(names)[:5]
    return ", ".join(shown) + (f" .. ({len(names)} in all)" if len(names) > len(shown) else "")


def _neighbours(feeder: Feeder) -> dict[str, list[tuple[str, Branch | Transformer]]]:
    """Return each node's neighbours with what leads there."""
    neighbours: dict[str, list[tuple[str, Branch | Transformer]]] = defaultdict(list)
    for element in feeder.elements:
        neighbours[element.from_node].append((element.to_node, element))
        neighbours[element.to_node].append((element.from_node, element))
    return neighbours


def _value_problems(feeder: Feeder) -> Iterator[str]:
    """Yield values that cannot be right."""
    if not 0 < feeder.voltage_min < feeder.source_voltage < feeder.voltage_max:
        yield "source_voltage must lie between voltage_min and voltage_max, as fractions such as 0.9, 1.0 and 1.1"
    for node in feeder.nodes:
        if not node.rated_volts > 0:
            yield f"node {node.node}: rated_volts must be positive"
    for line in feeder.branches:
        if not (line.resistance_ohm > 0 and line.reactance_ohm >= 0 and line.capacitance_nanofarad >= 0):
            yield f"branch {line.branch}: resistance_ohm must be positive, reactance and capacitance not negative"
        if not (line.rating_ampere > 0 and line.length_metres >= 0):
            yield f"branch {line.branch}: rating_ampere must be positive, length_metres not negative"
    trafo = feeder.transformer
    rated = (trafo.rated_power_va, trafo.from_volts, trafo.to_volts, trafo.short_circuit_voltage)
    if not all(value > 0 for value in rated):
        yield "transformer: rated power, voltages and short-circuit voltage must be positive"
    elif not 0 <= trafo.copper_loss_watts <= trafo.short_circuit_voltage * trafo.rated_power_va:
        yield "transformer: copper_loss_watts exceeds short_circuit_voltage x rated_power_va; is it in kW?"
    if not all(value >= 0 for value in (trafo.no_load_current, trafo.no_load_loss_watts, trafo.tap_step_volts)):
        yield "transformer: no_load_current, no_load_loss_watts and tap_step_volts must not be negative"
    if not 0 <= trafo.clock < 12:
        yield "transformer: clock must lie in 0 .. 11"
    taps = (trafo.tap_position, trafo.tap_neutral)
    if not all(trafo.tap_min <= tap <= trafo.tap_max for tap in taps):
        yield "transformer: tap_position and tap_neutral must lie between tap_min and tap_max"


def _shape_problems(feeder: Feeder) -> Iterator[str]:
    """Yield why the feeder is no tree below its source."""
    nodes = [node.node for node in feeder.nodes]
    yield from (f"node {node} is given twice" for node in sorted({n for n in nodes if nodes.count(n) > 1}))
    names = [line.branch for line in feeder.branches]
    yield from (f"branch {name} is given twice" for name in sorted({n for n in names if names.count(n) > 1}))
    ends = {end for element in feeder.elements for end in (element.from_node, element.to_node)}
    ends |= {feeder.source_node}
    yield from (f"node {end} is used by a branch, but not given" for end in sorted(ends - set(nodes)))
    if feeder.transformer.from_node != feeder.source_node:
        yield "the transformer's from_node must be the source_node"
    reached = feeder.links().keys() | {feeder.source_node}
    yield from (f"node {node} is not connected to the source" for node in sorted(set(nodes) - reached))
    if len(feeder.branches) + 1 > len(ends) - 1:
        yield "the lines form a ring; open it where it is operated open: PETra needs a radial feeder"
