"""From the ledger and the meters to settled timesteps, books and bills."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petra.domain.calls import (
    AcceptOffer,
    AddEnergyAsset,
    AddFinancialBalance,
    DepositEnergyAsset,
    DepositFinancial,
    PostOffer,
    RescindOffer,
)
from petra.domain.messages import BillStatement, MeterReading, RequestedAsset
from petra.roles.dso.rules import held
from petra.roles.dso.settling import positions
from petra.roles.effects import Note, Phase, Resend, Send, Woken
from petra.settlement.books import BULK, GRID, OWNER, UTILITY
from tests.unit.roles.desk import EUR, FIRST, LAST, NOW, Desk, T, begin
from tests.unit.roles.settlement_day import LOCAL, K, Trade, check_books, meter
from tests.unit.settlement.strategies import CENT
from tests.unit.settlement.test_lines import KWH


def position(desk: Desk, home: str, timestep: int = K) -> int:
    """Return a home's settled position in joules."""
    return desk.state.settled[timestep][desk.members[home].address].delivery.position


# ---- what counts at the cut-off


def test_what_was_sold_is_the_position() -> None:
    """Seller + 1 kW, buyer - 1 kW, the third nothing; nobody deposited anything, nothing else is needed."""
    desk = Desk()
    Trade(desk)
    desk.settle(K)
    assert [position(desk, home) for home in "abc"] == [1_000 * T, -1_000 * T, 0]
    check_books(desk)


def test_deposit_of_energy_changes_no_position() -> None:
    """Own rest or bought production, deposited or live: the account to which it belongs has it either way."""
    desk = Desk()
    trade = Trade(desk)
    desk.mine(
        (RescindOffer(offer_id=1), trade.seller),
        (DepositEnergyAsset(asset_id=trade.produced), trade.seller),
        (DepositEnergyAsset(asset_id=trade.bought), trade.buyer),
        at=begin(K + 1),
    )
    desk.settle(K)
    assert [position(desk, home) for home in "abc"] == [1_000 * T, -1_000 * T, 0]
    check_books(desk)


def test_what_is_on_offer_counts_as_deposited() -> None:
    """An ask that nobody took back is its poster's at the cut-off."""
    desk = Desk()
    asset = desk.asset(power=700)
    (asset_id,) = desk.mine_grants(desk.ask("c", asset))
    desk.mine((PostOffer(asset_id=asset_id, price=LOCAL), asset.anon_address))
    desk.settle(K)
    assert position(desk, "c") == 0
    check_books(desk)


def test_grant_that_never_came_onto_the_ledger_is_no_position() -> None:
    """Withdrawn means that AssetAdded is final: until then nothing can be sold and nothing is owed."""
    desk = Desk()
    desk.ask("a", desk.asset(power=2_000))
    desk.settle(K)
    assert [position(desk, home) for home in "abc"] == [0, 0, 0]
    assert desk.state.alarms == []


@pytest.mark.parametrize("late", [0, 1])
def test_records_after_the_cut_off_do_not_influence_it(late: int) -> None:
    """A block of the last second counts for the timestep, one of the next second does not, read in one batch or not."""
    desk = Desk()
    cut_off = desk.state.cut_off(K)
    asset = desk.asset(power=2_000)
    effects = desk.ask("a", asset)
    intents = [(AddEnergyAsset(anon_address=asset.anon_address, power=2_000, start=K, end=K), desk.dso)]
    first = desk.records(intents, cut_off + late)
    second = desk.records([(DepositEnergyAsset(asset_id=1), asset.anon_address)], cut_off + late)
    third = desk.records([(AddEnergyAsset(anon_address=desk.dso, power=1, start=19, end=19), desk.dso)], cut_off + 1)
    desk.read(first + second + third, cut_off + 10)
    desk.settle(K)
    own = desk.state.of(desk.members["a"].address, K)
    assert effects and position(desk, "a") == 0
    assert own.production_deposited == (0 if late else 2_000)
    check_books(desk)


def test_dso_that_was_away_settles_by_the_blocks_it_reads() -> None:
    """Woken late for timestep 5, it leaves timestep 6 open: a deposit for that one may stand in the next block."""
    desk = Desk()
    away_until = desk.state.cut_off(K + 3)
    desk.give(Woken(phase=Phase.SETTLE, timestep=K), away_until)
    assert desk.state.next_to_settle == K + 1
    desk.give(Woken(phase=Phase.SETTLE, timestep=K + 1), desk.state.cut_off(K + 1))
    assert desk.state.next_to_settle == K + 1, "its last second is not over"


