"""What became of the envelopes that a link sent: stored or refused, as the other side says.

Decides: whether the one who answers is the one to whom the envelope went. It knows no socket.
Invariant: nobody can acknowledge or refuse what was sent to somebody else; what waits for an answer is bounded, and
what is forgotten is merely sent again.
"""

from collections import OrderedDict
from collections.abc import Callable, Set
from typing import Final

from petra.domain.terms import Address
from petra.fabric.frames import Busy, Refused, Stored
from petra.fabric.refusals import LinkReason

_WAITING_MAX: Final = 200_000


class Outcomes:
    """Envelopes under way, and the answers to them."""

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._waiting: OrderedDict[bytes, Address] = OrderedDict()
        self._delivered: list[bytes] = []
        self._refused: list[tuple[bytes, str]] = []

    def sent(self, digest: bytes, recipient: Address) -> None:
        """Remember to whom an envelope went."""
        self._waiting[digest] = recipient
        if len(self._waiting) > _WAITING_MAX:
            self._waiting.popitem(last=False)

    def answered(self, frame: Stored | Busy | Refused, speaks: Callable[[], Set[Address]]) -> None:
        """Take an answer, if the one who gave it speaks for the recipient."""
        recipient = self._waiting.get(frame.hash)
        if recipient is None or recipient not in speaks():
            return
        if not isinstance(frame, Busy):  # it will be sent again, or is: another answer comes
            del self._waiting[frame.hash]
        match frame:
            case Stored(hash=digest):
                self._delivered.append(digest)
            case Busy(hash=digest, retry_ms=retry_ms):
                self._refused.append((digest, f"{LinkReason.BUSY} {retry_ms}"))
            case Refused(hash=digest, word=word):
                self._refused.append((digest, word))

    @property
    def any(self) -> bool:
        """Whether answers wait to be taken."""
        return bool(self._delivered or self._refused)

    def delivered(self) -> list[bytes]:
        """Hand over the hashes of what was stored, once."""
        taken, self._delivered = self._delivered, []
        return taken

    def refused(self) -> list[tuple[bytes, str]]:
        """Hand over hashes and words of what was refused, once; a busy recipient's word ends with milliseconds."""
        taken, self._refused = self._refused, []
        return taken
