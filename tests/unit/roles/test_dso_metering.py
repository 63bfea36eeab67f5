"""What meters tell, late, out of order or never, and what is settled from it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petra.domain.calls import (
    AcceptOffer,
    PostOffer,
)
from petra.roles.dso.metering import POWER_WATTS_MAX, metered
from petra.roles.effects import Note, Resend, Send
from petra.settlement.books import BULK
from petra.settlement.lines import LineKind
from tests.unit.roles.desk import EUR, FIRST, LAST, Desk, T, begin
from tests.unit.roles.settlement_day import LOCAL, K, Trade, check_books, meter, problems
from tests.unit.settlement.strategies import CENT
from tests.unit.settlement.test_lines import KWH


def test_reading_is_compared_with_the_promise() -> None:
    """The seller delivers 0.2 of 0.25 kWh, the buyer takes all: the lines are those worked by hand."""
    desk = Desk()
    Trade(desk)
    meter(desk, "a", {4: (0, 0), 5: (KWH // 5, 0)})
    meter(desk, "b", {4: (0, 0), 5: (0, KWH // 4)})
    desk.settle(K)
    lines = {line.kind: line.amount for line in desk.state.settled[K][desk.members["a"].address].lines}
    assert lines == {LineKind.RETAIL: -3_750_000, LineKind.SHORTFALL: -15_000_000}
    lines = {line.kind: line.amount for line in desk.state.settled[K][desk.members["b"].address].lines}
    assert lines == {LineKind.GRID_FEE: -12_500_000}
    check_books(desk)


def test_silent_home_is_settled_provisionally_and_gets_nothing() -> None:
    """It is taken to have drawn its firm import; whoever bought and cannot be read is not paid for what is left."""
    desk = Desk(first=K)
    asset = desk.asset(power=2_000)
    (asset_id,) = desk.mine_grants(desk.ask("a", asset))
    bid = desk.asset(power=-1_500, amount=EUR)
    (bid_id,) = desk.mine_grants(desk.ask("b", bid))
    desk.mine(
        (PostOffer(asset_id=asset_id, price=LOCAL), asset.anon_address),
        (AcceptOffer(offer_id=1, asset_id=bid_id), bid.anon_address),
    )
    desk.settle(K)
    for home in "abc":
        settled = desk.state.settled[K][desk.members[home].address]
        assert settled.provisional and (settled.produced, settled.consumed) == (0, 1_000 * T)
        assert all(line.amount <= 0 for line in settled.lines)
    assert desk.balance("b") == 9 * EUR - 12_500_000, "500 W more bought than assumed: no feed-in, only the fee"
    check_books(desk)


def test_register_that_returns_is_settled_again() -> None:
    """What was provisional is undone, the gap's energy is spread evenly, and the note for the report is made again."""
    desk = Desk()
    meter(desk, "a", {4: (400, 40)})
    for timestep in range(FIRST, 8):
        desk.settle(timestep)
    assert [desk.state.settled[k][desk.members["a"].address].provisional for k in (4, 5, 6, 7)] == [0, 1, 1, 1]
    effects = meter(desk, "a", {7: (1_400, 1_041)}, now=desk.state.cut_off(7))
    notes = [effect.fields["timestep"] for effect in effects if isinstance(effect, Note)]
    assert notes == [5, 6, 7]
    told = [desk.state.settled[k][desk.members["a"].address] for k in (5, 6, 7)]
    assert [(one.produced, one.consumed) for one in told] == [(334, 334), (333, 334), (333, 333)]
    assert not any(one.provisional for one in told)
    check_books(desk)


def test_no_data_is_final_after_the_dispute_window() -> None:
    """One second after the window of timestep 5 its assumption stands; timestep 6, still open, is corrected."""
    desk = Desk()
    for timestep in range(FIRST, 8):
        desk.settle(timestep)
    late = desk.state.cut_off(5) + 3_600 + 1
    effects = meter(desk, "a", {6: (5_000, 0)}, now=late)
    assert problems(effects) == []
    told = [desk.state.settled[k][desk.members["a"].address] for k in (5, 6)]
    assert [(one.provisional, one.produced) for one in told] == [(True, 0), (False, 1_000)]
    check_books(desk)


def test_production_spread_over_a_gap_never_exceeds_the_plant() -> None:
    """A gap tells no power, so no more than the plant can make is believed; a single timestep is what was metered."""
    desk = Desk()
    full = 5_000 * T
    meter(desk, "a", {2: (full + 9, 0), 4: (3 * full + 29, 0)})
    member = desk.members["a"]
    assert [metered(desk.state, member, k) for k in (2, 3, 4)] == [(full + 9, 0), (full, 0), (full, 0)]


