"""Closing timesteps: positions from the ledger, energy from the meters, lines into the books, bills (DESIGN 10).

Decides: what counts at the cut-off and what is assumed where a reading is missing.
Invariants: the positions of all accounts sum to zero in every timestep; a timestep is settled once, or provisionally
and then once more when the register returns within the dispute window; the books sum to zero throughout.
"""

from collections.abc import Iterator

from petra.domain.messages import MeterReading, PriceSchedule
from petra.domain.quantities import energy_of, payment_rounded_down, payment_rounded_up
from petra.domain.terms import Address
from petra.roles.dso.accounts import account_of
from petra.roles.dso.state import DsoState, Member
from petra.settlement.bills import Bill, SettledTimestep, position_problems
from petra.settlement.books import BULK, GRID, LEDGER, UTILITY, Entry
from petra.settlement.lines import Delivery, LineKind, settle, spread_evenly, utility_only
from petra.settlement.prices import schedule_in_force


def settle_until(state: DsoState, timestamp: int) -> list[tuple[str, SettledTimestep]]:
    """Settle every timestep whose cut-off lies before a unix second; return (home, what was settled), in order."""
    settled: list[tuple[str, SettledTimestep]] = []
    while state.next_to_settle <= state.last_timestep and state.cut_off(state.next_to_settle) < timestamp:
        settled += _settle(state, state.next_to_settle)
        state.next_to_settle += 1
    return settled


def take_reading(state: DsoState, member: Member, reading: MeterReading, envelope_hash: str, now: int) -> None:
    """Keep a register reading; settle again what stood provisionally for want of it, within the dispute window."""
    state.readings[member.meter].setdefault(reading.timestep, (reading, envelope_hash))
    for timestep in range(state.first_timestep, state.next_to_settle):
        before = state.settled[timestep][member.address]
        deadline = state.cut_off(timestep) + state.policy.dispute_window_seconds
        if before.provisional and now <= deadline and _metered(state, member, timestep) is not None:
            after = _settle_member(state, member, timestep, before.delivery.position)
            _post(state, member, before, undo=True)
            _post(state, member, after)
            state.settled[timestep][member.address] = after
            _cover_residual(state, timestep, before.delivery.metered, undo=True)
            _cover_residual(state, timestep, after.delivery.metered)


def positions(state: DsoState, timestep: int) -> dict[Address, int]:
    """Return every account's position in joules, the DSO's included: production withdrawn - deposited or live."""
    live = {account: 0 for account in (*state.members, state.address)}
    for asset in state.view.assets.values():
        if asset.power > 0 and asset.start <= timestep <= asset.end:
            live[account_of(state, asset.owner)] += asset.power
    return {
        account: (granted.production - granted.production_deposited - live[account]) * state.terms.timestep_seconds
        for account in live
        for granted in (state.of(account, timestep),)
    }


def bill_of(state: DsoState, member: Member) -> Bill:
    """Return a member's statement over every settled timestep."""
    account = member.address
    entries = state.books.entries
    on_ledger = sum(state.view.balance(address) for address, owner in state.pseudonyms.items() if owner is member)
    on_ledger += sum(
        state.view.escrow(offer_id)
        for offer_id, offer in state.view.open_offers.items()
        if account_of(state, state.view.assets[offer.asset_id].owner) == account
    )
    return Bill(
        home=member.name,
        first_timestep=state.first_timestep,
        last_timestep=state.next_to_settle - 1,
        opening=member.opening_balance,
        withdrawn=sum(e.amount for e in entries if (e.from_account, e.to_account) == (account, LEDGER))
        - sum(
            e.amount for e in entries if (e.from_account, e.to_account, e.memo) == (LEDGER, account, "void withdrawal")
        ),
        deposited=sum(
            e.amount for e in entries if (e.from_account, e.to_account, e.memo) == (LEDGER, account, "deposit")
        ),
        on_ledger=on_ledger,
        closing=state.books.balance(account),
        trades=tuple(state.trades[account]),
        timesteps=tuple(state.settled[timestep][account] for timestep in sorted(state.settled)),
    )


