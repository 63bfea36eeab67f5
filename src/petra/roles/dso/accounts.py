"""What the ledger tells the DSO: trades of its members, and deposits that it credits (R71-R73).

Decides: to whose account a pseudonym's deposit belongs. The ledger names no member; only the DSO knows.
Invariant: events are taken in the ledger's order and timesteps whose cut-off came before a record are settled first.
An issue that these books do not know (another DSO signed it, or a backup was restored) raises an alarm, not an error.
"""

from petra.domain.blocks import LedgerRecord
from petra.domain.events import AssetAdded, AssetDeposited, FinancialAdded, FinancialDeposited, OfferAccepted
from petra.domain.quantities import energy_of
from petra.domain.terms import NO_ADDRESS, Address
from petra.roles.dso.state import DsoState
from petra.settlement.bills import CommunityTrade
from petra.settlement.books import LEDGER, Entry


def observe(state: DsoState, record: LedgerRecord) -> None:
    """Take one transaction's events into the accounts, then into the DSO's own view of the ledger."""
    for event in record.events:
        match event:
            case AssetAdded():
                _count_issued(state, event)
            case FinancialAdded():
                _book_issued(state, record, event)
            case OfferAccepted():
                _trade(state, record, event)
            case AssetDeposited():
                _release(state, record, event)
                _credit_energy(state, event)
            case FinancialDeposited():
                _credit_money(state, record, event)
            case _:
                pass
    state.view.observe(record.events)


def _count_issued(state: DsoState, event: AssetAdded) -> None:
    account = _known(state, event.anon_address)
    if event.power < 0:
        return
    for timestep in range(event.start, event.end + 1):
        state.change(account, timestep).production_issued += event.power


def _known(state: DsoState, address: Address) -> Address:
    """Return the account of an address that something was issued to."""
    account = state.account_of(address)
    if account == NO_ADDRESS:
        state.alarm(f"the ledger holds a grant to {address} that these books do not know")
    return account


def _book_issued(state: DsoState, record: LedgerRecord, event: FinancialAdded) -> None:
    """Book what was issued to the DSO itself or to an unknown address; homes' money is booked when it is granted."""
    account = _known(state, event.anon_address)
    if account in state.members:
        state.moved(account, issued=event.amount)
        return
    state.books.post(
        Entry(
            at=record.timestamp,
            from_account=account,
            to_account=LEDGER,
            amount=event.amount,
            memo="withdrawal",
            reference=record.transaction_hash.hex(),
        )
    )


def _credit_energy(state: DsoState, event: AssetDeposited) -> None:
    asset = state.view.assets[event.asset_id]
    if asset.power > 0:
        for timestep in range(max(asset.start, state.next_to_settle), asset.end + 1):
            state.change(state.account_of(event.anon_address), timestep).production_deposited += asset.power


def _release(state: DsoState, record: LedgerRecord, event: AssetDeposited) -> None:
    """Free the grid of an own permit that came back unspent before its timesteps began (DESIGN 7).

    What was bought frees nothing: whoever it was granted to may still make or use it.
    """
    asset, account = state.view.assets[event.asset_id], state.account_of(event.anon_address)
    was_granted_to = state.account_of(state.view.granted_to(event.asset_id))
    if state.grid is None or account not in state.members or account != was_granted_to or asset.spent:
        return
    begun = state.terms.timeline.current(record.timestamp)
    for timestep in state.grid.give_back(account, asset, begun + 1):
        own = state.change(account, timestep)
        own.production_released += max(0, asset.power)
        own.consumption_released += max(0, -asset.power)


def _credit_money(state: DsoState, record: LedgerRecord, event: FinancialDeposited) -> None:
    account = state.account_of(event.anon_address)
    reference = record.transaction_hash.hex()
    state.moved(account, deposited=event.amount)
    state.books.post(
        Entry(
            at=record.timestamp,
            from_account=LEDGER,
            to_account=account,
            amount=event.amount,
            memo="deposit",
            reference=reference,
        )
    )


def _trade(state: DsoState, record: LedgerRecord, event: OfferAccepted) -> None:
    """Keep both sides of a trade for the bills: who posted, who accepted, who sold."""
    poster = state.view.assets[state.view.open_offers[event.offer_id].asset_id].owner
    acceptor = state.view.assets[event.asset_id].owner
    seller, buyer = (poster, acceptor) if event.power > 0 else (acceptor, poster)
    energy = energy_of(event.power, event.end - event.start + 1, state.terms.timestep_seconds)
    for address, sign in ((seller, 1), (buyer, -1)):
        state.trades[state.account_of(address)].append(
            CommunityTrade(
                timestamp=record.timestamp,
                start=event.start,
                end=event.end,
                energy=sign * energy,
                payment=sign * event.payment,
                offer_id=event.offer_id,
                transaction=record.transaction_hash.hex(),
            )
        )
