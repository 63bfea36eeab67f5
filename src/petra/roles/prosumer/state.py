"""What a home knows: itself, its prices, its past, and one plan for each timestep that it trades.

Decides nothing: `agent` does. Knows addresses, never secrets; knows of others only what the ledger shows everybody.
Invariants: each plan has a pseudonym of its own, never used before or again; a plan with a transaction in flight
signs nothing new.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from petra.domain.messages import Curtailment, Direction, PriceSchedule
from petra.domain.terms import Address, Terms
from petra.forecasting import Forecaster
from petra.ledger.fold import LedgerView
from petra.roles.curtailments import limit_of
from petra.roles.prosumer.strategies import Strategy
from petra.roles.receipts import Receipts


class Stage(Enum):
    """Where a plan stands; it only moves down this list."""

    ASKED = auto()  # the withdrawal is on its way or waits for its assets
    TRADING = auto()  # the asset is ours: offer and accept
    CLOSED = auto()  # the gate has closed: nothing new, offers come back
    RETURNING = auto()  # delivery is over: deposit assets and money
    ENDED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a home behaves.

    Attributes:
        patience_seconds: how long a buyer waits for asks before it posts a bid.
        retry_seconds: after how long a withdrawal without an answer is sent again.
        minimum_watts: smaller surplus or need is not worth a withdrawal.
        spare_offers: how many offers a home accepts beyond those that would suffice.
        lot_watts: what it withdraws is a multiple of it.
        participates, deposits: False = a home that sits out, or never returns what it holds.
    """

    patience_seconds: int
    retry_seconds: int
    minimum_watts: int
    spare_offers: int = 0
    lot_watts: int = 1
    participates: bool = True
    deposits: bool = True


@dataclass(slots=True, kw_only=True)
class Plan:
    """One timestep's trade: from the withdrawal to the deposit.

    Attributes:
        power: withdrawn, watts with the paper's sign. amount: money withdrawn with it, nano-units.
        asked_at, deadline: unix seconds of the withdrawal.
        assets: ids of everything that came to the pseudonym; what was sold since is told by the ledger.
        smaller: how often it was asked for again, each time half as much.
        in_flight: intents without an outcome. intents: how many were made, for their ids.
    """

    timestep: int
    power: int
    amount: int
    pseudonym: Address
    message_id: bytes
    deadline: int
    asked_at: int = 0
    stage: Stage = Stage.ASKED
    answered: bool = False
    protested: bool = False
    smaller: int = 0
    traded_since: int = 0
    asset_id: int = 0
    funded: bool = False
    assets: set[int] = field(default_factory=set)
    in_flight: set[str] = field(default_factory=set)
    intents: int = 0


@dataclass(slots=True, kw_only=True)
class ProsumerState:
    """Everything a home knows.

    Attributes:
        new_pseudonym: makes a fresh key in the keystore and returns its address.
        view: the ledger as last read.
        history: net power of every past timestep, watts, oldest first; the last is of `known_until`.
        known_until: the last timestep that was measured.
        steps_per_day: steps of the history after which a day repeats.
        deadline_margin_seconds: how long before the gate a withdrawal is of no more use.
    """

    name: str
    address: Address
    dso: Address
    terms: Terms
    habits: Habits
    strategy: Strategy
    forecaster: Forecaster
    new_pseudonym: Callable[[], Address]
    view: LedgerView
    history: list[int]
    known_until: int
    steps_per_day: int
    deadline_margin_seconds: int
    schedules: list[PriceSchedule] = field(default_factory=list)
    plans: dict[int, Plan] = field(default_factory=dict)
    by_pseudonym: dict[Address, Plan] = field(default_factory=dict)
    bills: list[bytes] = field(default_factory=list)
    curtailments: list[Curtailment] = field(default_factory=list)
    receipts: Receipts = field(default_factory=Receipts)

    def limit(self, timestep: int, direction: Direction) -> int | None:
        """Return what the DSO lets flow at the home's meter, watts; None where it has not said so."""
        return limit_of(self.curtailments, timestep, direction)

    def within_limits(self, timestep: int, power: int) -> int:
        """Return as much of a power as the DSO lets flow."""
        limit = self.limit(timestep, Direction.EXPORT if power > 0 else Direction.IMPORT)
        return power if limit is None else max(-limit, min(limit, power))
