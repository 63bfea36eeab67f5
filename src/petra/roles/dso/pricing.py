"""The DSO's prices while it runs: which schedules are added, who is told, and what the ledger keeps (R41, DESIGN 6).

Decides: when a price is frozen. Knows no settlement.
Invariants: a schedule in force never changes; the prices of a timestep are fixed before its first asset can be granted.
"""

from dataclasses import asdict, replace
from random import Random

from petra.domain.blocks import Intent
from petra.domain.calls import RecordSchedule
from petra.domain.messages import BillStatement, Curtailment, PriceSchedule
from petra.domain.quantities import UINT64_MAX
from petra.domain.terms import Address
from petra.roles.dso.state import DsoState
from petra.roles.effects import Effect, Note, Send, Submit
from petra.settlement.prices import schedule_problems
from petra.wire.bodies import encode_body
from petra.wire.keccak import keccak256

PATIENCE_SECONDS = 30 * 86_400  # how long a home may be away and still get what the DSO has told everybody


def publish(state: DsoState, schedule: PriceSchedule, now: int, rng: Random) -> list[Effect]:
    """Record a schedule's hash on the ledger and tell every member."""
    call = RecordSchedule(from_timestep=schedule.from_timestep, digest=keccak256(encode_body(schedule)))
    intent = Intent(intent_id=f"schedule:{schedule.from_timestep}", sender=state.address, call=call)
    effects: list[Effect] = [Submit(intent=intent)]
    for member in state.active_members():
        effects += tell(state, member.address, schedule, now, rng)
    return effects


def add_schedule(state: DsoState, schedule: PriceSchedule, now: int, rng: Random) -> list[Effect]:
    """Put a new schedule in force and publish it, or note why not."""
    if problems := order_problems(state, schedule, now):
        fields = {"from_timestep": schedule.from_timestep, "problems": problems}
        return [Note(kind="schedule-refused", fields=fields)]
    state.policy = replace(state.policy, schedules=(*state.policy.schedules, schedule))
    return [*publish(state, schedule, now, rng), Note(kind="prices", fields=asdict(schedule))]


def order_problems(state: DsoState, schedule: PriceSchedule, now: int) -> list[str]:
    """Return why an operator's schedule is refused, a sentence each."""
    problems = schedule_problems(schedule)
    if not all(0 <= figure <= UINT64_MAX for figure in asdict(schedule).values()):
        problems.append("a figure does not fit its field")
    if schedule.local > state.terms.max_price:
        problems.append(f"local {schedule.local} is above {state.terms.max_price}, the highest price of the contract")
    frozen = state.terms.timeline.current(now) + state.policy.horizon_timesteps
    if schedule.from_timestep <= frozen:
        problems.append(
            f"it begins at timestep {schedule.from_timestep}, prices are frozen up to {frozen}: assets may be granted"
        )
    if any(one.from_timestep == schedule.from_timestep for one in state.policy.schedules):
        problems.append(f"a schedule that begins at timestep {schedule.from_timestep} is published already")
    return problems


def tell(
    state: DsoState, to: Address, body: PriceSchedule | BillStatement | Curtailment, now: int, rng: Random
) -> list[Effect]:
    """Send a home what it must know, until it gives a receipt."""
    end_of_run = state.cut_off(state.last_timestep) + state.policy.dispute_window_seconds + 86_400
    message = Send(
        message_id=rng.randbytes(16),
        sender=state.address,
        recipient=to,
        deadline=min(end_of_run, now + PATIENCE_SECONDS),
        body=body,
    )
    return state.receipts.send(message, now)
