"""Feeders from power-grid-model's JSON, read as text.

Decides: which of its components make a feeder, and which cannot be kept safe. Knows not what a feeder must be.
The format has no voltage band, no lengths and no names: the caller states the band, lengths are 0, ids become names.
The source's own impedance (sk) is not read: state the voltage's interval as its deviation instead.
Invariant: a component is used, or known to be harmless, or reported; nothing is left out in silence.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from petra.data.feeder_rows import Report, Row
from petra.errors import InputError
from petra.grid import Branch, Feeder, Node, Transformer

_CONNECTED = {"sym_load", "sym_gen"}
_UNBALANCED = {"asym_load", "asym_gen"}
_USED = {"node", "line", "transformer", "source"} | _CONNECTED | _UNBALANCED
_HARMLESS = {"fault", "sym_voltage_sensor", "asym_voltage_sensor", "sym_power_sensor", "asym_power_sensor"}
_HARMLESS |= {"sym_current_sensor", "asym_current_sensor"}


def feeder_from_pgm_json(
    text: str, place: str, *, voltage_min: float, voltage_max: float, source_voltage_deviation: float = 0.0
) -> Feeder:
    """Return the feeder of an input data set; InputError names every problem at `place`."""
    report = Report(place)
    rows = {kind: list(_rows(kind, components, report)) for kind, components in _data(text, place, report).items()}
    connected = {row.whole("node") for kind in _CONNECTED for row in rows.get(kind, ())}
    sources = [row for row in rows.get("source", ()) if row.whole("status", 1)]
    transformers = [row for row in rows.get("transformer", ()) if _is_closed(row)]
    for what, found in (("source", sources), ("transformer", transformers)):
        if len(found) != 1:
            raise InputError([*report.problems, f"{place}: {len(found)} {what}s in use, expected one"])
    for row in (row for kind in _UNBALANCED for row in rows.get(kind, ())):
        report.add(f"{row.name}: single-phase and unbalanced connections are refused")
    return report.feeder(
        lambda: Feeder(
            name=report.name,
            source_node=_node_name(sources[0].whole("node")),
            source_voltage=sources[0].number("u_ref"),
            source_voltage_deviation=source_voltage_deviation,
            voltage_min=voltage_min,
            voltage_max=voltage_max,
            nodes=tuple(_node(row, connected) for row in rows.get("node", ())),
            branches=tuple(_branch(row) for row in rows.get("line", ()) if _is_closed(row)),
            transformer=_transformer(transformers[0]),
        )
    )


def _data(text: str, place: str, report: Report) -> dict[str, list[dict[str, Any]]]:
    """Return the components by kind, as dictionaries also where the file lists bare values."""
    try:
        values = json.loads(text)
        attributes, data = values.get("attributes", {}), values["data"]
        assert isinstance(data, dict) and values.get("type", "input") == "input", "no input data set"
        found = {
            kind: [
                dict(zip(attributes[kind], item, strict=True)) if isinstance(item, list) else dict(item)
                for item in components
            ]
            for kind, components in data.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise InputError(f"{place}: no input data set of power-grid-model: {error}") from None
    for kind in sorted(kind for kind, components in found.items() if components and kind not in _USED | _HARMLESS):
        report.add(f"{kind}: PETra's feeders hold no such component; a link has no impedance: merge its nodes")
    return {kind: components for kind, components in found.items() if kind in _USED}


def _rows(kind: str, components: list[dict[str, Any]], report: Report) -> Iterator[Row]:
    for values in components:
        yield Row(f"{kind} {values.get('id', '(without id)')}", values, report)


def _is_closed(row: Row) -> bool:
    """Say whether both ends are connected; what is open at one end carries nothing but its own charging."""
    return bool(row.whole("from_status", 1) and row.whole("to_status", 1))


def _node_name(number: int) -> str:
    return f"n{number}"


def _node(row: Row, connected: set[int]) -> Node:
    number = row.whole("id")
    volts = row.number("u_rated")
    return Node(node=_node_name(number), name=f"node {number}", rated_volts=volts, connected=number in connected)


def _branch(row: Row) -> Branch:
    row.refuse("tan1", "leakage of a line")
    return Branch(
        branch=row.name,
        from_node=_node_name(row.whole("from_node")),
        to_node=_node_name(row.whole("to_node")),
        length_metres=0.0,
        resistance_ohm=row.number("r1"),
        reactance_ohm=row.number("x1"),
        capacitance_nanofarad=row.number("c1", 0.0) * 1e9,
        rating_ampere=row.number("i_n"),
    )


def _transformer(row: Row) -> Transformer:
    for field in ("uk_min", "uk_max", "pk_min", "pk_max"):
        row.refuse(field, "the impedance must not depend on the tap")
    side: Literal["from", "to"] = "to" if row.whole("tap_side", 0) else "from"
    return Transformer(
        transformer=row.name,
        from_node=_node_name(row.whole("from_node")),
        to_node=_node_name(row.whole("to_node")),
        rated_power_va=row.number("sn"),
        from_volts=row.number("u1"),
        to_volts=row.number("u2"),
        short_circuit_voltage=row.number("uk"),
        copper_loss_watts=row.number("pk"),
        no_load_current=row.number("i0"),
        no_load_loss_watts=row.number("p0"),
        clock=row.whole("clock"),
        tap_side=side,
        tap_position=row.whole("tap_pos", row.number("tap_nom", 0.0)),
        tap_min=row.whole("tap_min", 0),
        tap_max=row.whole("tap_max", 0),
        tap_neutral=row.whole("tap_nom", 0),
        tap_step_volts=row.number("tap_size", 0.0),
    )
