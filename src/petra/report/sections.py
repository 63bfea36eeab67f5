"""The page's cards and tables: facts turned into the words that people read.

Decides: which figures stand beside which. Knows no HTML; `page` puts it together.
Invariant: a table shows its first rows and says where all of them are; every figure carries its unit in the heading.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from petra.report import original, words
from petra.report.checks import Checks
from petra.report.energy import Balance, HomeTotals, TimestepEnergy, peak_watts, share, utility_only, with_community
from petra.report.facts import Facts
from petra.report.summary import service_times, spread_of, waiting_times
from petra.report.words import NOTHING, LocalTime, cents, duration, eur, kwh, number, percent

ROWS_SHOWN = 12
PENALTIES = ("shortfall", "outside-envelope")
# A home accepts some offers to spare (`spare_offers`), all at once, so that a lost race costs it no block.
VOIDS = {
    ("AcceptOffer", "NotOwner"): "to spare: an accept before it had covered the need",
    ("AcceptOffer", "OfferNotOpen"): "somebody was faster",
    ("AcceptOffer", "GateClosed"): "too late",
}
HOLDERS = {
    "owner": "owners (opening balances that homes brought in)",
    "ledger": "the ledger (money at pseudonyms)",
    "utility": "the utility (residual energy and penalties)",
    "grid": "the grid (fees)",
    "bulk": "the bulk market",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A headline figure; `good` is None where nothing was promised."""

    label: str
    value: str
    note: str
    good: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A table for people.

    Attributes:
        groups: (heading, number of columns) above the columns' own headings.
        texts: how many columns from the left are words; the rest are figures, set right.
        total: a closing row, empty for none. source: the CSV table with every row.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int = 1
    groups: tuple[tuple[str, int], ...] = ()
    total: tuple[str, ...] = ()
    source: str = ""

    @property
    def head(self) -> Sequence[tuple[str, ...]]:
        """The rows that are always shown; a few more than usual rather than hiding a few."""
        return self.rows if len(self.rows) <= 2 * ROWS_SHOWN else self.rows[:ROWS_SHOWN]

    @property
    def rest(self) -> Sequence[tuple[str, ...]]:
        """The rows that open on demand."""
        return self.rows[len(self.head) :]


def cards(facts: Facts, timesteps: Sequence[TimestepEnergy], homes: Sequence[HomeTotals], checks: Checks) -> list[Card]:
    """Return the headline figures."""
    servable, traded = sum(s.servable for s in timesteps), sum(s.traded for s in timesteps)
    demanded = sum(step.demanded for step in timesteps)
    saved, alone = sum(home.savings for home in homes), -sum(home.utility_only for home in homes)
    waited = spread_of(waiting_times(facts))
    served = share(traded, servable)
    against = f"{percent(saved / alone)} of the utility-only cost of {words.euros(alone)}" if alone > 0 else ""
    return [
        Card(
            label="Served",
            value=percent(1.0 if served is None else served),
            note=f"of {words.energy(servable)} that could be served",
        ),
        Card(
            label="Traded in the community",
            value=words.energy(traded),
            note=f"{percent(share(traded, demanded))} of the {words.energy(demanded)} demanded",
        ),
        Card(label="Saved", value=words.euros(saved), note=against or "against dealing with the utility alone"),
        Card(
            label="Offer to trade, median",
            value=duration(waited["median"]),
            note=f"mean {duration(waited['mean'])}; the paper: median 11 s, mean 11.79 s",
        ),
        Card(
            label="Books",
            value="close" if checks.passed else "do not close",
            note=checks.headline,
            good=checks.passed,
        ),
    ]


