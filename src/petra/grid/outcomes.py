"""Outcomes of what was granted: points of the box that the accounts span, worst corners and ordinary days (R26).

Decides: which points are worth solving. Knows no rule and no limit; the same for whatever was granted by whom.
Invariant: every outcome lies within the box: each node's active power between its largest export and import, its
reactive power between what it may supply and absorb. Arrays have the shape (outcomes, nodes); consumption is positive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from petra.grid.feeder import Feeder
from petra.grid.powerflow import Floats, PowerFlow
from petra.grid.tree import Load

CORNERS_PER_LINK = 12  # of watts below it and elsewhere, with three kinds of var


class Injections(NamedTuple):
    """Watts and var of some outcomes, consumption positive."""

    watts: Floats
    var: Floats


class NodeBoxes(NamedTuple):
    """What each node may do, in the order of `PowerFlow.nodes`; all >= 0."""

    imported: Floats
    exported: Floats
    absorbed: Floats
    supplied: Floats


def node_boxes(flow: PowerFlow, loads: Mapping[str, Load]) -> NodeBoxes:
    """Return the boxes of `SafetyLedger.loads` or `node_loads` as arrays."""
    return NodeBoxes(*np.array([loads.get(node, Load()) for node in flow.nodes], dtype=np.float64).T)


def worst_corners(feeder: Feeder, boxes: NodeBoxes) -> Injections:
    """Return, for every link, the corners of import or export below it and elsewhere, each with three kinds of var.

    Var go with the watts (absorbed by who imports, supplied by who exports), or all absorb, or all supply.
    The transformer's corners are those where all import or all export.
    """
    links = feeder.links()
    nodes = list(links)
    below = np.eye(len(nodes), dtype=np.bool_)
    for node in reversed(nodes):
        above = links[node].above
        if above != feeder.source_node:
            below[nodes.index(above)] |= below[nodes.index(node)]
    imports = np.concatenate([below, ~below, np.ones_like(below), np.zeros_like(below)])
    watts = np.where(imports, boxes.imported, -boxes.exported)
    with_watts = np.where(imports, boxes.absorbed, -boxes.supplied)
    everybody = [np.broadcast_to(var, watts.shape) for var in (boxes.absorbed, -boxes.supplied)]
    return Injections(np.concatenate([watts] * 3), np.concatenate([with_watts, *everybody]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """What the worst corners of one set of boxes do, each element and node at its own worst.

    Attributes:
        violations: how many corners exceed a limit. unsolved: how many of these have no solution.
        loading: the highest, by element. low, high: the lowest and highest voltage, by node. NaN: no corner was solved.
    """

    outcomes: int
    violations: int
    unsolved: int
    loading: Floats
    low: Floats
    high: Floats


class CornerSolver:
    """Solves worst corners on one feeder; what was solved before is not solved again, since many timesteps are alike.

    Attributes:
        flow: the feeder's network.
    """

    def __init__(self, flow: PowerFlow) -> None:
        """Start with nothing solved."""
        self.flow = flow
        self._solved: dict[tuple[Load, ...], Corners] = {}

    def solve(self, loads: Mapping[str, Load]) -> Corners:
        """Return what the worst corners do of what all nodes may do."""
        key = tuple(loads.get(node, Load()) for node in self.flow.nodes)
        if key not in self._solved:
            self._solved[key] = self._solve(loads)
        return self._solved[key]

    def _solve(self, loads: Mapping[str, Load]) -> Corners:
        flow = self.flow
        corners = worst_corners(flow.feeder, node_boxes(flow, loads))
        solved = flow.solve(corners.watts, corners.var)
        return Corners(
            outcomes=len(corners.watts),
            violations=int(flow.violations(solved).sum()),
            unsolved=int(np.isnan(solved.voltage).any(axis=1).sum()),
            # fmax and fmin pass over NaN, and leave it where there is nothing else.
            loading=np.fmax.reduce(solved.loading),
            low=np.fmin.reduce(solved.voltage),
            high=np.fmax.reduce(solved.voltage),
        )


def random_subsets(boxes: NodeBoxes, rng: np.random.Generator, count: int) -> Injections:
    """Return outcomes in which each node delivers, and consumes, all it may or nothing."""
    shape = (count, len(boxes.imported))
    consumed = np.where(rng.random(shape) < rng.random((count, 1)), boxes.imported, 0.0)
    produced = np.where(rng.random(shape) < rng.random((count, 1)), boxes.exported, 0.0)
    var = np.where(rng.random(shape) < rng.random((count, 1)), boxes.absorbed, -boxes.supplied)
    return Injections(consumed - produced, var)


def uniform_points(boxes: NodeBoxes, rng: np.random.Generator, count: int) -> Injections:
    """Return points drawn evenly from the box."""
    shape = (count, len(boxes.imported))
    watts = -boxes.exported + rng.random(shape) * (boxes.imported + boxes.exported)
    var = -boxes.supplied + rng.random(shape) * (boxes.absorbed + boxes.supplied)
    return Injections(watts, var)


def matches_with_failures(boxes: NodeBoxes, rng: np.random.Generator, count: int) -> Injections:
    """Return balanced markets: as much sold as bought, of which in most outcomes some producers or buyers then fail."""
    shape = (count, len(boxes.imported))
    produced, consumed = boxes.exported * rng.random(shape), boxes.imported * rng.random(shape)
    sold, bought = produced.sum(axis=1, keepdims=True), consumed.sum(axis=1, keepdims=True)
    traded = np.minimum(sold, bought)
    produced *= np.divide(traded, sold, out=np.zeros_like(sold), where=sold > 0)
    consumed *= np.divide(traded, bought, out=np.zeros_like(bought), where=bought > 0)
    produced[rng.random(shape) < rng.choice((0.0, 0.2, 0.8), (count, 1))] = 0.0
    consumed[rng.random(shape) < rng.choice((0.0, 0.2, 0.8), (count, 1))] = 0.0
    share = np.divide(consumed, boxes.imported, out=np.zeros_like(consumed), where=boxes.imported > 0)
    return Injections(consumed - produced, boxes.absorbed * share)


def joined(*parts: Injections) -> Injections:
    """Return all outcomes of some kinds, one after the other."""
    return Injections(np.concatenate([part.watts for part in parts]), np.concatenate([part.var for part in parts]))
