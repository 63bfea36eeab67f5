"""The readings that one meter told, in order of their timesteps, whatever the order in which they came.

Decides nothing: `metering` does. Invariant: finding a neighbour costs no walk over the readings.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from petra.domain.messages import MeterReading


@dataclass(slots=True)
class Readings:
    """Each reading with the hash of the envelope that proves it, by timestep."""

    _told: dict[int, tuple[MeterReading, str]] = field(default_factory=dict)
    _timesteps: list[int] = field(default_factory=list)  # sorted

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._told)

    def __contains__(self, timestep: int) -> bool:
        """Say whether the meter told of the end of a timestep."""
        return timestep in self._told

    def reading(self, timestep: int) -> MeterReading:
        """Return the registers at the end of a timestep of which the meter told."""
        return self._told[timestep][0]

    def proof(self, timestep: int) -> str:
        """Return the hash of the message that told of it."""
        return self._told[timestep][1]

    def in_order(self) -> list[MeterReading]:
        """Return all readings."""
        return [self._told[timestep][0] for timestep in self._timesteps]

    def add(self, reading: MeterReading, proof: str) -> None:
        """Keep a reading about a timestep of which nothing is known."""
        assert reading.timestep not in self._told, reading
        insort(self._timesteps, reading.timestep)
        self._told[reading.timestep] = (reading, proof)

    def neighbours(self, timestep: int) -> tuple[int | None, int | None]:
        """Return the nearest timesteps before and after that have a reading."""
        before, after = bisect_left(self._timesteps, timestep), bisect_right(self._timesteps, timestep)
        return (
            self._timesteps[before - 1] if before else None,
            self._timesteps[after] if after < len(self._timesteps) else None,
        )

    def forget(self, through: int) -> None:
        """Drop what was told up to a timestep, but the newest of it: the next energy is counted from there."""
        count = bisect_right(self._timesteps, through) - 1
        for timestep in self._timesteps[: max(0, count)]:
            del self._told[timestep]
        del self._timesteps[: max(0, count)]
