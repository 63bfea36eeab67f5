"""The figures of a run, checked by hand."""

from typing import Any

import pytest

from petra.errors import InputError
from petra.report import summarise
from tests.unit.report.journals import ledger, small_journal


def figures(*more: dict[str, Any]) -> Any:
    """Return the figures of the small journal with further lines."""
    return summarise([*small_journal(), *more])


def test_accepted_offer_that_was_never_posted_is_refused() -> None:
    """A journal with a hole is told, not counted wrongly."""
    orphan = ledger(1, "OfferAccepted", "x", offer_id=99, asset_id=2, power=1, start=4, end=4, payment=1)
    with pytest.raises(InputError, match="offer 99 is accepted in block 1 but was never posted"):
        figures(orphan)


def test_empty_market_is_served_whole() -> None:
    """Where nobody asked, nothing is missing: share 1, no time, no division by zero."""
    summary: Any = summarise([small_journal()[0]])
    assert summary["traded_share"] == 1
    assert summary["energy_demanded_wh"] == summary["energy_traded_wh"] == 0
    assert summary["post_to_accept_seconds"]["mean"] is None
    assert summary["with_community"]["self_sufficiency"] is None
    assert summary["books_problems"] is None


def test_energy_is_counted_per_timestep() -> None:
    """Servable is the smaller side of each timestep: 3 kW of 4, then 4 kW of 5, a quarter hour each."""
    summary = figures()
    assert summary["energy_demanded_wh"] == 750 + 1_250
    assert summary["energy_servable_wh"] == 750 + 1_000
    assert summary["energy_traded_wh"] == 1_750
    assert summary["energy_residual_wh"] == 250
    assert summary["traded_share"] == 1


def test_traded_share_falls_with_an_accept_that_never_came() -> None:
    """Without the last trade 1,000 of 1,750 Wh that could be served are served."""
    journal = [line for line in small_journal() if line.get("transaction") != "accept3"]
    summary: Any = summarise(journal)
    assert summary["traded_share"] == 1_000 / 1_750


def test_times_are_counted_in_block_time() -> None:
    """Post to accept from the accepted offer's own post; service from a timestep's first grant to its last trade."""
    summary = figures()
    assert summary["post_to_accept_seconds"] == {
        "mean": 10,
        "median": 10,
        "p90": 15,
        "min": 5,
        "max": 15,
        "count": 3,
    }
    assert summary["service_seconds"]["mean"] == (15 + 20) / 2
    assert (summary["service_seconds"]["median"], summary["service_seconds"]["max"]) == (17.5, 20)


def test_ninetieth_percentile_is_the_nearest_rank() -> None:
    """Of ten waiting times the ninth is the 90th percentile: nine tenths waited no longer."""
    journal = small_journal()[:1]
    post = {"asset_id": 1, "price": 1, "power": 1, "start": 4, "end": 4}
    accept = {"asset_id": 2, "power": 1, "start": 4, "end": 4, "payment": 1}
    for number in range(1, 11):
        journal.append(ledger(0, "OfferPosted", f"p{number}", offer_id=number, **post))
        journal.append(ledger(number, "OfferAccepted", f"a{number}", offer_id=number, **accept))
    summary: Any = summarise(journal)
    assert summary["post_to_accept_seconds"]["p90"] == 9


def test_void_transactions_are_counted() -> None:
    """A refused transaction told nothing and still cost one."""
    summary = figures()
    grants, money, posts, accepts, rescinds, deposits = 4, 2, 2, 3, 1, 2
    assert summary["void"] == 1
    assert summary["transactions"] == grants + money + posts + accepts + rescinds + deposits + 1
    assert summary["trades"] == 3


def test_refusals_are_counted_by_reason() -> None:
    """What was asked is granted, refused for a reason, or unanswered."""
    ask = {"kind": "withdraw", "at": 1, "home": "den", "timestep": 5, "pseudonym": "0x9", "power": -1_000, "amount": 1}
    refused = {"kind": "refused", "at": 2, "home": "den", "request": "r1", "reason": "Network", "detail": "Network()"}
    summary = figures(ask | {"request": "r1"}, refused, ask | {"request": "r2"})
    assert summary["withdrawals"] == {
        "asked": 6,
        "granted": 4,
        "refused": {"Network": 1},
        "unanswered": 1,
        "void": 0,
    }
    assert summary["energy_demanded_wh"] == 2_000 + 250, "one want, asked for twice"


