"""The DSO's book of the feeder: what each account may do in each timestep, kept safe by the ledger (R26, DESIGN 7).

Decides: how assets become changes of a box, from which timestep on they may still change, and what stands for homes
that are connected without being members. `rules` asks it, `grants` books and undoes, `accounts` gives back early,
`membership` lets accounts join and leave. Knows no request's sender but its account, no clock.
Invariants: what is booked was allowed; a timestep that has begun gets no headroom back; whoever leaves stays connected;
the ledger holds the same integers as the DSO's own books, and both are compared at start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
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


class Unenrolled(NamedTuple):
    """What a home may draw and feed that is connected and not a member: not yet, or no longer; watts >= 0."""

    import_watts: int
    export_watts: int


class GridBook:
    """The safety ledger by account.

    Either every home of the feeder has an account from the beginning, or accounts join and leave. Where they do, a
    nameless account stands for each connected node without a member; who joins takes its place.

    Attributes:
        ledger: keeps every outcome within the feeder's limits.
        first: timesteps before it have passed and are forgotten.
    """

    def __init__(
        self,
        feeder: Feeder,
        envelopes: Mapping[Address, Envelope],
        reactive: ReactivePower,
        unenrolled: Unenrolled | None = None,
    ) -> None:
        """Start with nothing granted; InputError where the envelopes alone could overload the feeder."""
        everybody = {str(account): one for account, one in envelopes.items()}
        self._unenrolled = unenrolled or Unenrolled(0, 0)
        self._nameless: dict[str, list[str]] = {}  # accounts by node, the last one is replaced first
        if unenrolled is not None:
            served = {one.node for one in envelopes.values()}
            for node in [one.node for one in feeder.nodes if one.connected and one.node not in served]:
                self._nameless[node] = [f"whoever is at {node}"]
                everybody[f"whoever is at {node}"] = _nameless(node, unenrolled)
        self.ledger = SafetyLedger(feeder, everybody, reactive=reactive)
        self.first = 0

    @property
    def unserved(self) -> int:
        """How many homes are connected without being members, as far as the feeder tells."""
        return sum(map(len, self._nameless.values()))

    def has_node(self, node: str | None) -> bool:
        """Say whether a home can be at a node."""
        feeder = self.ledger.feeder
        return any(one.node == node for one in feeder.nodes if one.node != feeder.source_node)

    def first_safe(self, envelope: Envelope) -> int | None:
        """Return from which timestep on a home with this envelope may join, at the envelope's first or later.

        None if the envelopes of all alone could then overload the feeder.
        """
        replaced = self._nameless.get(envelope.node)
        return self.ledger.first_safe(envelope, envelope.first, instead_of=replaced[-1] if replaced else None)

    def join(self, account: Address, envelope: Envelope) -> None:
        """Let a home join that may: from its envelope's first timestep on it has what it agreed to."""
        changed = {str(account): envelope}
        if replaced := self._nameless.get(envelope.node):
            nameless = replaced.pop()
            before = self.ledger.reservations.envelopes[nameless]
            changed[nameless] = replace(before, last=envelope.first - 1)
        self.ledger.set_envelopes(changed)

    def leave(self, account: Address, last: int) -> None:
        """Let a home leave after a timestep, the last for which it was granted anything.

        Its wires stay: from then on somebody without a name draws and feeds at its node, no more than it did.
        """
        envelope = replace(self.ledger.reservations.envelopes[account], last=last)
        most = Unenrolled(*map(min, self._unenrolled, (envelope.import_watts, envelope.export_watts)))
        nameless, first = f"whoever follows {account}", max(last + 1, envelope.first)  # it may not have come yet
        self._nameless.setdefault(envelope.node, []).append(nameless)
        self.ledger.set_envelopes({account: envelope, nameless: _nameless(envelope.node, most, first)})

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


def _nameless(node: str, most: Unenrolled, first: int = 0) -> Envelope:
    return Envelope(node=node, import_watts=most.import_watts, export_watts=most.export_watts, first=first)


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
