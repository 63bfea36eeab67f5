from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from petra.grid import Feeder
from petra.grid.powerflow import PowerFlow
from tests.unit.grid.made_up import FEEDER, TRANSFORMER, line

FLOW = PowerFlow(FEEDER)


def solve(feeder: Feeder = FEEDER, **watts: float) -> tuple[dict[str, float], dict[str, float], float]:
    """Return loadings, voltages and the source's watts of one outcome."""
    flow = PowerFlow(feeder)
    injections = flow.by_node([watts])
    solved = flow.solve(injections, np.zeros_like(injections))
    loading = dict(zip(flow.elements, map(float, solved.loading[0]), strict=True))
    return loading, dict(zip(flow.nodes, map(float, solved.voltage[0]), strict=True)), float(solved.source_watts[0])


def test_collapse_is_a_violation_and_not_a_number() -> None:
    """Where no power flow solves the outcome, every figure is NaN; its neighbours in the batch are untouched."""
    watts = FLOW.by_node([{"e": 1000.0}, {"e": 50e6}, {"e": -1000.0}])
    solved = FLOW.solve(watts, np.zeros_like(watts))
    assert np.isnan(solved.voltage[1]).all()
    assert FLOW.violations(solved).tolist() == [False, True, False]
    assert FLOW.extremes(solved).voltage_min > 0.99


@pytest.mark.parametrize("watts", [260_000.0, -260_000.0])
def test_overloaded_line_is_a_violation_in_both_directions(watts: float) -> None:
    """357 A carry 247 kW at 400 V; neither import nor export may be more."""
    loading, _, _ = solve(c=watts)
    assert loading["l3"] > 1 > loading["T1"]
    injections = FLOW.by_node([{"c": watts}])
    assert FLOW.violations(FLOW.solve(injections, np.zeros_like(injections)))[0]


def test_voltage_and_loading_are_those_of_the_closed_form() -> None:
    """One line between a stiff busbar and one load: its quadratic equation, by hand."""
    cable = replace(
        line("l", "b", "c"), resistance_ohm=0.05, reactance_ohm=0.0, capacitance_nanofarad=0.0, rating_ampere=200.0
    )
    # So large that the busbar stays at the source's voltage.
    large = replace(TRANSFORMER, rated_power_va=100e6, copper_loss_watts=100e3, no_load_loss_watts=0, no_load_current=0)
    one = replace(FEEDER, nodes=FEEDER.nodes[:3], branches=(cable,), transformer=large)
    watts, ohm, volts = 30_000.0, 0.05, 400.0
    expected = (1 + sqrt(1 - 4 * watts * ohm / volts**2)) / 2
    loading, voltage, _ = solve(one, c=watts)
    assert voltage["c"] == pytest.approx(expected, abs=2e-5)
    assert loading["l"] == pytest.approx(watts / (sqrt(3) * volts * expected) / 200, rel=1e-4)


def test_tap_and_source_set_the_voltage_without_load() -> None:
    """What power-grid-model finds is what the feeder says, whichever winding carries the tap."""
    low_side = replace(FEEDER.transformer, tap_side="to", tap_position=2, tap_step_volts=5.0)
    for transformer in (replace(FEEDER.transformer, tap_position=1), low_side):
        feeder = replace(FEEDER, transformer=transformer)
        _, voltage, _ = solve(feeder)
        assert voltage["b"] == pytest.approx(feeder.no_load_voltages[0], abs=2e-4)  # the magnetising current's drop


def test_source_draws_load_and_losses() -> None:
    """Consumption is positive; the no-load losses of 1650 W come on top, copper losses too."""
    assert solve()[2] == pytest.approx(1650, rel=0.01)
    assert 100_000 + 1650 < solve(e=100_000.0)[2] < 104_000
    assert -100_000 < solve(e=-100_000.0)[2] < -96_000


def test_every_outcome_may_have_its_own_source_voltage() -> None:
    """A batch may hold both ends of the source's interval."""
    nothing = FLOW.by_node([{}, {}])
    solved = FLOW.solve(nothing, nothing, np.array([0.97, 1.03]))
    assert solved.voltage[:, 0] == pytest.approx([0.97, 1.03], abs=2e-4)