@pytest.mark.parametrize("answers", [("refused", "granted", "granted"), ("refused", "refused", "unanswered")])
def test_who_is_refused_and_asks_for_less_wants_the_same_energy(answers: tuple[str, ...]) -> None:
    """A whole, then its halves: demanded once, whatever became of them, so that the residual is what is really left."""
    notes: list[dict[str, object]] = []
    for number, (power, answer) in enumerate(zip((4_000, 2_000, 2_000), answers, strict=True)):
        ask = {"at": 1, "home": "den", "timestep": 5, "pseudonym": f"0x{number}", "power": -power, "amount": 1}
        notes.append({"kind": "withdraw", "request": f"r{number}"} | ask)
        if answer != "unanswered":
            about = {"at": 2, "home": "den", "request": f"r{number}", "reason": "Network", "detail": "Network()"}
            notes.append({"kind": answer, "assets": 1} | about)
    summary = figures(*notes)
    assert summary["energy_demanded_wh"] == 2_000 + 1_000
    assert summary["energy_residual_wh"] == summary["energy_demanded_wh"] - summary["energy_traded_wh"]


def test_money_is_compared_with_the_utility_alone() -> None:
    """Trading saves what lies between feed-in and retail: 1.75 kWh at 22 ct, whoever gets which part of it."""
    money = figures()["money"]
    assert money["community_payments_eur"] == pytest.approx(0.3325)
    assert money["cost_utility_only_eur"] == pytest.approx(0.2775 + 0.555 - 0.16)
    assert money["savings_eur"] == pytest.approx(1.75 * 0.22)


def test_shares_with_and_without_the_community() -> None:
    """Of 2 kWh produced and 2.25 kWh used, 1.75 kWh stay inside with trading and none without."""
    summary = figures()
    with_community, without = summary["with_community"], summary["utility_only"]
    assert with_community["self_consumption"] == 1_750 / 2_000
    assert with_community["self_sufficiency"] == 1_750 / 2_250
    assert (with_community["local_trades"], with_community["energy_bulk_wh"]) == (3, 500)
    assert (without["self_consumption"], without["self_sufficiency"], without["bulk_share"]) == (0, 0, 1)
    assert (without["local_trades"], without["energy_bulk_wh"]) == (0, 2_250)


def test_energy_that_was_sold_and_not_delivered_is_no_community_energy() -> None:
    """Where the seller's plant stood still, buyers used the utility's energy, whatever was traded."""
    journal = small_journal()
    for line in journal:
        if line["kind"] == "measured" and line["home"] == "sun":
            line["produced"] = 0
    summary: Any = summarise(journal)
    assert summary["with_community"]["self_sufficiency"] == 0
    assert summary["energy_traded_wh"] == 1_750


def test_trading_moves_no_power() -> None:
    """Peaks at the transformer are averages over a timestep, equal with and without trading."""
    summary = figures()
    assert summary["peak_import_watts"] == {"with_trading": 2_000, "without_trading": 2_000}
    assert summary["peak_export_watts"] == {"with_trading": 1_000, "without_trading": 1_000}


def test_what_was_settled_last_counts() -> None:
    """A late reading replaces what was assumed for its home and timestep."""
    journal = small_journal()
    again = next(line for line in journal if line["kind"] == "settled" and line["home"] == "den")
    summary: Any = summarise([*journal, again | {"amount": again["amount"] - 10**9}])
    assert summary["money"]["savings_eur"] == pytest.approx(1.75 * 0.22 - 1)


def test_summary_is_a_pure_function_of_the_journal() -> None:
    """The same lines give the same figures, and are not changed."""
    journal = small_journal()
    assert summarise(journal) == summarise(journal)
    assert journal == small_journal()
