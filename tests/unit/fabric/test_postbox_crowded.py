"""The postbox when one recipient behaves badly: the others must not feel it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from petra.domain.terms import Address
from petra.fabric.postbox import Postbox
from petra.ports import Arrival

SILENT, OTHER = Address("0x" + 40 * "1"), Address("0x" + 40 * "2")
NOW, LATE = 1_000.0, 10.0**9


@dataclass(slots=True)
class Slow:
    """A link whose other side takes everything and acknowledges nothing."""

    sent: list[Address] = field(default_factory=list)
    back: list[Address] = field(default_factory=list)

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Take it."""
        self.sent.append(recipient)
        return True

    def returned(self) -> list[Address]:
        """Return who has greeted."""
        taken, self.back = self.back, []
        return taken

    def delivered(self) -> list[bytes]:
        """Return nothing: nobody acknowledges."""
        return []

    def refused(self) -> list[tuple[bytes, str]]:
        """Return nothing."""
        return []

    def receive(self, limit: int) -> list[Arrival]:
        """Return nothing."""
        return []

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Nothing came."""

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Nothing came."""

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Nothing came."""

    def wait(self, seconds: float) -> None:
        """Wait for nothing."""

    def wake(self) -> None:
        """Nobody waits."""

    def trouble(self) -> str | None:
        """All is well."""
        return None

    def close(self) -> None:
        """Nothing is open."""


def test_one_who_acknowledges_nothing_leaves_room_for_the_others() -> None:
    """What waits for one recipient is bounded by a share of the whole."""
    postbox = Postbox(link=Slow(), rng=Random(1), parcels_max=100, share_max=10)
    taken = [postbox.add(SILENT, number.to_bytes(8), LATE, NOW) for number in range(100)]
    assert taken == [True] * 10 + [False] * 90
    assert postbox.add(OTHER, b"grant", LATE, NOW)


def test_many_greetings_are_one() -> None:
    """Who greets again and again has its mail planned anew once in a round, not once for each greeting."""
    link = Slow()
    postbox = Postbox(link=link, rng=Random(1))
    for number in range(10):
        postbox.add(SILENT, number.to_bytes(8), LATE, NOW)
    postbox.pump(NOW)
    link.sent.clear()
    link.back = [SILENT] * 1_000
    planned = postbox._turns
    postbox.pump(NOW + 0.01)
    assert link.sent == [SILENT] * 10
    assert postbox._turns - planned == 20  # each is planned, offered, and planned again
