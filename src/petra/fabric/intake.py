"""What a link checks before a message reaches a role: form, signature, who speaks, for whom, and when.

Decides: whether bytes are a message that we may take, else the one word that says why not, cheapest check first. It
does not know whether the message was here before, nor what the role will say to it. Invariant: a refusal leaves
nothing behind but a count. Bytes are verified before a body is parsed (`wire/envelope.py`).
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Final

from petra.domain.messages import Envelope, Kind
from petra.domain.terms import Address
from petra.errors import MessageError
from petra.fabric.refusals import LinkReason
from petra.wire.envelope import ENVELOPE_BYTES_MAX, NotSigned, OtherVersion, UnknownKind, open_envelope

EVERYBODY: Final = Address("0x" + 40 * "0")  # the recipient of what is published
TO_ALL: Final = frozenset({Kind.PRICE_SCHEDULE})
TO_HOME: Final = TO_ALL | {
    Kind.WITHDRAWAL_GRANTED,
    Kind.FAILED_WITHDRAWAL,
    Kind.BILL,
    Kind.RECEIPT,
    Kind.ENROLLED,
    Kind.CURTAILMENT,
}
FROM_GUESTS: Final = frozenset({Kind.ENROL})  # what the DSO hears from whoever is not enrolled
TO_DSO: Final = frozenset({Kind.WITHDRAW_ASSETS, Kind.METER_READING, Kind.RECEIPT})

DSO_BYTES_MAX: Final = 128 * 1024  # nobody sends a bill to the DSO

_HEADER_BYTES: Final = 86
_ENVELOPE_BYTES_MIN: Final = _HEADER_BYTES + 65
_REASONS: Final[Mapping[type[MessageError], LinkReason]] = {
    OtherVersion: LinkReason.VERSION,
    UnknownKind: LinkReason.KIND,
    NotSigned: LinkReason.SIGNATURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The checks of one process.

    Attributes:
        domain: of the deployment's envelopes, 32 bytes.
        addresses: the accounts whose mail we take.
        kinds: what may be said to us.
        clock: unix seconds.
        bytes_max: of an envelope.
        late_seconds: how long after its deadline a message is still passed on, for the role to refuse it by a signed
            answer.
        early_seconds: how far a sender's clock may be ahead of ours.
    """

    domain: bytes
    addresses: Set[Address]
    kinds: Set[Kind]
    clock: Callable[[], float]
    bytes_max: int = ENVELOPE_BYTES_MAX
    late_seconds: int = 86_400
    early_seconds: int = 60

    def open(self, raw: bytes, speakers: Set[Address] | None) -> Envelope | LinkReason:
        """Return the verified message, or why it is refused.

        Args:
            raw: what came.
            speakers: the accounts for which whoever brought it may speak; None where the signature says enough.
        """
        if form := self._form(raw):
            return form
        try:
            envelope = open_envelope(raw, self.domain)
        except MessageError as error:
            return _REASONS.get(type(error), LinkReason.MALFORMED)
        return self._refusal(envelope, speakers) or envelope

    def _form(self, raw: bytes) -> LinkReason | None:
        if len(raw) > self.bytes_max:
            return LinkReason.TOO_LONG
        if len(raw) < _ENVELOPE_BYTES_MIN:
            return LinkReason.TRUNCATED
        announced = int.from_bytes(raw[_HEADER_BYTES - 4 : _HEADER_BYTES])
        return LinkReason.TRUNCATED if len(raw) < _ENVELOPE_BYTES_MIN + announced else None

    def _refusal(self, envelope: Envelope, speakers: Set[Address] | None) -> LinkReason | None:
        if speakers is not None and envelope.sender not in speakers:
            return LinkReason.SENDER_KEY
        published = envelope.recipient == EVERYBODY and envelope.kind in TO_ALL
        if envelope.recipient not in self.addresses and not published:
            return LinkReason.RECIPIENT
        if envelope.kind not in self.kinds:
            return LinkReason.KIND
        now = self.clock()
        if envelope.created > now + self.early_seconds:
            return LinkReason.FROM_THE_FUTURE
        if envelope.deadline < envelope.created or envelope.deadline + self.late_seconds < now:
            return LinkReason.EXPIRED
        return None
