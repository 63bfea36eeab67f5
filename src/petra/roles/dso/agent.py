"""The DSO as one function of state and event: withdrawals, credits, readings, settlement, bills (paper Fig. 2).

Decides: which part of the DSO answers which event. The parts decide the rest.
Invariant: an event that it does not understand changes nothing.
"""

import json
from random import Random

from petra.domain.messages import (
    BillStatement,
    Enrol,
    Envelope,
    MessageReceipt,
    MeterReading,
    WithdrawAssets,
)
from petra.roles.dso.accounts import observe
from petra.roles.dso.grants import confirm, receive, serve
from petra.roles.dso.membership import enrol, open_enrolment, revoke
from petra.roles.dso.metering import chain_breaks, keep_reading, reading_problem
from petra.roles.dso.pricing import add_schedule, publish, tell
from petra.roles.dso.settling import bill_of, settle_again, settle_until
from petra.roles.dso.state import DsoState, Member
from petra.roles.effects import (
    Effect,
    EnrolmentOpened,
    Event,
    LedgerAdvanced,
    MessageArrived,
    Note,
    Phase,
    Revoked,
    ScheduleAdded,
    WakeAt,
    Woken,
)
from petra.settlement.bills import SettledTimestep, as_document
from petra.wire.envelope import envelope_hash


def step(state: DsoState, event: Event, now: int, rng: Random) -> list[Effect]:
    """Take one event; return what the DSO wants done."""
    known = len(state.alarms)
    effects = _step(state, event, now, rng)
    return [*effects, *(Note(kind="alarm", fields={"problem": problem}) for problem in state.alarms[known:])]


def _step(state: DsoState, event: Event, now: int, rng: Random) -> list[Effect]:
    match event:
        case Woken(phase=Phase.OPEN):
            return _open(state, now, rng)
        case Woken(phase=Phase.RESEND):
            return state.receipts.send_again(now)
        case Woken(phase=Phase.SERVE):
            return serve(state, now, rng)
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
            return _take_order(state, event, now, rng)


def _take_order(state: DsoState, order: Event, now: int, rng: Random) -> list[Effect]:
    match order:
        case EnrolmentOpened():
            return open_enrolment(state, order, now)
        case Revoked(account=account):
            return revoke(state, account, now)
        case ScheduleAdded(schedule=schedule):
            return add_schedule(state, schedule, now, rng)
        case _:
            return []


def _open(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Publish the price schedules, record their hashes on the ledger, and set the timers of the run."""
    effects: list[Effect] = []
    for schedule in state.policy.schedules:
        effects += publish(state, schedule, now, rng)
    for timestep in range(state.first_timestep, state.last_timestep + 1):
        effects.append(WakeAt(at=state.cut_off(timestep) + 1, phase=Phase.SETTLE, timestep=timestep))
    last = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 1
    return [*effects, WakeAt(at=last, phase=Phase.CLOSE, timestep=state.last_timestep)]


def _take_message(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    match envelope.body:
        case WithdrawAssets():
            return receive(state, envelope, now, rng)
        case Enrol():
            return enrol(state, envelope, now, rng)
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
        for problem in bill.problems():
            state.alarm(problem)
        document = json.dumps(as_document(bill), sort_keys=True).encode()
        effects += tell(state, member.address, BillStatement(document=document), now, rng)
        if breaks := chain_breaks(state, member):
            effects.append(Note(kind="readings-missing", fields={"home": member.name, "before": breaks}))
    for problem in state.books.problems():
        state.alarm(problem)
    balances = dict(sorted(state.books.balances.items()))
    return [*effects, Note(kind="books", fields={"balances": balances, "problems": list(state.alarms)})]
