"""Why some pieces are no feeder that can be kept safe: impossible values, units off by 1000, rings, islands.

Decides: which values are plausible; the ranges are wide enough for low and medium voltage, and narrow enough that kV
for V, percent for a fraction or kilometres for metres is noticed. Every problem is named with component and field.
Invariant: all problems are found together; NaN and infinity are never plausible.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from petra.grid.components import Branch, Connection, Node, Transformer, links_from


@dataclass(frozen=True, slots=True)
class _Range:
    """Where a value may lie, and what it may be mistaken for."""

    low: float
    high: float
    unit: str
    mistake: str
    zero: bool = False  # 0 is allowed beside the range

    def problem(self, field: str, value: float) -> str | None:
        """Return what is wrong with a value, None if it is plausible."""
        if self.low <= value <= self.high or (self.zero and value == 0):
            return None
        zero = "0 or " if self.zero else ""
        shown = "out of all range" if abs(value) > _SHOWN else f"{value:g}"
        return f"{field} is {shown}, expected {zero}{self.low:g} .. {self.high:g} {self.unit}; {self.mistake}"


_RATED_VOLTS = _Range(100, 150e3, "V", "is it in kV?")
_METRES = _Range(0, 100e3, "m", "it cannot be negative")
_AMPERE = _Range(5, 5000, "A", "is it in kA, or missing?")
_PER_KILOMETRE = {
    "resistance_ohm": _Range(0.005, 50, "ohm/km", "is it zero, in milliohm, or is the length in km?"),
    "reactance_ohm": _Range(0.005, 5, "ohm/km", "is it in milliohm, or is the length in km?", zero=True),
    "capacitance_nanofarad": _Range(2, 5000, "nF/km", "is it in F or uF, or is the length in km?", zero=True),
}
_TRANSFORMER = {
    "rated_power_va": _Range(5e3, 200e6, "VA", "is it in kVA or MVA?"),
    "from_volts": _Range(100, 150e3, "V", "is it in kV?"),
    "to_volts": _Range(100, 150e3, "V", "is it in kV?"),
    "short_circuit_voltage": _Range(0.005, 0.25, "(fraction)", "is it in percent?"),
    "no_load_current": _Range(1e-5, 0.1, "(fraction)", "is it in percent?", zero=True),
    "clock": _Range(0, 11, "", "it counts steps of 30 degrees"),
}
_OF_RATED_POWER = {
    "copper_loss_watts": _Range(1e-3, 0.1, "of rated_power_va", "is it in kW, or rated_power_va off?"),
    "no_load_loss_watts": _Range(1e-4, 0.02, "of rated_power_va", "is it in kW, or rated_power_va off?", zero=True),
}
_TAP_STEP = _Range(1e-3, 0.06, "of the winding's voltage", "is it in kV?", zero=True)
_SHOWN = 1e300  # whole numbers beyond it cannot be written as a float
_TAPS = 127  # positions on either side; power-grid-model counts no further
_FRACTION = _Range(0.5, 1.5, "(fraction of the rated voltage)", "is it in percent, or in volts?")
_HERTZ = _Range(15, 65, "Hz", "it is 50 or 60 in public grids")


def node_problems(node: Node) -> Iterator[str]:
    """Yield what is wrong with a node's values."""
    if problem := _RATED_VOLTS.problem("rated_volts", node.rated_volts):
        yield f"node {node.node}: {problem}"


def branch_problems(line: Branch) -> Iterator[str]:
    """Yield what is wrong with a line's values."""
    problems = [
        _METRES.problem("length_metres", line.length_metres),
        _AMPERE.problem("rating_ampere", line.rating_ampere),
    ]
    # Where no length is given, the values stand for a length that nobody knows: a kilometre bounds them well.
    kilometres = line.length_metres / 1e3 if line.length_metres > 0 else 1.0
    for field, allowed in _PER_KILOMETRE.items():
        problems.append(allowed.problem(f"{field} per km", getattr(line, field) / kilometres))
    if line.phases != 3:
        problems.append(f"phases is {line.phases}; the promise holds for balanced three-phase lines only")
    yield from (f"branch {line.branch}: {problem}" for problem in problems if problem)


def transformer_problems(trafo: Transformer) -> Iterator[str]:
    """Yield what is wrong with a transformer's values."""
    problems = [allowed.problem(field, getattr(trafo, field)) for field, allowed in _TRANSFORMER.items()]
    if trafo.rated_power_va > 0:
        for field, allowed in _OF_RATED_POWER.items():
            problems.append(allowed.problem(field, getattr(trafo, field) / trafo.rated_power_va))
        if trafo.copper_loss_watts > trafo.short_circuit_voltage * trafo.rated_power_va:
            problems.append("copper_loss_watts exceeds short_circuit_voltage x rated_power_va")
    if (tapped := trafo.from_volts if trafo.tap_side == "from" else trafo.to_volts) > 0:
        problems.append(_TAP_STEP.problem("tap_step_volts", trafo.tap_step_volts / tapped))
    within = -_TAPS <= trafo.tap_min and trafo.tap_max <= _TAPS
    if not within:
        problems.append(f"tap_min .. tap_max must lie within {-_TAPS} .. {_TAPS}")
    for field, tap in (("tap_position", trafo.tap_position), ("tap_neutral", trafo.tap_neutral)):
        if not trafo.tap_min <= tap <= trafo.tap_max:
            within = False
            problems.append(f"{field} is {tap}, outside tap_min .. tap_max")
    if within and min(trafo.winding_volts) <= 0:
        problems.append("tap_position leaves a winding no voltage; is tap_step_volts right?")
    yield from (f"transformer: {problem}" for problem in problems if problem)