def _settle(state: DsoState, timestep: int) -> list[tuple[str, SettledTimestep]]:
    standing = positions(state, timestep)
    state.alarms += position_problems(list(standing.values()), timestep)
    state.settled[timestep] = {}
    for member in state.members.values():
        settled = _settle_member(state, member, timestep, standing[member.address])
        state.settled[timestep][member.address] = settled
        _post(state, member, settled)
        _cover_residual(state, timestep, settled.delivery.metered)
    return [(member.name, state.settled[timestep][member.address]) for member in state.members.values()]


def _settle_member(state: DsoState, member: Member, timestep: int, position: int) -> SettledTimestep:
    granted, seconds = state.of(member.address, timestep), state.terms.timestep_seconds
    prices = schedule_in_force(state.policy.schedules, timestep)
    metered = _metered(state, member, timestep)
    produced, consumed = metered or (0, member.firm_import_watts * seconds)
    delivery = Delivery(
        position=position,
        metered=produced - consumed,
        import_allowed=energy_of(max(member.firm_import_watts, granted.consumption), 1, seconds),
        export_allowed=energy_of(max(member.firm_export_watts, granted.production), 1, seconds),
        tolerance_per_mille=state.policy.tolerance_per_mille,
    )
    lines = settle(delivery, prices)
    return SettledTimestep(
        timestep=timestep,
        delivery=delivery,
        produced=produced,
        consumed=consumed,
        withdrawn=(granted.production, granted.consumption),
        lines=lines if metered else tuple(line for line in lines if line.amount <= 0),
        provisional=metered is None,
        readings=tuple(_proofs(state, member, timestep)),
        utility_only=utility_only(produced - consumed, prices),
    )


def _metered(state: DsoState, member: Member, timestep: int) -> tuple[int, int] | None:
    """Return joules produced and consumed in a timestep; a gap between two readings is spread evenly over it."""
    readings = state.readings[member.meter]
    until = min((known for known in readings if known >= timestep), default=None)
    if until is None:
        return None
    since = max((known for known in readings if known < timestep), default=state.first_timestep - 1)
    start = readings[since][0] if since in readings else None
    end = readings[until][0]
    gap, index = until - since, timestep - since - 1
    produced = spread_evenly(end.produced - (start.produced if start else 0), gap)[index]
    consumed = spread_evenly(end.consumed - (start.consumed if start else 0), gap)[index]
    return min(produced, member.production_capacity_watts * state.terms.timestep_seconds), consumed


def _proofs(state: DsoState, member: Member, timestep: int) -> Iterator[str]:
    readings = state.readings[member.meter]
    before = max((known for known in readings if known < timestep), default=None)
    after = min((known for known in readings if known >= timestep), default=None)
    return (readings[known][1] for known in (before, after) if known is not None)


def _post(state: DsoState, member: Member, settled: SettledTimestep, *, undo: bool = False) -> None:
    for line in settled.lines:
        dso_account = GRID if line.kind is LineKind.GRID_FEE else UTILITY
        home_pays = (line.amount < 0) is not undo
        source, target = (member.address, dso_account) if home_pays else (dso_account, member.address)
        memo = f"{line.kind.value} {settled.timestep}"
        at = state.cut_off(settled.timestep)
        state.books.post(Entry(at=at, from_account=source, to_account=target, amount=abs(line.amount), memo=memo))


def _cover_residual(state: DsoState, timestep: int, metered: int, *, undo: bool = False) -> None:
    """Buy a home's metered import on the bulk market, or sell its export there (R10)."""
    prices: PriceSchedule = schedule_in_force(state.policy.schedules, timestep)
    if metered < 0:
        amount, source, target = payment_rounded_up(-metered, prices.bulk), UTILITY, BULK
    else:
        amount, source, target = payment_rounded_down(metered, prices.bulk), BULK, UTILITY
    if undo:
        source, target = target, source
    at = state.cut_off(timestep)
    state.books.post(Entry(at=at, from_account=source, to_account=target, amount=amount, memo=f"bulk {timestep}"))
