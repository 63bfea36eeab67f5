"""Curtailments: a control signal that bounds grants, is told by signed messages, is obeyed, and settled."""

from collections.abc import Sequence
from typing import Any

import pytest

from petra.domain.calls import RescindOffer
from petra.domain.messages import (
    NOT_CURTAILED,
    Curtailment,
    Direction,
    Enrolled,
    FailedWithdrawal,
    MessageReceipt,
    WithdrawAssets,
)
from petra.domain.refusals import GrantReason
from petra.roles.curtailments import limit_of
from petra.roles.effects import CurtailmentOrdered, Effect, Note, Phase, Resend, Send, Woken
from petra.roles.prosumer.state import Stage
from petra.roles.receipts import receipt_id
from petra.settlement.lines import LineKind
from tests.unit.roles.desk import FIRST, LAST, NOW, Desk, T, begin, reason
from tests.unit.roles.newcomer import Newcomer
from tests.unit.roles.settlement_day import K, Trade, check_books, meter
from tests.unit.roles.test_prosumer import Home, calls, request

EXPORT, IMPORT = Direction.EXPORT, Direction.IMPORT


def order(
    limit_watts: int | None, start: int = 5, end: int = 6, direction: Direction = EXPORT, accounts: Sequence[Any] = ()
) -> CurtailmentOrdered:
    """Return an operator's order."""
    return CurtailmentOrdered(
        direction=direction, limit_watts=limit_watts, start=start, end=end, accounts=tuple(accounts)
    )


def told(effects: Sequence[Effect]) -> dict[Any, Curtailment]:
    """Return what is told to whom."""
    return {
        one.recipient: one.body for one in effects if isinstance(one, Send) and isinstance(one.body, Curtailment)
    }


def notes(effects: Sequence[Effect], kind: str) -> list[dict[str, Any]]:
    """Return the notes of a kind."""
    return [dict(one.fields) for one in effects if isinstance(one, Note) and one.kind == kind]


# ---- which one holds


def test_newest_that_covers_a_timestep_holds() -> None:
    """Whatever the order in which they arrive; one that lifts leaves what was there before any."""
    first, wider, lifted = (
        Curtailment(number=1, direction=EXPORT, limit_watts=100, start=3, end=8),
        Curtailment(number=2, direction=EXPORT, limit_watts=900, start=5, end=6),
        Curtailment(number=3, direction=EXPORT, limit_watts=NOT_CURTAILED, start=6, end=7),
    )
    for own in ([first, wider, lifted], [lifted, first, wider]):
        assert [limit_of(own, k, EXPORT) for k in range(2, 10)] == [None, 100, 100, 900, None, None, 100, None]
        assert limit_of(own, 5, IMPORT) is None


# ---- the DSO


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (order(0, start=4), "after the current one, 4"),
        (order(0, start=6, end=5), "must run forwards"),
        (order(0, end=LAST + 1), "must run forwards"),
        (order(-1), "-1 W: is no limit"),
        (order(0, accounts=["nobody"]), "nobody: is no member"),
    ],
)
def test_order_that_nobody_could_obey_is_refused(wrong: CurtailmentOrdered, problem: str) -> None:
    """Timesteps that have begun or run backwards, no limit, no member: noted, and nothing is told or kept."""
    desk = Desk()
    (refused,) = notes(effects := desk.give(wrong), "curtailment-refused")
    assert [problem in one for one in refused["problems"]] == [True]
    assert len(effects) == 1 and desk.state.curtailments == [] and desk.state.last_curtailment == 0


def test_grants_of_curtailed_timesteps_are_bounded() -> None:
    """In its direction and timesteps, for whom it is about, whatever plant and connection could."""
    desk = Desk(member={"credit_limit": 10**12})
    desk.give(order(800, accounts=[desk.members["a"].address]))
    assert reason(desk.ask("a", desk.asset(power=801, start=4 + 2, end=7))) is GrantReason.CURTAILED
    assert reason(desk.ask("a", desk.asset(power=800, start=6, end=7))) is None
    assert reason(desk.ask("a", desk.asset(power=1, start=6))) is GrantReason.CURTAILED
    assert reason(desk.ask("a", desk.asset(power=4_000, start=7))) is None
    assert reason(desk.ask("a", desk.asset(power=-4_000, start=6))) is None
    assert reason(desk.ask("b", desk.asset(power=5_000, start=6))) is None


