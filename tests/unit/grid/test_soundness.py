"""The ledger's promise on feeders of any shape, against AC power flow by a program that knows nothing of it."""

from random import Random

import numpy as np
import pytest

from petra.grid import Change, Envelope, ReactivePower, SafetyLedger
from petra.grid.powerflow import Floats, PowerFlow
from tests.unit.grid.random_feeders import random_feeder

REACTIVE = ReactivePower(
    absorbed_per_import=0.33, absorbed_per_export=0.2, supplied_per_export=0.2, supplied_per_import=0.15
)
OUTCOMES = 60


def filled(rng: Random, size: int) -> SafetyLedger:
    """Return a random feeder's ledger, filled until it refuses time and again."""
    feeder = random_feeder(rng, size=size)
    nodes = [node.node for node in feeder.nodes if node.node != "mv"]
    names = rng.sample(nodes, rng.randint(1, len(nodes)))
    ledger = SafetyLedger(
        feeder, {name: Envelope(node=name, import_watts=0, export_watts=0) for name in names}, reactive=REACTIVE
    )
    share, refusals = rng.choice((0.0, 0.5, 1.0)), 0
    while refusals < 60:
        watts = rng.choice((200, 2_000, 20_000))
        side = "production_watts" if rng.random() < share else "consumption_watts"
        refusals += not ledger.grant(rng.choice(names), [Change(start=1, end=1, **{side: watts})])
    return ledger


def corners(ledger: SafetyLedger, flow: PowerFlow, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return watts and var of outcomes within the boxes: all corners at random, then points between them."""
    loads = ledger.loads(1)
    box = flow.by_node([{node: load[side] for node, load in loads.items()} for side in range(4)])
    shape = (OUTCOMES, len(flow.nodes))
    watts = np.where(rng.random(shape) < rng.random((OUTCOMES, 1)), box[0], -box[1])
    var = np.where(rng.random(shape) < rng.random((OUTCOMES, 1)), box[2], -box[3])
    watts[0], var[0], watts[1], var[1] = box[0], box[2], -box[1], -box[3]
    half = OUTCOMES // 2
    watts[half:] *= rng.random(watts[half:].shape)
    return watts, var


@pytest.mark.parametrize("seed", range(25))
def test_no_outcome_of_what_was_granted_breaks_a_limit(seed: int) -> None:
    """At either end of the source's interval every line, the transformer and every voltage stay within limits."""
    rng = Random(seed)
    ledger = filled(rng, size=rng.choice((1, 2, 6, 25)))
    flow = PowerFlow(ledger.feeder)
    watts, var = corners(ledger, flow, np.random.default_rng(seed))
    assert np.abs(watts).sum() > 0
    feeder = ledger.feeder
    for sign in (-1, 1):
        outcomes = flow.solve(watts, var, feeder.source_voltage + sign * feeder.source_voltage_deviation)
        assert not flow.violations(outcomes).any()


@pytest.mark.parametrize("seed", range(5))
def test_no_outcome_leaves_the_bounds(seed: int) -> None:
    """Each node's voltage, and the power drawn from the source, lies within what the ledger says is possible."""
    rng = Random(seed)
    ledger = filled(rng, size=25)
    flow = PowerFlow(ledger.feeder)
    outcomes = flow.solve(*corners(ledger, flow, np.random.default_rng(seed)))
    lowest, highest = zip(*ledger.voltage_bounds(1).values(), strict=True)
    assert (outcomes.voltage >= np.array(lowest) - 1e-9).all()
    assert (outcomes.voltage <= np.array(highest) + 1e-9).all()
    source = ledger.bounds(1)[0]
    shunt = ledger.coefficients.shunt[0]
    assert (outcomes.source_watts <= source.import_watts + shunt).all()
    assert (outcomes.source_watts >= -source.export_watts).all()
