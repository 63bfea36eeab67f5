"""The contract's verbs in plain Python, in the order and with the words of Petra.sol: read them side by side.

Decides: what a call changes and tells, or why it is refused; refusals are checked in the order of `LedgerReason`.
Knows no signature, no nonce and no chain. Invariant: a refusal leaves the state equal; an accepted call keeps the nine
invariants (`invariants`). Paper 4.2, R59-R73. An argument that the ABI could not encode is our mistake: an assertion.
"""

from collections.abc import Set
from dataclasses import replace
from typing import assert_never

from petra.domain import calls, events
from petra.domain.calls import Call
from petra.domain.events import LedgerEvent
from petra.domain.quantities import UINT64_MAX, payment_rounded_down, payment_rounded_up
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import MARKET_LOCK, MAX_GRANTS, NO_ADDRESS, Address, Terms
from petra.ledger.checks import (
    EnergyIssue,
    MoneyIssue,
    bytes32,
    common_part,
    energy_refusal,
    gate_refusal,
    money_refusal,
    not_free,
    not_issuer,
    price_refusal,
    refuse,
    settle_refusal,
    uint64,
)
from petra.ledger.state import NOT_ON_OFFER, Asset, LedgerState, Offer
from petra.ledger.trade import Handover, Piece, hand_over

Result = tuple[LedgerEvent, ...] | Refusal

_NONE_YET: Set[Address] = frozenset()


def deploy(terms: Terms) -> LedgerState | Refusal:
    """Return the ledger as the constructor leaves it, or refuse unusable terms."""
    if terms.dso == NO_ADDRESS or not 4 <= terms.timestep_seconds <= 3600 or terms.max_length == 0:
        return refuse(LedgerReason.INVALID_TERMS)
    return LedgerState(terms=terms)


def apply(state: LedgerState, call: Call, sender: Address, timestamp: int) -> Result:  # noqa: C901, PLR0912 one case a verb
    """Apply a call of `sender` in a block of this unix second: its events in order, or why it is refused."""
    match call:
        case calls.AddEnergyAsset():
            return _add_energy_asset(state, call, sender)
        case calls.AddFinancialBalance():
            return _add_financial_balance(state, call, sender)
        case calls.AddAssets():
            return _add_assets(state, call, sender)
        case calls.PostOffer():
            return _post_offer(state, call, sender, timestamp)
        case calls.RescindOffer():
            return _rescind_offer(state, call, sender)
        case calls.AcceptOffer():
            return _accept_offer(state, call, sender, timestamp)
        case calls.DepositEnergyAsset():
            return _deposit_energy_asset(state, call, sender)
        case calls.DepositFinancial():
            return _deposit_financial(state, call, sender)
        case calls.SetPrice():
            return _set_price(state, call, sender, timestamp)
        case calls.RecordSchedule():
            return _record_schedule(state, call, sender)
        case calls.Lock():
            return _lock(state, call, sender)
        case calls.Unlock():
            return _unlock(state, call, sender)
        case calls.Settle():
            return _settle(state, call, sender)
        case calls.Protest():
            return (events.Protested(digest=bytes32(call.digest)),)
    assert_never(call)


# ISSUE: DSO (or issuer)


def _add_energy_asset(state: LedgerState, call: calls.AddEnergyAsset, sender: Address) -> Result:
    if refusal := not_issuer(state, sender):
        return refusal
    if refusal := energy_refusal(state, call, _NONE_YET):
        return refusal
    return (_issue_energy(state, call),)


def _add_financial_balance(state: LedgerState, call: calls.AddFinancialBalance, sender: Address) -> Result:
    if refusal := not_issuer(state, sender):
        return refusal
    if refusal := money_refusal(state, call, _NONE_YET, earlier=0):
        return refusal
    return (_issue_money(state, call),)


def _add_assets(state: LedgerState, call: calls.AddAssets, sender: Address) -> Result:
    if refusal := not_issuer(state, sender):
        return refusal
    count = len(call.energy) + len(call.money)
    if not 1 <= count <= MAX_GRANTS:
        return refuse(LedgerReason.BATCH_OUT_OF_BOUNDS, count)
    # Solidity issues entry by entry and reverts; here all entries are checked as if the earlier ones had been issued.
    exempt, granted, earlier = {state.terms.dso}, set[Address](), 0
    for energy_grant in call.energy:
        if refusal := energy_refusal(state, energy_grant, granted):
            return refusal
        granted |= {energy_grant.anon_address} - exempt
    granted = set()
    for money_grant in call.money:
        if refusal := money_refusal(state, money_grant, granted, earlier=earlier):
            return refusal
        granted |= {money_grant.anon_address} - exempt
        earlier += money_grant.amount
    return (
        *[_issue_energy(state, energy_grant) for energy_grant in call.energy],
        *[_issue_money(state, money_grant) for money_grant in call.money],
    )


