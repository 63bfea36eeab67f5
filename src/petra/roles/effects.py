"""What happens to a role and what a role wants done: `step(state, event, now, rng) -> list[Effect]`.

Decides nothing: these are words. Drivers (the simulator, live processes) turn effects into transactions, messages and
timers, and bring events back. A role never waits: whatever may come later is an event with a written next step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from petra.domain.blocks import Intent, LedgerRecord, Outcome
from petra.domain.messages import Body, Direction, Envelope, PriceSchedule
from petra.domain.terms import Address
from petra.ledger.fold import LedgerView


class Phase(StrEnum):
    """What a timer is for: the market day of DESIGN 12, in its order.

    A SETTLE timer means: the cut-off has passed on the ledger too. A driver whose blocks come later than its clock
    brings it when it has brought the final blocks up to then, or positions would miss what stands in them.
    """

    OPEN = "open"  # DSO: publish prices
    RESEND = "resend"  # anybody: send again what has no receipt
    FORECAST = "forecast"  # homes: forecast and withdraw for the timestep
    RETRY = "retry"  # homes: ask again where no answer came
    SERVE = "serve"  # DSO: answer queued withdrawals
    LOOK = "look"  # homes: look at the order book again
    GATE = "gate"  # homes: trading of the timestep is over, take offers back
    DELIVERED = "delivered"  # homes: the timestep is over, deposit what is left
    SETTLE = "settle"  # DSO: the cut-off of the timestep has passed
    BILL = "bill"  # DSO: the dispute window of a billing period is over
    CLOSE = "close"  # DSO: the last dispute window is over, write the bills


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """A timer that the role (or the market day) set has come; `timestep` is the delivery timestep it is about."""

    phase: Phase
    timestep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArrived:
    """A verified envelope came."""

    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAdvanced:
    """Final blocks were read.

    Attributes:
        records: every transaction's events since the last time, in order.
        outcomes: how this role's own transactions ended, done or void.
        view: the ledger as it stands after them, read only.
    """

    records: tuple[LedgerRecord, ...]
    outcomes: tuple[Outcome, ...]
    view: LedgerView


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The meter's sensor: energies of one timestep behind it, in joules, both >= 0."""

    timestep: int
    produced: int
    consumed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTerms:
    """What the operator agreed with a household; see `petra.roles.dso.state.Member` for the fields."""

    name: str
    node: str | None
    firm_import_watts: int
    firm_export_watts: int
    production_capacity_watts: int
    consumption_capacity_watts: int
    opening_balance: int
    credit_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentOpened:
    """The DSO's operator handed out a one-time token.

    Attributes:
        token_hash: sha256 of the token. expires: the last unix second at which it is taken.
    """

    token_hash: bytes
    terms: MemberTerms
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The DSO's operator takes a home out: it is granted nothing more."""

    account: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleAdded:
    """The DSO's operator sets the prices from a timestep on."""

    schedule: PriceSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The DSO's operator stops all withdrawals, until a unix second; None = until the freeze is lifted."""

    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfrozen:
    """The DSO's operator lifts a freeze."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurtailmentOrdered:
    """The DSO's operator bounds what flows at homes' meters in timesteps to come.

    Attributes:
        accounts: whom it is about; nobody named = everybody, newcomers too.
        limit_watts: None lifts what was ordered before. start, end: timesteps, inclusive.
    """

    direction: Direction
    limit_watts: int | None
    start: int
    end: int
    accounts: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtestWanted:
    """A home's operator puts the hash of a request without an answer on the ledger (R85)."""

    message_id: bytes


Order = EnrolmentOpened | Revoked | ScheduleAdded | Frozen | Unfrozen | CurtailmentOrdered | ProtestWanted
Event = Woken | MessageArrived | LedgerAdvanced | Measured | Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Put a call on the ledger, once."""

    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Seal a message and hand it to the fabric; the driver, which has the keys, fills in the proofs of pseudonyms."""

    message_id: bytes
    sender: Address
    recipient: Address
    deadline: int
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Send the very same envelope again."""

    message_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitProtest:
    """Put the hash of one of our own messages on the ledger, once; the driver, which has the sealed bytes, fills it in.

    It stands for `Submit(Intent(intent_id, sender, Protest(digest=envelope_hash(raw))))`. The message may have been
    sent by an effect of the same step.
    """

    intent_id: str
    sender: Address
    message_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """Wake this role at a unix second."""

    at: int
    phase: Phase
    timestep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Write into the run's journal."""

    kind: str
    fields: Mapping[str, object]


Effect = Submit | SubmitProtest | Send | Resend | WakeAt | Note
