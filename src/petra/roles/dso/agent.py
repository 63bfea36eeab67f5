"""The DSO as one function of state and event: withdrawals, credits, readings, settlement, bills (paper Fig. 2).

Decides: which part of the DSO answers which event. The parts decide the rest.
Invariant: an event that it does not understand changes nothing.
"""

from random import Random

from petra.domain.messages import (
    Enrol,
    Envelope,
    MessageReceipt,
    MeterReading,
    WithdrawAssets,
)
from petra.roles.dso.accounts import observe
from petra.roles.dso.billing import bill_period, close, first_timers
from petra.roles.dso.curtailing import curtail, tell_newcomer
from petra.roles.dso.freeze import freeze, unfreeze
from petra.roles.dso.grants import confirm, receive, serve
from petra.roles.dso.membership import enrol, open_enrolment, revoke
from petra.roles.dso.metering import keep_reading, reading_problem
from petra.roles.dso.pricing import add_schedule, publish
from petra.roles.dso.protests import protested, protested_before
from petra.roles.dso.settling import settle_again, settle_until
from petra.roles.dso.standing import reports
from petra.roles.dso.state import DsoState, Member
from petra.roles.effects import (
    CurtailmentOrdered,
    Effect,
    EnrolmentOpened,
    Event,
    Frozen,
    LedgerAdvanced,
    MessageArrived,
    Note,
    Phase,
    Revoked,
    ScheduleAdded,
    Unfrozen,
    WakeAt,
    Woken,
)
from petra.roles.receipts import is_long_past
from petra.settlement.bills import SettledTimestep
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
            if state.grid is not None:
                state.grid.expire(state.terms.timeline.current(now))
            settled = settle_until(state, min(now, state.cut_off(timestep) + 1), now)
            return [*_settled(state, settled), *_next_cut_off(state, timestep + 1)]
        case Woken(phase=Phase.BILL, timestep=timestep):
            return bill_period(state, timestep, now, rng)
        case Woken(phase=Phase.CLOSE):
            return close(state, now, rng)
        case MessageArrived(envelope=envelope):
            return _take_message(state, envelope, now, rng)
        case LedgerAdvanced(records=records, outcomes=outcomes):
            effects: list[Effect] = []
            for record in records:
                effects += _settled(state, settle_until(state, record.timestamp, now))
                observe(state, record)
                effects += protested(state, record, now, rng)
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
        case Frozen():
            return freeze(state, order)
        case Unfrozen():
            return unfreeze(state)
        case CurtailmentOrdered():
            return curtail(state, order, now, rng)
        case _:
            return []


def _open(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Publish the price schedules, record their hashes on the ledger, and set the first timers."""
    if state.grid is not None and not state.grid.agrees_with(state.kept()):
        state.alarm("the feeder's book and the grants disagree: grant nothing before it is known why")
    effects: list[Effect] = []
    for schedule in state.policy.schedules:
        effects += publish(state, schedule, now, rng)
    for order in state.policy.curtailments:
        effects += curtail(state, order, now, rng)
    return [*effects, *_next_cut_off(state, state.first_timestep), *first_timers(state)]


def _next_cut_off(state: DsoState, timestep: int) -> list[Effect]:
    """Return the timer of a cut-off; each is set when the one before has come, since a run may have no end."""
    if timestep > state.last_timestep:
        return []
    return [WakeAt(at=state.cut_off(timestep) + 1, phase=Phase.SETTLE, timestep=timestep)]


def _take_message(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    if is_long_past(envelope.deadline, now):
        return []
    match envelope.body:
        case WithdrawAssets():
            effects = receive(state, envelope, now, rng)
            return [*effects, *protested_before(state, envelope, now, rng)]
        case Enrol():
            return _enrol(state, envelope, now, rng)
        case MeterReading() as reading:
            member = state.meter_owner(envelope.sender)
            return [] if member is None else _read(state, member, envelope, reading, now)
        case MessageReceipt():
            state.receipts.take_receipt(envelope)
            return []
        case _:
            return []


def _enrol(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    """Take a newcomer in, and tell it what everybody else was told of timesteps to come."""
    known = envelope.sender in state.members
    effects = enrol(state, envelope, now, rng)
    if not known and (member := state.members.get(envelope.sender)):
        effects += tell_newcomer(state, member, now, rng)
    return effects


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
    return [receipt, *_settled(state, settle_again(state, member, timesteps, now))]


def _settled(state: DsoState, settled: list[tuple[str, SettledTimestep]]) -> list[Effect]:
    broken = [effect for home, one in settled for effect in reports(state, home, one)]
    notes: list[Effect] = [
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
    return [*notes, *broken]
