"""What a feeder is made of: nodes, lines, and the transformer that it hangs on, in SI units.

Decides: how the pieces are named and measured, and which of them hangs on which. Knows no limit, no load, no file.
Lines are balanced three-phase: values are per phase, capacitance to ground; voltages are phase to phase.
Invariant: the links lead from the source outwards, each node after the one above it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A point where lines meet or homes connect."""

    node: str  # short and unique in the feeder
    name: str  # the DSO's own name, for display
    rated_volts: float
    connected: bool = False  # homes or plants hang on it, so some account must answer for it


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
    phases: int = 3

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.branch


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

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.transformer

    @property
    def winding_volts(self) -> tuple[float, float]:
        """The rated voltages of the from and to winding at the present tap position."""
        change = (self.tap_position - self.tap_neutral) * self.tap_step_volts
        if self.tap_side == "from":
            return self.from_volts + change, self.to_volts
        return self.from_volts, self.to_volts + change


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What joins a node to the node above it, seen from below."""

    above: str
    element: Branch | Transformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where an account's home meets the feeder; None: nobody said at which node."""

    account: str
    node: str | None
    phases: int = 3


def links_from(source: str, elements: Iterable[Branch | Transformer]) -> dict[str, Link]:
    """Return the link above every node that the source reaches; iterating meets each node after the one above it."""
    neighbours: dict[str, list[tuple[str, Branch | Transformer]]] = defaultdict(list)
    for element in elements:
        neighbours[element.from_node].append((element.to_node, element))
        neighbours[element.to_node].append((element.from_node, element))
    links: dict[str, Link] = {}
    queue = [source]
    for above in queue:
        for node, element in neighbours[above]:
            if node != source and node not in links:
                links[node] = Link(above=above, element=element)
                queue.append(node)
    return links
