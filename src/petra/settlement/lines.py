"""One home, one timestep: from position and meter to lines of money (DESIGN 10, R27, R32).

Decides: what is bought, sold, penalised and charged, and at which price. Knows no ledger, no names.
Invariants: metered - position = deviation, and every joule of it stands in exactly one residual line, but where a
curtailment left less than was promised; each line rounds against the home, by less than one nano-unit.
"""

from dataclasses import dataclass
from enum import StrEnum

from petra.domain.messages import PriceSchedule
from petra.domain.quantities import payment_rounded_down, payment_rounded_up

PER_MILLE = 1_000


class LineKind(StrEnum):
    """What a line is for, in the order of a bill."""

    FEED_IN = "feed-in"  # the DSO buys what was delivered beyond the position
    RETAIL = "retail"  # the DSO sells what the community did not
    SHORTFALL = "shortfall"  # promised and not delivered, beyond the tolerance
    OUTSIDE_ENVELOPE = "outside-envelope"  # metered outside what the home may use
    GRID_FEE = "grid-fee"  # on metered import, whoever sold it


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One amount of a bill.

    Attributes:
        energy: joules, never negative. price: nano-units per kWh. amount: nano-units, positive = the home receives.
    """

    kind: LineKind
    energy: int
    price: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a home promised, may do, and did in one timestep; energies in joules.

    Attributes:
        position: sold - bought (A14).
        metered: net export, produced - consumed.
        import_allowed, export_allowed: the envelope, max(firm part, grants) x T.
        tolerance_per_mille: the share of the sold energy that may stay undelivered at the retail price.
    """

    position: int
    metered: int
    import_allowed: int
    export_allowed: int
    tolerance_per_mille: int

    @property
    def deviation(self) -> int:
        """Metered minus position."""
        return self.metered - self.position

    @property
    def excess(self) -> int:
        """What was metered outside the envelope, either way."""
        return max(0, self.metered - self.export_allowed) + max(0, -self.metered - self.import_allowed)

    @property
    def recognised(self) -> int:
        """What was metered within the envelope: only this is bought, sold and held against the promise."""
        return min(max(self.metered, -self.import_allowed), self.export_allowed)

    @property
    def shortfall(self) -> int:
        """What was promised and not delivered, beyond the tolerance; a share of the promise, never a fixed amount.

        A promise beyond the envelope was made before the DSO curtailed it: nobody is negligent who may not keep it.
        """
        promised = max(0, min(self.position, self.export_allowed))
        short = max(0, promised - max(0, self.metered))
        return max(0, short - promised * self.tolerance_per_mille // PER_MILLE)


def settle(delivery: Delivery, prices: PriceSchedule) -> tuple[Line, ...]:
    """Return the home's lines for the timestep; lines without energy are left out."""
    deviation, excess, shortfall = delivery.recognised - delivery.position, delivery.excess, delivery.shortfall
    lines = []
    if deviation > 0:
        lines.append(_received(LineKind.FEED_IN, deviation, prices.feed_in))
    else:
        lines.append(_paid(LineKind.RETAIL, -deviation - shortfall, prices.retail))
        lines.append(_paid(LineKind.SHORTFALL, shortfall, prices.imbalance))
    lines.append(_paid(LineKind.OUTSIDE_ENVELOPE, excess, prices.imbalance))
    lines.append(_paid(LineKind.GRID_FEE, max(0, -delivery.metered), prices.grid_fee))
    assert all(line.energy >= 0 for line in lines), (delivery, lines)
    return tuple(line for line in lines if line.energy)


def utility_only(metered: int, prices: PriceSchedule) -> int:
    """Return what the same metered energy would cost or earn without a community, nano-units, positive = received."""
    if metered >= 0:
        return payment_rounded_down(metered, prices.feed_in)
    return -payment_rounded_up(-metered, prices.retail) - payment_rounded_up(-metered, prices.grid_fee)


def spread_evenly(total: int, parts: int) -> tuple[int, ...]:
    """Split a total into equal integer parts, the first ones taking what does not divide."""
    share, rest = divmod(total, parts)
    return tuple(share + (1 if index < rest else 0) for index in range(parts))


def _received(kind: LineKind, energy: int, price: int) -> Line:
    return Line(kind=kind, energy=energy, price=price, amount=payment_rounded_down(energy, price))


def _paid(kind: LineKind, energy: int, price: int) -> Line:
    return Line(kind=kind, energy=energy, price=price, amount=-payment_rounded_up(energy, price))
