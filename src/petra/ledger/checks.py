"""What the contract refuses, in the order of `LedgerReason`: the checks of the verbs that are long or shared.

Decides: which refusal comes first. Changes nothing: each check reads the state and returns the refusal, or None.
The counterparts stand in Petra.sol under "INTERNAL: checks" (issue's stand with the issue). Paper 4.2, R59-R73.
"""

from collections.abc import Set

from petra.domain import calls
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import MARKET_LOCK, NO_ADDRESS, Address
from petra.ledger.state import NOT_ON_OFFER, Asset, LedgerState
from petra.ledger.trade import Piece

EnergyIssue = calls.AddEnergyAsset | calls.EnergyGrant
MoneyIssue = calls.AddFinancialBalance | calls.FinancialGrant

END_OF_TIME = 2**48  # no asset reaches this timestep


def refuse(reason: LedgerReason, *arguments: int | Address) -> Refusal:
    """Return a refusal with its figures, in the order of the Solidity error."""
    return Refusal(reason=reason, arguments=arguments)


def uint64(value: int) -> int:
    """Return the value; one that the ABI could not encode is our mistake."""
    assert 0 <= value <= UINT64_MAX, f"no uint64: {value}"
    return value


def int64(value: int) -> int:
    """Return the value; one that the ABI could not encode is our mistake."""
    assert -INT64_MAX - 1 <= value <= INT64_MAX, f"no int64: {value}"
    return value


def bytes32(value: bytes) -> bytes:
    """Return the value; one that the ABI could not encode is our mistake."""
    assert len(value) == 32, f"no bytes32: {value.hex()}"
    return value


def not_issuer(state: LedgerState, sender: Address) -> Refusal | None:
    """Refuse everybody but the DSO and the issuer."""
    if sender in {state.terms.dso, state.terms.issuer}:
        return None
    return refuse(LedgerReason.NOT_ISSUER, sender)


def energy_refusal(state: LedgerState, grant: EnergyIssue, granted: Set[Address]) -> Refusal | None:
    """Refuse to issue this asset; `granted` are the addresses of earlier entries of the batch."""
    address, power = grant.anon_address, int64(grant.power)
    start, end = uint64(grant.start), uint64(grant.end)
    if address == NO_ADDRESS:
        return refuse(LedgerReason.ZERO_ADDRESS)
    if state.holder(address).energy_granted or address in granted:
        return refuse(LedgerReason.ENERGY_ALREADY_GRANTED, address)
    if power in {0, -INT64_MAX - 1}:
        return refuse(LedgerReason.POWER_OUT_OF_BOUNDS, power)
    if start > end or end - start >= state.terms.max_length or end >= END_OF_TIME:
        return refuse(LedgerReason.INTERVAL_OUT_OF_BOUNDS, start, end)
    return None


def money_refusal(state: LedgerState, grant: MoneyIssue, granted: Set[Address], *, earlier: int) -> Refusal | None:
    """Refuse to issue this money; `granted` and `earlier` (nano-units) tell of earlier entries of the batch."""
    address, amount = grant.anon_address, uint64(grant.amount)
    if address == NO_ADDRESS:
        return refuse(LedgerReason.ZERO_ADDRESS)
    if state.holder(address).money_granted or address in granted:
        return refuse(LedgerReason.MONEY_ALREADY_GRANTED, address)
    if amount == 0:
        return refuse(LedgerReason.AMOUNT_ZERO)
    if state.money_on_ledger + earlier + amount > UINT64_MAX:
        return refuse(LedgerReason.AMOUNT_TOO_LARGE, amount)
    return None


def not_free(asset: Asset, asset_id: int, owner: Address) -> Refusal | None:
    """Refuse an asset that this owner may not trade now: foreign, on offer, locked or spent."""
    if asset.owner != owner:
        return refuse(LedgerReason.NOT_OWNER, asset_id, owner)
    if asset.offer_id != NOT_ON_OFFER:
        return refuse(LedgerReason.ASSET_IS_LOCKED, asset_id)
    if asset.spent:
        return refuse(LedgerReason.ASSET_IS_SPENT, asset_id)
    return None


