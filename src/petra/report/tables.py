"""The run as CSV tables, for whoever computes on: units in the columns' names, local time with its offset.

Decides: which tables there are and what stands in them. Knows no page.
Invariant: the same run gives the same bytes; money is exact, energy has six decimals of a Wh (the journal has joules).
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from petra.domain.quantities import JOULES_PER_WH, MONEY_PER_UNIT
from petra.report.energy import HomeTotals, TimestepEnergy
from petra.report.facts import Facts
from petra.report.words import LocalTime

LINE_KINDS = ("feed-in", "retail", "shortfall", "outside-envelope", "grid-fee")
Row = Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for a file: what a row is, the columns' names, the rows."""

    about: str
    columns: tuple[str, ...]
    rows: list[Row]

    def as_csv(self) -> str:
        """Return the table as CSV text, lines ending in LF."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


def tables(
    facts: Facts, timesteps: Iterable[TimestepEnergy], homes: Iterable[HomeTotals], time: LocalTime
) -> dict[str, Table]:
    """Return the tables by the name of their file."""
    return {
        "trades": _trades(facts, time),
        "offers": _offers(facts, time),
        "withdrawals": _withdrawals(facts, time),
        "settlement": _settlement(facts, time),
        "energy": _energy(facts, timesteps, time),
        "homes": _homes(homes),
        "books": _books(facts),
    }


def readme(made: dict[str, Table]) -> str:
    """Return the text that says what each table is."""
    lines = [f"- `{name}.csv`: {table.about}." for name, table in made.items()]
    return "\n".join(
        [
            "# Tables of this run",
            "",
            "Comma-separated, UTF-8, one header line; units end the columns' names; money is exact.",
            "Production and what a home receives are positive.",
            "",
            *lines,
            "",
        ]
    )


def _trades(facts: Facts, time: LocalTime) -> Table:
    columns = (
        "time_local",
        "start_timestep",
        "end_timestep",
        "seller",
        "buyer",
        "energy_wh",
        "price_eur_per_kwh",
        "payment_eur",
        "waited_seconds",
        "offer_id",
        "block",
        "transaction",
    )
    rows: list[Row] = [
        (
            time.iso(trade.at),
            trade.start,
            trade.end,
            trade.seller,
            trade.buyer,
            _wh(trade.energy),
            _eur(trade.price),
            _eur(trade.payment),
            trade.waited,
            trade.offer_id,
            trade.block,
            trade.transaction,
        )
        for trade in facts.trades
    ]
    return Table(about="one accepted offer, or accepted part of one", columns=columns, rows=rows)


def _offers(facts: Facts, time: LocalTime) -> Table:
    traded: dict[int, int] = {}
    for trade in facts.trades:
        traded[trade.offer_id] = traded.get(trade.offer_id, 0) + trade.energy
    columns = (
        "posted_local",
        "offer_id",
        "home",
        "side",
        "power_watts",
        "start_timestep",
        "end_timestep",
        "price_eur_per_kwh",
        "traded_wh",
        "rescinded_local",
        "transaction",
    )
    rows: list[Row] = [
        (
            time.iso(offer.at),
            offer.offer_id,
            offer.home,
            "ask" if offer.power > 0 else "bid",
            offer.power,
            offer.start,
            offer.end,
            _eur(offer.price),
            _wh(traded.get(offer.offer_id, 0)),
            "" if offer.rescinded_at is None else time.iso(offer.rescinded_at),
            offer.transaction,
        )
        for offer in facts.offers.values()
    ]
    return Table(about="one posted offer and what became of it", columns=columns, rows=rows)


def _withdrawals(facts: Facts, time: LocalTime) -> Table:
    columns = (
        "asked_local",
        "home",
        "timestep",
        "power_watts",
        "money_eur",
        "answer",
        "reason",
        "detail",
        "answered_seconds",
        "request",
        "pseudonym",
    )
    rows: list[Row] = [
        (
            time.iso(asked.at),
            asked.home,
            asked.timestep,
            asked.power,
            _eur(asked.amount),
            asked.answer,
            asked.reason,
            asked.detail,
            "" if asked.answered_at is None else asked.answered_at - asked.at,
            asked.request,
            asked.pseudonym,
        )
        for asked in facts.withdrawals.values()
    ]
    return Table(about="one withdrawal that a home asked for, with the DSO's answer", columns=columns, rows=rows)


def _settlement(facts: Facts, time: LocalTime) -> Table:
    columns = (
        "timestep",
        "begin_local",
        "home",
        "position_wh",
        "metered_wh",
        "produced_wh",
        "consumed_wh",
        "amount_eur",
        "utility_only_eur",
        "provisional",
        *(f"{kind.replace('-', '_')}_{unit}" for kind in LINE_KINDS for unit in ("wh", "eur")),
    )
    rows: list[Row] = [
        (
            note["timestep"],
            time.iso(facts.begin(note["timestep"])),
            note["home"],
            *(_wh(note[name]) for name in ("position", "metered", "produced", "consumed")),
            _eur(note["amount"]),
            _eur(note["utility_only"]),
            "yes" if note["provisional"] else "no",
            *_lines(note["lines"]),
        )
        for note in facts.settled.values()
    ]
    return Table(about="one home in one timestep, as settled last", columns=columns, rows=rows)


def _lines(lines: dict[str, tuple[int, int]]) -> Iterable[str]:
    for kind in LINE_KINDS:
        joules, amount = lines.get(kind, (0, 0))
        yield _wh(joules)
        yield _eur(amount)


def _energy(facts: Facts, timesteps: Iterable[TimestepEnergy], time: LocalTime) -> Table:
    names = (
        "asked_production",
        "demanded",
        "granted_production",
        "granted_consumption",
        "servable",
        "traded",
        "residual",
        "produced",
        "consumed",
        "own_use",
        "community_use",
        "imbalance_over",
        "imbalance_under",
    )
    columns = ("timestep", "begin_local", *(f"{name}_wh" for name in names), "transformer_import_watts")
    rows: list[Row] = [
        (
            step.timestep,
            time.iso(facts.begin(step.timestep)),
            *(_wh(getattr(step, name)) for name in names),
            step.exchange // facts.seconds,
        )
        for step in timesteps
    ]
    return Table(about="one delivery timestep of the whole community", columns=columns, rows=rows)


def _homes(homes: Iterable[HomeTotals]) -> Table:
    columns = (
        "home",
        "trades",
        "sold_wh",
        "received_eur",
        "bought_wh",
        "paid_eur",
        *(f"{kind.replace('-', '_')}_{unit}" for kind in LINE_KINDS for unit in ("wh", "eur")),
        "produced_wh",
        "consumed_wh",
        "own_use_wh",
        "result_eur",
        "utility_only_eur",
        "savings_eur",
    )
    rows: list[Row] = [
        (
            home.home,
            home.trades,
            _wh(home.sold),
            _eur(home.received),
            _wh(home.bought),
            _eur(home.paid),
            *_lines(home.lines),
            *(_wh(value) for value in (home.produced, home.consumed, home.own_use)),
            *(_eur(value) for value in (home.result, home.utility_only, home.savings)),
        )
        for home in homes
    ]
    return Table(about="one home over the whole run", columns=columns, rows=rows)


def _books(facts: Facts) -> Table:
    balances = facts.books["balances"] if facts.books else {}
    names = {note["account"]: home for home, note in facts.members.items()}
    rows: list[Row] = [(names.get(account, account), account, _eur(nano)) for account, nano in balances.items()]
    about = "one account of the DSO's books at the end"
    return Table(about=about, columns=("holder", "account", "balance_eur"), rows=rows)


def _wh(joules: int) -> str:
    return f"{joules / JOULES_PER_WH:.6f}".rstrip("0").rstrip(".")


def _eur(nano: int) -> str:
    whole, part = divmod(abs(nano), MONEY_PER_UNIT)
    return f"{'-' if nano < 0 else ''}{whole}.{part:09d}"
