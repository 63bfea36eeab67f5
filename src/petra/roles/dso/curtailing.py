"""Curtailments: the operator bounds what flows at some homes' meters in timesteps to come (R51, R84, DESIGN 7).

Decides: whether an order is taken, who is told, and what is left of an envelope. Knows no feeder.
Invariants: an order is about timesteps that have not begun, so that a home can obey; each home that it is about gets a
signed message until it gives a receipt; grants, envelope and settlement are bounded alike.
"""

from dataclasses import asdict
from random import Random

from petra.domain.messages import NOT_CURTAILED, Curtailment, Direction
from petra.domain.refusals import GrantReason, Refusal
from petra.domain.terms import Address
from petra.roles.curtailments import limit_of
from petra.roles.dso.fine_rules import BOTH
from petra.roles.dso.pricing import tell
from petra.roles.dso.requests import raised, watts
from petra.roles.dso.state import Curtailed, DsoState, Grant, Member, Request
from petra.roles.effects import CurtailmentOrdered, Effect, Note


def curtailed(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse to add to what is more than a curtailment leaves."""
    if not state.curtailments:
        return Grant(request=request)
    told = _told(state, request.member.address)
    for direction in BOTH:
        for timestep, total in raised(state, request, direction).items():
            limit = limit_of(told, timestep, direction)
            if limit is not None and total > limit:
                return Refusal(reason=GrantReason.CURTAILED, arguments=(total, limit))
    return Grant(request=request)


def allowed(state: DsoState, member: Member, timestep: int, direction: Direction) -> int:
    """Return what a home may use of its firm part and grants, as far as no curtailment takes it away, watts."""
    firm = member.firm_export_watts if direction is Direction.EXPORT else member.firm_import_watts
    most = max(firm, watts(state.of(member.address, timestep).kept, direction))
    limit = limit_of(_told(state, member.address), timestep, direction) if state.curtailments else None
    return most if limit is None else min(most, limit)


def curtail(state: DsoState, order: CurtailmentOrdered, now: int, rng: Random) -> list[Effect]:
    """Put an order in force and tell the homes that it is about, or note why not."""
    if problems := _problems(state, order, now):
        return [Note(kind="curtailment-refused", fields={"problems": problems})]
    state.last_curtailment += 1
    body = Curtailment(
        number=state.last_curtailment,
        direction=order.direction,
        limit_watts=NOT_CURTAILED if order.limit_watts is None else order.limit_watts,
        start=order.start,
        end=order.end,
    )
    own = Curtailed(accounts=order.accounts, told=body)
    state.curtailments.append(own)
    homes = [member for member in state.active_members() if own.is_about(member.address)]
    fields = asdict(order) | {"number": body.number, "homes": [member.name for member in homes]}
    effects: list[Effect] = [Note(kind="curtailment", fields={k: fields[k] for k in fields if k != "accounts"})]
    for member in homes:
        effects += tell(state, member.address, body, now, rng)
    return effects


def tell_newcomer(state: DsoState, member: Member, now: int, rng: Random) -> list[Effect]:
    """Tell a home that has just been enrolled what is still to come."""
    coming = [one for one in _told(state, member.address) if one.end >= member.first_timestep]
    return [effect for one in coming for effect in tell(state, member.address, one, now, rng)]


def forget_curtailments(state: DsoState, through: int) -> None:
    """Drop what is about billed timesteps only."""
    state.curtailments = [one for one in state.curtailments if one.told.end > through]


def _told(state: DsoState, account: Address) -> list[Curtailment]:
    return [one.told for one in state.curtailments if one.is_about(account)]


def _problems(state: DsoState, order: CurtailmentOrdered, now: int) -> list[str]:
    current = state.terms.timeline.current(now)
    problems = []
    if not current < order.start <= order.end <= state.last_timestep:
        problems.append(f"timesteps {order.start}..{order.end}: must run forwards, after the current one, {current}")
    if order.limit_watts is not None and not 0 <= order.limit_watts < NOT_CURTAILED:
        problems.append(f"{order.limit_watts} W: is no limit")
    problems += [f"{account}: is no member" for account in order.accounts if account not in state.members]
    return problems
