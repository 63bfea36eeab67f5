"""A feeder as the numbers that the safety ledger multiplies watts with; docs/explanation/safety.md derives them.

Decides: the units (watts, var, and voltages as fractions of the rated one), how loss, shunt and charging are bounded,
and on which side every float is rounded. Knows no account and no timestep.
Invariant: index 0 is the source, 1 the busbar, and a node's parent has a lower index; every bound errs on the safe
side. `plain_coefficients` leaves all of that out: it is for comparison only. DESIGN 7, R26.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, pi, sqrt
from typing import NamedTuple

from petra.grid.components import Branch, Transformer
from petra.grid.feeder import Feeder

# What floats may err: sums of fewer than a million terms of one sign are exact to 10^6 x 2^-53 = 1.2e-10 of themselves.
# It comes off squares of power as a share, and off the squared voltages, which are near 1, as it stands.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivePower:
    """How many var a home may absorb or supply, whatever its active power is just now, per watt of its envelope.

    A home whose envelope is an import of i and an export of e watts keeps its reactive power between
    -(supplied_per_import * i + supplied_per_export * e) and absorbed_per_import * i + absorbed_per_export * e.
    The defaults: loads at a power factor of 0.95 or better, plants at unity.
    """

    absorbed_per_import: float = 0.33
    absorbed_per_export: float = 0.0
    supplied_per_export: float = 0.0
    supplied_per_import: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no connection rule would allow; 0.75 var per watt is a power factor of 0.8."""
        rates = (self.absorbed_per_import, self.absorbed_per_export, self.supplied_per_export, self.supplied_per_import)
        assert all(0 <= rate <= 0.75 for rate in rates), rates

    def absorbed(self, import_watts: int, export_watts: int) -> int:
        """Return the most that a home absorbs, in var, rounded up."""
        return ceil(self.absorbed_per_import * import_watts + self.absorbed_per_export * export_watts)

    def supplied(self, import_watts: int, export_watts: int) -> int:
        """Return the most that a home supplies, in var, rounded up."""
        return ceil(self.supplied_per_import * import_watts + self.supplied_per_export * export_watts)