def _issue_energy(state: LedgerState, grant: EnergyIssue) -> events.AssetAdded:
    address = grant.anon_address
    state.holders[address] = replace(state.holder(address), energy_granted=address != state.terms.dso)
    asset_id = state.take_asset_id()
    state.assets[asset_id] = Asset(owner=address, power=grant.power, start=grant.start, end=grant.end)
    return events.AssetAdded(
        anon_address=address, asset_id=asset_id, power=grant.power, start=grant.start, end=grant.end
    )


def _issue_money(state: LedgerState, grant: MoneyIssue) -> events.FinancialAdded:
    address = grant.anon_address
    state.holders[address] = replace(
        state.holder(address),
        balance=state.balance(address) + grant.amount,
        money_granted=address != state.terms.dso,
    )
    state.money_on_ledger += grant.amount
    return events.FinancialAdded(anon_address=address, amount=grant.amount)


# TRADE: owners of assets


def _post_offer(state: LedgerState, call: calls.PostOffer, sender: Address, timestamp: int) -> Result:
    asset_id, price = uint64(call.asset_id), uint64(call.price)
    if state.terms.market != NO_ADDRESS:
        return refuse(LedgerReason.MARKET_ONLY)
    asset = state.assets.get(asset_id)
    if asset is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, asset_id)
    if refusal := not_free(asset, asset_id, sender):
        return refusal
    if refusal := gate_refusal(state, asset.start, asset.end, timestamp):
        return refusal
    if refusal := price_refusal(state, asset_id, price):
        return refusal
    escrow, balance = state.escrow(asset, price), state.balance(sender)
    if escrow > UINT64_MAX:
        return refuse(LedgerReason.AMOUNT_TOO_LARGE, escrow)
    if escrow > balance:
        return refuse(LedgerReason.INSUFFICIENT_BALANCE, sender, balance, escrow)

    state.credit(sender, -escrow)
    return (_put_on_offer(state, asset_id, price),)


def _put_on_offer(state: LedgerState, asset_id: int, price: int) -> events.OfferPosted:
    offer_id, asset = state.take_offer_id(), state.assets[asset_id]
    state.offers[offer_id] = Offer(asset_id=asset_id, price=price)
    state.assets[asset_id] = replace(asset, offer_id=offer_id)
    return events.OfferPosted(
        offer_id=offer_id,
        asset_id=asset_id,
        price=price,
        power=asset.power,
        start=asset.start,
        end=asset.end,
    )


def _rescind_offer(state: LedgerState, call: calls.RescindOffer, sender: Address) -> Result:
    offer_id = uint64(call.offer_id)
    offer = state.offers.get(offer_id)
    if offer is None:
        return refuse(LedgerReason.UNKNOWN_OFFER, offer_id)
    if not offer.open:
        return refuse(LedgerReason.OFFER_NOT_OPEN, offer_id)
    asset = state.assets[offer.asset_id]
    if asset.owner != sender:
        return refuse(LedgerReason.NOT_OWNER, offer.asset_id, sender)

    state.assets[offer.asset_id] = replace(asset, offer_id=NOT_ON_OFFER)
    state.offers[offer_id] = replace(offer, open=False)
    released = _release(state, offer_id, sender, state.escrow(asset, offer.price))
    return (events.OfferRescinded(offer_id=offer_id), *released)