def gate_refusal(state: LedgerState, start: int, end: int, timestamp: int) -> Refusal | None:
    """Refuse an interval that can no longer be traded: divisible assets are cut, so their end decides."""
    first_tradeable = state.first_tradeable(timestamp)
    decisive = end if state.terms.divisible else start
    if decisive < first_tradeable:
        return refuse(LedgerReason.GATE_CLOSED, decisive, first_tradeable)
    return None


def price_refusal(state: LedgerState, asset_id: int, price: int) -> Refusal | None:
    """Refuse a price at which this asset may not be offered."""
    terms, asset = state.terms, state.assets[asset_id]
    if price > terms.max_price:
        return refuse(LedgerReason.PRICE_TOO_HIGH, price)
    if terms.price_period == 0:
        return None
    period = asset.start // terms.price_period
    if asset.end // terms.price_period != period:
        return refuse(LedgerReason.OUTSIDE_PRICE_PERIOD, asset_id)
    if period not in state.period_prices:
        return refuse(LedgerReason.PRICE_NOT_SET, period)
    if price != state.period_prices[period]:
        return refuse(LedgerReason.PRICE_MISMATCH, price, state.period_prices[period])
    return None


def common_part(state: LedgerState, offered_id: int, provided_id: int, timestamp: int) -> Piece | Refusal:
    """Return what both assets share and may still be traded; its power has the sign of the offered asset."""
    offered, provided = state.assets[offered_id], state.assets[provided_id]
    start, end = max(offered.start, provided.start), min(offered.end, provided.end)
    if offered.is_production == provided.is_production:
        return refuse(LedgerReason.SAME_SIDE, offered_id, provided_id)
    equal = (-offered.power, offered.start, offered.end) == (provided.power, provided.start, provided.end)
    if not state.terms.divisible and not equal:
        return refuse(LedgerReason.INDIVISIBLE, offered_id, provided_id)
    if start > end:
        return refuse(LedgerReason.INTERVALS_DISJOINT, offered_id, provided_id)
    if refusal := gate_refusal(state, start, end, timestamp):
        return refusal
    power = min(abs(offered.power), abs(provided.power))
    start = max(start, state.first_tradeable(timestamp))
    return Piece(power=power if offered.is_production else -power, start=start, end=end)


def settle_refusal(state: LedgerState, call: calls.Settle, sender: Address) -> Refusal | None:
    """Refuse what the market may not settle."""
    bid_id, ask_id, power = uint64(call.bid_asset), uint64(call.ask_asset), int64(call.power)
    start, end, payment = uint64(call.start), uint64(call.end), uint64(call.payment)
    bid, ask = state.assets.get(bid_id), state.assets.get(ask_id)
    if sender != state.terms.market:
        return refuse(LedgerReason.NOT_MARKET, sender)
    if power <= 0:
        return refuse(LedgerReason.POWER_OUT_OF_BOUNDS, power)
    if bid is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, bid_id)
    if ask is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, ask_id)
    if bid.offer_id != MARKET_LOCK:
        return refuse(LedgerReason.ASSET_NOT_LOCKED, bid_id)
    if ask.offer_id != MARKET_LOCK:
        return refuse(LedgerReason.ASSET_NOT_LOCKED, ask_id)
    if bid.is_production or not ask.is_production:
        return refuse(LedgerReason.SAME_SIDE, bid_id, ask_id)
    if power > -bid.power or power > ask.power:
        return refuse(LedgerReason.POWER_OUT_OF_BOUNDS, power)
    if start > end or start < max(bid.start, ask.start) or end > min(bid.end, ask.end):
        return refuse(LedgerReason.INTERVAL_OUT_OF_BOUNDS, start, end)
    if payment > bid.locked_money:
        return refuse(LedgerReason.INSUFFICIENT_BALANCE, bid.owner, bid.locked_money, payment)
    return None
