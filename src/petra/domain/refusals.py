"""Refusals: expected, declined, explained. The same words in Solidity, Python and the docs.

Decides nothing: who refuses decides. A `Refusal` is a value, never an exception.
`LedgerReason` are the contract's custom errors in their order of precedence (IPetra.sol);
`GrantReason` are the DSO's rules (DESIGN 6), `EnrolmentReason` say whom it does not take in.
Grid reasons carry no figure: it would tell of the neighbours.
"""

from dataclasses import dataclass
from enum import StrEnum

from petra.domain.terms import Address


class LedgerReason(StrEnum):
    """Why the contract refuses, in order of precedence."""

    INVALID_TERMS = "InvalidTerms"
    NOT_DSO = "NotDso"
    NOT_ISSUER = "NotIssuer"
    NOT_MARKET = "NotMarket"
    MARKET_ONLY = "MarketOnly"
    PRICE_PERIODS_UNUSED = "PricePeriodsUnused"
    BATCH_OUT_OF_BOUNDS = "BatchOutOfBounds"
    ZERO_ADDRESS = "ZeroAddress"
    ENERGY_ALREADY_GRANTED = "EnergyAlreadyGranted"
    MONEY_ALREADY_GRANTED = "MoneyAlreadyGranted"
    PRICE_ALREADY_SET = "PriceAlreadySet"
    POWER_OUT_OF_BOUNDS = "PowerOutOfBounds"
    INTERVAL_OUT_OF_BOUNDS = "IntervalOutOfBounds"
    UNKNOWN_OFFER = "UnknownOffer"
    OFFER_NOT_OPEN = "OfferNotOpen"
    OWN_OFFER = "OwnOffer"
    UNKNOWN_ASSET = "UnknownAsset"
    NOT_OWNER = "NotOwner"
    ASSET_IS_LOCKED = "AssetIsLocked"
    ASSET_NOT_LOCKED = "AssetNotLocked"
    ASSET_IS_SPENT = "AssetIsSpent"
    SAME_SIDE = "SameSide"
    INDIVISIBLE = "Indivisible"
    INTERVALS_DISJOINT = "IntervalsDisjoint"
    GATE_CLOSED = "GateClosed"
    PRICE_TOO_HIGH = "PriceTooHigh"
    OUTSIDE_PRICE_PERIOD = "OutsidePricePeriod"
    PRICE_NOT_SET = "PriceNotSet"
    PRICE_MISMATCH = "PriceMismatch"
    AMOUNT_ZERO = "AmountZero"
    AMOUNT_TOO_LARGE = "AmountTooLarge"
    INSUFFICIENT_BALANCE = "InsufficientBalance"


class GrantReason(StrEnum):
    """Why the DSO refuses a withdrawal."""

    MALFORMED = "Malformed"
    NOT_ENROLLED = "NotEnrolled"
    ADDRESS_NOT_PROVEN = "AddressNotProven"
    ADDRESS_ALREADY_USED = "AddressAlreadyUsed"
    EXPIRED = "Expired"
    GATE_CLOSED = "GateClosed"
    OUTSIDE_HORIZON = "OutsideHorizon"
    PRODUCTION_CAPACITY = "ProductionCapacity"
    CONSUMPTION_CAPACITY = "ConsumptionCapacity"
    INSUFFICIENT_FUNDS = "InsufficientFunds"
    COLLATERAL = "Collateral"
    NETWORK = "Network"
    REVOKED = "Revoked"
    BUSY = "Busy"
    FROZEN = "Frozen"
    OUTSIDE_WINDOW = "OutsideWindow"
    PERIOD_ENERGY = "PeriodEnergy"
    RAMP = "Ramp"
    QUOTA = "Quota"
    LOT_SIZE = "LotSize"
    RATE_LIMIT = "RateLimit"
    STANDING = "Standing"
    CURTAILED = "Curtailed"


class EnrolmentReason(StrEnum):
    """Why the DSO does not enrol somebody, in order of precedence."""

    UNKNOWN_TOKEN = "UnknownToken"
    TOKEN_EXPIRED = "TokenExpired"
    TOKEN_USED = "TokenUsed"
    ALREADY_ENROLLED = "AlreadyEnrolled"
    ADDRESS_IN_USE = "AddressInUse"
    KEY_IN_USE = "KeyInUse"
    METER_NOT_PROVEN = "MeterNotProven"
    NODE_UNKNOWN = "NodeUnknown"
    NO_ROOM = "NoRoom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What was declined and why.

    Attributes:
        reason: the word.
        arguments: the figures of the word, in the order of the Solidity error; empty where figures would tell too much.
    """

    reason: LedgerReason | GrantReason
    arguments: tuple[int | Address, ...] = ()

    def __str__(self) -> str:
        """Show the word with its figures."""
        return f"{self.reason.value}({', '.join(str(argument) for argument in self.arguments)})"
