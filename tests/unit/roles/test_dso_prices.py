"""Prices that the operator sets while the DSO runs."""

from dataclasses import replace

import pytest

from petra.domain.calls import RecordSchedule
from petra.domain.messages import PriceSchedule
from petra.roles.effects import Note, Revoked, ScheduleAdded, Send, Submit
from petra.settlement.prices import schedule_in_force
from petra.wire.bodies import encode_body
from petra.wire.keccak import keccak256
from tests.unit.roles.desk import NOW, Desk, T
from tests.unit.settlement.strategies import CENT
from tests.unit.settlement.test_lines import PRICES

NEW = replace(PRICES, from_timestep=9, retail=40 * CENT, imbalance=90 * CENT)  # NOW: timestep 4, the horizon ends at 8


@pytest.mark.parametrize(
    ("schedule", "now", "problem"),
    [
        (replace(NEW, from_timestep=8), NOW, "frozen up to 8"),
        (NEW, NOW + T, "frozen up to 9"),
        (replace(NEW, local=NEW.feed_in - 1), NOW, "must lie between"),
        (replace(NEW, local=NEW.retail + 1), NOW, "must lie between"),
        (replace(NEW, imbalance=NEW.retail + NEW.grid_fee - 1), NOW, "at least retail"),
        (replace(NEW, bulk=-1), NOW, "not be negative"),
        (replace(NEW, retail=2**64, imbalance=2**65), NOW, "no price may be above"),
        (replace(NEW, from_timestep=2**64), NOW, "does not fit"),
    ],
)
def test_prices_that_break_a_rule_are_refused(schedule: PriceSchedule, now: int, problem: str) -> None:
    """A refused order is noted with its reason and changes nothing."""
    desk = Desk()
    (note,) = desk.give(ScheduleAdded(schedule=schedule), now)
    assert isinstance(note, Note) and note.kind == "schedule-refused"
    assert problem in str(note.fields["problems"])
    assert desk.state.policy.schedules == (PRICES,)


def test_a_local_price_that_the_contract_refuses_is_refused() -> None:
    """Nobody could post an offer at it."""
    desk = Desk()
    desk.state.terms = replace(desk.terms, max_price=NEW.local - 1)
    (note,) = desk.give(ScheduleAdded(schedule=NEW))
    assert isinstance(note, Note) and "highest price of the contract" in str(note.fields["problems"])


def test_a_published_schedule_is_not_replaced() -> None:
    """A second one from the same timestep on is refused: its hash stands on the ledger."""
    desk = Desk()
    desk.give(ScheduleAdded(schedule=NEW))
    (note,) = desk.give(ScheduleAdded(schedule=replace(NEW, retail=NEW.retail + 1)))
    assert isinstance(note, Note) and note.kind == "schedule-refused"


def test_new_prices_are_published_and_hold_from_their_timestep_on() -> None:
    """Every member that is not revoked gets them signed, the ledger gets their hash, settlement uses them."""
    desk = Desk()
    desk.give(Revoked(account=desk.members["c"].address))
    effects = desk.give(ScheduleAdded(schedule=NEW))
    (call,) = (effect.intent.call for effect in effects if isinstance(effect, Submit))
    assert call == RecordSchedule(from_timestep=9, digest=keccak256(encode_body(NEW)))
    told = [(effect.recipient, effect.body) for effect in effects if isinstance(effect, Send)]
    assert told == [(desk.members[home].address, NEW) for home in "ab"]
    assert [schedule_in_force(desk.state.policy.schedules, timestep) for timestep in (8, 9)] == [PRICES, NEW]
