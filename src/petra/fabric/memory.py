"""The fabric of simulations: seeded delay, loss, duplication and so reordering, on virtual time (DESIGN 5).

Decides when a message arrives, and whether. It knows neither what is inside nor the time: callers bring `now`.
Invariants: equal seed and equal calls give equal deliveries; every `send` draws equally often from the generator,
whatever becomes of the message, so that more loss changes no delay; nothing arrives before it was sent.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final

from petra.domain.terms import Address
from petra.errors import InputError, WorldError

QUEUE_MAX: Final = 100_000  # messages under way


@dataclass(frozen=True, slots=True, order=True)
class _Parcel:
    at: int
    sequence: int
    recipient: Address = field(compare=False)
    raw: bytes = field(compare=False)


class MemoryFabric:
    """A `Fabric` that holds messages until the caller's clock reaches them; times are whole unix seconds."""

    def __init__(
        self,
        rng: Random,
        *,
        delay_seconds_min: int = 0,
        delay_seconds_max: int = 1,
        loss: float = 0.0,
        duplication: float = 0.0,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """Deliver each message after a delay within the bounds, both inclusive.

        Args:
            rng: where chance comes from; nobody else should draw from it.
            delay_seconds_min: the shortest delay.
            delay_seconds_max: the longest delay.
            loss: share of messages that never arrive, 0..1.
            duplication: share of those left that arrive twice, each copy with its own delay, 0..1.
            queue_max: how many messages may be under way at once.

        Raises:
            InputError: a bound is negative or the two are crossed, or a share is not within 0..1.
        """
        problems = []
        if not 0 <= delay_seconds_min <= delay_seconds_max:
            problems.append(f"delay: 0 <= min <= max is needed, not {delay_seconds_min} and {delay_seconds_max} s")
        for name, share in {"loss": loss, "duplication": duplication}.items():
            if not 0 <= share <= 1:
                problems.append(f"{name}: a share of 0..1 is needed, not {share}")
        if problems:
            raise InputError(problems)
        self._rng = rng
        self._delays = (delay_seconds_min, delay_seconds_max)
        self._loss = loss
        self._duplication = duplication
        self._queue_max = queue_max
        self._queue: list[_Parcel] = []
        self._sequence = count()

    def send(self, recipient: Address, raw: bytes, now: int) -> None:
        """Take a message for delivery; it may arrive late, twice, out of order or never.

        Raises:
            WorldError: the queue is full; this message was not taken.
        """
        lost = self._rng.random() < self._loss
        copies = 2 if self._rng.random() < self._duplication else 1
        arrivals = [now + self._rng.randint(*self._delays) for _ in range(2)][:copies]
        if lost:
            return
        if len(self._queue) + copies > self._queue_max:
            raise WorldError(f"the fabric is full: at most {self._queue_max} messages may be under way")
        for at in arrivals:
            heappush(self._queue, _Parcel(at, next(self._sequence), recipient, raw))

    def next_due(self) -> int | None:
        """Return when the next message arrives, None if none is under way."""
        return self._queue[0].at if self._queue else None

    def due(self, now: int) -> list[tuple[Address, bytes]]:
        """Hand over, once, what has arrived by now: recipients and bytes, by time, then in the order of sending."""
        arrived = []
        while self._queue and self._queue[0].at <= now:
            parcel = heappop(self._queue)
            arrived.append((parcel.recipient, parcel.raw))
        return arrived
