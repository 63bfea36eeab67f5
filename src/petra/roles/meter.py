"""The meter: counts what flowed and tells the DSO, signed and chained (R3, R28, R29).

Decides: its registers. Knows no market, no price and no prosumer.
Invariant: registers never fall; each reading names the hash of the one before, so none can be left out unseen.
"""

from dataclasses import dataclass
from random import Random

from petra.domain.messages import MeterReading
from petra.domain.terms import Address
from petra.roles.effects import Effect, Event, Measured, Send
from petra.wire.bodies import encode_body
from petra.wire.keccak import keccak256


@dataclass(slots=True, kw_only=True)
class MeterState:
    """A meter's registers, joules since its start, and the chain of its readings.

    Attributes:
        silent: timesteps whose reading is never sent (a fault); the registers go on.
    """

    address: Address
    dso: Address
    patience_seconds: int
    silent: frozenset[int] = frozenset()
    produced: int = 0
    consumed: int = 0
    previous: bytes = bytes(32)


def step(state: MeterState, event: Event, now: int, rng: Random) -> list[Effect]:
    """Count a timestep's energy and send the registers."""
    if not isinstance(event, Measured):
        return []
    assert event.produced >= 0 and event.consumed >= 0, event
    state.produced += event.produced
    state.consumed += event.consumed
    if event.timestep in state.silent:
        return []
    reading = MeterReading(
        timestep=event.timestep, produced=state.produced, consumed=state.consumed, previous=state.previous
    )
    state.previous = keccak256(encode_body(reading))
    return [
        Send(
            message_id=rng.randbytes(16),
            sender=state.address,
            recipient=state.dso,
            deadline=now + state.patience_seconds,
            body=reading,
        )
    ]