def test_what_was_granted_before_stays_and_nothing_is_added() -> None:
    """A curtailment takes no asset back; what it leaves is settled. Once lifted the account may have more."""
    desk = Desk(member={"credit_limit": 10**12})
    assert reason(desk.ask("a", desk.asset(power=3_000))) is None
    desk.give(order(800))
    assert desk.state.of(desk.members["a"].address, 5).production == 3_000
    assert reason(desk.ask("a", desk.asset(power=1))) is GrantReason.CURTAILED
    assert reason(desk.ask("a", desk.asset(power=-1))) is None
    desk.give(order(None, start=5, end=5))
    assert reason(desk.ask("a", desk.asset(power=1))) is None


def test_every_home_concerned_is_told_until_it_gives_a_receipt() -> None:
    """Each gets a message of its own with a number that counts on; the revoked and those not meant get none."""
    desk = Desk()
    addresses = {name: member.address for name, member in desk.members.items()}
    effects = desk.give(order(800, accounts=[addresses["a"], addresses["b"]]))
    body = Curtailment(number=1, direction=EXPORT, limit_watts=800, start=5, end=6)
    assert told(effects) == {addresses["a"]: body, addresses["b"]: body}
    (note,) = notes(effects, "curtailment")
    assert (note["number"], note["homes"], note["limit_watts"]) == (1, ["a", "b"], 800)
    sent = {one.recipient: one.message_id for one in effects if isinstance(one, Send)}
    receipt = MessageReceipt(envelope_hash=bytes(32))
    desk.hear(desk.say(addresses["a"], receipt, message_id=receipt_id(desk.dso, sent[addresses["a"]])))
    again = desk.give(Woken(phase=Phase.RESEND, timestep=0), NOW + 15)
    assert [one.message_id for one in again if isinstance(one, Resend)] == [sent[addresses["b"]]]
    assert told(desk.give(order(None)))[addresses["c"]].limit_watts == NOT_CURTAILED
    assert desk.state.last_curtailment == 2


def test_newcomer_hears_of_what_everybody_was_told() -> None:
    """As far as it is still to come; what some homes were told alone is not its business."""
    desk = Desk(horizon_timesteps=10)
    desk.give(order(800, start=4, end=4), begin(3))
    desk.give(order(700, start=8, end=9))
    desk.give(order(600, start=8, end=9, accounts=[desk.members["a"].address]))
    newcomer = Newcomer(desk)
    newcomer.invite()
    effects = desk.hear(newcomer.request())
    assert any(isinstance(one, Send) and isinstance(one.body, Enrolled) for one in effects)
    assert told(effects) == {newcomer.address: Curtailment(number=2, direction=EXPORT, limit_watts=700, start=8, end=9)}
    assert told(desk.hear(newcomer.request())) == {}


def test_declared_curtailments_are_ordered_when_the_dso_opens() -> None:
    """A simulation shows them from its first second on."""
    desk = Desk(curtailments=(order(800), order(0, direction=IMPORT)))
    effects = desk.give(Woken(phase=Phase.OPEN, timestep=FIRST), begin(1))
    assert [note["number"] for note in notes(effects, "curtailment")] == [1, 2]
    assert len([one for one in effects if isinstance(one, Send) and isinstance(one.body, Curtailment)]) == 6


def test_seller_that_obeys_a_curtailment_pays_no_penalty() -> None:
    """1 kW is sold and 0.4 kW may flow: the rest costs the retail price, since the home was not negligent."""
    desk = Desk()
    Trade(desk)
    desk.give(order(400))
    meter(desk, "a", {k: (400 * T * (k == K), 0) for k in range(FIRST, K + 1)})
    for k in range(FIRST, K + 1):
        desk.settle(k)
    settled = desk.state.settled[K][desk.members["a"].address]
    assert settled.delivery.export_allowed == 400 * T
    assert {line.kind: line.energy for line in settled.lines} == {LineKind.RETAIL: 600 * T}
    check_books(desk)


def test_silent_home_is_assumed_to_obey() -> None:
    """Without a reading no more than what may flow is assumed: nobody is penalised for what nobody measured."""
    desk = Desk()
    desk.give(order(300, direction=IMPORT))
    for k in range(FIRST, K + 1):
        desk.settle(k)
    settled = desk.state.settled[K][desk.members["a"].address]
    assert settled.provisional and settled.consumed == 300 * T
    assert LineKind.OUTSIDE_ENVELOPE not in {line.kind for line in settled.lines}


