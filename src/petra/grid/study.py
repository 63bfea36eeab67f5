"""A trial of the rules: adversarial requests until nothing more is granted, then AC power flow of outcomes (R26).

Decides: who asks for what in which order, and what happens of what was granted. Knows no market and no account's
wishes. Invariant: everything follows from feeder and seed, so any outcome can be replayed by its number, and every
rule is asked the same requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

import numpy as np

from petra.grid import outcomes
from petra.grid.coefficients import ReactivePower
from petra.grid.comparison import BookRule, no_rule, plain_linear_ledger, prosumer_limits, transformer_total
from petra.grid.feeder import Feeder
from petra.grid.ledger import SafetyLedger, node_loads
from petra.grid.outcomes import Injections, NodeBoxes
from petra.grid.powerflow import Extremes, Floats, PowerFlow
from petra.grid.reservations import Box, Change, Envelope

RULES = ("safety-ledger", "plain-linear", "prosumer-limits", "transformer-total", "no-rule")
SIZES = (20_000,) * 4 + (5_000,) * 3 + (1_000,) * 4 + (200,) * 4 + (50,) * 4  # watts; ever smaller, to fill every gap
SOURCE_DEVIATION = 0.002  # in every other trial
REACTIVE = (  # of loads and plants, of plants that help the voltage, and of loads that may be capacitive
    ReactivePower(),
    ReactivePower(absorbed_per_export=0.2, supplied_per_export=0.2),
    ReactivePower(absorbed_per_import=0.45, supplied_per_import=0.1),
)


class Request(NamedTuple):
    """One account asks for so many watts of one side in timestep 0."""

    account: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one seed makes of a feeder: who lives on it, what they may do anyway, and what they ask for."""

    feeder: Feeder
    seed: int
    envelopes: dict[str, Envelope]
    limits: dict[str, Box]  # of the paper's rule
    reactive: ReactivePower
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one rule in one trial.

    Attributes:
        granted_watts: beyond the firm parts, production and consumption together.
        violations: numbers of the outcomes that exceed a limit. unsolved: how many of them have no solution at all.
    """

    granted_watts: int
    outcomes: int
    violations: tuple[int, ...]
    unsolved: int
    extremes: Extremes


def trial(feeder: Feeder, seed: int) -> Trial:
    """Draw homes, firm parts and adversarial requests."""
    rng = Random(f"{feeder.name} {seed}")
    if seed % 2:
        feeder = replace(feeder, source_voltage_deviation=SOURCE_DEVIATION)
    below = [node for node in feeder.nodes if node.node != feeder.source_node]
    nodes = [node.node for node in below if node.connected] or [node.node for node in below]
    firm = rng.choice((0, 0, 300))
    envelopes = {node: Envelope(node=node, import_watts=firm, export_watts=firm // 6) for node in nodes}
    plants = {node: rng.choice((0, 1)) * rng.randrange(5_000, 30_000) for node in nodes}
    limits = {node: Box(rng.randrange(5_000, 30_000), plant) for node, plant in plants.items()}
    reactive = rng.choice(REACTIVE)
    askers = _askers(feeder, nodes, rng)
    share = rng.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    requests = []
    for size in SIZES:
        if rng.random() < 0.5:
            rng.shuffle(askers)
        for account in askers:
            watts = rng.randrange(size // 2, size + 1)
            side = "production_watts" if rng.random() < share else "consumption_watts"
            requests.append(Request(account, Change(start=0, end=0, **{side: watts})))
    return Trial(
        feeder=feeder, seed=seed, envelopes=envelopes, limits=limits, reactive=reactive, requests=tuple(requests)
    )


def rule_of(case: Trial, name: str) -> SafetyLedger | BookRule:
    """Return one of the RULES with nothing granted."""
    match name:
        case "safety-ledger":
            return SafetyLedger(case.feeder, case.envelopes, reactive=case.reactive)
        case "plain-linear":
            return plain_linear_ledger(case.feeder, case.envelopes, reactive=case.reactive)
        case "prosumer-limits":
            return prosumer_limits(case.envelopes, case.limits)
        case "transformer-total":
            return transformer_total(case.feeder, case.envelopes)
        case _:
            return no_rule(case.envelopes)


def fill(case: Trial, rule: SafetyLedger | BookRule) -> None:
    """Put every request to the rule."""
    for request in case.requests:
        rule.grant(request.account, [request.change])


def outcomes_of(case: Trial, flow: PowerFlow, rule: SafetyLedger | BookRule, count: int) -> tuple[Injections, Floats]:
    """Return outcomes of what a filled rule granted, and the source's voltage in each.

    First every link's worst corners at both ends of the source's interval, then `count` of each random kind.
    """
    boxes: NodeBoxes = outcomes.node_boxes(flow, node_loads(rule.reservations, 0, case.reactive))
    rng = np.random.default_rng([case.seed, *case.feeder.name.encode()])
    corners = outcomes.worst_corners(case.feeder, boxes)
    deviation = case.feeder.source_voltage_deviation
    ends = (-1, 1) if deviation else (0,)
    kinds = (outcomes.random_subsets, outcomes.uniform_points, outcomes.matches_with_failures)
    drawn = [kind(boxes, rng, count) for kind in kinds]
    signs = np.concatenate([
        np.repeat(ends, len(corners.watts)).astype(np.float64),
        rng.uniform(-1, 1, sum(len(part.watts) for part in drawn)),
    ])
    return outcomes.joined(*[corners] * len(ends), *drawn), case.feeder.source_voltage + deviation * signs


def judge(case: Trial, flow: PowerFlow, name: str, count: int) -> Verdict:
    """Fill a rule and solve its outcomes."""
    rule = rule_of(case, name)
    before = sum(sum(box) for box in rule.reservations.boxes(0).values())
    fill(case, rule)
    injections, source = outcomes_of(case, flow, rule, count)
    solved = flow.solve(injections.watts, injections.var, source)
    return Verdict(
        granted_watts=sum(sum(box) for box in rule.reservations.boxes(0).values()) - before,
        outcomes=len(source),
        violations=tuple(map(int, np.flatnonzero(flow.violations(solved)))),
        unsolved=int(np.isnan(solved.voltage).any(axis=1).sum()),
        extremes=flow.extremes(solved),
    )


def _askers(feeder: Feeder, nodes: Sequence[str], rng: Random) -> list[str]:
    """Return who asks, in order: all homes, a quarter of them, the far ends first or only, or one arm of the feeder."""
    links = feeder.links()

    def path(node: str) -> list[str]:
        return [node, *path(links[node].above)] if node in links else []

    depth = {node: len(path(node)) for node in nodes}
    few = max(4, len(nodes) // 4)
    match rng.choice(("all", "quarter", "far first", "far only", "arm")):
        case "all":
            return list(nodes)
        case "quarter":
            return rng.sample(nodes, min(few, len(nodes)))
        case "far first":
            return sorted(nodes, key=lambda node: -depth[node])
        case "far only":
            return sorted(nodes, key=lambda node: -depth[node])[:few]
        case _:
            arms = {node: path(node)[-2] for node in nodes if depth[node] > 1}  # the node next to the busbar
            chosen = rng.choice(sorted(set(arms.values())))
            return [node for node, arm in arms.items() if arm == chosen]
