"""When the DSO refuses a withdrawal: small rules with one signature, asked in order (R40, R58, R61, R84).

Each rule answers for the whole request: `rule(state, request, now) -> Grant | Refusal`. Zero is a value: the first
request of a timestep is checked like any other (the original's first request never was).
What keeps withdrawals within the grid is one of `GRID_RULES`; each refuses with the same word and without a figure.
`fine_rules` has those that an operator may add.
Invariant: if every rule of a set granted every accepted request, no sequence of requests exceeds a limit.
The order matters: `gate` and `horizon` come first and so bound the timesteps over which the others count.
"""

from collections.abc import Mapping

from petra.domain.quantities import energy_of, payment_rounded_up
from petra.domain.refusals import GrantReason, Refusal
from petra.roles.dso.curtailing import curtailed
from petra.roles.dso.freeze import frozen
from petra.roles.dso.requests import intervals
from petra.roles.dso.state import DsoState, Grant, Granted, GridRule, Member, Policy, Request, Rule
from petra.settlement.prices import schedule_in_force


def gate(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse assets that begin before the first tradeable timestep: they could not be traded whole."""
    first = state.terms.timeline.first_tradeable(now)
    for interval in intervals(request):
        if interval.start < first:
            return Refusal(reason=GrantReason.GATE_CLOSED, arguments=(interval.start, first))
    return Grant(request=request)


def horizon(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse assets that end too far ahead, or outside the timesteps of this run."""
    last = min(state.terms.timeline.current(now) + state.policy.horizon_timesteps, state.last_timestep)
    for interval in intervals(request):
        if interval.end > last or interval.start < state.first_timestep:
            return Refusal(reason=GrantReason.OUTSIDE_HORIZON, arguments=(interval.end, last))
    return Grant(request=request)


def capacity(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse more than the plant can make or the connection can carry, in any timestep."""
    member = request.member
    for granted in request.totals.values():
        kept = granted.kept
        if kept.production > member.production_capacity_watts:
            figures = (kept.production, member.production_capacity_watts)
            return Refusal(reason=GrantReason.PRODUCTION_CAPACITY, arguments=figures)
        if kept.consumption > member.consumption_capacity_watts:
            figures = (kept.consumption, member.consumption_capacity_watts)
            return Refusal(reason=GrantReason.CONSUMPTION_CAPACITY, arguments=figures)
    return Grant(request=request)


def firm_envelope(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse what could carry all homes together over the connection of the microgrid, whatever is traded.

    Grants are totals that contain the firm part: each home may import max(L, C) and export max(F, G). The refusal
    carries no figure: it would tell of the neighbours.
    """
    policy = state.policy
    if policy.import_limit_watts is None and policy.export_limit_watts is None:
        return Grant(request=request)
    for timestep, granted in request.totals.items():
        imports = exports = 0
        for member in state.members.values():
            is_own = member.address == request.member.address
            own = granted if is_own else state.of(member.address, timestep)
            imports += max(member.firm_import_watts, own.consumption)
            exports += max(member.firm_export_watts, own.production)
        over_import = policy.import_limit_watts is not None and imports > policy.import_limit_watts
        over_export = policy.export_limit_watts is not None and exports > policy.export_limit_watts
        if (over_import and granted.consumption > request.member.firm_import_watts) or (
            over_export and granted.production > request.member.firm_export_watts
        ):
            return Refusal(reason=GrantReason.NETWORK)
    return Grant(request=request)


def feeder_safety(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse what some outcome of all grants together could turn into an overload of the feeder (docs: safety.md)."""
    assert state.grid is not None, "the rule is only chosen where there is a feeder"
    if not state.grid.allows(request.member.address, request.assets):
        return Refusal(reason=GrantReason.NETWORK)
    return Grant(request=request)


def funds(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse more money than the account has above what its open promises hold."""
    asked = sum(asset.amount for asset in request.assets)
    if not asked:
        return Grant(request=request)
    free = state.books.balance(request.member.address) - held(state, request.member)
    if asked > max(0, free):
        return Refusal(reason=GrantReason.INSUFFICIENT_FUNDS, arguments=(asked, max(0, free)))
    return Grant(request=request)


def collateral(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse promises of production whose failure the account could not pay for (sell, cash out, default).

    The money that the same request takes away is gone by then.
    """
    if not any(asset.power > 0 for asset in request.assets):
        return Grant(request=request)
    member = request.member
    needed = held(state, member)
    for timestep, granted in request.totals.items():
        needed += _collateral_of(state, timestep, granted) - _collateral_of(
            state, timestep, state.of(member.address, timestep)
        )
    asked = sum(asset.amount for asset in request.assets)
    limit = state.books.balance(member.address) - asked + member.credit_limit
    if needed > limit:
        return Refusal(reason=GrantReason.COLLATERAL, arguments=(needed, limit))
    return Grant(request=request)


# feeder: no outcome overloads a line or the transformer. limits: each home its own, as in the paper. connection: all
# homes together at the microgrid's connection. none: to compare with.
GRID_RULES: Mapping[GridRule, tuple[Rule, ...]] = {
    "feeder": (capacity, feeder_safety),
    "limits": (capacity,),
    "connection": (capacity, firm_envelope),
    "none": (),
}


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """Return every rule of a policy in the order in which they are asked: what is cheap and tells nothing first."""
    return (frozen, gate, horizon, curtailed, *policy.rules, *GRID_RULES[policy.grid_rule], funds, collateral)


def decide(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Ask every rule of the DSO's policy in order; the first refusal stands."""
    for rule in rules_of(state.policy):
        if isinstance(answer := rule(state, request, now), Refusal):
            return answer
    return Grant(request=request)


def held(state: DsoState, member: Member) -> int:
    """Return what a member's unsettled promises of production may cost it, nano-units.

    A provisional settlement has charged the whole promise already, so nothing is left to hold for it.
    """
    return sum(
        _collateral_of(state, timestep, granted)
        for timestep, granted in state.granted.get(member.address, {}).items()
        if timestep >= state.next_to_settle
    )


def _collateral_of(state: DsoState, timestep: int, granted: Granted) -> int:
    promised = max(0, granted.production - granted.production_deposited)
    if not promised:
        return 0
    price = schedule_in_force(state.policy.schedules, timestep).imbalance
    return payment_rounded_up(energy_of(promised, 1, state.terms.timestep_seconds), price)
