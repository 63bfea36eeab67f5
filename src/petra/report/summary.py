"""A run in figures: the JSON object that `petra simulate --json` ends with.

Decides: names, units and counting of the headline figures. Knows no file.
Invariant: a pure function of the journal; sums are exact integers inside, JSON numbers only at the border.
Counting as in the original's log (paper 4.3): post to accept = block time of a trade minus that of its offer's post.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import mean, median

from petra.domain.quantities import JOULES_PER_WH, MONEY_PER_UNIT
from petra.report.energy import Balance, by_home, by_timestep, peak_watts, utility_only, with_community
from petra.report.facts import Facts, read_facts
from petra.report.kinds import Note

Json = dict[str, object]


def summarise(journal: Sequence[Note]) -> Json:
    """Return the run's figures; units end the names, shares are 0..1, None where nothing was there to count."""
    return summary_of(read_facts(journal))


def summary_of(facts: Facts) -> Json:
    """Return the figures of facts that were read before."""
    steps = by_timestep(facts)
    servable, traded = sum(step.servable for step in steps), sum(step.traded for step in steps)
    peak_import, peak_export = peak_watts(steps, facts.seconds)
    return {
        "scenario": facts.run["scenario"],
        "seed": facts.run["seed"],
        "homes": len(facts.members),
        "timesteps": len(facts.timesteps),
        "energy_demanded_wh": _wh(sum(step.demanded for step in steps)),
        "energy_servable_wh": _wh(servable),
        "energy_traded_wh": _wh(traded),
        "energy_residual_wh": _wh(sum(step.residual for step in steps)),
        # Nothing to serve is served whole.
        "traded_share": traded / servable if servable else 1.0,
        "post_to_accept_seconds": spread_of(waiting_times(facts)),
        "service_seconds": spread_of(list(service_times(facts).values())),
        "transactions": facts.transaction_count,
        "trades": len(facts.trades),
        "void": len(facts.voids),
        "withdrawals": _withdrawals(facts),
        "money": _money(facts),
        "imbalance_over_wh": _wh(sum(step.imbalance_over for step in steps)),
        "imbalance_under_wh": _wh(sum(step.imbalance_under for step in steps)),
        "with_community": _balance(with_community(steps, len(facts.trades))),
        "utility_only": _balance(utility_only(steps)),
        # Trading moves no power: both cases have the same meters, so the same peaks.
        "peak_import_watts": {"with_trading": peak_import, "without_trading": peak_import},
        "peak_export_watts": {"with_trading": peak_export, "without_trading": peak_export},
        "books_problems": None if facts.books is None else len(facts.books["problems"]),
    }


def waiting_times(facts: Facts) -> list[int]:
    """Return the seconds of block time from posted offer to accepted trade, one for each trade."""
    return [trade.waited for trade in facts.trades]


def service_times(facts: Facts) -> dict[int, int]:
    """Return the seconds of block time from first AssetAdded to last trade, for each delivery timestep with trades."""
    first: dict[int, int] = {}
    for grant in facts.grants:
        for timestep in range(grant.start, grant.end + 1):
            first[timestep] = min(first.get(timestep, grant.at), grant.at)
    last: dict[int, int] = {}
    for trade in facts.trades:
        for timestep in range(trade.start, trade.end + 1):
            last[timestep] = max(last.get(timestep, trade.at), trade.at)
    return {timestep: last[timestep] - first[timestep] for timestep in sorted(last.keys() & first.keys())}


def spread_of(seconds: Sequence[int]) -> dict[str, float | int | None]:
    """Return mean, median, 90th percentile (nearest rank), least, most and count; None where there are none."""
    if not seconds:
        return dict.fromkeys(("mean", "median", "p90", "min", "max")) | {"count": 0}
    ordered = sorted(seconds)
    return {
        "mean": mean(ordered),
        "median": median(ordered),
        "p90": ordered[-(-9 * len(ordered) // 10) - 1],
        "min": ordered[0],
        "max": ordered[-1],
        "count": len(ordered),
    }


def _withdrawals(facts: Facts) -> Json:
    answers = Counter(asked.answer for asked in facts.withdrawals.values())
    reasons = Counter(asked.reason for asked in facts.withdrawals.values() if asked.answer == "refused")
    return {
        "asked": len(facts.withdrawals),
        "granted": answers["granted"],
        "refused": dict(sorted(reasons.items())),
        "unanswered": answers["unanswered"],
        "void": facts.void_grants,
    }


def _money(facts: Facts) -> Json:
    homes = by_home(facts)
    return {
        "community_payments_eur": _eur(sum(home.paid for home in homes)),
        "cost_eur": _eur(-sum(home.result for home in homes)),
        "cost_utility_only_eur": _eur(-sum(home.utility_only for home in homes)),
        "savings_eur": _eur(sum(home.savings for home in homes)),
    }


def _balance(balance: Balance) -> Json:
    return {
        "self_consumption": balance.self_consumption,
        "self_sufficiency": balance.self_sufficiency,
        "local_trades": balance.local_trades,
        "energy_local_wh": _wh(balance.local),
        "energy_bulk_wh": _wh(balance.bulk),
        "bulk_share": balance.bulk_share,
    }


def _wh(joules: int) -> float | int:
    return joules // JOULES_PER_WH if joules % JOULES_PER_WH == 0 else joules / JOULES_PER_WH


def _eur(nano: int) -> float:
    return nano / MONEY_PER_UNIT


