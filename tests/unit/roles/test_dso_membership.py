"""Enrolment by one-time token and revocation, while the DSO runs."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from petra.domain.calls import AddEnergyAsset, AddFinancialBalance, Call, DepositFinancial
from petra.domain.messages import Enrolled, PriceSchedule
from petra.domain.refusals import EnrolmentReason, GrantReason
from petra.domain.terms import NO_ADDRESS, Address
from petra.roles.effects import Effect, Note, Phase, Resend, Revoked, Send, Woken
from tests.unit.roles.desk import EUR, NOW, Desk, begin, reason
from tests.unit.roles.newcomer import Newcomer
from tests.unit.roles.settlement_day import meter
from tests.unit.settlement.test_lines import PRICES


def told(effects: Sequence[Effect]) -> dict[str, Any]:
    """Return the document of the one answer to an enrolment."""
    (body,) = (effect.body for effect in effects if isinstance(effect, Send) and isinstance(effect.body, Enrolled))
    document: dict[str, Any] = json.loads(body.document)
    return document


def refusal(effects: Sequence[Effect]) -> EnrolmentReason:
    """Return why an enrolment was refused."""
    return EnrolmentReason(told(effects)["refused"])


@pytest.fixture
def desk() -> Desk:
    """A DSO with homes a, b and c."""
    return Desk()


@pytest.fixture
def newcomer(desk: Desk) -> Newcomer:
    """Somebody with a token."""
    newcomer = Newcomer(desk)
    newcomer.invite()
    return newcomer


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_token_that_nobody_handed_out_is_refused(desk: Desk, newcomer: Newcomer) -> None:
    """Guessing a token gets nowhere."""
    assert refusal(desk.hear(newcomer.request(token=bytes(32)))) is EnrolmentReason.UNKNOWN_TOKEN
    assert newcomer.address not in desk.state.members


def test_a_token_is_refused_after_its_time(desk: Desk, newcomer: Newcomer) -> None:
    """The last second still counts, the next one does not."""
    assert refusal(desk.hear(newcomer.request(), NOW + 601)) is EnrolmentReason.TOKEN_EXPIRED
    assert told(desk.hear(newcomer.request(), NOW + 600))["account"] == newcomer.address


def test_a_token_serves_one_account(desk: Desk, newcomer: Newcomer) -> None:
    """Who finds a used token cannot enrol by it."""
    desk.hear(newcomer.request())
    thief = Newcomer(desk, "thief")
    thief.token = newcomer.token
    assert refusal(desk.hear(thief.request())) is EnrolmentReason.TOKEN_USED


def test_a_used_token_enrols_no_second_meter(desk: Desk, newcomer: Newcomer) -> None:
    """A member that asks again with another meter keeps the one that it has."""
    desk.hear(newcomer.request())
    other = desk.keys.new("meter other")
    assert refusal(desk.hear(newcomer.request(meter=other))) is EnrolmentReason.TOKEN_USED
    assert desk.state.members[newcomer.address].meter == newcomer.meter


def test_a_member_does_not_enrol_twice(desk: Desk) -> None:
    """A second token gives an account no second opening balance."""
    first, second = Newcomer(desk), Newcomer(desk, "other")
    first.invite()
    second.invite()
    desk.hear(first.request())
    assert refusal(desk.hear(first.request(token=second.token))) is EnrolmentReason.ALREADY_ENROLLED


def test_addresses_that_serve_already_are_refused(desk: Desk, newcomer: Newcomer) -> None:
    """A meter of another home, a pseudonym, the DSO, or one address for both."""
    pseudonym = desk.pseudonym()
    desk.ask("a", desk.asset(power=100, to=pseudonym))
    for meter_address in (desk.members["a"].meter, desk.members["a"].address, pseudonym, desk.dso, newcomer.address):
        assert refusal(desk.hear(newcomer.request(meter=meter_address))) is EnrolmentReason.ADDRESS_IN_USE


def test_keys_of_another_home_are_refused(desk: Desk, newcomer: Newcomer) -> None:
    """A key of the fabric speaks for one home only; no key at all is no key in common."""
    other = Newcomer(desk, "other")
    other.invite()
    desk.hear(newcomer.request())
    assert refusal(desk.hear(other.request(curve_key=newcomer.meter_curve_key))) is EnrolmentReason.KEY_IN_USE
    third = Newcomer(desk, "third")
    third.invite()
    for one in (other, third):
        assert "account" in told(desk.hear(one.request(curve_key=bytes(32), meter_curve_key=bytes(32))))


def test_a_meter_that_did_not_agree_is_refused(desk: Desk, newcomer: Newcomer) -> None:
    """Nobody enrols a stranger's meter, nor a proof made for another key of the fabric."""
    proof = newcomer.body(meter_curve_key=bytes(32)).meter_proof
    for bad in (proof, bytes(65), b"\xff" * 65):
        assert refusal(desk.hear(newcomer.request(meter_proof=bad))) is EnrolmentReason.METER_NOT_PROVEN
    assert list(desk.state.members) == [member.address for member in desk.members.values()]


