"""Hold what the rules grant against AC power flow: `python scripts/verify_grid.py` (some minutes).

Fills the five shipped grids by adversarial requests until nothing more is granted, draws outcomes of what was granted
(every branch's four inside and outside corners, random subsets, uniform points, balanced matches with failures), and
solves them with power-grid-model. Writes docs/records/grid-outcomes.json and fails if the safety ledger let any
outcome exceed a limit, or granted less than 95 % of what the plain linear check grants for the same requests.

`--replay rural3:plain-linear:17:204` solves one outcome again, by grid, rule, seed and number, and shows it.
`--feeder FILE` tries a feeder of your own instead of the shipped ones.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from petra.data import GRIDS, load_grid
from petra.data.feeder_files import read_feeder
from petra.errors import InputError
from petra.grid import Feeder, study
from petra.grid.powerflow import PowerFlow

CHECKOUT = Path(__file__).resolve().parents[1]
RECORD = CHECKOUT / "docs" / "records" / "grid-outcomes.json"
SAFE, PLAIN = study.RULES[:2]
CAPACITY_MIN = 0.95


class Tally:
    """What came of one rule on one grid, over its seeds."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.fills = self.unsafe_fills = self.outcomes = self.violations = self.unsolved = self.granted_watts = 0
        self.line = self.transformer = self.voltage_max = 0.0
        self.voltage_min = 2.0
        self.first: str | None = None

    def add(self, verdict: study.Verdict, place: str) -> None:
        """Count one fill; `place` replays its outcomes."""
        self.fills += 1
        self.outcomes += verdict.outcomes
        self.violations += len(verdict.violations)
        self.unsafe_fills += bool(verdict.violations)
        self.unsolved += verdict.unsolved
        self.granted_watts += verdict.granted_watts
        self.line = max(self.line, verdict.extremes.line_loading)
        self.transformer = max(self.transformer, verdict.extremes.transformer_loading)
        self.voltage_min = min(self.voltage_min, verdict.extremes.voltage_min)
        self.voltage_max = max(self.voltage_max, verdict.extremes.voltage_max)
        if verdict.violations and self.first is None:
            self.first = f"{place}:{verdict.violations[0]}"

    def merged(self, others: Iterable["Tally"]) -> "Tally":
        """Return the sum of some tallies."""
        total = Tally()
        for one in others:
            for field in ("fills", "unsafe_fills", "outcomes", "violations", "unsolved", "granted_watts"):
                setattr(total, field, getattr(total, field) + getattr(one, field))
            total.line, total.transformer = max(total.line, one.line), max(total.transformer, one.transformer)
            total.voltage_min = min(total.voltage_min, one.voltage_min)
            total.voltage_max = max(total.voltage_max, one.voltage_max)
            total.first = total.first or one.first
        return total

    def row(self) -> dict[str, Any]:
        """Return the figures for the record."""
        return {
            "fills": self.fills,
            "unsafe_fills": self.unsafe_fills,
            "outcomes": self.outcomes,
            "violations": self.violations,
            "violations_percent": round(100 * self.violations / self.outcomes, 3),
            "without_solution": self.unsolved,
            "granted_kw": round(self.granted_watts / 1000),
            "worst_line_loading": round(self.line, 4),
            "worst_transformer_loading": round(self.transformer, 4),
            "voltage_min": round(self.voltage_min, 5),
            "voltage_max": round(self.voltage_max, 5),
            "first_violation": self.first,
        }


def run(feeders: dict[str, Feeder], seeds: int, count: int) -> dict[str, Any]:
    """Return the record of all rules on all feeders."""
    tallies = {(grid, rule): Tally() for grid in feeders for rule in study.RULES}
    for grid, feeder in feeders.items():
        for seed in range(seeds):
            case = study.trial(feeder, seed)
            flow = PowerFlow(case.feeder)
            for rule in study.RULES:
                tallies[grid, rule].add(study.judge(case, flow, rule, count), f"{grid}:{rule}:{seed}")
        done = tallies[grid, SAFE]
        sys.stderr.write(f"{grid}: {done.outcomes} outcomes, {done.violations} violations by the {SAFE}\n")
    totals = {rule: Tally().merged(tallies[grid, rule] for grid in feeders) for rule in study.RULES}
    shares = {grid: tallies[grid, SAFE].granted_watts / tallies[grid, PLAIN].granted_watts for grid in feeders}
    return {
        "seeds": seeds,
        "outcomes_of_each_random_kind": count,
        "rules": {rule: total.row() for rule, total in totals.items()},
        "granted_share_of_plain_linear": {
            "all": round(totals[SAFE].granted_watts / totals[PLAIN].granted_watts, 4),
            **{grid: round(share, 4) for grid, share in shares.items()},
        },
        "grids": {grid: {rule: tallies[grid, rule].row() for rule in study.RULES} for grid in feeders},
    }


def replay(place: str, feeders: dict[str, Feeder], count: int) -> dict[str, Any]:
    """Return one outcome again: what every node did, and what flowed."""
    grid, rule_name, seed, number = place.split(":")
    case = study.trial(feeders[grid], int(seed))
    flow, rule = PowerFlow(case.feeder), study.rule_of(case, rule_name)
    study.fill(case, rule)
    injections, source = study.outcomes_of(case, flow, rule, count)
    one = slice(int(number), int(number) + 1)
    solved = flow.solve(injections.watts[one], injections.var[one], source[one])
    return {
        "exceeds_a_limit": bool(flow.violations(solved)[0]),
        "source_voltage": float(source[one][0]),
        "loading": dict(zip(flow.elements, map(float, solved.loading[0].round(5)), strict=True)),
        "voltage": dict(zip(flow.nodes, map(float, solved.voltage[0].round(6)), strict=True)),
        "watts": dict(zip(flow.nodes, map(float, injections.watts[one][0].round(1)), strict=True)),
        "var": dict(zip(flow.nodes, map(float, injections.var[one][0].round(1)), strict=True)),
    }


def main() -> int:
    """Run or replay; 1 if a promise is broken, 2 if the feeder is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, help="fills of each grid by each rule")
    parser.add_argument("--count", type=int, default=250, help="outcomes of each random kind in a fill")
    parser.add_argument("--feeder", type=Path, help="a feeder in PETra's format instead of the shipped grids")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--replay", metavar="GRID:RULE:SEED:NUMBER")
    arguments = parser.parse_args()
    feeders = {grid: load_grid(grid) for grid in GRIDS}
    if arguments.feeder:
        try:
            feeders = {arguments.feeder.stem: read_feeder(str(arguments.feeder))}
        except InputError as error:
            sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
            return 2
    if arguments.replay:
        print(json.dumps(replay(arguments.replay, feeders, arguments.count), indent=1))
        return 0
    started = perf_counter()
    record = run(feeders, arguments.seeds, arguments.count)
    record["minutes"] = round((perf_counter() - started) / 60, 1)
    arguments.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"granted_share": record["granted_share_of_plain_linear"]["all"], **record["rules"][SAFE]}))
    kept = record["rules"][SAFE]["violations"] == 0
    return 0 if kept and record["granted_share_of_plain_linear"]["all"] >= CAPACITY_MIN else 1


if __name__ == "__main__":
    raise SystemExit(main())