def voltage_problems(fields: dict[str, float], deviation: float, hertz: float) -> Iterator[str]:
    """Yield what is wrong with the voltages of source and band: source_voltage, voltage_min, voltage_max."""
    wrong = {field: problem for field, value in fields.items() if (problem := _FRACTION.problem(field, value))}
    yield from wrong.values()
    if not {"voltage_min", "voltage_max"} & wrong.keys() and not fields["voltage_min"] < fields["voltage_max"]:
        yield "voltage_min must lie below voltage_max"
    if not 0 <= deviation < 0.2:
        yield f"source_voltage_deviation is {deviation:g}, expected 0 .. 0.2 (fraction); is it in percent?"
    if problem := _HERTZ.problem("frequency_hertz", hertz):
        yield problem


def shape_problems(
    source: str, nodes: Sequence[Node], branches: Sequence[Branch], transformer: Transformer
) -> Iterator[str]:
    """Yield why the pieces are no tree below the source, and where a line or winding does not fit its nodes."""
    rated = {node.node: node.rated_volts for node in nodes}
    elements: list[Branch | Transformer] = [transformer, *branches]
    yield from (f"node {name} is given twice" for name in _repeated(node.node for node in nodes))
    yield from (f"branch {name} is given twice" for name in _repeated(line.branch for line in branches))
    ends = {source} | {end for element in elements for end in (element.from_node, element.to_node)}
    yield from (f"node {end} is used by a branch, but not given" for end in sorted(ends - rated.keys()))
    if transformer.from_node != source:
        yield "transformer: from_node must be the source_node"
    if any(source in {line.from_node, line.to_node} for line in branches):
        yield "a line leaves the source_node beside the transformer, whose rating would not cover it"
    reached = links_from(source, elements).keys() | {source}
    yield from (f"node {node} is not connected to the source" for node in sorted(rated.keys() - reached))
    if ring := _ring(elements):
        yield f"branch {ring} closes a ring; open it where it is operated open: PETra needs a radial feeder"
    yield from _voltage_mismatches(rated, branches, transformer)


def connection_problems(nodes: Sequence[Node], source: str, connections: Iterable[Connection]) -> Iterator[str]:
    """Yield accounts without a node, nodes without an account, and connections that are not three-phase."""
    known = {node.node for node in nodes} - {source}
    served = set()
    for connection in connections:
        if connection.node not in known:
            yield (
                f"{connection.account} is at node {connection.node!r}, which is not there; use one of {listing(known)}"
            )
        elif connection.phases != 3:
            yield (
                f"{connection.account} at node {connection.node}: phases is {connection.phases}; a single-phase "
                f"connection is refused: the promise holds for balanced three-phase connections only"
            )
        served.add(connection.node)
    for node in nodes:
        if node.connected and node.node not in served:
            yield f"node {node.node}: homes are connected here, but no account answers for them; give it an envelope"


def listing(names: set[str]) -> str:
    """Show some names, not a page of them."""
    shown = sorted(names)[:5]
    return ", ".join(shown) + (f" .. ({len(names)} in all)" if len(names) > len(shown) else "")


def _voltage_mismatches(
    rated: dict[str, float], branches: Sequence[Branch], transformer: Transformer
) -> Iterator[str]:
    for line in branches:
        if rated.get(line.from_node) != rated.get(line.to_node) and {line.from_node, line.to_node} <= rated.keys():
            yield f"branch {line.branch}: its nodes have different rated_volts"
    for field, node in (("from_volts", transformer.from_node), ("to_volts", transformer.to_node)):
        winding = getattr(transformer, field)
        if node in rated and not 0.8 * rated[node] <= winding <= 1.2 * rated[node]:
            yield f"transformer: {field} is {winding:g}, but the rated_volts of node {node} are {rated[node]:g}"


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _ring(elements: Sequence[Branch | Transformer]) -> str | None:
    """Return the first element whose ends were already joined."""
    leaders: dict[str, str] = {}

    def leader(node: str) -> str:
        while node in leaders:
            node = leaders[node]
        return node

    for element in elements:
        one, other = leader(element.from_node), leader(element.to_node)
        if one == other:
            return element.name
        leaders[one] = other
    return None
