"""Does the run close: the DSO's own alarms, the sum of its balances, and every bill against journal and books.

Decides: what is compared. Knows no page.
Invariant: every comparison is exact, to the nano-unit and the joule; nothing is corrected, only told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from petra.report.energy import HomeTotals, by_home
from petra.report.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What was compared and what does not agree, a sentence each."""

    problems: tuple[str, ...]
    bills: int

    @property
    def passed(self) -> bool:
        """Whether everything agrees."""
        return not self.problems

    @property
    def headline(self) -> str:
        """The outcome in a line."""
        if self.problems:
            return f"{len(self.problems)} problems: see the closing of the books"
        return f"all balances sum to 0; {self.bills} bills agree with them"


def check(facts: Facts, bills: Mapping[str, Mapping[str, Any]]) -> Checks:
    """Compare books, positions and bills with the journal."""
    problems = [*_book_problems(facts), *_position_problems(facts)]
    for totals in by_home(facts):
        problems += _bill_problems(facts, totals, bills.get(totals.home))
    return Checks(problems=tuple(problems), bills=len(bills))


def _book_problems(facts: Facts) -> Iterator[str]:
    if facts.books is None:
        yield "the journal ends before the books were closed"
        return
    yield from (str(problem) for problem in facts.books["problems"])
    if total := sum(facts.books["balances"].values()):
        yield f"all balances sum to {total} nano-EUR, not 0"


def _position_problems(facts: Facts) -> Iterator[str]:
    # The DSO trades nothing in the journals of today, so the homes' positions alone must sum to zero.
    totals: Counter[int] = Counter()
    for (_, timestep), note in facts.settled.items():
        totals[timestep] += note["position"]
    for timestep, total in totals.items():
        if total:
            yield f"timestep {timestep}: the homes' positions sum to {total} J, not 0"


def _bill_problems(facts: Facts, totals: HomeTotals, bill: Mapping[str, Any] | None) -> Iterator[str]:
    home = totals.home
    if bill is None:
        yield f"{home}: no bill"
        return
    balances = facts.books["balances"] if facts.books else {}
    compared = (
        ("closing balance", bill.get("closing"), balances.get(facts.members[home]["account"], 0)),
        ("community trades", bill.get("community"), totals.received - totals.paid),
        ("settlement", bill.get("settlement"), totals.settlement),
        ("utility-only baseline", bill.get("utility_only"), totals.utility_only),
    )
    for name, said, expected in compared:
        if said != expected:
            yield f"{home}: the bill's {name} says {said}, the journal {expected} (nano-EUR)"
