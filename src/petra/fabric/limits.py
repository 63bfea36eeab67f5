"""How much a link takes from others, and how it waits: sizes, queues, heartbeats, rates.

Decides: numbers, and by `RateLimit` whether one origin has had its share. It knows no socket.
Invariant: memory is bounded whatever others send: each table of ours has a length that it never exceeds.
"""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a link allows.

    Attributes:
        queue_max: messages that wait to or from one connection.
        heartbeat_ms: how often a silent connection is tried; it counts as gone after three times as long.
        handshake_ms: how long a new connection may take to show its key.
        redial_seconds: how long a client waits after a failed handshake.
        messages_per_second, burst: what one key may send; 0 = no limit.
        enrolments_per_minute: what one network address may send to the door for new members.
    """

    queue_max: int = 1_000
    heartbeat_ms: int = 5_000
    handshake_ms: int = 10_000
    redial_seconds: float = 1.0
    messages_per_second: float = 2_000.0
    burst: int = 4_000
    enrolments_per_minute: float = 30.0


class RateLimit:
    """A bucket for each origin, filled steadily; only the latest origins are remembered."""

    def __init__(self, per_second: float, burst: int, *, origins_max: int = 10_000) -> None:
        """Allow `burst` at once and `per_second` after that; `per_second` 0 allows everything."""
        self._per_second = per_second
        self._burst = burst
        self._origins_max = origins_max
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # what is left, when

    def allows(self, origin: bytes, now: float) -> bool:
        """Take one from an origin's bucket, if there is one."""
        if not self._per_second:
            return True
        left, at = self._buckets.pop(origin, (float(self._burst), now))
        left = min(float(self._burst), left + max(0.0, now - at) * self._per_second)
        allowed = left >= 1
        self._buckets[origin] = (left - 1 if allowed else left, now)
        if len(self._buckets) > self._origins_max:
            self._buckets.popitem(last=False)
        return allowed
