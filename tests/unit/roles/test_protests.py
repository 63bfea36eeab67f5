"""Against denial by silence: protests of homes, and what the DSO puts beside them."""

from collections.abc import Sequence
from random import Random

import pytest

from petra.domain.calls import Protest
from petra.domain.messages import Envelope, WithdrawalGranted
from petra.domain.terms import Address
from petra.roles.dso.protests import UNKNOWN_MAX
from petra.roles.effects import Effect, LedgerAdvanced, Note, Phase, ProtestWanted, Resend, Send, SubmitProtest, Woken
from petra.roles.prosumer.agent import step
from petra.wire.envelope import envelope_hash
from tests.unit.roles.desk import Desk, begin, ended, reason
from tests.unit.roles.test_prosumer import Home, K

STRANGER = Address("0x" + 40 * "1")


def protest(desk: Desk, request: Envelope) -> list[Effect]:
    """Let anybody put the hash of a message on the ledger."""
    return desk.mine((Protest(digest=envelope_hash(request.raw)), STRANGER))


def kinds(effects: Sequence[Effect]) -> list[type[Effect]]:
    """Return what was wanted, in order."""
    return [type(effect) for effect in effects if not isinstance(effect, Note)]


# ---- the DSO


def test_a_protest_against_nothing_changes_nothing() -> None:
    """Hashes of unknown messages are remembered, up to a bound, and answered by nothing."""
    desk = Desk(first=4)
    for number in range(UNKNOWN_MAX + 10):
        assert desk.mine((Protest(digest=number.to_bytes(32)), STRANGER)) == []
    assert len(desk.state.protests) == UNKNOWN_MAX
    assert next(iter(desk.state.protests)) == (10).to_bytes(32)


def test_an_answered_request_is_answered_again_once() -> None:
    """The same answer goes out again and its hash goes on the ledger; a second protest gets nothing new."""
    desk = Desk(first=4)
    request = desk.request("a", desk.asset(power=100))
    (answer,) = (effect for effect in desk.hear(request) if isinstance(effect, Send))
    effects = protest(desk, request)
    assert effects[0] == Resend(message_id=answer.message_id)
    assert isinstance(effects[1], SubmitProtest)
    assert (effects[1].message_id, effects[1].sender) == (answer.message_id, desk.dso)
    assert protest(desk, request) == []


def test_a_waiting_request_is_answered_at_once() -> None:
    """A protest ends the wait; the timer finds nothing to do."""
    desk = Desk(first=4, delay_seconds_max=600)
    request = desk.request("a", desk.asset(power=100))
    desk.hear(request)
    effects = protest(desk, request)
    assert reason([effect for effect in effects if isinstance(effect, Send)]) is None
    (put,) = (effect for effect in effects if isinstance(effect, SubmitProtest))
    assert put.message_id == next(effect.message_id for effect in effects if isinstance(effect, Send))
    assert desk.give(Woken(phase=Phase.SERVE, timestep=0), begin(9)) == []


def test_a_request_that_comes_after_its_protest_is_answered_on_the_ledger_too() -> None:
    """The message was lost, the protest was not: when the message comes, both get their answer."""
    desk = Desk(first=4, delay_seconds_max=600)
    request = desk.request("a", desk.asset(power=100))
    assert protest(desk, request) == []
    effects = desk.hear(request)
    assert any(isinstance(effect, Send) for effect in effects)
    assert sum(isinstance(effect, SubmitProtest) for effect in effects) == 1
    assert not desk.state.protests


# ---- a home


@pytest.fixture
def home() -> Home:
    """A home that asked for 1,000 W at the beginning of timestep K - 1."""
    home = Home(1_000)
    home.wake(Phase.FORECAST, begin(K - 1) - 900)
    return home


def wanted(home: Home, message_id: bytes, now: int) -> list[Effect]:
    """Let the home's operator order a protest."""
    return step(home.state, ProtestWanted(message_id=message_id), now, Random(1))


def test_a_protest_without_cause_is_refused(home: Home) -> None:
    """Too early, answered, unknown: noted, and nothing goes out."""
    plan = home.state.plans[K]
    half = (plan.asked_at + plan.deadline) // 2
    refused = [wanted(home, plan.message_id, half - 1), wanted(home, bytes(16), half)]
    home.hear(WithdrawalGranted(request_id=plan.message_id))
    refused.append(wanted(home, plan.message_id, half))
    for effects in refused:
        (note,) = effects
        assert isinstance(note, Note) and note.kind == "protest-refused"


def test_silence_is_protested_once_from_a_fresh_address(home: Home) -> None:
    """The request goes out again, its hash goes on the ledger, and how that ends disturbs no plan."""
    plan = home.state.plans[K]
    effects = wanted(home, plan.message_id, plan.deadline + 5)
    again, put, _ = effects
    assert again == Resend(message_id=plan.message_id)
    assert isinstance(put, SubmitProtest) and put.message_id == plan.message_id
    assert put.sender == home.pseudonyms[-1] != plan.pseudonym
    for done in (True, False):
        outcome = ended(put.intent_id, done=done)
        step(home.state, LedgerAdvanced(records=(), outcomes=(outcome,), view=home.state.view), begin(K), Random(1))
    (note,) = wanted(home, plan.message_id, plan.deadline + 6)
    assert isinstance(note, Note) and note.kind == "protest-refused"