def energy(facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> View:
    """Return energies per delivery timestep."""
    names = ("asked_production", "demanded", "servable", "traded", "residual", "produced", "consumed")
    rows = [
        (time.clock(facts.begin(step.timestep)), *(kwh(getattr(step, name), 3) for name in names))
        for step in timesteps
    ]
    total = ("all", *(kwh(sum(getattr(step, name) for step in timesteps), 3) for name in names))
    return View(
        caption="Energy per timestep, kWh",
        columns=("begins", "offered for sale", "demanded", "servable", "traded", "residual", "produced", "consumed"),
        rows=rows,
        total=total,
        source="energy",
    )


def waiting(facts: Facts) -> View:
    """Return the times from posted offer to accepted trade, beside the paper's and the original's."""
    mine = spread_of(waiting_times(facts))
    posted = f"{mine['count']} trades of {len(facts.offers)} offers"
    names = ("mean", "median", "p90", "min", "max")
    rows = [("This run", posted, *(_seconds(mine[name]) for name in names))]
    for one, count in (
        (original.PAPER, f"{original.PAPER.count} trades"),
        (original.RECOMPUTED, f"{original.RECOMPUTED.count} accepted of {original.POSTED} posted"),
    ):
        rows.append((one.source, count, *(_seconds(v) for v in (one.mean, one.median, one.p90, one.least, one.most))))
    return View(
        caption="From posted offer to accepted trade, seconds",
        columns=("who", "counted", "mean", "median", "90 % within", "least", "most"),
        rows=rows,
        texts=2,
    )


def service(facts: Facts) -> View:
    """Return the times to serve a timestep, beside the original's."""
    mine = spread_of(list(service_times(facts).values()))
    return View(
        caption="From a timestep's first asset to its last trade, seconds",
        columns=("who", "timesteps", "mean", "least", "most"),
        rows=[
            ("This run", number(float(mine["count"] or 0)), *(_seconds(mine[name]) for name in ("mean", "min", "max"))),
            (
                "The original's event log, recomputed",
                "14",
                *(_seconds(v) for v in (original.SERVICE_MEAN, original.SERVICE_LEAST, original.SERVICE_MOST)),
            ),
        ],
    )


def homes(totals: Sequence[HomeTotals]) -> View:
    """Return who traded how much with the community and with the utility, and what it cost against the latter alone."""
    return View(
        caption="Homes over the whole run; amounts in EUR, paid amounts negative",
        groups=(("", 1), ("community", 4), ("utility", 6), ("cost", 3)),
        columns=(
            "home",
            "sold kWh",
            "EUR",
            "bought kWh",
            "EUR",
            "fed in kWh",
            "EUR",
            "retail kWh",
            "EUR",
            "grid fee EUR",
            "penalties EUR",
            "with community EUR",
            "utility only EUR",
            "saved EUR",
        ),
        rows=[_home_row(home.home, [home]) for home in totals],
        total=_home_row("all", totals),
        source="homes",
    )


def comparison(facts: Facts, timesteps: Sequence[TimestepEnergy], totals: Sequence[HomeTotals]) -> View:
    """Return the community's figures with trading and with the utility alone."""
    traded, alone = with_community(timesteps, len(facts.trades)), utility_only(timesteps)
    cost, cost_alone = -sum(home.result for home in totals), -sum(home.utility_only for home in totals)
    peak_import, peak_export = (words.kilowatts(peak) for peak in peak_watts(timesteps, facts.seconds))
    shares: list[tuple[str, str]] = [
        ("self-consumption: production used in the community", "self_consumption"),
        ("self-sufficiency: consumption produced in the community", "self_sufficiency"),
        ("consumption met by the bulk supplier (R15)", "bulk_share"),
    ]
    rows = [
        ("cost of all homes, EUR", eur(cost), eur(cost_alone), _change(eur(cost - cost_alone), cost - cost_alone)),
        *(
            (label, percent(getattr(traded, name)), percent(getattr(alone, name)), _points(traded, alone, name))
            for label, name in shares
        ),
        ("local trades (R15)", number(traded.local_trades), "0", f"+{number(traded.local_trades)}"),
        ("energy from the bulk supplier, kWh (R15)", kwh(traded.bulk), kwh(alone.bulk), kwh(traded.bulk - alone.bulk)),
        ("peak import through the transformer", peak_import, peak_import, "0"),
        ("peak export through the transformer", peak_export, peak_export, "0"),
    ]
    return View(
        caption="The community with trading and with the utility alone",
        columns=("figure", "with trading", "utility only", "difference"),
        rows=rows,
    )


def withdrawals(facts: Facts) -> View:
    """Return what was asked, granted and refused, by reason."""
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for asked in facts.withdrawals.values():
        groups.setdefault((asked.answer, asked.reason), []).append((asked.power, asked.amount))
    rows = [_withdrawal_row(answer, reason, parts) for (answer, reason), parts in sorted(groups.items())]
    every = [part for parts in groups.values() for part in parts]
    return View(
        caption="Withdrawals by answer; powers and money are sums of what was asked",
        columns=("answer", "reason", "requests", "production kW", "consumption kW", "money EUR"),
        rows=rows,
        texts=2,
        total=_withdrawal_row("all", "", every),
        source="withdrawals",
    )


def voids(facts: Facts) -> View:
    """Return the transactions that the ledger refused, by call and reason."""
    counted = Counter((note["call"], note["reason"].partition("(")[0]) for note in facts.voids)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [(call, reason, VOIDS.get((call, reason), NOTHING), number(count)) for (call, reason), count in ordered]
    return View(
        caption="Void transactions: what the contract refused",
        columns=("call", "the contract's refusal", "what it means here", "transactions"),
        rows=rows,
        texts=3,
    )


def imbalance(totals: Sequence[HomeTotals], facts: Facts) -> View:
    """Return each home's metered energy beyond and short of its position."""
    beyond: Counter[str] = Counter()
    short: Counter[str] = Counter()
    provisional: Counter[str] = Counter()
    for (home, _), note in facts.settled.items():
        deviation = note["metered"] - note["position"]
        beyond[home] += max(0, deviation)
        short[home] += max(0, -deviation)
        provisional[home] += note["provisional"]
    rows = [
        (
            home.home,
            kwh(beyond[home.home], 3),
            kwh(short[home.home], 3),
            kwh(sum(home.line(kind)[0] for kind in PENALTIES), 3),
            eur(sum(home.line(kind)[1] for kind in PENALTIES)),
            number(provisional[home.home]) if provisional[home.home] else NOTHING,
        )
        for home in totals
    ]
    return View(
        caption="Imbalance: what was metered against what had been sold and bought",
        columns=(
            "home",
            "beyond its position kWh",
            "short of it kWh",
            "penalised kWh",
            "penalties EUR",
            "timesteps without a reading",
        ),
        rows=rows,
        source="settlement",
    )


def books(facts: Facts) -> View:
    """Return the balances of the DSO's books; they sum to zero."""
    balances = facts.books["balances"] if facts.books else {}
    names = {note["account"]: home for home, note in facts.members.items()}
    opening = {note["account"]: note["opening_balance"] for note in facts.members.values()}
    # The few accounts that are no home's come first, so that no number of homes hides them.
    order = {account: place for place, account in enumerate((*sorted(balances.keys() - names), *names))}
    ordered = sorted(balances.items(), key=lambda item: order[item[0]])
    rows = [
        (
            names.get(account, HOLDERS.get(account, account)),
            words.shortened(account) if account in names else NOTHING,
            eur(opening.get(account, 0)),
            eur(nano),
        )
        for account, nano in ordered
    ]
    return View(
        caption="The DSO's double entry at the end of the run",
        columns=("holder", "account", "opening EUR", "balance EUR"),
        rows=rows,
        texts=2,
        total=("sum", "", "", words.number(sum(balances.values()) / 10**9, 9)),
        source="books",
    )


def prices(facts: Facts, time: LocalTime) -> View:
    """Return the price schedules."""
    names = ("retail", "feed_in", "local", "grid_fee", "imbalance", "bulk")
    rows = [
        (time.clock(facts.begin(one["from_timestep"])), *(cents(one[name]) for name in names)) for one in facts.prices
    ]
    return View(
        caption="Prices in force, ct per kWh",
        columns=("from", "retail", "feed-in", "local", "grid fee", "imbalance", "bulk"),
        rows=rows,
    )


def settings(scenario: Mapping[str, Any]) -> View:
    """Return the resolved scenario, a key a row."""
    return View(
        caption="The resolved scenario",
        columns=("key", "value"),
        rows=list(_flat("", scenario)),
        texts=2,
    )


def _flat(path: str, value: object) -> list[tuple[str, ...]]:
    if isinstance(value, Mapping):
        parts = [(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list) and value:
        parts = [(f"{path}[{index}]", inner) for index, inner in enumerate(value)]
    else:
        return [(path, NOTHING if value is None or value == [] else str(value))]
    return [row for name, inner in parts for row in _flat(name, inner)]


def _home_row(name: str, totals: Sequence[HomeTotals]) -> tuple[str, ...]:
    def both(kind: str) -> tuple[str, str]:
        energies, amounts = zip(*(home.line(kind) for home in totals), strict=True) if totals else ((), ())
        return kwh(sum(energies)), eur(sum(amounts))

    return (
        name,
        kwh(sum(home.sold for home in totals)),
        eur(sum(home.received for home in totals)),
        kwh(sum(home.bought for home in totals)),
        eur(-sum(home.paid for home in totals)),
        *both("feed-in"),
        *both("retail"),
        both("grid-fee")[1],
        eur(sum(home.line(kind)[1] for home in totals for kind in PENALTIES)),
        eur(-sum(home.result for home in totals)),
        eur(-sum(home.utility_only for home in totals)),
        eur(sum(home.savings for home in totals)),
    )


def _withdrawal_row(answer: str, reason: str, parts: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    production = sum(power for power, _ in parts if power > 0)
    consumption = -sum(power for power, _ in parts if power < 0)
    return (
        answer,
        reason or NOTHING,
        number(len(parts)),
        number(production / 1_000, 2) if production else NOTHING,
        number(consumption / 1_000, 2) if consumption else NOTHING,
        eur(sum(amount for _, amount in parts)),
    )


def _points(traded: Balance, alone: Balance, name: str) -> str:
    first, second = getattr(traded, name), getattr(alone, name)
    if first is None or second is None:
        return NOTHING
    return _change(f"{number((first - second) * 100, 1)} points", first - second)


def _change(text: str, value: float) -> str:
    return f"+{text}" if value > 0 else text


def _seconds(value: float | None) -> str:
    return NOTHING if value is None else number(value, 0 if value == int(value) else 2)
