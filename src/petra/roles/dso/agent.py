"""The DSO as one function of state and event: withdrawals, credits, readings, settlement, bills (paper Fig. 2).

Decides: which part of the DSO answers which event. The parts decide the rest.
Invariant: an event that it does not understand changes nothing.
"""

import json
from random import Random

from petra.domain.blocks import Intent
from petra.domain.calls import RecordSchedule
from petra.domain.messages import BillStatement, Envelope, MeterReading, PriceSchedule, WithdrawAssets
from petra.domain.terms import Address
from petra.roles.dso.accounts import observe
from petra.roles.dso.grants import answer, confirm
from petra.roles.dso.settling import bill_of, settle_until, take_reading
from petra.roles.dso.state import DsoState
from petra.roles.effects import (
    Effect,
    Event,
    LedgerAdvanced,
    MessageArrived,
    Note,
    Phase,
    Send,
    Submit,
    WakeAt,
    Woken,
)
from petra.settlement.bills import SettledTimestep, as_document
from petra.wire.bodies import encode_body
from petra.wire.envelope import envelope_hash
from petra.wire.keccak import keccak256


def step(state: DsoState, event: Event, now: int, rng: Random) -> list[Effect]:
    """Take one event; return what the DSO wants done."""
    match event:
        case Woken(phase=Phase.OPEN):
            return _open(state, rng)
        case Woken(phase=Phase.SERVE):
            return _serve(state, now, rng)
        case Woken(phase=Phase.SETTLE):
            return _settled(state, settle_until(state, now))
        case Woken(phase=Phase.CLOSE):
            return _bills(state, rng)
        case MessageArrived(envelope=envelope):
            return _message(state, envelope, now, rng)
        case LedgerAdvanced(records=records, outcomes=outcomes):
            effects: list[Effect] = []
            for record in records:
                effects += _settled(state, settle_until(state, record.timestamp))
                observe(state, record)
            for outcome in outcomes:
                effects += confirm(state, outcome, now)
            return effects
        case _:
            return []


def _open(state: DsoState, rng: Random) -> list[Effect]:
    """Publish the price schedules, record their hashes on the ledger, and set the timers of the run."""
    effects: list[Effect] = []
    for schedule in state.policy.schedules:
        digest = keccak256(encode_body(schedule))
        call = RecordSchedule(from_timestep=schedule.from_timestep, digest=digest)
        intent = Intent(intent_id=f"schedule:{schedule.from_timestep}", sender=state.address, call=call)
        effects.append(Submit(intent=intent))
        effects += [_send(state, member, schedule, rng) for member in state.members]
    for timestep in range(state.first_timestep, state.last_timestep + 1):
        effects.append(WakeAt(at=state.cut_off(timestep) + 1, phase=Phase.SETTLE, timestep=timestep))
    last = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 1
    return [*effects, WakeAt(at=last, phase=Phase.CLOSE, timestep=state.last_timestep)]


def _message(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    match envelope.body:
        case WithdrawAssets():
            due = now + rng.randint(0, state.policy.delay_seconds_max)
            state.queue.append((due, envelope))
            if due > now:
                return [WakeAt(at=due, phase=Phase.SERVE, timestep=0)]
            return _serve(state, now, rng)
        case MeterReading() as reading:
            member = state.meter_owner(envelope.sender)
            if member is not None:
                take_reading(state, member, reading, envelope_hash(envelope.raw).hex(), now)
            return []
        case _:
            return []


def _serve(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Answer every queued withdrawal whose time has come, in the order of arrival."""
    due = [envelope for at, envelope in state.queue if at <= now]
    state.queue = [(at, envelope) for at, envelope in state.queue if at > now]
    return [effect for envelope in due for effect in answer(state, envelope, now, rng)]


def _settled(state: DsoState, settled: list[tuple[str, SettledTimestep]]) -> list[Effect]:
    return [
        Note(
            kind="settled",
            fields={
                "home": home,
                "timestep": one.timestep,
                "position": one.delivery.position,
                "metered": one.delivery.metered,
                "produced": one.produced,
                "consumed": one.consumed,
                "amount": one.amount,
                "utility_only": one.utility_only,
                "provisional": one.provisional,
                "lines": {line.kind.value: [line.energy, line.amount] for line in one.lines},
            },
        )
        for home, one in settled
    ]


def _bills(state: DsoState, rng: Random) -> list[Effect]:
    """Sign and send every home's bill; say whether the books close."""
    effects: list[Effect] = []
    for member in state.members.values():
        bill = bill_of(state, member)
        state.alarms += bill.problems()
        document = json.dumps(as_document(bill), sort_keys=True).encode()
        effects.append(_send(state, member.address, BillStatement(document=document), rng))
    state.alarms += state.books.problems()
    balances = dict(sorted(state.books.balances.items()))
    return [*effects, Note(kind="books", fields={"balances": balances, "problems": list(state.alarms)})]


def _send(state: DsoState, to: Address, body: PriceSchedule | BillStatement, rng: Random) -> Send:
    deadline = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 86_400
    return Send(
        message_id=rng.randbytes(16),
        sender=state.address,
        recipient=to,
        deadline=deadline,
        body=body,
    )
