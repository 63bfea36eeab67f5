"""The statement of a home: what it traded, metered, owes and earns, with the references that prove it (DESIGN 10).

Decides: what stands on a bill and what it is compared with. Knows no ledger and no signature.
Invariant: opening + every amount on the bill = closing balance + what still stands at the home's pseudonyms; a bill
opens where the one before it closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from petra.settlement.lines import Delivery, Line, LineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityTrade:
    """A home's side of one trade.

    Attributes:
        energy: joules, positive = sold, negative = bought. payment: nano-units, positive = received.
        start, end: timesteps, inclusive. offer_id, transaction: where it stands on the ledger.
    """

    timestamp: int
    start: int
    end: int
    energy: int
    payment: int
    offer_id: int
    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTimestep:
    """One home, one timestep, closed.

    Attributes:
        produced, consumed: joules behind the meter as its registers tell, or assumed.
        withdrawn: watts of production and of consumption that were granted.
        provisional: no reading had come: the firm import is assumed and nothing is paid out.
        readings: hashes of the envelopes that prove the registers.
        utility_only: nano-units that the same metered energy would have cost or earned without a community.
    """

    timestep: int
    delivery: Delivery
    produced: int
    consumed: int
    withdrawn: tuple[int, int]
    lines: tuple[Line, ...]
    provisional: bool
    readings: tuple[str, ...]
    utility_only: int

    @property
    def amount(self) -> int:
        """What the lines come to, nano-units, positive = the home receives."""
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A home's statement over a run of timesteps; money in nano-units.

    Attributes:
        withdrawn, deposited: money that went to and came back from the home's pseudonyms.
        on_ledger: what still stands at its pseudonyms, or is on its way there.
        on_ledger_opening: what stood there when the bill before ended.
        timesteps, trades: what was settled for the timesteps of the bill, and what was traded since the bill before.
    """

    home: str
    first_timestep: int
    last_timestep: int
    opening: int
    withdrawn: int
    deposited: int
    on_ledger: int
    closing: int
    trades: tuple[CommunityTrade, ...]
    timesteps: tuple[SettledTimestep, ...]
    on_ledger_opening: int = 0

    def energy(self, kind: LineKind) -> int:
        """Return the joules of all lines of a kind."""
        return sum(line.energy for settled in self.timesteps for line in settled.lines if line.kind is kind)

    def amount(self, kind: LineKind) -> int:
        """Return the nano-units of all lines of a kind, positive = received."""
        return sum(line.amount for settled in self.timesteps for line in settled.lines if line.kind is kind)

    @property
    def community(self) -> int:
        """What trading brought (positive) or cost, nano-units."""
        return sum(trade.payment for trade in self.trades)

    @property
    def settlement(self) -> int:
        """What the residual lines brought (positive) or cost, nano-units."""
        return sum(settled.amount for settled in self.timesteps)

    @property
    def utility_only(self) -> int:
        """What the same metered energy would have brought or cost without a community, nano-units."""
        return sum(settled.utility_only for settled in self.timesteps)

    @property
    def savings(self) -> int:
        """What the community was worth to this home, nano-units."""
        return self.community + self.settlement - self.utility_only

    @property
    def is_empty(self) -> bool:
        """Say whether nothing happened."""
        return not (self.timesteps or self.trades or self.withdrawn or self.deposited)

    def problems(self) -> list[str]:
        """Return what does not add up on this bill."""
        expected = self.opening - self.withdrawn + self.deposited + self.settlement
        problems = []
        if expected != self.closing:
            problems.append(f"{self.home}: entries come to {expected}, the account says {self.closing}")
        if self.on_ledger != self.on_ledger_opening + self.withdrawn - self.deposited + self.community:
            problems.append(f"{self.home}: {self.on_ledger} at its pseudonyms, trades and transfers say otherwise")
        return problems


def as_document(bill: Bill) -> dict[str, object]:
    """Return the bill as plain JSON values: nano-units and joules as integers, references as hexadecimal text.

    `on_ledger_opening` is left out where it is 0, as it is on every first bill.
    """
    carried: dict[str, object] = {"on_ledger_opening": bill.on_ledger_opening} if bill.on_ledger_opening else {}
    return carried | {
        "home": bill.home,
        "first_timestep": bill.first_timestep,
        "last_timestep": bill.last_timestep,
        "opening": bill.opening,
        "withdrawn": bill.withdrawn,
        "deposited": bill.deposited,
        "on_ledger": bill.on_ledger,
        "closing": bill.closing,
        "community": bill.community,
        "settlement": bill.settlement,
        "utility_only": bill.utility_only,
        "savings": bill.savings,
        "by_kind": {kind.value: {"energy": bill.energy(kind), "amount": bill.amount(kind)} for kind in LineKind},
        "trades": [_trade_document(trade) for trade in bill.trades],
        "timesteps": [_timestep_document(settled) for settled in bill.timesteps],
    }


def position_problems(positions: Sequence[int], timestep: int) -> list[str]:
    """Return what is wrong with the positions (joules) of all accounts in a timestep: they must sum to zero."""
    total = sum(positions)
    return [f"timestep {timestep}: the positions of all accounts sum to {total} J, not 0"] if total else []


def _trade_document(trade: CommunityTrade) -> dict[str, object]:
    return {
        "timestamp": trade.timestamp,
        "start": trade.start,
        "end": trade.end,
        "energy": trade.energy,
        "payment": trade.payment,
        "offer_id": trade.offer_id,
        "transaction": trade.transaction,
    }


def _timestep_document(settled: SettledTimestep) -> dict[str, object]:
    return {
        "timestep": settled.timestep,
        "position": settled.delivery.position,
        "metered": settled.delivery.metered,
        "deviation": settled.delivery.deviation,
        "produced": settled.produced,
        "consumed": settled.consumed,
        "withdrawn_production_watts": settled.withdrawn[0],
        "withdrawn_consumption_watts": settled.withdrawn[1],
        "import_allowed": settled.delivery.import_allowed,
        "export_allowed": settled.delivery.export_allowed,
        "provisional": settled.provisional,
        "utility_only": settled.utility_only,
        "readings": list(settled.readings),
        "lines": [
            {"kind": line.kind.value, "energy": line.energy, "price": line.price, "amount": line.amount}
            for line in settled.lines
        ],
    }