def test_deposits_after_the_cut_off_are_only_money() -> None:
    """Energy that comes late changes no position and frees no collateral; money is credited for ever."""
    desk = Desk(first=K)
    trade = Trade(desk)
    desk.settle(K)
    before = desk.balance("b")
    late = begin(LAST)
    desk.mine((DepositEnergyAsset(asset_id=trade.bought), trade.buyer), at=late)
    left = desk.ledger.balance(trade.buyer)
    desk.mine((DepositFinancial(amount=left), trade.buyer), at=late)
    assert position(desk, "b") == -1_000 * T
    assert desk.state.of(desk.members["b"].address, K).production_deposited == 0
    assert left == EUR - 47_500_000
    assert desk.balance("b") == before + left - sum(
        -settled.amount
        for timestep in range(K + 1, desk.state.next_to_settle)
        for settled in (desk.state.settled[timestep][desk.members["b"].address],)
    )
    check_books(desk)


def test_money_goes_to_whom_the_pseudonym_belongs() -> None:
    """The ledger names no home; the seller's account gets what the seller's address deposits."""
    desk = Desk(first=K)
    trade = Trade(desk)
    desk.mine((DepositFinancial(amount=47_500_000), trade.seller), at=begin(K))
    assert desk.balance("a") == 10 * EUR + 47_500_000
    assert desk.balance("b") == 9 * EUR
    check_books(desk)


def test_dsos_own_trades_are_an_account_like_any_other() -> None:
    """It sells 500 W from its public address: positions still sum to zero, its money on the ledger is booked."""
    desk = Desk()
    bid = desk.asset(power=-500, amount=EUR)
    (bid_id,) = desk.mine_grants(desk.ask("b", bid))
    desk.mine(
        (AddEnergyAsset(anon_address=desk.dso, power=800, start=K, end=K), desk.dso),
        (AddFinancialBalance(anon_address=desk.dso, amount=7), desk.dso),
        (PostOffer(asset_id=bid_id + 1, price=LOCAL), desk.dso),
        (AcceptOffer(offer_id=1, asset_id=bid_id), bid.anon_address),
        (DepositFinancial(amount=7), desk.dso),
    )
    desk.settle(K)
    standing = positions(desk.state, K)
    assert standing[desk.dso] == 500 * T == -position(desk, "b")
    check_books(desk)


def test_settlement_frees_what_the_promise_held() -> None:
    """Until the cut-off the promised 2 kW may cost 0.20 EUR; afterwards the money may leave."""
    desk = Desk()
    desk.mine_grants(desk.ask("a", desk.asset(power=2_000)))
    assert held(desk.state, desk.members["a"]) == EUR // 5
    desk.settle(K)
    assert held(desk.state, desk.members["a"]) == 0


# ---- bills


def close(desk: Desk) -> tuple[dict[str, dict[str, Any]], list[Note]]:
    """Let the run end; return the bills by home and the notes."""
    for timestep in range(FIRST, LAST + 1):
        desk.settle(timestep)
    at = desk.state.cut_off(LAST) + 3_601
    effects = desk.give(Woken(phase=Phase.CLOSE, timestep=LAST), at)
    bills = [
        json.loads(effect.body.document)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.body, BillStatement)
    ]
    return {bill["home"]: bill for bill in bills}, [effect for effect in effects if isinstance(effect, Note)]


def test_everybody_gets_one_bill_that_adds_up() -> None:
    """A seller, a buyer that never deposits, and a home whose meter is silent and that never trades."""
    desk = Desk()
    Trade(desk)
    for home, energy in (("a", (1_000 * T, 0)), ("b", (0, 1_000 * T))):
        meter(desk, home, {k: (energy[0] * (k >= K), energy[1] * (k >= K)) for k in range(FIRST, LAST + 1)})
    bills, notes = close(desk)
    assert notes[-1].kind == "books" and notes[-1].fields["problems"] == []
    assert [bills[home]["community"] for home in "abc"] == [47_500_000, -47_500_000, 0]
    assert bills["b"]["on_ledger"] == EUR - 47_500_000
    (trade,) = bills["a"]["trades"]
    assert (trade["energy"], trade["payment"]) == (1_000 * T, 47_500_000)
    assert bills["a"]["savings"] == 47_500_000 - 20_000_000, "0.25 kWh for 19 ct instead of 8"
    assert bills["b"]["savings"] == 75_000_000 - 47_500_000, "0.25 kWh for 19 ct instead of 30"
    assert bills["c"]["savings"] == 0
    check_books(desk)


