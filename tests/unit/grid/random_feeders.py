"""Radial feeders of any shape, for tests that must hold on all of them."""

from dataclasses import replace
from random import Random
from typing import Literal

from petra.grid import Branch, Feeder, Node, Transformer
from tests.unit.grid.made_up import TRANSFORMER


def random_feeder(rng: Random, *, size: int) -> Feeder:
    """Return a feeder of `size` low-voltage nodes: a random tree of cables, each way round."""
    names = [f"n{number}" for number in range(size)]
    branches = []
    for number in range(1, size):
        # Sometimes long arms, sometimes stars.
        ends = [names[rng.randrange(max(0, number - rng.choice((1, 3, size))), number)], names[number]]
        rng.shuffle(ends)
        metres = rng.choice((2.0, 20.0, 60.0, 150.0))
        branches.append(
            Branch(
                branch=f"line-{number}",
                from_node=ends[0],
                to_node=ends[1],
                length_metres=metres,
                resistance_ohm=metres / 1e3 * rng.choice((0.1, 0.2, 0.8)),
                reactance_ohm=metres / 1e3 * rng.choice((0.0, 0.08, 0.3)),
                capacitance_nanofarad=metres / 1e3 * rng.choice((0.0, 870.0, 4000.0)),
                rating_ampere=rng.choice((60.0, 150.0, 357.0)),
            )
        )
    low, high = rng.choice(((0.9, 1.1), (0.95, 1.06), (0.965, 1.055)))
    return Feeder(
        name="random",
        source_node="mv",
        source_voltage=rng.choice((1.0, 1.02)),
        source_voltage_deviation=rng.choice((0.0, 0.005, 0.01)),
        voltage_min=low,
        voltage_max=high,
        nodes=(
            Node(node="mv", name="mv", rated_volts=20e3),
            *(Node(node=name, name=name, rated_volts=400.0) for name in names),
        ),
        branches=tuple(rng.sample(branches, len(branches))),
        transformer=_transformer(rng),
        frequency_hertz=rng.choice((50.0, 60.0)),
    )


def _transformer(rng: Random) -> Transformer:
    rated = rng.choice((100e3, 250e3, 630e3))
    side: Literal["from", "to"] = rng.choice(("from", "to"))
    return replace(
        TRANSFORMER,
        to_node="n0",
        rated_power_va=rated,
        copper_loss_watts=rated * rng.choice((0.005, 0.015)),
        no_load_loss_watts=rated * rng.choice((0.0, 0.003)),
        no_load_current=rng.choice((0.0, 0.003, 0.02)),
        short_circuit_voltage=rng.choice((0.04, 0.06)),
        clock=rng.choice((0, 5, 11)),
        tap_side=side,
        tap_position=rng.choice((-1, 0, 1)),
        tap_step_volts=250.0 if side == "from" else 5.0,
    )