def test_reading_that_comes_before_the_one_it_follows_loses_no_joule() -> None:
    """Settled from a gap, then told exactly: both timesteps are corrected, the sum stays the register's."""
    desk = Desk()
    third = desk.reading("a", 3, 300, 0)
    fourth = desk.reading("a", 4, 1_000, 0)
    desk.hear(fourth, begin(5))
    desk.settle(3)
    assert metered(desk.state, desk.members["a"], 3) == (333, 0)
    effects = desk.hear(third, begin(5) + 700)
    assert [effect.fields["timestep"] for effect in effects if isinstance(effect, Note)] == [2, 3]
    desk.settle(4)
    produced = [desk.state.settled[k][desk.members["a"].address].produced for k in (2, 3, 4)]
    assert produced == [150, 150, 700]
    check_books(desk)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ({4: (100, 100), 5: (99, 100)}, "runs backwards between timesteps 4 and 5"),
        ({4: (100, 100), 5: (100, 99)}, "runs backwards between timesteps 4 and 5"),
        ({5: (100, 100), 4: (101, 100)}, "runs backwards between timesteps 4 and 5"),
        ({4: (100, 100), 9: (200, 200)}, "no timestep of this run that has begun"),
        ({4: (100, 100), 0: (0, 0)}, "no timestep of this run"),
        ({4: (100, 100), LAST + 1: (200, 200)}, "no timestep of this run"),
        ({4: (100, 100), 2**60: (200, 200)}, "no timestep of this run"),
        ({4: (100, 100), 5: (2**64 - 1, 100)}, "more energy than any home"),
        ({5: (100, 2**64 - 1), 4: (100, 100)}, "more energy than any home"),
        ({4: (0, 0), 5: (0, POWER_WATTS_MAX * T + 1)}, "more energy than any home"),
    ],
)
def test_impossible_reading_is_not_taken(readings: dict[int, tuple[int, int]], words: str) -> None:
    """Registers that fall, timesteps to come or of no run: noted, receipted, and nothing settled changes."""
    desk = Desk()
    effects = meter(desk, "a", readings, now=begin(6))
    (problem,) = problems(effects)
    assert words in problem
    assert len(desk.state.told_by(desk.members["a"])) == 1
    assert sum(isinstance(effect, Send) for effect in effects) == 2


def test_meter_that_contradicts_itself_is_told_and_the_first_word_stands() -> None:
    """Two readings of one timestep with other registers, under two message ids."""
    desk = Desk()
    assert problems(meter(desk, "a", {4: (100, 100)})) == []
    assert problems(meter(desk, "a", {4: (100, 101)})) == ["the meter told something else about this timestep before"]
    assert metered(desk.state, desk.members["a"], 4) is not None


def test_gap_that_is_settled_for_good_is_not_divided() -> None:
    """A reading between two others that comes too late for the first timestep of its gap would count joules twice."""
    desk = Desk()
    meter(desk, "a", {2: (0, 0)})
    middle = desk.reading("a", 4, 100, 0)
    meter(desk, "a", {6: (4_000, 0)})
    for timestep in range(FIRST, 7):
        desk.settle(timestep)
    assert problems(desk.hear(middle, desk.state.cut_off(3) + 3_601)) == ["it divides a gap that is settled for good"]
    assert sum(desk.state.settled[k][desk.members["a"].address].produced for k in range(2, 7)) == 4_000


def test_reading_gets_one_receipt_however_often_it_comes() -> None:
    """The same bytes are answered by the same receipt; nothing is settled twice."""
    desk = Desk()
    reading = desk.reading("a", 4, 100, 100)
    (receipt,) = desk.hear(reading)
    assert isinstance(receipt, Send) and receipt.recipient == desk.members["a"].meter
    assert desk.hear(reading) == [Resend(message_id=receipt.message_id)]


ENERGIES = st.lists(st.tuples(st.integers(0, 4_000 * T), st.integers(0, 4_000 * T)), min_size=7, max_size=7)


@settings(max_examples=60)
@given(ENERGIES, st.permutations(range(2, 9)), st.sets(st.integers(2, 8)), st.randoms(use_true_random=False))
def test_registers_in_any_order_settle_to_their_last_value(
    energies: list[tuple[int, int]], order: list[int], lost: set[int], chance: Any
) -> None:
    """Late, reordered, lost in between: while disputes are open, what is settled comes to the register."""
    desk = Desk(homes="a", dispute_window_seconds=10**6)
    registers, readings = (0, 0), {}
    for timestep, (produced, consumed) in enumerate(energies, start=2):
        registers = (registers[0] + produced, registers[1] + consumed)
        readings[timestep] = desk.reading("a", timestep, *registers)
    due = [timestep for timestep in order if timestep not in lost or timestep == 8]
    for timestep in range(2, 9):
        while due and chance.random() < 0.5:
            desk.hear(readings[due.pop()], begin(9))
        desk.settle(timestep)
    for late in due:
        desk.hear(readings[late], begin(9) + 10_000)
    settled = [one[desk.members["a"].address] for one in desk.state.settled.values()]
    assert (sum(one.produced for one in settled), sum(one.consumed for one in settled)) == registers
    assert not any(one.provisional for one in settled)
    check_books(desk)


def test_bulk_follows_what_is_metered_late() -> None:
    """The purchase for an assumption is undone before the one for the reading is booked."""
    desk = Desk(homes="a", first=K)
    desk.settle(K)
    assert desk.state.books.balance(BULK) == 1_000 * T * 6 * CENT // KWH
    meter(desk, "a", {K: (0, KWH // 10)}, now=desk.state.cut_off(K))
    assert desk.state.books.balance(BULK) == 6 * CENT // 10
    check_books(desk)
