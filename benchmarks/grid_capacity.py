"""How much the rules grant for the same adversarial requests; prints one JSON object, in kW over all fills.

The safety ledger's share of the plain linear check is the price of soundness. What the other rules grant beyond it is
what `scripts/verify_grid.py` shows to overload the grid.
"""

import argparse
import json

from petra.data import GRIDS, load_grid
from petra.grid import study


def granted_kw(case: study.Trial, rule_name: str) -> float:
    """Return what one rule grants beyond the firm parts."""
    rule = study.rule_of(case, rule_name)
    before = sum(sum(box) for box in rule.reservations.boxes(0).values())
    study.fill(case, rule)
    return (sum(sum(box) for box in rule.reservations.boxes(0).values()) - before) / 1000


def main() -> None:
    """Fill every grid by every rule and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="fills of each grid")
    seeds = parser.parse_args().seeds
    found = {}
    for grid in GRIDS:
        cases = [study.trial(load_grid(grid), seed) for seed in range(seeds)]
        found[grid] = {rule: round(sum(granted_kw(case, rule) for case in cases)) for rule in study.RULES}
    totals = {rule: sum(row[rule] for row in found.values()) for rule in study.RULES}
    safe, plain = (totals[rule] for rule in study.RULES[:2])
    print(json.dumps({"share_of_plain_linear": round(safe / plain, 4), "granted_kw": totals, "grids": found}))


if __name__ == "__main__":
    main()
