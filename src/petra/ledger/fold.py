"""Rebuilds the ledger from its logs alone: what anybody can know who reads the chain (DESIGN 4).

Decides: what each event means for assets, offers and balances. Knows no call, no refusal and no state of the contract.
Invariant: after every transaction the view equals the contract's storage; an asset that is itself transferred is the
traded part, otherwise it is now the first of {inside, after, before}. Paper 4.2 (R62, R65, R70, R73).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from petra.domain import events
from petra.domain.events import LedgerEvent
from petra.domain.terms import MARKET_LOCK, Address, Terms
from petra.ledger.state import NOT_ON_OFFER, Asset, Offer, escrow_of
from petra.ledger.trade import Piece, remains


class LedgerView:
    """The ledger as its logs tell it; used by homes, the DSO, reports and tests.

    Attributes:
        assets: by id, as in the contract; deposited: the ones that were deposited, as they were then.
        open_offers: by id, only what can still be accepted.
        balances: free money in nano-units, by address; escrow and locked money have left it.
        period_prices: nano-units per kWh, by period.
    """

    def __init__(self, terms: Terms) -> None:
        """Start before the first log."""
        self.terms = terms
        self.assets: dict[int, Asset] = {}
        self.deposited: dict[int, Asset] = {}
        self.open_offers: dict[int, Offer] = {}
        self.balances: dict[Address, int] = {}
        self.period_prices: dict[int, int] = {}
        self._roots: dict[int, int] = {}
        self._granted: dict[int, Address] = {}
        self._posters: dict[int, Address] = {}
        # What the events of the last trade of this transaction refer to.
        self._traded: dict[int, Piece] = {}  # the traded part of each of the two assets
        self._offered: set[int] = set()  # the one of them that was on offer; none if the market settled
        self._parents: dict[int, int] = {}  # by piece: which of the two it is a piece of
        self._givers: dict[int, Address] = {}  # by moved asset: who had it before

    def observe(self, events_of_one_transaction: Sequence[LedgerEvent]) -> None:
        """Take in all events of one transaction, in order."""
        self._begin_trade({}, offered=set())
        for event in events_of_one_transaction:
            self._observe(event)

    def lineage(self, asset_id: int) -> int:
        """Return the asset that the DSO granted and that this one came from by splits."""
        return self._roots[asset_id]

    def granted_to(self, asset_id: int) -> Address:
        """Return the address to which the DSO granted what this asset came from."""
        return self._granted[self._roots[asset_id]]

    def balance(self, address: Address) -> int:
        """Return an address's free money in nano-units."""
        return self.balances.get(address, 0)

    def escrow(self, offer_id: int) -> int:
        """Return the nano-units that an open offer holds: nothing if it is an ask."""
        offer = self.open_offers[offer_id]
        return escrow_of(self.assets[offer.asset_id], offer.price, self.terms.timestep_seconds)

    def _observe(self, event: LedgerEvent) -> None:  # noqa: C901, PLR0912 one case an event
        match event:
            case events.AssetAdded():
                self._add_asset(event, event.anon_address, event.asset_id)
                self._granted[event.asset_id] = event.anon_address
            case events.FinancialAdded():
                self._credit(event.anon_address, event.amount)
            case events.OfferPosted():
                self._post(event)
            case events.OfferRescinded():
                asset_id = self.open_offers.pop(event.offer_id).asset_id
                self.assets[asset_id] = replace(self.assets[asset_id], offer_id=NOT_ON_OFFER)
            case events.OfferAccepted():
                self._accept(event)
            case events.AssetSplit():
                self._add_asset(event, event.owner, self._roots[event.parent_id])
                self._parents[event.asset_id] = event.parent_id
            case events.AssetTransferred():
                self._transfer(event)
            case events.EscrowReleased():
                self._credit(self._posters[event.offer_id], event.amount)
            case events.AssetDeposited():
                self.deposited[event.asset_id] = self.assets.pop(event.asset_id)
            case events.FinancialDeposited():
                self._credit(event.anon_address, -event.amount)
            case events.PriceSet():
                self.period_prices[event.period] = event.price
            case events.ScheduleRecorded() | events.Protested():
                pass
            case events.MarketLocked():
                asset = self.assets[event.asset_id]
                self._credit(asset.owner, -event.money)
                self.assets[event.asset_id] = replace(asset, offer_id=MARKET_LOCK, locked_money=event.money)
            case events.MarketUnlocked():
                self._unlock(event)
            case events.MarketSettled():
                self._settle(event)
            case _:
                assert_never(event)

    def _post(self, event: events.OfferPosted) -> None:
        asset = self.assets[event.asset_id]
        self.assets[event.asset_id] = replace(asset, offer_id=event.offer_id)
        self.open_offers[event.offer_id] = Offer(asset_id=event.asset_id, price=event.price)
        self._posters[event.offer_id] = asset.owner
        # A piece of an offer that was accepted takes its escrow over; only a new offer takes it from the balance.
        if self._parents.pop(event.asset_id, None) not in self._offered:
            self._credit(asset.owner, -self.escrow(event.offer_id))

    def _accept(self, event: events.OfferAccepted) -> None:
        offered_id = self.open_offers[event.offer_id].asset_id
        poster, acceptor = self.assets[offered_id].owner, self.assets[event.asset_id].owner
        if event.power > 0:
            self._credit(acceptor, -event.payment)
            self._credit(poster, event.payment)
        else:
            self._credit(acceptor, event.payment)
        traded = Piece(power=event.power, start=event.start, end=event.end)
        self._begin_trade({offered_id: traded, event.asset_id: -traded}, offered={offered_id})

    def _settle(self, event: events.MarketSettled) -> None:
        bid = self.assets[event.bid_asset_id]
        self.assets[event.bid_asset_id] = replace(bid, locked_money=bid.locked_money - event.payment)
        self._credit(self.assets[event.ask_asset_id].owner, event.payment)
        traded = Piece(power=-event.power, start=event.start, end=event.end)
        self._begin_trade({event.bid_asset_id: traded, event.ask_asset_id: -traded}, offered=set())

    def _transfer(self, event: events.AssetTransferred) -> None:
        """Move the traded part; where it has an id of its own, the asset that it came from is what remains."""
        moved_id = event.asset_id
        self._givers[moved_id] = event.from_address
        whole_id = self._parents.pop(moved_id, moved_id)
        whole, traded = self.assets[whole_id], self._traded[whole_id]
        if whole_id == moved_id:
            self.open_offers.pop(whole.offer_id, None)
        else:
            kept = remains(whole, traded)[0]
            self.assets[whole_id] = replace(whole, power=kept.power, start=kept.start, end=kept.end)
        self.assets[moved_id] = Asset(
            owner=event.to_address,
            power=traded.power,
            start=traded.start,
            end=traded.end,
            spent=traded.power < 0,
        )

    def _unlock(self, event: events.MarketUnlocked) -> None:
        """Return locked money to who locked it, which is not the owner any more if the market just settled it all."""
        asset = self.assets[event.asset_id]
        if asset.offer_id == MARKET_LOCK:
            self._credit(asset.owner, event.money)
            self.assets[event.asset_id] = replace(asset, offer_id=NOT_ON_OFFER, locked_money=0)
        else:
            self._credit(self._givers[event.asset_id], event.money)

    def _begin_trade(self, traded: dict[int, Piece], *, offered: set[int]) -> None:
        self._traded, self._offered, self._parents, self._givers = traded, offered, {}, {}

    def _add_asset(self, event: events.AssetAdded | events.AssetSplit, owner: Address, root_id: int) -> None:
        self.assets[event.asset_id] = Asset(owner=owner, power=event.power, start=event.start, end=event.end)
        self._roots[event.asset_id] = root_id

    def _credit(self, address: Address, amount: int) -> None:
        self.balances[address] = self.balances.get(address, 0) + amount