def _accept_offer(state: LedgerState, call: calls.AcceptOffer, sender: Address, timestamp: int) -> Result:
    offer_id, provided_id = uint64(call.offer_id), uint64(call.asset_id)
    if state.terms.market != NO_ADDRESS:
        return refuse(LedgerReason.MARKET_ONLY)
    offer = state.offers.get(offer_id)
    if offer is None:
        return refuse(LedgerReason.UNKNOWN_OFFER, offer_id)
    if not offer.open:
        return refuse(LedgerReason.OFFER_NOT_OPEN, offer_id)
    offered_id = offer.asset_id
    offered, provided = state.assets[offered_id], state.assets.get(provided_id)
    if offered.owner == sender:
        return refuse(LedgerReason.OWN_OFFER, offer_id)
    if provided is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, provided_id)
    if refusal := not_free(provided, provided_id, sender):
        return refusal
    common = common_part(state, offered_id, provided_id, timestamp)
    if isinstance(common, Refusal):
        return common
    energy = state.energy(common.power, common.start, common.end)
    # Rounded against the acceptor, who chooses the split.
    payment = (payment_rounded_up if offered.is_production else payment_rounded_down)(energy, offer.price)
    if payment > UINT64_MAX:
        return refuse(LedgerReason.AMOUNT_TOO_LARGE, payment)
    if offered.is_production and payment > state.balance(sender):
        return refuse(LedgerReason.INSUFFICIENT_BALANCE, sender, state.balance(sender), payment)

    accepted = events.OfferAccepted(
        offer_id=offer_id,
        asset_id=provided_id,
        power=common.power,
        start=common.start,
        end=common.end,
        payment=payment,
    )
    return _trade(state, accepted, sender, state.first_tradeable(timestamp))


def _trade(
    state: LedgerState, accepted: events.OfferAccepted, acceptor: Address, first_tradeable: int
) -> tuple[LedgerEvent, ...]:
    """Swap the traded parts, keep what is left of the offer on offer at the same price, and move the money once."""
    offer, payment = state.offers[accepted.offer_id], accepted.payment
    offered = state.assets[offer.asset_id]
    traded = Piece(power=accepted.power, start=accepted.start, end=accepted.end)
    given = hand_over(state, offer.asset_id, traded, acceptor, first_live=first_tradeable)
    returned = hand_over(state, accepted.asset_id, -traded, offered.owner, first_live=first_tradeable)
    if not given.kept:
        state.offers[accepted.offer_id] = replace(offer, open=False)
    posted = [_put_on_offer(state, piece_id, offer.price) for piece_id in given.pieces]

    # An ask is paid by the acceptor, a bid from its own escrow.
    no_longer_needed = 0
    if offered.is_production:
        state.credit(acceptor, -payment)
        state.credit(offered.owner, payment)
    else:
        state.credit(acceptor, payment)
        on_offer = [offer.asset_id, *given.pieces] if given.kept else []
        needed = sum(state.escrow(state.assets[asset_id], offer.price) for asset_id in on_offer)
        no_longer_needed = state.escrow(offered, offer.price) - payment - needed
    released = _release(state, accepted.offer_id, offered.owner, no_longer_needed)
    return (accepted, *_told(given, returned), *posted, *released)


# DEPOSIT: owners of assets, for ever


def _deposit_energy_asset(state: LedgerState, call: calls.DepositEnergyAsset, sender: Address) -> Result:
    asset_id = uint64(call.asset_id)
    asset = state.assets.get(asset_id)
    if asset is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, asset_id)
    if asset.owner != sender:
        return refuse(LedgerReason.NOT_OWNER, asset_id, sender)
    if asset.offer_id != NOT_ON_OFFER:
        return refuse(LedgerReason.ASSET_IS_LOCKED, asset_id)

    del state.assets[asset_id]
    return (events.AssetDeposited(anon_address=sender, asset_id=asset_id),)


def _deposit_financial(state: LedgerState, call: calls.DepositFinancial, sender: Address) -> Result:
    amount, balance = uint64(call.amount), state.balance(sender)
    if amount == 0:
        return refuse(LedgerReason.AMOUNT_ZERO)
    if amount > balance:
        return refuse(LedgerReason.INSUFFICIENT_BALANCE, sender, balance, amount)

    state.credit(sender, -amount)
    state.money_on_ledger -= amount
    return (events.FinancialDeposited(anon_address=sender, amount=amount),)


# PRICES: DSO


