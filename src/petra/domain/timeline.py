"""Timesteps and intervals: how PETra counts time (paper 4.1, R49-R52).

Decides: which timestep a unix second belongs to, and what may still be traded. Knows no clock.
Invariant: timestep k covers [genesis + k*T, genesis + (k+1)*T); intervals include both ends.
"""

from dataclasses import dataclass
from typing import NewType

Timestep = NewType("Timestep", int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A run of timesteps, both ends inclusive."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        if not 0 <= self.start <= self.end:
            raise ValueError(f"no interval: {self.start}..{self.end}")

    @property
    def length(self) -> int:
        """The number of timesteps."""
        return self.end - self.start + 1

    def intersection(self, other: "Interval") -> "Interval | None":
        """Return the timesteps that both have, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Interval(start=start, end=end) if start <= end else None

    def __contains__(self, timestep: int) -> bool:
        """Say whether the timestep lies inside."""
        return self.start <= timestep <= self.end

    def __str__(self) -> str:
        """Show both ends."""
        return f"{self.start}..{self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The fixed grid of a deployment.

    Attributes:
        genesis: unix seconds at which timestep 0 begins.
        timestep_seconds: T.
        gate: timesteps between the current one and the first tradeable one, exclusive.
    """

    genesis: int
    timestep_seconds: int
    gate: int

    def current(self, now: int) -> Timestep:
        """Return the timestep of a unix second; 0 before genesis + T, as the contract counts."""
        return Timestep(max(0, now - self.genesis) // self.timestep_seconds)

    def first_tradeable(self, now: int) -> Timestep:
        """Return the first timestep that may still be traded at a unix second."""
        return Timestep(self.current(now) + self.gate + 1)

    def begin(self, timestep: int) -> int:
        """Return the unix second at which a timestep begins."""
        return self.genesis + timestep * self.timestep_seconds

    def end(self, timestep: int) -> int:
        """Return the unix second at which a timestep is over."""
        return self.begin(timestep + 1)
