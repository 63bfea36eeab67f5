"""What the contract tells: one value per event of IPetra.sol, field by field.

Decides nothing: these are words. `LedgerEvent` is the union. Units as in `calls`.
"""

from dataclasses import dataclass

from petra.domain.terms import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetAdded:
    """An asset was issued (R62)."""

    anon_address: Address
    asset_id: int
    power: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinancialAdded:
    """Money was issued (R62)."""

    anon_address: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPosted:
    """An asset is on offer: an ask if power > 0, a bid if power < 0 (R65, A7)."""

    offer_id: int
    asset_id: int
    price: int
    power: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRescinded:
    """An offer was taken back (A8)."""

    offer_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    """A part of an offer was traded; asset_id is the acceptor's, power has the sign of the offered asset (R70)."""

    offer_id: int
    asset_id: int
    power: int
    start: int
    end: int
    payment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSplit:
    """A piece of an asset got an id of its own; owner is its owner before any transfer."""

    parent_id: int
    asset_id: int
    owner: Address
    power: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTransferred:
    """An asset changed hands."""

    asset_id: int
    from_address: Address
    to_address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowReleased:
    """Escrow of a bid went back to its poster."""

    offer_id: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDeposited:
    """An asset went back to the DSO (R73)."""

    anon_address: Address
    asset_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinancialDeposited:
    """Money went back to the DSO (R73)."""

    anon_address: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSet:
    """The price of a period is fixed."""

    period: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecorded:
    """The hash of a price schedule is on record."""

    from_timestep: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Protested:
    """The contract's `Protest`: the hash of an unanswered request is on record."""

    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLocked:
    """The market locked an asset and money with it."""

    asset_id: int
    money: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketUnlocked:
    """The market freed an asset; the money went back to its owner."""

    asset_id: int
    money: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettled:
    """The market traded a part of two locked assets; power > 0."""

    bid_asset_id: int
    ask_asset_id: int
    power: int
    start: int
    end: int
    payment: int


LedgerEvent = (
    AssetAdded
    | FinancialAdded
    | OfferPosted
    | OfferRescinded
    | OfferAccepted
    | AssetSplit
    | AssetTransferred
    | EscrowReleased
    | AssetDeposited
    | FinancialDeposited
    | PriceSet
    | ScheduleRecorded
    | Protested
    | MarketLocked
    | MarketUnlocked
    | MarketSettled
)
