"""A DSO without end: timers one after another, a bill for each period, and memory that does not grow."""

import json
from dataclasses import replace
from typing import Any

import pytest

from petra.domain.calls import DepositFinancial
from petra.domain.messages import BillStatement
from petra.domain.refusals import GrantReason
from petra.roles.dso.state import DsoState
from petra.roles.effects import Effect, Note, Phase, Send, WakeAt, Woken
from petra.settlement.books import LEDGER
from tests.unit.roles.desk import EUR, FIRST, Desk, T, begin, reason
from tests.unit.roles.newcomer import Newcomer
from tests.unit.roles.settlement_day import check_books, meter

ENDLESS = 2**40
PERIOD = 4


@pytest.fixture
def desk() -> Desk:
    """A DSO that bills every 4 timesteps and never ends."""
    desk = Desk(homes="ab", billing_timesteps=PERIOD)
    desk.state.last_timestep = ENDLESS
    return desk


def bills(desk: Desk, effects: list[Effect]) -> dict[str, Any]:
    """Return the bills that were sent, by home."""
    sent = [effect.body for effect in effects if isinstance(effect, Send)]
    documents = [json.loads(body.document) for body in sent if isinstance(body, BillStatement)]
    return {bill["home"]: bill for bill in documents}


def wake(desk: Desk, phase: Phase, timestep: int, late: int = 0) -> list[Effect]:
    """Let a timer come when it is due, or later."""
    at = desk.state.cut_off(timestep) + 1
    at += desk.state.policy.dispute_window_seconds if phase is Phase.BILL else 0
    return desk.give(Woken(phase=phase, timestep=timestep), at + late)


