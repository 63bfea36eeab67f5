"""The meter: registers that only rise, a chain that anybody can check, readings sent until received."""

from dataclasses import replace
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.messages import Envelope, MeterReading
from petra.roles.effects import Effect, Measured, MessageArrived, Phase, Resend, Send, WakeAt, Woken
from petra.roles.meter import FIRST_LINK, MeterState, link_of, step
from petra.wire.envelope import Header, seal
from petra.wire.keccak import keccak256
from tests.unit.roles.desk import DOMAIN, Desk, begin

ENERGIES = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=10)


def make_meter(desk: Desk | None = None, silent: frozenset[int] = frozenset()) -> MeterState:
    """Return the meter of home a."""
    desk = desk or Desk()
    return MeterState(address=desk.members["a"].meter, dso=desk.dso, patience_seconds=4_000, silent=silent)


def count(state: MeterState, timestep: int, produced: int, consumed: int) -> list[Effect]:
    """Let a timestep's energy flow."""
    measured = Measured(timestep=timestep, produced=produced, consumed=consumed)
    return step(state, measured, begin(timestep + 1), Random(timestep))


def reading_of(effects: list[Effect]) -> MeterReading:
    """Return the reading that is sent."""
    (body,) = (effect.body for effect in effects if isinstance(effect, Send))
    assert isinstance(body, MeterReading)
    return body


@pytest.mark.parametrize(("produced", "consumed"), [(-1, 0), (0, -1)])
def test_registers_never_run_backwards(produced: int, consumed: int) -> None:
    """Negative energy is our own mistake: nothing is counted."""
    state = make_meter()
    with pytest.raises(AssertionError):
        count(state, 2, produced, consumed)
    assert (state.produced, state.consumed) == (0, 0)


@given(ENERGIES)
def test_registers_are_sums_and_links_name_the_reading_before(energies: list[tuple[int, int]]) -> None:
    """Each reading tells all energy so far and the link of the one before, the first one 32 zero bytes."""
    state, link, sums = make_meter(), FIRST_LINK, (0, 0)
    for timestep, (produced, consumed) in enumerate(energies):
        sums = (sums[0] + produced, sums[1] + consumed)
        reading = reading_of(count(state, timestep, produced, consumed))
        assert (reading.produced, reading.consumed) == sums
        assert reading.previous == link
        link = link_of(reading)


@pytest.mark.parametrize("field", ["timestep", "produced", "consumed"])
def test_link_changes_with_every_figure(field: str) -> None:
    """Nobody can change a reading and keep the chain; the link is what the docstring says, byte by byte."""
    reading = MeterReading(timestep=1, produced=2, consumed=3, previous=FIRST_LINK)
    changed = replace(reading, **{field: getattr(reading, field) + 1})
    assert link_of(changed) != link_of(reading)
    assert link_of(replace(reading, previous=b"\1" * 32)) != link_of(reading)
    expected = bytes.fromhex("000000000000000100000000000000020000000000000003") + bytes(32)
    assert link_of(reading) == keccak256(expected)


def test_silent_meter_goes_on_counting() -> None:
    """A reading that is never made leaves no hole in the chain, only in time; its energy comes with the next."""
    state = make_meter(silent=frozenset({3}))
    first = reading_of(count(state, 2, 10, 1))
    assert count(state, 3, 10, 1) == []
    later = reading_of(count(state, 4, 10, 1))
    assert (later.produced, later.consumed, later.previous) == (30, 3, link_of(first))


def test_reading_is_sent_again_until_the_dsos_receipt_comes() -> None:
    """After 15, 30, 60 .. seconds; nobody else's receipt ends it; after the receipt there is silence."""
    desk = Desk()
    state = make_meter(desk)
    sent, wake = count(state, 4, 10, 1)
    assert isinstance(sent, Send) and isinstance(wake, WakeAt)
    resend = Woken(phase=Phase.RESEND, timestep=0)
    assert step(state, resend, wake.at - 1, Random()) == []
    again, later = step(state, resend, wake.at, Random())
    assert again == Resend(message_id=sent.message_id) and isinstance(later, WakeAt)
    assert later.at - wake.at == 2 * (wake.at - begin(5))
    receipt = _receipt(desk, sent)
    forged = replace(receipt, sender=desk.members["b"].address)
    assert step(state, MessageArrived(envelope=forged), later.at, Random()) == []
    assert step(state, resend, later.at, Random())
    assert step(state, MessageArrived(envelope=receipt), later.at, Random()) == []
    assert step(state, resend, later.at + 10_000, Random()) == []
    assert step(state, MessageArrived(envelope=receipt), later.at, Random()) == []


def test_reading_is_given_up_after_its_deadline() -> None:
    """What is of no more use to the DSO is not sent any more."""
    state = make_meter()
    sent, _ = count(state, 4, 10, 1)
    assert isinstance(sent, Send)
    assert step(state, Woken(phase=Phase.RESEND, timestep=0), sent.deadline, Random()) == []
    assert state.receipts.awaited == {}


def test_other_events_are_not_the_meters() -> None:
    """A market's timer means nothing to it."""
    assert step(make_meter(), Woken(phase=Phase.FORECAST, timestep=4), begin(4), Random()) == []


def _receipt(desk: Desk, sent: Send) -> Envelope:
    """Return the DSO's receipt for a message that it got."""
    body = sent.body
    (receipt,) = desk.hear(desk.say(sent.sender, body, message_id=sent.message_id), begin(5))
    assert isinstance(receipt, Send)
    header = Header(
        message_id=receipt.message_id,
        sender=receipt.sender,
        recipient=receipt.recipient,
        sequence=0,
        created=begin(5),
        deadline=receipt.deadline,
    )
    return seal(header, receipt.body, partial(desk.keys.sign, receipt.sender), DOMAIN)