def test_a_name_is_given_once(desk: Desk, newcomer: Newcomer) -> None:
    """The operator cannot invite two homes by one name, nor use one token twice."""
    for order in (newcomer.order, Newcomer(desk, "again", name="new").order, Newcomer(desk, "x", name="a").order):
        (note,) = desk.give(order)
        assert isinstance(note, Note) and note.kind == "enrolment-refused"
    assert len(desk.state.tokens) == 1


def test_a_stranger_is_told_that_it_is_none_of_ours(desk: Desk, newcomer: Newcomer) -> None:
    """A withdrawal before the enrolment is refused with a signed answer, at once."""
    effects = desk.hear(desk.say(newcomer.address, desk.request("a", desk.asset(power=100)).body))
    assert reason(effects) is GrantReason.NOT_ENROLLED


def test_a_revoked_home_is_granted_nothing(desk: Desk) -> None:
    """What it asks after its revocation is refused, also what waited in the queue."""
    slow = Desk(delay_seconds_max=60)
    assert not any(isinstance(effect, Send) for effect in slow.ask("a", slow.asset(power=100)))
    for one in (desk, slow):
        one.give(Revoked(account=one.members["a"].address))
    assert reason(desk.ask("a", desk.asset(power=100))) is GrantReason.REVOKED
    assert reason(slow.give(Woken(phase=Phase.SERVE, timestep=0), NOW + 60)) is GrantReason.REVOKED
    assert reason(desk.ask("b", desk.asset(power=100))) is None


def test_a_revoked_home_does_not_come_back(desk: Desk, newcomer: Newcomer) -> None:
    """Its token enrols it no second time; an account that is not there cannot be revoked."""
    desk.hear(newcomer.request())
    desk.give(Revoked(account=newcomer.address))
    assert refusal(desk.hear(newcomer.request())) is EnrolmentReason.TOKEN_USED
    for account in (newcomer.address, Address("0x" + 40 * "1")):
        (note,) = desk.give(Revoked(account=account))
        assert isinstance(note, Note) and note.kind == "revocation-refused"


def test_a_full_queue_refuses_by_name(desk: Desk) -> None:
    """Neither one home nor all together can make the queue grow without end; what is answered is answered again."""
    slow = Desk(delay_seconds_max=10**6, queue_max=3, queue_max_per_member=2)
    first = slow.request("a", slow.asset(power=100))
    assert not any(isinstance(one, Send) for one in slow.hear(first))
    assert slow.hear(first) == []
    slow.ask("a", slow.asset(power=100))
    assert reason(slow.ask("a", slow.asset(power=100))) is GrantReason.BUSY
    slow.ask("b", slow.asset(power=100))
    busy = slow.request("c", slow.asset(power=100))
    assert reason(slow.hear(busy)) is GrantReason.BUSY
    assert len(slow.state.queue) == 3


def test_another_ones_message_id_is_refused(desk: Desk) -> None:
    """A request under an id that another home has used is refused, and the other one's answer stays."""
    first = desk.request("a", desk.asset(power=100))
    desk.hear(first)
    assert reason(desk.hear(desk.request("b", desk.asset(power=100), message_id=first.message_id))) is (
        GrantReason.MALFORMED
    )
    (again,) = desk.hear(first)
    assert isinstance(again, Resend)


# -------------------------------------------------------------------------------------------------------------- success


