"""AC power flow by power-grid-model: what really flows, to hold against what the ledger promised (R26, R31).

Decides: how a feeder and injections become its input, and how its answer becomes loadings and voltages. Knows no
account, no grant. power-grid-model shares no code with the ledger, and takes no bound: it solves the whole network.
Definitions: a line's loading is the larger current of its ends over its rating; a transformer's loading is the larger
apparent power of its sides over its rated power (power-grid-model's own). Newton-Raphson, constant power, stiff source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from power_grid_model import (
    BranchSide,
    ComponentType,
    DatasetType,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)

from petra.grid.feeder import Feeder

Floats = NDArray[np.float64]
_STIFF = 1e15  # short-circuit power of the source, VA: its voltage is what the scenario says
_TOLERANCE = 1e-9  # of voltages, where the iteration ends
_MARGIN = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What flows in each outcome (first axis); NaN throughout where there is no solution: the voltage collapses.

    Attributes:
        loading: by element, in the order of `PowerFlow.elements`; 1 = its rating.
        voltage: by node, in the order of `PowerFlow.nodes`; fractions of the rated voltage.
        source_watts: what the feeder draws from the source; negative = it feeds back.
    """

    loading: Floats
    voltage: Floats
    source_watts: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The worst of those outcomes that have a solution, as fractions of the ratings and of the rated voltage."""

    line_loading: float
    transformer_loading: float
    voltage_min: float
    voltage_max: float


class PowerFlow:
    """The network of one feeder, ready to be solved for many outcomes at once.

    Attributes:
        nodes: names of the nodes below the source, in the order of the voltages and injections.
        elements: names of the transformer and the lines, in the order of the loadings.
    """

    def __init__(self, feeder: Feeder) -> None:
        """Build the model once; every outcome then only changes injections."""
        self.feeder = feeder
        self.nodes = tuple(feeder.links())
        self.elements = tuple(element.name for element in feeder.elements)
        self._ids = {node: number for number, node in enumerate((feeder.source_node, *self.nodes))}
        self._first_line = len(self._ids)
        self._transformer_id = self._first_line + len(feeder.branches)
        self._source_id = self._transformer_id + 1
        first = self._source_id + 1
        self._load_ids = np.arange(first, first + len(self.nodes))
        self._model = PowerGridModel(
            {
                ComponentType.node: self._node_array(),
                ComponentType.line: self._line_array(),
                ComponentType.transformer: self._transformer_array(),
                ComponentType.source: self._source_array(),
                ComponentType.sym_load: self._load_array(),
            },
            system_frequency=feeder.frequency_hertz,
        )

    def solve(self, watts: Floats, var: Floats, source_voltage: Floats | float | None = None) -> Outcomes:
        """Return what flows, for injections of shape (outcomes, nodes): consumption and absorbed var positive.

        The source's voltage is one for all outcomes or one for each; None: the feeder's set value.
        """
        loads = initialize_array(DatasetType.update, ComponentType.sym_load, watts.shape)
        loads["id"], loads["p_specified"], loads["q_specified"] = self._load_ids, watts, var
        sources = initialize_array(DatasetType.update, ComponentType.source, (len(watts), 1))
        sources["id"] = self._source_id
        volts = self.feeder.source_voltage if source_voltage is None else source_voltage
        sources["u_ref"] = np.broadcast_to(np.asarray(volts), len(watts))[:, None]
        result = self._model.calculate_power_flow(
            update_data={ComponentType.sym_load: loads, ComponentType.source: sources},
            error_tolerance=_TOLERANCE,
            continue_on_batch_error=True,
            output_component_types={
                ComponentType.node: ["u_pu"],
                ComponentType.line: ["loading"],
                ComponentType.transformer: ["loading"],
                ComponentType.source: ["p"],
            },
        )
        # A feeder that is a busbar only has no line, and the answer then has none either.
        present = [kind for kind in (ComponentType.transformer, ComponentType.line) if kind in result]
        loading = np.concatenate([result[kind]["loading"] for kind in present], axis=1)
        voltage = result[ComponentType.node]["u_pu"][:, 1:]
        source_watts = result[ComponentType.source]["p"][:, 0]
        if (failure := self._model.batch_error) is not None:
            for array in (loading, voltage, source_watts):
                array[failure.failed_scenarios] = np.nan
        return Outcomes(loading=loading, voltage=voltage, source_watts=source_watts)

    def extremes(self, outcomes: Outcomes) -> Extremes:
        """Return the worst over all outcomes."""
        return Extremes(
            line_loading=float(np.nanmax(outcomes.loading[:, 1:], initial=0.0)),
            transformer_loading=float(np.nanmax(outcomes.loading[:, 0], initial=0.0)),
            voltage_min=float(np.nanmin(outcomes.voltage, initial=2.0)),
            voltage_max=float(np.nanmax(outcomes.voltage, initial=0.0)),
        )

    def violations(self, outcomes: Outcomes) -> NDArray[np.bool_]:
        """Say of each outcome whether any limit is exceeded by more than the solver may err, or nothing solves it."""
        kept = (outcomes.loading <= 1 + _MARGIN).all(axis=1)
        kept &= (outcomes.voltage >= self.feeder.voltage_min - _MARGIN).all(axis=1)
        kept &= (outcomes.voltage <= self.feeder.voltage_max + _MARGIN).all(axis=1)
        return np.asarray(~kept, dtype=np.bool_)

    def by_node(self, rows: Sequence[dict[str, float]]) -> Floats:
        """Return injections as an array of shape (outcomes, nodes); a node that a row does not name has none."""
        return np.array([[row.get(node, 0.0) for node in self.nodes] for row in rows], dtype=np.float64)

    def _node_array(self) -> NDArray[Any]:
        array = initialize_array(DatasetType.input, ComponentType.node, len(self._ids))
        rated = {node.node: node.rated_volts for node in self.feeder.nodes}
        array["id"] = list(self._ids.values())
        array["u_rated"] = [rated[node] for node in self._ids]
        return array

    def _line_array(self) -> NDArray[Any]:
        lines = self.feeder.branches
        array = initialize_array(DatasetType.input, ComponentType.line, len(lines))
        array["id"] = self._first_line + np.arange(len(lines))
        array["from_node"] = [self._ids[line.from_node] for line in lines]
        array["to_node"] = [self._ids[line.to_node] for line in lines]
        array["from_status"] = array["to_status"] = 1
        array["r1"] = [line.resistance_ohm for line in lines]
        array["x1"] = [line.reactance_ohm for line in lines]
        array["c1"] = [line.capacitance_nanofarad * 1e-9 for line in lines]
        array["tan1"] = 0.0
        array["i_n"] = [line.rating_ampere for line in lines]
        return array

    def _transformer_array(self) -> NDArray[Any]:
        trafo = self.feeder.transformer
        array = initialize_array(DatasetType.input, ComponentType.transformer, 1)
        values = {
            "id": self._transformer_id,
            "from_node": self._ids[trafo.from_node],
            "to_node": self._ids[trafo.to_node],
            "from_status": 1,
            "to_status": 1,
            "u1": trafo.from_volts,
            "u2": trafo.to_volts,
            "sn": trafo.rated_power_va,
            "uk": trafo.short_circuit_voltage,
            "pk": trafo.copper_loss_watts,
            "i0": max(trafo.no_load_current, trafo.no_load_loss_watts / trafo.rated_power_va),
            "p0": trafo.no_load_loss_watts,
            # A clock of odd steps needs one delta winding; for balanced flow only the angle follows from it.
            "winding_from": WindingType.delta if trafo.clock % 2 else WindingType.wye_n,
            "winding_to": WindingType.wye_n,
            "clock": trafo.clock,
            "tap_side": BranchSide.from_side if trafo.tap_side == "from" else BranchSide.to_side,
            "tap_pos": trafo.tap_position,
            "tap_min": trafo.tap_min,
            "tap_max": trafo.tap_max,
            "tap_nom": trafo.tap_neutral,
            "tap_size": trafo.tap_step_volts,
        }
        for field, value in values.items():
            array[field] = value
        return array

    def _source_array(self) -> NDArray[Any]:
        array = initialize_array(DatasetType.input, ComponentType.source, 1)
        array["id"], array["node"], array["status"] = self._source_id, self._ids[self.feeder.source_node], 1
        array["u_ref"], array["sk"] = self.feeder.source_voltage, _STIFF
        return array

    def _load_array(self) -> NDArray[Any]:
        array = initialize_array(DatasetType.input, ComponentType.sym_load, len(self.nodes))
        array["id"], array["node"], array["status"] = self._load_ids, [self._ids[node] for node in self.nodes], 1
        array["type"] = LoadGenType.const_power
        array["p_specified"] = array["q_specified"] = 0.0
        return array