def play_day(desk: Desk, timestep: int) -> None:
    """Let home a sell 100 W of nothing and home b consume; both meters tell; the cut-off passes."""
    ask, bid = desk.asset(power=100, start=timestep), desk.asset(power=-100, start=timestep, amount=EUR // 10)
    now = begin(timestep - 1)
    desk.mine_grants([*desk.ask("a", ask, now=now), *desk.ask("b", bid, now=now)], now)
    desk.mine((DepositFinancial(amount=EUR // 20), bid.anon_address), at=now)
    count = timestep - FIRST + 1
    for home in "ab":
        meter(desk, home, {timestep: (90 * T * count, 70 * T * count)})
    desk.settle(timestep)


def size(state: DsoState) -> dict[str, int]:
    """Return how much stands in every map that may not grow for ever."""
    return {
        "settled": len(state.settled),
        "settled at": len(state.settled_at),
        "granted": sum(len(own) for own in state.granted.values()),
        "readings": sum(len(own) for own in state.readings.values()),
        "trades": sum(len(own) for own in state.trades.values()),
        "answers": len(state.answers),
        "receipts": len(state.receipts.given),
        "schedules": len(state.policy.schedules),
        "deposited": len(state.view.deposited),
        "open grants": len(state.open_grants),
    }


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_period_is_not_billed_before_it_is_final(desk: Desk) -> None:
    """A DSO that was away settles late; the homes have the whole dispute window all the same."""
    timestep, dispute = FIRST + PERIOD - 1, desk.state.policy.dispute_window_seconds
    late = desk.state.cut_off(timestep) + 50_000
    for one in range(FIRST, timestep + 1):
        desk.give(Woken(phase=Phase.SETTLE, timestep=one), late)
    (again,) = desk.give(Woken(phase=Phase.BILL, timestep=timestep), late)
    assert again == WakeAt(at=late + dispute, phase=Phase.BILL, timestep=timestep)
    meter(desk, "a", {timestep: (0, 4_000_000)}, now=late + dispute - 1)
    assert not desk.state.settled[timestep][desk.members["a"].address].provisional
    assert bills(desk, desk.give(Woken(phase=Phase.BILL, timestep=timestep), late + dispute)).keys() == {"a", "b"}


def test_a_period_is_not_billed_before_it_is_settled(desk: Desk) -> None:
    """Where the cut-offs are behind, the bill waits for them."""
    (again,) = wake(desk, Phase.BILL, FIRST + PERIOD - 1)
    assert isinstance(again, WakeAt) and again.phase is Phase.BILL


@pytest.mark.parametrize("phase", [Phase.BILL, Phase.CLOSE])
def test_without_a_dispute_window_the_last_cut_off_still_comes_before_the_bill(phase: Phase) -> None:
    """Both are due in the same second then, and the bill's timer was set first."""
    desk = Desk(homes="ab", billing_timesteps=PERIOD, dispute_window_seconds=0)
    desk.state.last_timestep = last = FIRST + PERIOD - 1
    for timestep in range(FIRST, last):
        play_day(desk, timestep)
    at = desk.state.cut_off(last) + 1
    (again,) = desk.give(Woken(phase=phase, timestep=last), at)
    assert isinstance(again, WakeAt) and again.at == at + 1, "no bill yet"
    desk.settle(last)
    billed = bills(desk, desk.give(Woken(phase=phase, timestep=last), again.at))
    assert [len(bill["timesteps"]) for bill in billed.values()] == [PERIOD, PERIOD]
    assert desk.state.alarms == desk.state.books.problems() == []


def test_what_is_forgotten_is_not_taken_again(desk: Desk) -> None:
    """Copies that come long after their deadline get no answer, so none gets a second one."""
    request = desk.request("a", desk.asset(power=100), until=begin(5))
    reading = desk.reading("a", 3, 0, 0)
    assert reason(desk.hear(request, begin(6))) is GrantReason.EXPIRED
    assert desk.hear(request, begin(5) + 8 * 86_400) == []
    old = desk.say(desk.members["a"].meter, reading.body, until=begin(5))
    assert desk.hear(old, begin(5) + 8 * 86_400) == []


# -------------------------------------------------------------------------------------------------------------- success


def test_an_endless_run_opens_with_three_timers(desk: Desk) -> None:
    """A million million timesteps cost nothing before they come."""
    effects = desk.give(Woken(phase=Phase.OPEN, timestep=FIRST))
    timers = {one.phase: one.timestep for one in effects if isinstance(one, WakeAt) and one.phase is not Phase.RESEND}
    assert timers == {Phase.SETTLE: FIRST, Phase.BILL: FIRST + PERIOD - 1, Phase.CLOSE: ENDLESS}


def test_each_cut_off_sets_the_timer_of_the_next(desk: Desk) -> None:
    """Also when it comes late, and until the last timestep only."""
    desk.state.last_timestep = FIRST + 2
    for timestep, late in ((FIRST, 0), (FIRST + 1, 9_999)):
        (timer,) = (one for one in wake(desk, Phase.SETTLE, timestep, late) if isinstance(one, WakeAt))
        assert timer == WakeAt(at=desk.state.cut_off(timestep + 1) + 1, phase=Phase.SETTLE, timestep=timestep + 1)
    assert not any(isinstance(one, WakeAt) for one in wake(desk, Phase.SETTLE, FIRST + 2))


def test_each_bill_opens_where_the_one_before_closed(desk: Desk) -> None:
    """Three periods: every timestep stands on one bill, what is settled beyond waits, and the sums add up."""
    closing, on_ledger, seen = 10 * EUR, 0, []
    for timestep in range(FIRST, FIRST + 3 * PERIOD + 2):
        play_day(desk, timestep)
        through = timestep - 2  # two more timesteps are settled by then
        if through >= FIRST and (through - FIRST) % PERIOD == PERIOD - 1:
            effects = desk.give(Woken(phase=Phase.BILL, timestep=through), begin(timestep) + 20_000)
            bill = bills(desk, effects)["b"]
            assert bill["opening"] == closing and bill.get("on_ledger_opening", 0) == on_ledger
            assert bill["opening"] - bill["withdrawn"] + bill["deposited"] + bill["settlement"] == bill["closing"]
            closing, on_ledger = bill["closing"], bill["on_ledger"]
            seen += [one["timestep"] for one in bill["timesteps"]]
            check_books(desk)
    assert seen == list(range(FIRST, FIRST + 3 * PERIOD)) and on_ledger > 0


def test_money_on_its_way_stands_on_the_bill(desk: Desk) -> None:
    """A grant that is decided and not mined is neither lost nor counted twice, mined or void later."""
    effects = desk.ask("a", desk.asset(amount=EUR)) + desk.ask("b", desk.asset(amount=EUR))
    for timestep in range(FIRST, FIRST + PERIOD):
        desk.settle(timestep)
    for bill in bills(desk, wake(desk, Phase.BILL, FIRST + PERIOD - 1)).values():
        assert (bill["withdrawn"], bill["on_ledger"]) == (EUR, EUR)
    assert desk.state.alarms == []
    half = len(effects) // 2
    desk.mine_grants(effects[:half], begin(8))
    desk.void(effects[half:])
    check_books(desk)


def test_memory_does_not_grow(desk: Desk) -> None:
    """After ten periods the maps hold what they held after two, and the entries are the keeper's."""
    sizes, kept = [], 0
    for timestep in range(FIRST, FIRST + 10 * PERIOD):
        play_day(desk, timestep)
        if (timestep - FIRST) % PERIOD == PERIOD - 1:
            desk.give(Woken(phase=Phase.BILL, timestep=timestep), begin(timestep) + 10_000)
            desk.state.receipts.given = dict.fromkeys(desk.state.receipts.given, 0)
            desk.state.answers = {}
            kept += len(desk.state.books.carry_forward())
            sizes.append(size(desk.state))
    assert sizes[-1] == sizes[1], (sizes[1], sizes[-1])
    assert kept > 100 and desk.state.books.entries == [] and desk.state.books.problems() == desk.state.alarms == []
    assert desk.state.books.balance(LEDGER) == desk.ledger.money_on_ledger


def test_old_readings_are_the_ground_of_the_next(desk: Desk) -> None:
    """The newest billed reading stays: the energy of the next timestep is counted from it, and no gap is seen."""
    for timestep in range(FIRST, FIRST + PERIOD):
        play_day(desk, timestep)
    wake(desk, Phase.BILL, FIRST + PERIOD - 1)
    play_day(desk, FIRST + PERIOD)
    settled = desk.state.settled[FIRST + PERIOD][desk.members["a"].address]
    assert (settled.produced, settled.consumed) == (90 * T, 70 * T)
    notes = desk.give(Woken(phase=Phase.BILL, timestep=FIRST + PERIOD), begin(99))
    assert not any(isinstance(one, Note) and one.kind == "readings-missing" for one in notes)


def test_a_home_that_comes_later_is_billed_from_its_first_period_on(desk: Desk) -> None:
    """It gets no bill for a period that was over before; one that left gets none after its last."""
    newcomer = Newcomer(desk)
    newcomer.order = replace(newcomer.order, expires=begin(99))
    newcomer.invite()
    desk.hear(newcomer.request(), begin(FIRST + PERIOD - 1))
    for timestep in range(FIRST, FIRST + 2 * PERIOD):
        play_day(desk, timestep)
    assert bills(desk, wake(desk, Phase.BILL, FIRST + PERIOD - 1)).keys() == {"a", "b"}
    second = bills(desk, wake(desk, Phase.BILL, FIRST + 2 * PERIOD - 1))
    assert second["new"]["opening"] == 5 * EUR and second["new"]["first_timestep"] == FIRST + PERIOD
