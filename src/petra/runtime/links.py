"""Several links as one: a home listens to its DSO and to its meter, a DSO to sockets and to its gateway.

Decides: which link a message takes: the first that reaches its recipient. Knows no message.
Invariant: what came by a link is answered there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from petra.domain.terms import Address
from petra.ports import Arrival, Link
from petra.runtime.figures import Counting


@runtime_checkable
class Ringing(Protocol):
    """A link that calls `on_arrival`, from any thread, when `receive` has work."""

    on_arrival: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Origin:
    link: Link
    origin: object


class Links:
    """A `Link` over others; the first one is waited for, the others are looked at in every round."""

    def __init__(self, first: Link, *others: Link) -> None:
        """Join links; they are closed together."""
        self._all = (first, *others)
        for other in others:
            if isinstance(other, Ringing):
                other.on_arrival = first.wake

    @property
    def refusals(self) -> Counter[str]:
        """What any of them refused, by reason."""
        return sum((Counter(dict(link.refusals)) for link in self._all if isinstance(link, Counting)), Counter())

    def wait(self, seconds: float) -> None:
        """Return when something has come over the first link, when `wake` was called, or after so many seconds."""
        first, *others = self._all
        first.wait(seconds)
        for other in others:
            other.wait(0)

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        self._all[0].wake()

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us over any of them."""
        return [
            Arrival(envelope=arrival.envelope, origin=_Origin(link, arrival.origin))
            for link in self._all
            for arrival in link.receive(limit)
        ]

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the senders that these messages are stored here."""
        for link in self._all:
            if own := [_inner(arrival) for arrival in arrivals if _came_by(arrival, link)]:
                link.acknowledge(own)

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Tell the senders that these messages were not taken, and when to try again."""
        for link in self._all:
            if own := [_inner(arrival) for arrival in arrivals if _came_by(arrival, link)]:
                link.busy(own, retry_ms)

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the sender that this message will never be taken."""
        for link in self._all:
            if _came_by(arrival, link):
                link.refuse(_inner(arrival), reason)

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Try each link in turn; False where none reaches the recipient now."""
        return any(link.send(recipient, raw) for link in self._all)

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that their recipients have stored, since the last call."""
        return [digest for link in self._all for digest in link.delivered()]

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that their recipients refused, since the last call."""
        return [refusal for link in self._all for refusal in link.refused()]

    def returned(self) -> list[Address]:
        """Return the accounts that have connected since the last call."""
        return [account for link in self._all for account in link.returned()]

    def trouble(self) -> str | None:
        """Return why servers cannot be reached, a sentence each; None while all can."""
        return "; ".join(filter(None, (link.trouble() for link in self._all))) or None

    def close(self) -> None:
        """Let go of all."""
        for link in self._all:
            link.close()


def _came_by(arrival: Arrival, link: Link) -> bool:
    return isinstance(arrival.origin, _Origin) and arrival.origin.link is link


def _inner(arrival: Arrival) -> Arrival:
    assert isinstance(arrival.origin, _Origin), "an arrival of this link"
    return Arrival(envelope=arrival.envelope, origin=arrival.origin.origin)