def test_books_show_who_paid_whom() -> None:
    """Homes bring 30 EUR in; the DSO's result, grid fees and bulk purchases are what homes paid; all sums to zero."""
    desk = Desk()
    meter(desk, "a", {k: (0, 0) for k in (2, 3)} | {4: (0, KWH)})
    for home in "bc":
        meter(desk, home, {2: (0, 0), 4: (0, 0)})
    for timestep in (2, 3, 4):
        desk.settle(timestep)
    balances = desk.state.books.balances
    excess = KWH - 1_000 * T
    assert balances[OWNER] == -30 * EUR
    assert balances[GRID] == 50_000_000
    assert balances[BULK] == 60_000_000
    assert balances[UTILITY] == 75_000_000 + 400_000_000 * excess // KWH - 60_000_000
    check_books(desk)


def test_bulk_covers_the_community_net() -> None:
    """What one home feeds in and another draws passes no connection: nothing is bought for it."""
    desk = Desk(homes="ab")
    meter(desk, "a", {2: (500 * T, 0)})
    meter(desk, "b", {2: (0, 500 * T)})
    desk.settle(2)
    assert desk.state.books.balance(BULK) == 0


def test_missing_readings_are_named_at_the_end() -> None:
    """A reading that never came breaks the chain at the next one; a whole chain is not mentioned."""
    desk = Desk()
    meter(desk, "a", {2: (1, 1)})
    desk.reading("a", 3, 2, 2)  # made and lost
    meter(desk, "a", {4: (3, 3), 5: (4, 4)})
    meter(desk, "b", {2: (1, 1), 4: (2, 2)})
    _, notes = close(desk)
    (note,) = (one for one in notes if one.kind == "readings-missing")
    assert note.fields == {"home": "a", "before": [4]}


def test_bill_is_sent_until_it_is_received() -> None:
    """The same envelope again after 15 s, then after ever longer waits; its receipt ends it."""
    desk = Desk(homes="a")
    close(desk)
    at = desk.state.cut_off(LAST) + 3_601
    (again, wake) = desk.give(Woken(phase=Phase.RESEND, timestep=0), at + 15)
    assert isinstance(again, Resend) and getattr(wake, "at", 0) == at + 45
    assert desk.give(Woken(phase=Phase.RESEND, timestep=0), at + 16) == []


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3_000, 3_000).filter(bool)), min_size=2, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 30)), max_size=12),
    st.sets(st.integers(0, 30)),
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 4_000 * T), st.integers(0, 4_000 * T))),
)
def test_whatever_is_traded_and_metered_books_and_bills_close(
    grants: list[tuple[str, int]],
    trades: list[tuple[int, int, int]],
    deposited: set[int],
    energies: dict[str, tuple[int, int]],
) -> None:
    """Random grants, trades in any direction, resale, deposits, silent meters: zero stays zero, bills add up."""
    desk = Desk(member={"opening_balance": 100 * EUR})
    assets: list[RequestedAsset] = []
    for home, power in grants:
        asset = desk.asset(power=power, amount=EUR)
        if desk.mine_grants(desk.ask(home, asset)):
            assets.append(asset)
    for offered, taken, price in trades:
        ids = sorted(desk.ledger.assets)
        if offered < len(ids) and taken < len(ids):
            _try(desk, ids[offered], ids[taken], price * CENT)
    for asset_id in sorted(deposited & desk.ledger.assets.keys()):
        owned = desk.ledger.assets[asset_id]
        if not owned.offer_id:
            desk.mine((DepositEnergyAsset(asset_id=asset_id), owned.owner), at=begin(K + 1))
    for home, (produced, consumed) in energies.items():
        meter(desk, home, {4: (0, 0), 5: (produced, consumed)})
    for timestep in range(FIRST, K + 1):
        desk.settle(timestep)
    check_books(desk)


def _try(desk: Desk, offered: int, taken: int, price: int) -> None:
    """Offer one asset and accept with another, where the ledger lets them."""
    one, other = desk.ledger.assets[offered], desk.ledger.assets[taken]
    free = not (one.offer_id or other.offer_id or one.spent or other.spent)
    if free and one.owner != other.owner and one.power * other.power < 0:
        desk.mine((PostOffer(asset_id=offered, price=price), one.owner))
        offer_id = desk.ledger.next_offer_id - 1
        desk.mine((AcceptOffer(offer_id=offer_id, asset_id=taken), other.owner))


def test_reading_is_what_the_meter_signed() -> None:
    """The bill names the envelopes that prove the energy of each timestep."""
    desk = Desk()
    first, second = desk.reading("a", 4, 0, 0), desk.reading("a", 5, 100, 0)
    assert isinstance(first.body, MeterReading)
    for envelope, timestep in ((first, 5), (second, 6)):
        desk.hear(envelope, begin(timestep))
    desk.settle(K)
    settled = desk.state.settled[K][desk.members["a"].address]
    assert len(set(settled.readings)) == 2
    assert NOW < desk.state.cut_off(K)
