"""What is said off the chain: envelopes and their bodies (paper 4.2; DESIGN 5).

Decides nothing: these are words; `wire` turns them into bytes and back.
Powers are watts with the paper's sign, timesteps are indices, money nano-units, registers joules, times unix seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

from petra.domain.quantities import UINT64_MAX
from petra.domain.terms import Address


class Kind(StrEnum):
    """The kinds of message."""

    WITHDRAW_ASSETS = "withdrawAssets"
    WITHDRAWAL_GRANTED = "withdrawalGranted"
    FAILED_WITHDRAWAL = "failedWithdrawal"
    PRICE_SCHEDULE = "priceSchedule"
    METER_READING = "meterReading"
    BILL = "bill"
    RECEIPT = "receipt"
    ENROL = "enrol"
    ENROLLED = "enrolled"
    CURTAILMENT = "curtailment"


class Direction(StrEnum):
    """Which way energy flows at a home's meter: export is production, import consumption."""

    EXPORT = "export"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAsset:
    """One pseudonym with what shall be granted to it.

    Attributes:
        power: watts, 0 = no energy asset asked for (then start = end = 0).
        amount: nano-units, 0 = no money asked for.
        proof: 65-byte signature of the pseudonym over the request: the sender controls the address (A10).
    """

    anon_address: Address
    power: int
    start: int
    end: int
    amount: int
    proof: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawAssets:
    """A prosumer asks the DSO for assets (R56); all or nothing."""

    assets: tuple[RequestedAsset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalGranted:
    """The DSO agrees; the assets follow on the chain."""

    request_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedWithdrawal:
    """The DSO declines (R58); reason is a GrantReason's word, anon_address the asset's that was refused."""

    request_id: bytes
    anon_address: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSchedule:
    """The DSO's prices from a timestep on, nano-units per kWh (R41, A17)."""

    from_timestep: int
    retail: int
    feed_in: int
    local: int
    grid_fee: int
    imbalance: int
    bulk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """A meter's registers at the end of a timestep, joules since its start.

    Attributes:
        previous: keccak256 over the reading before: its timestep, produced and consumed (8 bytes big-endian each) and
            its own `previous`; zeros in the first.
    """

    timestep: int
    produced: int
    consumed: int
    previous: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BillStatement:
    """A home's bill as signed by the DSO: its exact text (JSON) travels whole."""

    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceipt:
    """The recipient says that it has this envelope: both sides hold evidence (R80)."""

    envelope_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """Somebody with a one-time token asks the DSO to become a prosumer (DESIGN 5); the sender is the new account.

    Attributes:
        token: what the operator handed out, at most 64 bytes; the DSO knows its sha256 only.
        meter: the meter's key; signs readings.
        curve_key, meter_curve_key: public keys on the fabric, 32 bytes each; zeros = none.
        meter_proof: 65-byte signature of the meter: it belongs to the sender (`meter_proof_digest`).
    """

    token: bytes
    meter: Address
    curve_key: bytes
    meter_curve_key: bytes
    meter_proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The DSO's answer to `Enrol`, as JSON: the terms and the prices in force, or {"refused": EnrolmentReason}."""

    request_id: bytes
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """A control signal of the DSO: at most so much may flow at the home's meter, whatever it was granted (R51).

    Attributes:
        number: counts the DSO's curtailments; of those that cover a timestep the highest holds.
        limit_watts: NOT_CURTAILED lifts those before it. start, end: timesteps, inclusive.
    """

    number: int
    direction: Direction
    limit_watts: int
    start: int
    end: int


NOT_CURTAILED = UINT64_MAX

Body = (
    WithdrawAssets
    | WithdrawalGranted
    | FailedWithdrawal
    | PriceSchedule
    | MeterReading
    | BillStatement
    | MessageReceipt
    | Enrol
    | Enrolled
    | Curtailment
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as its sender signed it.

    Attributes:
        message_id: 16 bytes, unique.
        sender, recipient: account addresses (identity keys), never pseudonyms.
        sequence: counts per sender and recipient from 0.
        created, deadline: unix seconds; after the deadline the message must be refused.
        encoded: the exact signed bytes (everything before the signature); signature: 65 bytes over them.
    """

    kind: Kind
    message_id: bytes
    sender: Address
    recipient: Address
    sequence: int
    created: int
    deadline: int
    body: Body
    encoded: bytes
    signature: bytes

    @property
    def raw(self) -> bytes:
        """The bytes that travel."""
        return self.encoded + self.signature
