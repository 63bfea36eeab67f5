"""What the safety ledger grants, solved as AC power flow on the shipped grids; `verify_grid.py` is the long form."""

import pytest

from petra.data import GRIDS, load_grid
from petra.grid import study
from petra.grid.powerflow import PowerFlow

SAFE, PLAIN, *OTHERS = study.RULES


def judged(grid: str, seed: int, rule: str, count: int) -> study.Verdict:
    """Return what came of one fill."""
    case = study.trial(load_grid(grid), seed)
    return study.judge(case, PowerFlow(case.feeder), rule, count)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("seeds", "count"), [(range(2), 30), pytest.param(range(100, 108), 300, marks=pytest.mark.slow)]
)
def test_no_outcome_of_the_safety_ledger_exceeds_a_limit(grid: str, seeds: range, count: int) -> None:
    """Corners of every branch, random subsets, uniform points, matches with failures: none is a violation."""
    verdicts = [judged(grid, seed, SAFE, count) for seed in seeds]
    assert [verdict.violations for verdict in verdicts] == [()] * len(seeds)
    assert all(verdict.granted_watts > 5_000 for verdict in verdicts)


def test_the_other_rules_do_overload_the_grid() -> None:
    """The same outcomes find what the other rules let happen, so they could find a fault of the safety ledger too."""
    broken = {rule: len(judged("semiurb4", 8, rule, 20).violations) for rule in (PLAIN, *OTHERS)}
    assert min(broken.values()) > 100


def test_safety_costs_at_most_five_percent_of_the_plain_check() -> None:
    """Watts granted for the same requests, over all grids."""
    granted = dict.fromkeys((SAFE, PLAIN), 0)
    for grid in GRIDS:
        for seed in range(3):
            case = study.trial(load_grid(grid), seed)
            for rule in granted:
                granted[rule] += _granted(case, rule)
    assert granted[SAFE] >= 0.95 * granted[PLAIN]


def test_an_outcome_is_replayed_by_its_number() -> None:
    """Grid, rule, seed and number give the same injections and the same flow again."""
    case = study.trial(load_grid("rural1"), 5)
    flow = PowerFlow(case.feeder)
    solved = []
    for _ in range(2):
        rule = study.rule_of(study.trial(load_grid("rural1"), 5), SAFE)
        study.fill(case, rule)
        injections, source = study.outcomes_of(case, flow, rule, 20)
        solved.append((injections.watts[240].tolist(), injections.var[240].tolist(), source[240]))
    assert solved[0] == solved[1]
    assert any(solved[0][0])


def _granted(case: study.Trial, rule_name: str) -> int:
    rule = study.rule_of(case, rule_name)
    study.fill(case, rule)
    return sum(sum(box) for box in rule.reservations.boxes(0).values())