def test_use_beyond_a_curtailment_is_a_broken_envelope() -> None:
    """What was sold and sent in spite of it is not counted as delivered, and pays on top."""
    desk = Desk()
    Trade(desk)
    desk.give(order(400))
    desk.give(order(300, direction=IMPORT))
    for home, energy in (("a", (1_000 * T, 0)), ("b", (0, 1_000 * T))):
        meter(desk, home, {k: (energy[0] * (k == K), energy[1] * (k == K)) for k in range(FIRST, K + 1)})
    for k in range(FIRST, K + 1):
        desk.settle(k)
    lines = [
        {line.kind: line.energy for line in desk.state.settled[K][desk.members[home].address].lines} for home in "ab"
    ]
    assert lines[0] == {LineKind.RETAIL: 600 * T, LineKind.OUTSIDE_ENVELOPE: 600 * T}
    assert lines[1] == {
        LineKind.FEED_IN: 700 * T,
        LineKind.OUTSIDE_ENVELOPE: 700 * T,
        LineKind.GRID_FEE: 1_000 * T,
    }
    check_books(desk)


# ---- the home


def hear(home: Home, limit_watts: int, direction: Direction = EXPORT, number: int = 1) -> list[Effect]:
    """Let the DSO curtail the home's timestep 5."""
    body = Curtailment(number=number, direction=direction, limit_watts=limit_watts, start=K, end=K)
    return home.hear(body, message_id=number.to_bytes(16))


@pytest.mark.parametrize(("forecast", "direction"), [(900, EXPORT), (-900, IMPORT)])
def test_home_withdraws_no_more_than_may_flow(forecast: int, direction: Direction) -> None:
    """It gives a receipt, and asks for what is left of its surplus or need; for nothing where nothing is left."""
    home = Home(forecast)
    (receipt, note) = hear(home, 400, direction)
    assert isinstance(receipt, Send) and isinstance(receipt.body, MessageReceipt)
    assert isinstance(note, Note) and note.kind == "curtailed"
    (copy,) = hear(home, 400, direction)
    assert copy == Resend(message_id=receipt.message_id)
    asked = request(home.wake(Phase.FORECAST, begin(4)))
    assert asked is not None and isinstance(asked.body, WithdrawAssets)
    assert asked.body.assets[0].power == (400 if forecast > 0 else -400)
    closed = Home(forecast)
    hear(closed, 0, direction)
    assert request(closed.wake(Phase.FORECAST, begin(4))) is None


def test_home_is_not_bound_by_the_other_direction_or_by_a_stranger() -> None:
    """An import limit leaves its sales alone; only its DSO may curtail."""
    home = Home(900)
    hear(home, 0, IMPORT)
    body = Curtailment(number=2, direction=EXPORT, limit_watts=0, start=K, end=K)
    assert home.hear(body, sender=home.desk.members["b"].address, message_id=b"2" * 16) == []
    asked = request(home.wake(Phase.FORECAST, begin(4)))
    assert asked is not None and isinstance(asked.body, WithdrawAssets) and asked.body.assets[0].power == 900


def test_home_that_offered_more_takes_its_offer_back() -> None:
    """What was withdrawn beyond the limit is not sold any further, and is returned after delivery."""
    home = Home(900)
    offered = home.mine(*home.withdraw())
    home.mine(own=offered)
    effects = hear(home, 400)
    assert [type(call) for call in calls(effects)] == [RescindOffer] and home.plan.stage is Stage.CLOSED
    assert calls(home.mine(own=effects)) == []


def test_home_that_withdrew_less_goes_on() -> None:
    """A limit that leaves room for what is offered changes nothing."""
    home = Home(300)
    home.mine(own=home.mine(*home.withdraw()))
    assert calls(hear(home, 400)) == [] and home.plan.stage is Stage.TRADING


def test_refusal_of_what_is_curtailed_is_answered_with_less() -> None:
    """Half, or what may flow if the home has heard of it by now."""
    home = Home(900)
    home.wake(Phase.FORECAST, begin(4))
    failed = FailedWithdrawal(
        request_id=home.plan.message_id, anon_address=home.plan.pseudonym, reason=GrantReason.CURTAILED.value
    )
    asked = request(home.hear(failed, message_id=b"f" * 16))
    assert asked is not None and isinstance(asked.body, WithdrawAssets) and asked.body.assets[0].power == 450


def test_home_forgets_what_is_over() -> None:
    """An hour after its last timestep a curtailment is dropped."""
    home = Home(900)
    hear(home, 400)
    home.wake(Phase.FORECAST, begin(K + 1) + 3_599, timestep=K + 3)
    assert home.state.curtailments
    home.wake(Phase.FORECAST, begin(K + 1) + 3_600, timestep=K + 4)
    assert not home.state.curtailments
