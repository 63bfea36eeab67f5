"""Feeders from pandapower's JSON, read as text: pandapower itself is not needed.

Decides: which of its tables make a feeder, and which cannot be kept safe; km, kA, MW and percent become SI units.
Knows not what a feeder must be. The band is the caller's, or the narrowest that the file states for any node in use.
Invariant: a table is used, or known to be harmless, or reported where it has rows; nothing is left out in silence.
"""

import json
from collections.abc import Callable
from math import nan
from typing import Literal

from petra.data.feeder_rows import Report, Row
from petra.errors import InputError
from petra.grid import Branch, Feeder, Node, Transformer

_CONNECTED = ("load", "sgen", "storage", "motor")
_UNBALANCED = ("asymmetric_load", "asymmetric_sgen")
_UNSUPPORTED = tuple("gen shunt trafo3w impedance ward xward dcline line_dc svc ssc vsc tcsc".split())
Tables = dict[str, list[Row]]


def feeder_from_pandapower_json(
    text: str,
    place: str,
    *,
    voltage_min: float | None = None,
    voltage_max: float | None = None,
    source_voltage_deviation: float = 0.0,
) -> Feeder:
    """Return the feeder of a pandapower net; InputError names every problem at `place`.

    A band that is None is taken from the file: the largest min_vm_pu and the smallest max_vm_pu.
    """
    report = Report(place)
    tables, hertz = _tables(text, place, report)
    sources, transformers = tables.get("ext_grid", []), tables.get("trafo", [])
    for what, found in (("ext_grid", sources), ("trafo", transformers)):
        if len(found) != 1:
            raise InputError([*report.problems, f"{place}: {what} has {len(found)} rows in service, expected one"])
    for kind in _UNSUPPORTED + _UNBALANCED:
        for row in tables.get(kind, ()):
            reason = "single-phase and unbalanced connections are refused" if kind in _UNBALANCED else "not supported"
            report.add(f"{row.name}: {reason}")
    open_lines = _open_lines(tables)
    nodes = tables.get("bus", [])
    connected = {row.whole("bus") for kind in _CONNECTED for row in tables.get(kind, ())}
    return report.feeder(
        lambda: Feeder(
            name=report.name,
            source_node=_node_name(sources[0].whole("bus")),
            source_voltage=sources[0].number("vm_pu"),
            source_voltage_deviation=source_voltage_deviation,
            voltage_min=_limit(report, nodes, "min_vm_pu", max) if voltage_min is None else voltage_min,
            voltage_max=_limit(report, nodes, "max_vm_pu", min) if voltage_max is None else voltage_max,
            frequency_hertz=hertz,
            nodes=tuple(_node(row, connected) for row in nodes),
            branches=tuple(_branch(row) for row in tables.get("line", ()) if _index(row) not in open_lines),
            transformer=_transformer(transformers[0]),
        )
    )


def _tables(text: str, place: str, report: Report) -> tuple[Tables, float]:
    """Return the rows in service of every table, and the frequency."""
    try:
        net = json.loads(text)["_object"]
        tables = {}
        for kind, value in net.items():
            if not kind.startswith(("res_", "_")) and isinstance(value, dict) and value.get("_class") == "DataFrame":
                frame = value["_object"]
                frame = json.loads(frame) if isinstance(frame, str) else frame
                rows = zip(frame["index"], frame["data"], strict=True)
                found = [(index, dict(zip(frame["columns"], row, strict=True))) for index, row in rows]
                tables[kind] = [
                    Row(f"{kind} {index}", {"index": index, **row}, report)
                    for index, row in found
                    if row.get("in_service", True)
                ]
        hertz = float(net.get("f_hz", 50.0))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{place}: no net of pandapower: {error}") from None
    return tables, hertz


def _open_lines(tables: Tables) -> set[int]:
    """Return the lines that a switch opens; report switches that join nodes without impedance."""
    opened = set()
    for row in tables.get("switch", ()):
        kind, closed = row.values.get("et"), row.values.get("closed")
        if kind == "b" and closed:
            row.report.add(f"{row.name}: joins two nodes without impedance; merge them")
        elif not closed and kind == "l":
            opened.add(row.whole("element"))
        elif not closed and kind != "b":
            row.report.add(f"{row.name}: opens the transformer: nothing is supplied")
    return opened


def _limit(report: Report, nodes: list[Row], field: str, narrowest: Callable[[list[float]], float]) -> float:
    """Return the narrowest limit of all nodes that state one."""
    stated = [row.number(field) for row in nodes if row.values.get(field) is not None]
    if not stated:
        report.add(f"bus: {field} is missing everywhere; state the voltage band")
    return narrowest(stated) if stated else nan


def _index(row: Row) -> int:
    return row.whole("index")


def _node_name(index: int) -> str:
    return f"n{index}"


def _node(row: Row, connected: set[int]) -> Node:
    index = _index(row)
    return Node(
        node=_node_name(index),
        name=str(row.values.get("name") or row.name),
        rated_volts=row.number("vn_kv") * 1e3,
        connected=index in connected,
    )


def _branch(row: Row) -> Branch:
    row.refuse("g_us_per_km", "leakage of a line")
    kilometres, parallel = row.number("length_km"), row.positive("parallel", 1.0)
    return Branch(
        branch=row.name,
        from_node=_node_name(row.whole("from_bus")),
        to_node=_node_name(row.whole("to_bus")),
        length_metres=kilometres * 1e3,
        resistance_ohm=row.number("r_ohm_per_km") * kilometres / parallel,
        reactance_ohm=row.number("x_ohm_per_km") * kilometres / parallel,
        capacitance_nanofarad=row.number("c_nf_per_km") * kilometres * parallel,
        rating_ampere=row.number("max_i_ka") * 1e3 * row.positive("df", 1.0) * parallel,
    )


def _transformer(row: Row) -> Transformer:
    row.refuse("tap_step_degree", "a tap that shifts the phase")
    if row.number("parallel", 1.0) != 1 or row.values.get("tap_dependency_table"):
        row.report.add(f"{row.name}: parallel transformers and tap-dependent impedances are not supported")
    row.refuse("tap2_pos", "a second tap changer")
    derating = row.positive("df", 1.0)
    rated, high, low = row.number("sn_mva") * 1e6, row.number("vn_hv_kv") * 1e3, row.number("vn_lv_kv") * 1e3
    side: Literal["from", "to"] = "to" if row.values.get("tap_side") == "lv" else "from"
    neutral = row.number("tap_neutral", 0.0)
    return Transformer(
        transformer=str(row.values.get("name") or row.name),
        from_node=_node_name(row.whole("hv_bus")),
        to_node=_node_name(row.whole("lv_bus")),
        rated_power_va=rated * derating,
        from_volts=high,
        to_volts=low,
        short_circuit_voltage=row.number("vk_percent") / 100 * derating,
        copper_loss_watts=row.number("vkr_percent") / 100 * rated * derating**2,
        no_load_current=row.number("i0_percent") / 100 / derating,
        no_load_loss_watts=row.number("pfe_kw") * 1e3,
        clock=round(row.number("shift_degree", 0.0) / 30) % 12,
        tap_side=side,
        tap_position=row.whole("tap_pos", neutral),
        tap_min=row.whole("tap_min", neutral),
        tap_max=row.whole("tap_max", neutral),
        tap_neutral=round(neutral),
        tap_step_volts=row.number("tap_step_percent", 0.0) / 100 * (high if side == "from" else low),
    )
