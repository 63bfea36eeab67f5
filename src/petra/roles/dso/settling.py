"""Closing timesteps: positions from the ledger, energy from the meters, lines into the books (DESIGN 10).

Decides: what counts at the cut-off and what is assumed where a reading is missing.
Invariants: the positions of all accounts sum to zero in every timestep; a timestep is settled once, and again only if
a reading within its dispute window tells of another energy; the books sum to zero throughout.
"""

from petra.domain.messages import Direction
from petra.domain.quantities import energy_of, payment_rounded_down, payment_rounded_up
from petra.domain.terms import NO_ADDRESS, Address
from petra.roles.dso.curtailing import allowed
from petra.roles.dso.metering import is_final, metered, proofs
from petra.roles.dso.standing import judge
from petra.roles.dso.state import DsoState, Member
from petra.settlement.bills import SettledTimestep, position_problems
from petra.settlement.books import BULK, GRID, UTILITY, Entry
from petra.settlement.lines import Delivery, LineKind, settle, utility_only
from petra.settlement.prices import schedule_in_force


def settle_until(state: DsoState, timestamp: int, now: int) -> list[tuple[str, SettledTimestep]]:
    """Settle every timestep whose cut-off lies before a unix second; return (home, what was settled), in order."""
    settled: list[tuple[str, SettledTimestep]] = []
    while state.next_to_settle <= state.last_timestep and state.cut_off(state.next_to_settle) < timestamp:
        settled += _settle(state, state.next_to_settle)
        state.settled_at[state.next_to_settle] = now
        state.next_to_settle += 1
    return settled


def settle_again(state: DsoState, member: Member, timesteps: range, now: int) -> list[tuple[str, SettledTimestep]]:
    """Settle a member's timesteps once more after a reading came, as far as they are settled and not yet final."""
    settled = []
    for timestep in timesteps:
        before = state.settled.get(timestep, {}).get(member.address)
        if before is None or is_final(state, timestep, now):
            continue
        after = _settle_member(state, member, timestep, before.delivery.position)
        if after == before:
            continue
        _post(state, member, before, undo=True)
        _cover_residual(state, timestep, undo=True)
        state.settled[timestep][member.address] = after
        judge(state, member, after)
        _post(state, member, after)
        _cover_residual(state, timestep)
        settled.append((member.name, after))
    return settled


def positions(state: DsoState, timestep: int) -> dict[Address, int]:
    """Return every account's position in joules: production issued - deposited or live.

    The DSO's account is one of them, and so is the one of unknown addresses.
    """
    live = {account: 0 for account in (*state.members, state.address, NO_ADDRESS)}
    for asset in state.view.assets.values():
        if asset.power > 0 and asset.start <= timestep <= asset.end:
            live[state.account_of(asset.owner)] += asset.power
    standing = {}
    for account, watts in live.items():
        own = state.of(account, timestep)
        standing[account] = (own.production_issued - own.production_deposited - watts) * state.terms.timestep_seconds
    return standing


def _settle(state: DsoState, timestep: int) -> list[tuple[str, SettledTimestep]]:
    standing = positions(state, timestep)
    for problem in position_problems(list(standing.values()), timestep):
        state.alarm(problem)
    state.settled[timestep] = {}
    members = [member for member in state.members.values() if state.settles(member, timestep)]
    for member in members:
        settled = _settle_member(state, member, timestep, standing[member.address])
        state.settled[timestep][member.address] = settled
        judge(state, member, settled)
        _post(state, member, settled)
    _cover_residual(state, timestep)
    return [(member.name, state.settled[timestep][member.address]) for member in members]


def _settle_member(state: DsoState, member: Member, timestep: int, position: int) -> SettledTimestep:
    granted, seconds = state.of(member.address, timestep), state.terms.timestep_seconds
    prices = schedule_in_force(state.policy.schedules, timestep)
    told = metered(state, member, timestep)
    imports, exports = (allowed(state, member, timestep, one) for one in (Direction.IMPORT, Direction.EXPORT))
    produced, consumed = told or (0, min(member.firm_import_watts, imports) * seconds)
    delivery = Delivery(
        position=position,
        metered=produced - consumed,
        import_allowed=energy_of(imports, 1, seconds),
        export_allowed=energy_of(exports, 1, seconds),
        tolerance_per_mille=state.policy.tolerance_per_mille,
    )
    lines = settle(delivery, prices)
    return SettledTimestep(
        timestep=timestep,
        delivery=delivery,
        produced=produced,
        consumed=consumed,
        withdrawn=(granted.production, granted.consumption),
        lines=lines if told else tuple(line for line in lines if line.amount <= 0),
        provisional=told is None,
        readings=proofs(state, member, timestep),
        utility_only=utility_only(produced - consumed, prices),
    )


def _post(state: DsoState, member: Member, settled: SettledTimestep, *, undo: bool = False) -> None:
    for line in settled.lines:
        dso_account = GRID if line.kind is LineKind.GRID_FEE else UTILITY
        home_pays = (line.amount < 0) is not undo
        source, target = (member.address, dso_account) if home_pays else (dso_account, member.address)
        memo = f"{line.kind.value} {settled.timestep}"
        at = state.cut_off(settled.timestep)
        state.books.post(Entry(at=at, from_account=source, to_account=target, amount=abs(line.amount), memo=memo))


def _cover_residual(state: DsoState, timestep: int, *, undo: bool = False) -> None:
    """Buy on the bulk market what passed into the microgrid, or sell there what passed out of it (R10)."""
    bulk = schedule_in_force(state.policy.schedules, timestep).bulk
    net = sum(settled.delivery.metered for settled in state.settled[timestep].values())
    if net < 0:
        amount, source, target = payment_rounded_up(-net, bulk), UTILITY, BULK
    else:
        amount, source, target = payment_rounded_down(net, bulk), BULK, UTILITY
    if undo:
        source, target = target, source
    at = state.cut_off(timestep)
    state.books.post(Entry(at=at, from_account=source, to_account=target, amount=amount, memo=f"bulk {timestep}"))