class LinkCoefficients(NamedTuple):
    """What the link above a node multiplies: squared voltage per watt and var, losses per squared volt-ampere."""

    parent: int
    limit: int  # the largest allowed square of the power at the link's lower end, VA^2
    active_loss: float
    reactive_loss: float
    fall: tuple[float, float, float]  # of the squared voltage: per watt, per var, per VA^2
    standing: tuple[int, int, int]  # at the node below, always there: watts and var absorbed, var supplied


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Everything that the ledger needs to know of a feeder.

    Attributes:
        nodes: names by index. links, elements: what is above each node, and its name; the source's are never used.
        children: indices of the nodes below each.
        shunt: watts and var that the transformer absorbs at its upper end. rated_square: its limit there, VA^2.
        rise_limit, fall_limit: the most that the squared voltage may rise or fall between source and any node.
        no_load_squares: lowest and highest square of the voltage behind the unloaded transformer.
        lowest_square: of the lowest voltage that is allowed.
    """

    nodes: tuple[str, ...]
    links: tuple[LinkCoefficients, ...]
    children: tuple[tuple[int, ...], ...]
    elements: tuple[str, ...]
    shunt: tuple[int, int]
    rated_square: int
    rise_limit: float
    fall_limit: float
    no_load_squares: tuple[float, float]
    lowest_square: float


Derivation = Callable[[Feeder], Coefficients]


def sound_coefficients(feeder: Feeder) -> Coefficients:
    """Return the coefficients under which a grant is safe in every outcome."""
    return _coefficients(feeder, sound=True)


def plain_coefficients(feeder: Feeder) -> Coefficients:
    """Return those of the plain linear check: no losses, no shunt, no charging, currents at rated voltage.

    For comparison only: outcomes that it lets pass do overload lines and transformers.
    """
    return _coefficients(feeder, sound=False)


def series_impedance(feeder: Feeder, element: Branch | Transformer) -> tuple[float, float]:
    """Return r and x of a line or transformer, in units of 1/W: the squared voltage falls by 2 (r P + x Q)."""
    rated = next(node.rated_volts for node in feeder.nodes if node.node == element.to_node)
    if isinstance(element, Branch):
        return element.resistance_ohm / rated**2, element.reactance_ohm / rated**2
    per_unit = (element.winding_volts[1] / rated) ** 2 / element.rated_power_va
    resistance = element.copper_loss_watts / element.rated_power_va * per_unit
    impedance = element.short_circuit_voltage * per_unit
    return resistance, sqrt(max(0.0, impedance**2 - resistance**2))


def _coefficients(feeder: Feeder, *, sound: bool) -> Coefficients:
    links = feeder.links()
    nodes = (feeder.source_node, *links)
    index = {node: number for number, node in enumerate(nodes)}
    low, high = feeder.no_load_voltages
    standing = _standing(feeder, nodes) if sound else [(0, 0, 0)] * len(nodes)
    unused = LinkCoefficients(0, 0, 0.0, 0.0, (0.0, 0.0, 0.0), (0, 0, 0))
    derived = [unused]
    for number, (_, link) in enumerate(links.items(), start=1):
        r, x = series_impedance(feeder, link.element)
        per_square = 1 / feeder.voltage_min**2 if sound else 0.0  # l = S^2 / v^2 <= S^2 / voltage_min^2
        derived.append(
            LinkCoefficients(
                parent=index[link.above],
                limit=_limit(feeder, link.element, sound=sound),
                active_loss=r * per_square,
                reactive_loss=x * per_square,
                fall=(2 * r, 2 * x, (r**2 + x**2) * per_square),
                standing=standing[number],
            )
        )
    rounding = ROUNDING if sound else 0.0
    return Coefficients(
        nodes=nodes,
        links=tuple(derived),
        children=_children([link.parent for link in derived]),
        elements=("", *(link.element.name for link in links.values())),
        shunt=_shunt(feeder, high) if sound else (0, 0),
        rated_square=floor((1 - rounding) * feeder.transformer.rated_power_va**2),
        rise_limit=feeder.voltage_max**2 - high**2 - rounding,
        fall_limit=low**2 - feeder.voltage_min**2 - rounding,
        no_load_squares=(low**2, high**2),
        lowest_square=feeder.voltage_min**2,
    )


def _children(parents: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    below: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents[1:], start=1):
        below[parent].append(node)
    return tuple(map(tuple, below))


def _limit(feeder: Feeder, element: Branch | Transformer, *, sound: bool) -> int:
    """Return the square of the power that may leave the link's lower end.

    A line's current is S / v: at the lowest allowed voltage it is largest, and the charging current adds to it.
    """
    if isinstance(element, Transformer):
        rated = element.rated_power_va  # at its upper end the ledger checks more
    else:
        volts = next(node.rated_volts for node in feeder.nodes if node.node == element.to_node)
        rated = sqrt(3) * volts * element.rating_ampere
        if sound:
            rated = max(0.0, rated - _half_charging(feeder, element, volts) * feeder.voltage_max) * feeder.voltage_min
    return floor(rated**2 * (1 - ROUNDING if sound else 1.0))


def _half_charging(feeder: Feeder, line: Branch, volts: float) -> float:
    """Return the var that half of a line's capacitance supplies at rated voltage."""
    return pi * feeder.frequency_hertz * line.capacitance_nanofarad * 1e-9 * volts**2


def _standing(feeder: Feeder, nodes: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return what is always there at each node: half of the transformer's shunt at the busbar, half of every line's."""
    rated = {node.node: node.rated_volts for node in feeder.nodes}
    supplied = dict.fromkeys(nodes, 0.0)
    for line in feeder.branches:
        for end in (line.from_node, line.to_node):
            supplied[end] += _half_charging(feeder, line, rated[end]) * feeder.voltage_max**2
    watts, var = _shunt(feeder, feeder.voltage_max)
    busbar = feeder.transformer.to_node
    return [(watts if n == busbar else 0, var if n == busbar else 0, ceil(supplied[n])) for n in nodes]


def _shunt(feeder: Feeder, voltage: float) -> tuple[int, int]:
    """Return watts and var of half the transformer's no-load branch, at a voltage on the busbar's side, rounded up."""
    trafo = feeder.transformer
    rated = next(node.rated_volts for node in feeder.nodes if node.node == trafo.to_node)
    square = (voltage * rated / trafo.winding_volts[1]) ** 2 / 2
    no_load_va = trafo.no_load_current * trafo.rated_power_va
    var = sqrt(max(0.0, no_load_va**2 - trafo.no_load_loss_watts**2))
    return ceil(trafo.no_load_loss_watts * square), ceil(var * square)
