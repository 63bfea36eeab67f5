"""What can be asked of the contract: one value per function of IPetra.sol (paper 4.2).

Decides nothing: these are words. `Call` is the union; a call with its sender is what the ledger applies.
Powers are watts with the paper's sign, starts and ends are timesteps (both inclusive), amounts nano-units.
"""

from dataclasses import dataclass

from petra.domain.terms import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyGrant:
    """One energy asset of a batch."""

    anon_address: Address
    power: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FinancialGrant:
    """One amount of money of a batch."""

    anon_address: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEnergyAsset:
    """The DSO creates an energy asset at a pseudonym (R59)."""

    anon_address: Address
    power: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFinancialBalance:
    """The DSO creates money at a pseudonym (R60)."""

    anon_address: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAssets:
    """The DSO creates an epoch's grants in one transaction, energy first."""

    energy: tuple[EnergyGrant, ...] = ()
    money: tuple[FinancialGrant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOffer:
    """An owner puts an asset on offer: a bid or an ask (R63)."""

    asset_id: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RescindOffer:
    """A poster takes an offer back (R66)."""

    offer_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """Somebody trades the caller's asset against an offer (R67)."""

    offer_id: int
    asset_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositEnergyAsset:
    """An owner returns an asset to the DSO (R71)."""

    asset_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositFinancial:
    """An owner returns money to the DSO (R72)."""

    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPrice:
    """The DSO sets the price of a future period, once."""

    period: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSchedule:
    """The DSO records the hash of a signed price schedule."""

    from_timestep: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The market locks an asset and money with it."""

    owner: Address
    asset_id: int
    money: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """The market frees an asset."""

    asset_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The market trades a part of two locked assets; power is positive."""

    bid_asset: int
    ask_asset: int
    power: int
    start: int
    end: int
    payment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Protest:
    """Anybody publishes the hash of an unanswered request (R85)."""

    digest: bytes


Call = (
    AddEnergyAsset
    | AddFinancialBalance
    | AddAssets
    | PostOffer
    | RescindOffer
    | AcceptOffer
    | DepositEnergyAsset
    | DepositFinancial
    | SetPrice
    | RecordSchedule
    | Lock
    | Unlock
    | Settle
    | Protest
)
