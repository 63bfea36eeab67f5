"""What every account may import and export in every timestep: its envelope, and what was granted to it (DESIGN 7).

Decides: how envelope and grants make an account's box: [-max(L, C), max(F, G)]; grants are totals that contain the
firm part. Outside the timesteps of its envelope an account may do nothing. Knows no feeder.
Invariant: the whole state is integers, watts >= 0; what is released was granted before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FOREVER = 2**62  # a last timestep that does not come


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Where an account's home is connected and what it may use without a grant, watts >= 0 (L and F of DESIGN 7).

    It holds from timestep `first` to `last`, both inclusive.
    """

    node: str
    import_watts: int
    export_watts: int
    first: int = 0
    last: int = FOREVER

    def __post_init__(self) -> None:
        """Envelopes are checked where they are read; here a negative one is our mistake."""
        assert self.import_watts >= 0 and self.export_watts >= 0, self

    def holds(self, timestep: int) -> bool:
        """Say whether it is in force."""
        return self.first <= timestep <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Watts to grant or to release in each timestep from `start` to `end`, both inclusive; both sides >= 0."""

    start: int
    end: int
    production_watts: int = 0
    consumption_watts: int = 0

    def __post_init__(self) -> None:
        """A change of the wrong sign is our mistake: the domain's power is positive for production (A1)."""
        assert self.start <= self.end and self.production_watts >= 0 and self.consumption_watts >= 0, self


class Granted(NamedTuple):
    """What one account was granted in one timestep: G and C of DESIGN 7, watts >= 0."""

    production: int
    consumption: int


class Box(NamedTuple):
    """What one account may do in one timestep, whatever is traded, watts >= 0."""

    import_watts: int
    export_watts: int


class Step(NamedTuple):
    """One timestep of a request: the account's box before and after, and what it would then have been granted."""

    timestep: int
    before: Box
    after: Box
    granted: Granted


class GrantRule(Protocol):
    """A rule that keeps book of what it granted; all or nothing over all timesteps of a request."""

    def check(self, account: str, changes: Iterable[Change]) -> bool:
        """Say whether all the changes together would be granted; nothing is changed."""
        ...

    def grant(self, account: str, changes: Iterable[Change]) -> bool:
        """Grant all the changes together, or change nothing and return False."""
        ...

    def release(self, account: str, changes: Iterable[Change]) -> None:
        """Take back what was granted; always possible, since a smaller box holds fewer outcomes."""
        ...

    def expire(self, before: int) -> None:
        """Forget the timesteps that have passed: those below `before`."""
        ...


NOTHING = Granted(0, 0)
_NO_BOX = Box(0, 0)


class Reservations:
    """The integers behind every rule: by timestep, then by account.

    Attributes:
        envelopes: by account. granted: by timestep, then account; no entry is (0, 0).
    """

    def __init__(self, envelopes: Mapping[str, Envelope]) -> None:
        """Start with nothing granted."""
        self.envelopes = dict(envelopes)
        self.granted: dict[int, dict[str, Granted]] = {}

    def box(self, account: str, timestep: int, granted: Granted) -> Box:
        """Return what an account may do that was granted so much."""
        envelope = self.envelopes[account]
        if not envelope.first <= timestep <= envelope.last:
            return _NO_BOX
        return Box(max(envelope.import_watts, granted.consumption), max(envelope.export_watts, granted.production))

    def boxes(self, timestep: int) -> dict[str, Box]:
        """Return every account's box in a timestep."""
        granted = self.granted.get(timestep, {})
        return {account: self.box(account, timestep, granted.get(account, NOTHING)) for account in self.envelopes}

    def steps(self, account: str, changes: Iterable[Change], sign: int = 1) -> list[Step]:
        """Return what the changes would do, a step for every timestep that they touch; sign -1 takes back."""
        totals: dict[int, Granted] = {}
        for change in changes:
            production, consumption = sign * change.production_watts, sign * change.consumption_watts
            for timestep in range(change.start, change.end + 1):
                earlier = totals.get(timestep, NOTHING)
                totals[timestep] = Granted(earlier[0] + production, earlier[1] + consumption)
        steps = []
        for timestep, (production, consumption) in totals.items():
            granted = self.granted.get(timestep, {}).get(account, NOTHING)
            after = Granted(granted[0] + production, granted[1] + consumption)
            assert min(after) >= 0, f"{account} gives back more than it was granted for timestep {timestep}"
            boxes = self.box(account, timestep, granted), self.box(account, timestep, after)
            steps.append(Step(timestep, *boxes, after))
        return steps

    def write(self, account: str, steps: Iterable[Step]) -> None:
        """Enter what was decided."""
        for step in steps:
            row = self.granted.setdefault(step.timestep, {})
            if step.granted == NOTHING:
                row.pop(account, None)
            else:
                row[account] = step.granted
            if not row:
                del self.granted[step.timestep]

    def expire(self, before: int) -> None:
        """Forget the timesteps below `before`."""
        for timestep in [timestep for timestep in self.granted if timestep < before]:
            del self.granted[timestep]
