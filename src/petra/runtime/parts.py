"""The three roles as parts of services: what the calendar brings each, and what a message is to it (DESIGN 12).

Decides: the market day of a home that may have slept, and how its meter's registers become measurements. The roles
decide everything else.
Invariant: nothing here depends on a clock or on chance, so that a diary that is played again means the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from petra.domain.messages import Envelope, MeterReading
from petra.domain.terms import Address
from petra.roles import meter
from petra.roles.dso import agent as dso_agent
from petra.roles.dso.state import DsoState
from petra.roles.effects import Effect, Event, Measured, MessageArrived, Order, Phase, Send, Woken
from petra.roles.meter import MeterState
from petra.roles.prosumer import agent as prosumer_agent
from petra.roles.prosumer.state import ProsumerState
from petra.runtime.service import Part
from petra.store.codec import decode
from petra.store.registry import OrderStore
from petra.wire.keccak import keccak256

Sensor = Callable[[int], Measured]  # what flowed in a timestep


def dso_part(
    state: DsoState, orders: OrderStore, differences: Callable[[], list[str]], shows: Callable[[], None]
) -> Part:
    """Return the DSO's part: it opens once, and then lives from messages, blocks, timers and its operator's orders."""
    return Part(
        name="dso",
        addresses=frozenset({state.address}),
        step=partial(dso_agent.step, state),
        heard=_as_it_is,
        first=(Woken(phase=Phase.OPEN, timestep=state.first_timestep),),
        orders=partial(_waiting, orders),
        differences=differences,
        shows=shows,
    )


def home_part(
    state: ProsumerState, meter_address: Address, horizon_timesteps: int, orders: OrderStore, *, from_zero: bool
) -> Part:
    """Return a home's part.

    Args:
        state: the role's.
        meter_address: whose readings are its own.
        horizon_timesteps: how far ahead of the gate it withdraws.
        orders: its operator's.
        from_zero: whether its past must begin with timestep 0, as a forecast from a file needs it: what flowed before
            the first reading then counts as nothing, instead of being left out.
    """
    return Part(
        name="prosumer",
        addresses=frozenset({state.address}),
        step=partial(prosumer_agent.step, state),
        heard=_Registers(meter_address, from_zero).heard,
        calendar=partial(_market_day, state.terms.gate, horizon_timesteps),
        orders=partial(_waiting, orders),
    )


def meter_part(state: MeterState, home: Address, sensor: Sensor) -> Part:
    """Return a meter's part: at the end of each timestep, however late, it counts and tells DSO and home."""
    return Part(
        name="meter",
        addresses=frozenset({state.address}),
        step=partial(_step_of_meter, state, home),
        heard=_as_it_is,
        calendar=lambda timestep, newest: (sensor(timestep - 1),) if timestep > 0 else (),
    )


def _market_day(gate: int, horizon: int, timestep: int, newest: bool) -> Sequence[Woken]:
    """Close what ends when a timestep begins, and forecast; a home that slept closes all, and forecasts the newest."""
    woken = [Woken(phase=Phase.GATE, timestep=timestep + gate)]
    if timestep > 0:
        woken.append(Woken(phase=Phase.DELIVERED, timestep=timestep - 1))
    if newest:
        woken.append(Woken(phase=Phase.FORECAST, timestep=timestep + gate + horizon))
    return woken


def _waiting(orders: OrderStore) -> Sequence[tuple[int, Order]]:
    """Return what the operator has ordered and nobody has taken."""
    return [(one.position, decode(Order, one.document)) for one in orders.waiting()]


def _as_it_is(envelope: Envelope) -> Sequence[Event]:
    return (MessageArrived(envelope=envelope),)


@dataclass(slots=True)
class _Registers:
    """What a home last read from its meter.

    A reading that comes late, after a younger one, says nothing new. A reading after a gap is spread flat over it.
    """

    meter: Address
    from_zero: bool
    last: MeterReading | None = None

    def heard(self, envelope: Envelope) -> Sequence[Event]:
        reading = envelope.body
        if not isinstance(reading, MeterReading) or envelope.sender != self.meter:
            return (MessageArrived(envelope=envelope),)
        unknown = -1 if self.from_zero else reading.timestep - 1
        before = self.last or replace(reading, timestep=unknown, produced=0, consumed=0)
        steps = reading.timestep - before.timestep
        produced, consumed = reading.produced - before.produced, reading.consumed - before.consumed
        if steps < 1 or min(produced, consumed) < 0:
            return ()
        self.last = reading
        return tuple(
            Measured(timestep=before.timestep + step, produced=produced // steps, consumed=consumed // steps)
            for step in range(1, steps + 1)
        )


def _step_of_meter(state: MeterState, home: Address, event: Event, now: int, rng: Random) -> list[Effect]:
    """Let the meter step, and tell its home what it tells the DSO."""
    effects: list[Effect] = []
    for effect in meter.step(state, event, now, rng):
        effects.append(effect)
        if isinstance(effect, Send) and isinstance(effect.body, MeterReading):
            own = keccak256(b"PETra reading for the home 1" + effect.message_id)[:16]
            effects.append(replace(effect, message_id=own, recipient=home))
    return effects