def _set_price(state: LedgerState, call: calls.SetPrice, sender: Address, timestamp: int) -> Result:
    terms, period, price = state.terms, uint64(call.period), uint64(call.price)
    if sender != terms.dso:
        return refuse(LedgerReason.NOT_DSO, sender)
    if terms.price_period == 0:
        return refuse(LedgerReason.PRICE_PERIODS_UNUSED)
    if period in state.period_prices:
        return refuse(LedgerReason.PRICE_ALREADY_SET, period)
    first_timestep, first_tradeable = period * terms.price_period, state.first_tradeable(timestamp)
    if first_timestep < first_tradeable:
        return refuse(LedgerReason.GATE_CLOSED, min(first_timestep, UINT64_MAX), first_tradeable)
    if price > terms.max_price:
        return refuse(LedgerReason.PRICE_TOO_HIGH, price)

    state.period_prices[period] = price
    return (events.PriceSet(period=period, price=price),)


def _record_schedule(state: LedgerState, call: calls.RecordSchedule, sender: Address) -> Result:
    from_timestep, digest = uint64(call.from_timestep), bytes32(call.digest)
    if sender != state.terms.dso:
        return refuse(LedgerReason.NOT_DSO, sender)
    return (events.ScheduleRecorded(from_timestep=from_timestep, digest=digest),)


# MARKET: the market contract of the terms


def _lock(state: LedgerState, call: calls.Lock, sender: Address) -> Result:
    asset_id, money, balance = uint64(call.asset_id), uint64(call.money), state.balance(call.owner)
    if sender != state.terms.market:
        return refuse(LedgerReason.NOT_MARKET, sender)
    asset = state.assets.get(asset_id)
    if asset is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, asset_id)
    if refusal := not_free(asset, asset_id, call.owner):
        return refusal
    if money > balance:
        return refuse(LedgerReason.INSUFFICIENT_BALANCE, call.owner, balance, money)

    state.assets[asset_id] = replace(asset, offer_id=MARKET_LOCK, locked_money=money)
    state.credit(call.owner, -money)
    return (events.MarketLocked(asset_id=asset_id, money=money),)


def _unlock(state: LedgerState, call: calls.Unlock, sender: Address) -> Result:
    asset_id = uint64(call.asset_id)
    if sender != state.terms.market:
        return refuse(LedgerReason.NOT_MARKET, sender)
    asset = state.assets.get(asset_id)
    if asset is None:
        return refuse(LedgerReason.UNKNOWN_ASSET, asset_id)
    if asset.offer_id != MARKET_LOCK:
        return refuse(LedgerReason.ASSET_NOT_LOCKED, asset_id)

    state.assets[asset_id] = replace(asset, offer_id=NOT_ON_OFFER, locked_money=0)
    state.credit(asset.owner, asset.locked_money)
    return (events.MarketUnlocked(asset_id=asset_id, money=asset.locked_money),)


def _settle(state: LedgerState, call: calls.Settle, sender: Address) -> Result:
    if refusal := settle_refusal(state, call, sender):
        return refusal
    bid, ask = state.assets[call.bid_asset], state.assets[call.ask_asset]

    settled = events.MarketSettled(
        bid_asset_id=call.bid_asset,
        ask_asset_id=call.ask_asset,
        power=call.power,
        start=call.start,
        end=call.end,
        payment=call.payment,
    )
    traded = Piece(power=-call.power, start=call.start, end=call.end)
    left_over = bid.locked_money - call.payment
    state.assets[call.bid_asset] = replace(bid, locked_money=left_over)
    state.credit(ask.owner, call.payment)
    given = hand_over(state, call.bid_asset, traded, ask.owner)
    returned = hand_over(state, call.ask_asset, -traded, bid.owner)
    unlocked = (
        *(() if given.kept else _return_locked(state, call.bid_asset, bid.owner, left_over)),
        *(() if returned.kept else _return_locked(state, call.ask_asset, ask.owner, ask.locked_money)),
    )
    return (settled, *_told(given, returned), *unlocked)


# WHAT SEVERAL VERBS SHARE


def _release(state: LedgerState, offer_id: int, poster: Address, amount: int) -> tuple[events.EscrowReleased, ...]:
    if amount == 0:
        return ()
    state.credit(poster, amount)
    return (events.EscrowReleased(offer_id=offer_id, amount=amount),)


def _return_locked(state: LedgerState, asset_id: int, owner: Address, money: int) -> tuple[events.MarketUnlocked, ...]:
    if money == 0:
        return ()
    state.credit(owner, money)
    return (events.MarketUnlocked(asset_id=asset_id, money=money),)


def _told(given: Handover, returned: Handover) -> tuple[LedgerEvent, ...]:
    return (*given.splits, *returned.splits, given.transfer, returned.transfer)
