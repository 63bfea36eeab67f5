"""What a service has to do later: timers that its role set, and the beginnings of timesteps.

Decides: what is due. Knows no role. Invariant: a timer is due once; played again from the diary, the same timers are
left as when the process died.
"""

import heapq
from collections.abc import Iterator

from petra.domain.timeline import Timeline
from petra.roles.effects import Phase, WakeAt, Woken

_Timer = tuple[int, int, Woken]


class Agenda:
    """The timers of one role. What settles is due when the ledger, too, has come so far: its deposits count."""

    def __init__(self) -> None:
        """Start with nothing planned."""
        self._by_clock: list[_Timer] = []
        self._by_ledger: list[_Timer] = []
        self._count = 0

    def add(self, effect: WakeAt) -> None:
        """Plan what a role asked for."""
        self._count += 1
        woken = Woken(phase=effect.phase, timestep=effect.timestep)
        heapq.heappush(self._heap(woken), (effect.at, self._count, woken))

    def next_at(self) -> int | None:
        """Return the unix second of what comes next by the clock."""
        return self._by_clock[0][0] if self._by_clock else None

    def due(self, now: int, final_at: int) -> Iterator[Woken]:
        """Yield what is due, each once; `final_at` is the unix second of the last final block that the role knows."""
        for heap, until in ((self._by_clock, now), (self._by_ledger, min(now, final_at))):
            while heap and heap[0][0] <= until:
                yield heapq.heappop(heap)[2]

    def pass_over(self, woken: Woken) -> None:
        """Forget the earliest timer of this kind: the diary says that it was due."""
        heap = self._heap(woken)
        mine = min((one for one in heap if one[2] == woken), default=None)
        if mine is not None:
            heap.remove(mine)
            heapq.heapify(heap)

    def _heap(self, woken: Woken) -> list[_Timer]:
        return self._by_ledger if woken.phase is Phase.SETTLE else self._by_clock


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
