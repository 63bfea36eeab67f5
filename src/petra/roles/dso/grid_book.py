"""The DSO's book of the feeder: what each account may do in each timestep, kept safe by the ledger (R26, DESIGN 7).

Decides: how assets become changes of a box, and from which timestep on they may still change. `rules` asks it, `grants`
books and undoes, `accounts` gives back early. Knows no request's sender but its account, no clock.
Invariants: what is booked was allowed; a timestep that has begun gets no headroom back; the ledger holds the same
integers as the DSO's own books, and both are compared at start.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from petra.domain.terms import Address
from petra.grid import Change, Envelope, Feeder, Granted, ReactivePower, SafetyLedger


class Power(Protocol):
    """What a change is made of: an asset on the ledger, or one that is asked for."""

    @property
    def power(self) -> int:
        """Watts, positive = production."""
        ...

    @property
    def start(self) -> int:
        """The first timestep."""
        ...

    @property
    def end(self) -> int:
        """The last timestep."""
        ...


class Kept(NamedTuple):
    """What one account holds of its grants in one timestep: granted less given back early, watts >= 0."""

    production: int
    consumption: int


class GridBook:
    """The safety ledger by account; every home of the feeder has an account from the beginning.

    Attributes:
        ledger: keeps every outcome within the feeder's limits.
        first: timesteps before it have passed and are forgotten.
    """

    def __init__(self, feeder: Feeder, envelopes: Mapping[Address, Envelope], reactive: ReactivePower) -> None:
        """Start with nothing granted; InputError where the envelopes alone could overload the feeder."""
        self.ledger = SafetyLedger(feeder, {str(account): one for account, one in envelopes.items()}, reactive=reactive)
        self.first = 0

    def allows(self, account: Address, assets: Iterable[Power]) -> bool:
        """Say whether all the assets together would be safe; an account without an envelope is granted nothing."""
        return account in self.ledger.reservations.envelopes and self.ledger.check(account, _changes(assets, 0))

    def book(self, account: Address, assets: Iterable[Power]) -> None:
        """Enter what was allowed just before."""
        granted = self.ledger.grant(account, _changes(assets, 0))
        assert granted, f"{account} was granted what the feeder does not allow"

    def give_back(self, account: Address, asset: Power, start: int) -> range:
        """Free an asset's headroom from a timestep on, as far as it has not passed; return those timesteps."""
        changes = _changes([asset], max(start, self.first))
        self.ledger.release(account, changes)
        return range(changes[0].start, changes[0].end + 1) if changes else range(0)

    def expire(self, before: int) -> None:
        """Forget the timesteps below `before`."""
        self.first = max(self.first, before)
        self.ledger.expire(self.first)

    def agrees_with(self, kept: Mapping[int, Mapping[Address, Kept]]) -> bool:
        """Say whether the DSO's books hold the same integers, and whether a ledger made anew from them is the same."""
        own = {
            timestep: {account: Granted(*one) for account, one in row.items()}
            for timestep, row in kept.items()
            if timestep >= self.first
        }
        return own == self.ledger.reservations.granted and self.ledger.equals(self.ledger.rebuilt())


def _changes(assets: Iterable[Power], first: int) -> list[Change]:
    return [
        Change(
            start=max(asset.start, first),
            end=asset.end,
            production_watts=max(0, asset.power),
            consumption_watts=max(0, -asset.power),
        )
        for asset in assets
        if asset.power and asset.end >= first
    ]