def test_a_newcomer_is_told_its_terms_and_the_prices(desk: Desk, newcomer: Newcomer) -> None:
    """The answer names terms, policy and prices; the prices come as signed messages too; the account is opened."""
    effects = desk.hear(newcomer.request())
    document = told(effects)
    assert document["terms"]["production_capacity_watts"] == 3_000
    assert document["first_timestep"] == 5
    assert PriceSchedule(**document["schedules"][0]) == PRICES
    assert [effect.body for effect in effects if isinstance(effect, Send)][1:] == [PRICES]
    assert desk.state.books.balance(newcomer.address) == 5 * EUR
    member = desk.state.members[newcomer.address]
    assert (member.curve_key, member.meter_curve_key) == (newcomer.curve_key, newcomer.meter_curve_key)


def test_asking_again_changes_nothing(desk: Desk, newcomer: Newcomer) -> None:
    """The same message gets the same bytes, another one the same terms; no second opening balance is booked."""
    request = newcomer.request()
    answer = desk.hear(request)
    (again,) = desk.hear(request, NOW + 10_000)
    assert isinstance(again, Resend)
    assert told(desk.hear(newcomer.request(), NOW + 10_000)) == told(answer)
    assert desk.state.books.balance(newcomer.address) == 5 * EUR


def test_a_newcomer_withdraws_and_is_settled_from_its_first_timestep_on(desk: Desk, newcomer: Newcomer) -> None:
    """Registers that ran before are no consumption of its; the timesteps before it came are not on its bill."""
    desk.hear(newcomer.request())
    desk.members["new"] = desk.state.members[newcomer.address]
    desk.mine_grants(desk.ask("new", desk.asset(power=1_000, start=6)))
    meter(desk, "new", {4: (7_000_000, 9_000_000), 5: (7_000_000, 9_900_000), 6: (7_900_000, 9_900_000)})
    for timestep in range(2, 7):
        desk.settle(timestep)
    settled = [desk.state.settled[timestep].get(newcomer.address) for timestep in range(2, 7)]
    assert settled[:3] == [None, None, None]
    assert settled[3] is not None and (settled[3].produced, settled[3].consumed) == (0, 900_000)
    assert settled[4] is not None and (settled[4].produced, settled[4].consumed) == (900_000, 0)
    assert desk.state.alarms == [] and sum(desk.state.books.balances.values()) == 0


def test_a_meter_that_ran_before_is_not_billed_for_its_past(desk: Desk, newcomer: Newcomer) -> None:
    """Its first reading says only where it stands: until then the firm import is assumed, from then on it counts."""
    desk.hear(newcomer.request())
    desk.members["new"] = desk.state.members[newcomer.address]
    meter(desk, "new", {6: (7 * 10**15, 9 * 10**15), 7: (7 * 10**15, 9 * 10**15 + 5)})
    for timestep in range(2, 8):
        desk.settle(timestep)
    settled = [desk.state.settled[timestep][newcomer.address] for timestep in (5, 6, 7)]
    assert [(one.consumed, one.provisional) for one in settled] == [(900_000, True), (900_000, True), (5, False)]


def test_a_revoked_home_is_settled_as_far_as_it_was_granted(desk: Desk) -> None:
    """What was promised is settled to the end; after that no firm import is assumed for ever."""
    account = desk.members["a"].address
    desk.mine_grants(desk.ask("a", desk.asset(power=1_000, start=6)))
    desk.give(Revoked(account=account))
    for timestep in range(2, 10):
        desk.settle(timestep)
    assert [account in desk.state.settled[timestep] for timestep in range(2, 10)] == 5 * [True] + 3 * [False]
    assert desk.state.alarms == []


def test_a_grant_that_the_books_do_not_know_raises_an_alarm(desk: Desk) -> None:
    """After a restored backup the ledger holds more than the books: named, booked apart, and the books still close."""
    stranger = desk.pseudonym()
    issues: list[tuple[Call, Address]] = [
        (AddEnergyAsset(anon_address=stranger, power=500, start=6, end=6), desk.dso),
        (AddFinancialBalance(anon_address=stranger, amount=EUR), desk.dso),
    ]
    effects = desk.mine(*issues)
    effects += desk.mine((DepositFinancial(amount=EUR), stranger))
    assert desk.state.alarms == [f"the ledger holds a grant to {stranger} that these books do not know"]
    assert [effect.kind for effect in effects if isinstance(effect, Note)].count("alarm") == 1
    assert desk.state.books.balance(NO_ADDRESS) == 0
    for timestep in range(2, 8):
        desk.give(Woken(phase=Phase.SETTLE, timestep=timestep), begin(timestep + 1) + 10_000)
    assert len(desk.state.alarms) == 1 and sum(desk.state.books.balances.values()) == 0
