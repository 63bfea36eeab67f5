"""The meter: counts what flowed and tells the DSO, signed and chained, until it has a receipt (R3, R28, R29).

Decides: its registers. Knows no market, no price and no prosumer.
Invariant: registers never fall; each reading names the hash of the one made before (`link_of`), so none can be left
out unseen: who has two readings in a row recomputes the link from the earlier one's values.
"""

from dataclasses import dataclass, field
from random import Random

from petra.domain.messages import Envelope, MessageReceipt, MeterReading
from petra.domain.terms import Address
from petra.roles.effects import Effect, Event, Measured, MessageArrived, Phase, Send, Woken
from petra.roles.receipts import Receipts
from petra.wire.keccak import keccak256

FIRST_LINK = bytes(32)  # what a meter's first reading names


@dataclass(slots=True, kw_only=True)
class MeterState:
    """A meter's registers, joules since its start, and the chain of its readings.

    Attributes:
        patience_seconds: how long a reading is of use to the DSO.
        silent: timesteps whose reading is never sent (a fault); the registers go on.
    """

    address: Address
    dso: Address
    patience_seconds: int
    silent: frozenset[int] = frozenset()
    produced: int = 0
    consumed: int = 0
    previous: bytes = FIRST_LINK
    receipts: Receipts = field(default_factory=Receipts)


def step(state: MeterState, event: Event, now: int, rng: Random) -> list[Effect]:
    """Count a timestep's energy and send the registers; send them again until the DSO's receipt comes."""
    match event:
        case Measured():
            return _count(state, event, now, rng)
        case Woken(phase=Phase.RESEND):
            return state.receipts.send_again(now)
        case MessageArrived(envelope=Envelope(body=MessageReceipt()) as envelope):
            state.receipts.take_receipt(envelope)
            return []
        case _:
            return []


def link_of(reading: MeterReading) -> bytes:
    """Return what the next reading must name: keccak256 over timestep, registers (8 bytes each) and link of this one.

    It is made of values, not of sent bytes: Cap'n Proto has no canonical form, and anybody can recompute it.
    """
    numbers = (reading.timestep, reading.produced, reading.consumed)
    return keccak256(b"".join(number.to_bytes(8) for number in numbers) + reading.previous)


def _count(state: MeterState, event: Measured, now: int, rng: Random) -> list[Effect]:
    assert event.produced >= 0 and event.consumed >= 0, event
    state.produced += event.produced
    state.consumed += event.consumed
    if event.timestep in state.silent:
        return []
    reading = MeterReading(
        timestep=event.timestep, produced=state.produced, consumed=state.consumed, previous=state.previous
    )
    state.previous = link_of(reading)
    message = Send(
        message_id=rng.randbytes(16),
        sender=state.address,
        recipient=state.dso,
        deadline=now + state.patience_seconds,
        body=reading,
    )
    return state.receipts.send(message, now)
