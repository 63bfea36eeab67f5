"""The DSO as one function of state and event: withdrawals, credits, readings, settlement, bills (paper Fig. 2).

Decides: which part of the DSO answers which event. The parts decide the rest.
Invariant: an event that it does not understand changes nothing.
"""

import json
from random import Random

from petra.domain.blocks import Intent
from petra.domain.calls import RecordSchedule
from petra.domain.messages import (
    BillStatement,
    Envelope,
    MessageReceipt,
    MeterReading,
    PriceSchedule,
    WithdrawAssets,
)
from petra.domain.terms import Address
from petra.roles.dso.accounts import observe
from petra.roles.dso.grants import answer, confirm
from petra.roles.dso.metering import chain_breaks, keep_reading, reading_problem
from petra.roles.dso.settling import bill_of, settle_again, settle_until
from petra.roles.dso.state import DsoState, Member
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
            return _open(state, now, rng)
        case Woken(phase=Phase.RESEND):
            return state.receipts.send_again(now)
        case Woken(phase=Phase.SERVE):
            return _serve(state, now, rng)
        case Woken(phase=Phase.SETTLE, timestep=timestep):
            # A DSO that was away hears of this cut-off before it hears of the blocks that came after it.
            return _settled(settle_until(state, min(now, state.cut_off(timestep) + 1)))
        case Woken(phase=Phase.CLOSE):
            return _bills(state, now, rng)
        case MessageArrived(envelope=envelope):
            return _take_message(state, envelope, now, rng)
        case LedgerAdvanced(records=records, outcomes=outcomes):
            effects: list[Effect] = []
            for record in records:
                effects += _settled(settle_until(state, record.timestamp))
                observe(state, record)
            for outcome in outcomes:
                effects += confirm(state, outcome, now)
            return effects
        case _:
            return []


def _open(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Publish the price schedules, record their hashes on the ledger, and set the timers of the run."""
    effects: list[Effect] = []
    for schedule in state.policy.schedules:
        digest = keccak256(encode_body(schedule))
        call = RecordSchedule(from_timestep=schedule.from_timestep, digest=digest)
        intent = Intent(intent_id=f"schedule:{schedule.from_timestep}", sender=state.address, call=call)
        effects.append(Submit(intent=intent))
        for member in state.members:
            effects += state.receipts.send(_message_to(state, member, schedule, rng), now)
    for timestep in range(state.first_timestep, state.last_timestep + 1):
        effects.append(WakeAt(at=state.cut_off(timestep) + 1, phase=Phase.SETTLE, timestep=timestep))
    last = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 1
    return [*effects, WakeAt(at=last, phase=Phase.CLOSE, timestep=state.last_timestep)]


def _take_message(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    match envelope.body:
        case WithdrawAssets():
            if any(queued.message_id == envelope.message_id for _, queued in state.queue):
                return []
            due = now + rng.randint(0, state.policy.delay_seconds_max)
            state.queue.append((due, envelope))
            if due > now:
                return [WakeAt(at=due, phase=Phase.SERVE, timestep=0)]
            return _serve(state, now, rng)
        case MeterReading() as reading:
            member = state.meter_owner(envelope.sender)
            return [] if member is None else _read(state, member, envelope, reading, now)
        case MessageReceipt():
            state.receipts.take_receipt(envelope)
            return []
        case _:
            return []


def _read(state: DsoState, member: Member, envelope: Envelope, reading: MeterReading, now: int) -> list[Effect]:
    """Give a reading its receipt; keep it, and settle again what it tells of, unless something is wrong with it."""
    is_new = state.receipts.is_new(envelope)
    receipt = state.receipts.give(envelope)
    if not is_new:
        return [receipt]
    if problem := reading_problem(state, member, reading, now):
        fields = {"home": member.name, "timestep": reading.timestep, "problem": problem}
        return [receipt, Note(kind="reading-refused", fields=fields)]
    timesteps = keep_reading(state, member, reading, envelope_hash(envelope.raw).hex())
    return [receipt, *_settled(settle_again(state, member, timesteps, now))]


def _serve(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Answer every queued withdrawal whose time has come, in the order of arrival."""
    due = [envelope for at, envelope in state.queue if at <= now]
    state.queue = [(at, envelope) for at, envelope in state.queue if at > now]
    return [effect for envelope in due for effect in answer(state, envelope, now, rng)]


def _settled(settled: list[tuple[str, SettledTimestep]]) -> list[Effect]:
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


def _bills(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Sign and send every home's bill; say whose readings leave gaps, and whether the books close."""
    effects: list[Effect] = []
    for member in state.members.values():
        bill = bill_of(state, member)
        state.alarms += bill.problems()
        document = json.dumps(as_document(bill), sort_keys=True).encode()
        message = _message_to(state, member.address, BillStatement(document=document), rng)
        effects += state.receipts.send(message, now)
        if breaks := chain_breaks(state, member):
            effects.append(Note(kind="readings-missing", fields={"home": member.name, "before": breaks}))
    state.alarms += state.books.problems()
    balances = dict(sorted(state.books.balances.items()))
    return [*effects, Note(kind="books", fields={"balances": balances, "problems": list(state.alarms)})]


def _message_to(state: DsoState, to: Address, body: PriceSchedule | BillStatement, rng: Random) -> Send:
    deadline = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 86_400
    return Send(
        message_id=rng.randbytes(16),
        sender=state.address,
        recipient=to,
        deadline=deadline,
        body=body,
    )
