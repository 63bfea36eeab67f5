"""Store and forward over any link: offers each message until its recipient says that it is stored (DESIGN 5; R19, R20).

Decides: when a message is offered again (500 ms doubled up to 2 s, +- 20 %; at once when its recipient comes back), and
when that ends: acknowledged, refused for good, or past its deadline. The service's database is the store; this is its
memory. It knows no clock: `now` is unix seconds. Invariant: a message that was added is offered until one of the three
ends, in the order of adding as far as the link allows; order and single arrival are not promised, message ids are for
that.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Final

from petra.domain.terms import Address
from petra.fabric.refusals import PASSING
from petra.ports import Link
from petra.wire.envelope import envelope_hash

PARCELS_MAX: Final = 500_000
SHARE_MAX: Final = 50_000  # for one recipient: a meter that reads each 4 s was away for two days
_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 2.0
_JITTER: Final = 0.2
_SENDS_MAX: Final = 2_000  # in one pump, so that a service goes on with its round


@dataclass(slots=True)
class _Parcel:
    recipient: Address
    raw: bytes
    deadline: float
    hash: bytes
    tries: int = 0
    turn: int = 0  # its newest place in the queue; older ones are passed over


@dataclass(slots=True, kw_only=True)
class Postbox:
    """The messages of one process that their recipients have not stored yet.

    Attributes:
        link: the way to the recipients.
        rng: where jitter comes from; nothing else should draw from it.
        parcels_max: how many messages may wait.
        share_max: how many of them for one recipient, so that one who acknowledges nothing is its own misfortune.
    """

    link: Link
    rng: Random
    parcels_max: int = PARCELS_MAX
    share_max: int = SHARE_MAX
    _parcels: dict[bytes, _Parcel] = field(default_factory=dict)
    _by_recipient: dict[Address, dict[bytes, _Parcel]] = field(default_factory=dict)
    _queue: list[tuple[float, int, bytes]] = field(default_factory=list)
    _turns: int = 0
    _now: float = 0.0
    _delivered: list[bytes] = field(default_factory=list)
    _expired: list[bytes] = field(default_factory=list)
    _refused: list[tuple[bytes, str]] = field(default_factory=list)

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._parcels)

    def add(self, recipient: Address, raw: bytes, deadline: float, now: float) -> bool:
        """Take a message to offer from now on until a unix second.

        Returns:
            False: too many wait; it stays in the database and is taken up when the service starts again.
        """
        digest = envelope_hash(raw)
        known = self._parcels.get(digest)
        if known is not None:
            known.deadline = max(known.deadline, deadline)
            self._plan(known, now)
            return True
        if len(self._parcels) >= self.parcels_max or len(self._by_recipient.get(recipient, ())) >= self.share_max:
            return False
        parcel = _Parcel(recipient, raw, deadline, digest)
        self._parcels[digest] = parcel
        self._by_recipient.setdefault(recipient, {})[digest] = parcel
        self._plan(parcel, now)
        return True

    def pump(self, now: float) -> None:
        """Take the answers that have come, and offer what is due."""
        self._settle(now)
        if now < self._now - 1:  # the clock was set back: do not wait for the time that it showed
            for parcel in self._parcels.values():
                self._plan(parcel, now)
        self._now = now
        for account in dict.fromkeys(self.link.returned()):  # a thousand greetings are one
            for parcel in self._by_recipient.get(account, {}).values():
                parcel.tries = 0
                self._plan(parcel, now)
        self._offer(now)

    def delivered(self) -> list[bytes]:
        """Return the hashes of messages that their recipients have stored, since the last call."""
        self._settle(self._now)
        taken, self._delivered = self._delivered, []
        return taken

    def expired(self) -> list[bytes]:
        """Return the hashes of messages whose deadline passed before anybody stored them, since the last call."""
        taken, self._expired = self._expired, []
        return taken

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hashes and reasons of messages that were refused for good, since the last call."""
        taken, self._refused = self._refused, []
        return taken

    def next_due(self) -> float | None:
        """Return the unix second at which something is to be offered, None if nothing waits."""
        while self._queue:
            at, turn, digest = self._queue[0]
            parcel = self._parcels.get(digest)
            if parcel is not None and parcel.turn == turn:
                return at
            heappop(self._queue)
        return None

    # ---- inside

    def _offer(self, now: float) -> None:
        sends, shut = 0, set[Address]()
        while self._queue and self._queue[0][0] <= now and sends < _SENDS_MAX:
            parcel = self._next()
            if parcel is None:
                continue  # that place was given up for a newer one
            if now > parcel.deadline:
                self._forget(parcel)
                self._expired.append(parcel.hash)
                continue
            # A link that has just refused a recipient's message would refuse the next, too, and later ones overtake.
            if parcel.recipient not in shut and not self.link.send(parcel.recipient, parcel.raw):
                shut.add(parcel.recipient)
            sends += 1
            self._plan(parcel, now + self._pause(parcel.tries))
            parcel.tries += 1

    def _settle(self, now: float) -> None:
        for digest in self.link.delivered():
            parcel = self._parcels.get(digest)
            if parcel is not None:
                self._forget(parcel)
            self._delivered.append(digest)
        for digest, answer in self.link.refused():
            parcel = self._parcels.get(digest)
            word, _, wait = answer.partition(" ")
            if parcel is None:
                continue
            if word in PASSING:
                self._plan(parcel, now + (int(wait) / 1000 if wait else self._pause(parcel.tries)))
                continue
            self._forget(parcel)
            self._refused.append((digest, answer))

    def _next(self) -> _Parcel | None:
        """Take the head of the queue; None if that place was given up for a newer one."""
        _, turn, digest = heappop(self._queue)
        parcel = self._parcels.get(digest)
        return parcel if parcel is not None and parcel.turn == turn else None

    def _plan(self, parcel: _Parcel, at: float) -> None:
        self._turns += 1
        parcel.turn = self._turns
        heappush(self._queue, (at, parcel.turn, parcel.hash))

    def _pause(self, tries: int) -> float:
        longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * (1 << min(tries, 10)))
        return longest * self.rng.uniform(1 - _JITTER, 1 + _JITTER)

    def _forget(self, parcel: _Parcel) -> None:
        del self._parcels[parcel.hash]
        mail = self._by_recipient[parcel.recipient]
        del mail[parcel.hash]
        if not mail:
            del self._by_recipient[parcel.recipient]
