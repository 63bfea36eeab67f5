"""What a service has to do later: timers that its role set, and the beginnings of timesteps.

Decides: what is due. Knows no role. Invariant: a timer is due once; played again from the diary, the same timers are
left as when the process died.
"""

import heapq
from collections.abc import Iterator

from petra.domain.timeline import Timeline
from petra.roles.effects import WakeAt, Woken


class Agenda:
    """The timers of one role."""

    def __init__(self) -> None:
        """Start with nothing planned."""
        self._heap: list[tuple[int, int, Woken]] = []
        self._count = 0

    def add(self, effect: WakeAt) -> None:
        """Plan what a role asked for."""
        self._count += 1
        woken = Woken(phase=effect.phase, timestep=effect.timestep)
        heapq.heappush(self._heap, (effect.at, self._count, woken))

    def next_at(self) -> int | None:
        """Return the unix second of what comes next."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Iterator[Woken]:
        """Yield what is due, each once; what is added meanwhile and due counts too."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    def pass_over(self, woken: Woken) -> None:
        """Forget the earliest timer of this kind: the diary says that it was due."""
        mine = min((one for one in self._heap if one[2] == woken), default=None)
        if mine is not None:
            self._heap.remove(mine)
            heapq.heapify(self._heap)


class Boundaries:
    """The beginnings of timesteps, each told once; after a pause all that were missed, in order.

    Attributes:
        last: the last timestep whose beginning was told, None before the first.
    """

    def __init__(self, timeline: Timeline, last: int | None = None) -> None:
        """Go on after `last`; without it the first one told is the current timestep's."""
        self.last = last
        self._timeline = timeline

    def next_at(self) -> int:
        """Return the unix second of the next beginning."""
        return self._timeline.begin(0 if self.last is None else self.last + 1)

    def passed(self, now: int) -> range:
        """Return the timesteps that have begun since the last call."""
        if now < self._timeline.begin(0):
            return range(0)
        current = self._timeline.current(now)
        first = current if self.last is None else self.last + 1
        self.last = max(current, first - 1)
        return range(first, current + 1)
