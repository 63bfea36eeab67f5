"""One feeder as the DSO knows it: its pieces, its source and the limits that PETra promises to keep (R26, R31).

Decides: what is a feeder that PETra can keep safe: a tree with its source at the transformer's upper side (DESIGN 7).
Knows no load, no power flow, no file. Invariant: every node is reached from the source on exactly one path, every
value is plausible, and without any load every voltage lies within the band.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from petra.errors import InputError
from petra.grid import feeder_checks as checks
from petra.grid.components import Branch, Connection, Link, Node, Transformer, links_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """A radial feeder; voltages of the source and of the allowed band are fractions of the rated voltage.

    The source's voltage may lie anywhere within source_voltage +- source_voltage_deviation.
    """

    name: str
    source_node: str
    source_voltage: float
    voltage_min: float
    voltage_max: float
    nodes: tuple[Node, ...]
    branches: tuple[Branch, ...]
    transformer: Transformer
    source_voltage_deviation: float = 0.0
    frequency_hertz: float = 50.0

    def __post_init__(self) -> None:
        """Refuse what is no radial feeder with sensible values, all reasons at once."""
        problems = list(self._problems())
        if not problems:
            low, high = self.no_load_voltages
            if not self.voltage_min < low <= high < self.voltage_max:
                outside = f"outside {self.voltage_min:g} .. {self.voltage_max:g}; is the tap right?"
                problems = [f"without any load the busbar has {low:.4f} .. {high:.4f}, {outside}"]
        if problems:
            raise InputError([f"{self.name}: {problem}" for problem in problems])

    @property
    def elements(self) -> tuple[Branch | Transformer, ...]:
        """The transformer and all lines."""
        return (self.transformer, *self.branches)

    @property
    def no_load_voltages(self) -> tuple[float, float]:
        """The busbar's lowest and highest voltage behind the tapped transformer without load, as fractions."""
        rated = {node.node: node.rated_volts for node in self.nodes}
        from_volts, to_volts = self.transformer.winding_volts
        above, below = rated[self.transformer.from_node], rated[self.transformer.to_node]
        ratio = (above / from_volts) * (to_volts / below)
        low, high = (self.source_voltage + sign * self.source_voltage_deviation for sign in (-1, 1))
        return low * ratio, high * ratio

    def links(self) -> dict[str, Link]:
        """Return the link above every node but the source; iterating meets each node after the one above it."""
        return links_from(self.source_node, self.elements)

    def require_nodes(self, homes: Mapping[str, str | None]) -> None:
        """Raise InputError naming every home whose node (the value) is no low-voltage node of the feeder.

        Unlike `require_connections` it says nothing about nodes without a home: a study may watch some homes only.
        """
        connections = [Connection(account=home, node=node) for home, node in homes.items()]
        everywhere = (Connection(account="", node=node.node) for node in self.nodes if node.node != self.source_node)
        self.require_connections([*connections, *everywhere])

    def require_connections(self, connections: Iterable[Connection]) -> None:
        """Raise InputError naming accounts without a node, connected nodes without an account, and single phases."""
        problems = list(checks.connection_problems(self.nodes, self.source_node, connections))
        if problems:
            raise InputError([f"{self.name}: {problem}" for problem in problems])

    def _problems(self) -> Iterator[str]:
        fields = {name: getattr(self, name) for name in ("source_voltage", "voltage_min", "voltage_max")}
        yield from checks.voltage_problems(fields, self.source_voltage_deviation, self.frequency_hertz)
        for node in self.nodes:
            yield from checks.node_problems(node)
        for line in self.branches:
            yield from checks.branch_problems(line)
        yield from checks.transformer_problems(self.transformer)
        yield from checks.shape_problems(self.source_node, self.nodes, self.branches, self.transformer)
