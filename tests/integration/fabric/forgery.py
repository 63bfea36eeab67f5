"""Messages that no link may take: one class of wrongness each, for every kind of message."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from petra.domain.messages import (
    BillStatement,
    Body,
    Curtailment,
    Direction,
    Enrolled,
    FailedWithdrawal,
    Kind,
    MessageReceipt,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.terms import Address
from petra.fabric.intake import DSO_BYTES_MAX, EVERYBODY, TO_HOME
from petra.fabric.refusals import LinkReason
from petra.wire import bodies
from petra.wire.bodies import ANSWER_BYTES, encode_body
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import ORDER, address_bytes
from tests.integration.fabric.parties import (
    DOMAIN,
    ENROLMENT,
    HOME_BYTES_MAX,
    NOW,
    OTHER_DOMAIN,
    PRICE_LIST,
    READING,
    Party,
    unique_id,
)

ASSET = RequestedAsset(anon_address=Address("0x" + 40 * "3"), power=1, start=2, end=3, amount=4, proof=bytes(65))
BODIES: Final[Mapping[Kind, Body]] = {
    Kind.WITHDRAW_ASSETS: WithdrawAssets(assets=(ASSET,)),
    Kind.WITHDRAWAL_GRANTED: WithdrawalGranted(request_id=bytes(16)),
    Kind.FAILED_WITHDRAWAL: FailedWithdrawal(
        request_id=bytes(16), anon_address=Address("0x" + 40 * "3"), reason="unsafe"
    ),
    Kind.PRICE_SCHEDULE: PRICE_LIST,
    Kind.METER_READING: READING,
    Kind.BILL: BillStatement(document=b"{}"),
    Kind.RECEIPT: MessageReceipt(envelope_hash=bytes(32)),
    Kind.ENROL: ENROLMENT,
    Kind.ENROLLED: Enrolled(request_id=bytes(16), document=b"{}"),
    Kind.CURTAILMENT: Curtailment(number=1, direction=Direction.EXPORT, limit_watts=2_000, start=3, end=4),
}
ANSWERS: Final = (Kind.WITHDRAWAL_GRANTED, Kind.FAILED_WITHDRAWAL)
_PLAIN: Final = {Kind.PRICE_SCHEDULE, Kind.CURTAILMENT}  # numbers alone: any bytes of their length are a body
_POINTERS: Final = tuple(kind for kind in Kind if kind not in {*_PLAIN, Kind.WITHDRAW_ASSETS})
_FIXED: Final = tuple(kind for kind in _POINTERS if kind is not Kind.BILL)
_LAYOUT: Final = struct.Struct(">BB16s20s20sQQQI")
_NUMBERS: Final = dict(zip(Kind, range(1, 1 + len(Kind)), strict=True))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything that an envelope says, right unless replaced; `raw` signs it."""

    sender: Party
    recipient: Address
    kind: Kind
    data: bytes
    signer: Party
    other: Party  # another member
    version: int = 1
    number: int | None = None
    message_id: bytes = b""
    sequence: int = 0
    created: int = NOW
    deadline: int = NOW + 600
    announced: int | None = None
    domain: bytes = DOMAIN

    @property
    def unsigned(self) -> bytes:
        """Header and body."""
        return self.header + self.data

    @property
    def header(self) -> bytes:
        """The first 86 bytes."""
        number = _NUMBERS[self.kind] if self.number is None else self.number
        length = len(self.data) if self.announced is None else self.announced
        names = address_bytes(self.sender.account), address_bytes(self.recipient)
        times = self.sequence, self.created, self.deadline
        return _LAYOUT.pack(self.version, number, self.message_id, *names, *times, length)

    @property
    def signature(self) -> bytes:
        """By the signer, over the domain and everything before."""
        return self.signer.key.sign(keccak256(self.domain + self.unsigned))

    @property
    def raw(self) -> bytes:
        """The envelope."""
        return self.unsigned + self.signature

    @property
    def to_home(self) -> bool:
        """Whether the DSO sends it."""
        return self.kind in TO_HOME and self.kind is not Kind.RECEIPT


def draft(kind: Kind, dso: Party, home: Party, other: Party) -> Draft:
    """Return a right message of this kind, from whom it comes and for whom it is."""
    to_home = kind in TO_HOME and kind is not Kind.RECEIPT
    sender, recipient = (dso, home) if to_home else (home, dso)
    return Draft(
        sender=sender,
        recipient=recipient.account,
        kind=kind,
        data=encode_body(BODIES[kind]),
        signer=sender,
        other=other,
        message_id=unique_id(),
    )


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One class of bad message: how it is made, the refusal that names it, and the kinds that it concerns."""

    make: Callable[[Draft], bytes]
    reason: LinkReason
    kinds: tuple[Kind, ...] = tuple(Kind)


def _changed(**fields: Any) -> Callable[[Draft], bytes]:
    return lambda right: replace(right, **fields).raw


def _flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]


def _body(make: Callable[[Draft], bytes]) -> Callable[[Draft], bytes]:
    """Sign another body; answers keep their length."""

    def made(right: Draft) -> bytes:
        data = make(right)
        return replace(right, data=data.ljust(ANSWER_BYTES, b"\0") if right.kind in ANSWERS else data).raw

    return made


def _words(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}Q", *words)


def _lengthened(right: Draft) -> bytes:
    """Write the first field of bytes one byte longer than it may be."""
    fields = bodies._written(BODIES[right.kind])
    name = next(name for name, value in fields.items() if isinstance(value, bytes) and name not in _FREE)
    fields[name] += b"\0" * (64 if name == "token" else 1)
    return bodies._to_capnp(type(BODIES[right.kind]).__name__, fields)


_FREE: Final = ("document",)


def _retyped(right: Draft) -> bytes:
    """Let the last pointer of the root say that its list holds 8-byte words, as many as it held bytes."""
    data = bytearray(right.data)
    shape = int.from_bytes(data[8:16], "little")
    pointer = 16 + 8 * (shape >> 32 & 0xFFFF)
    data[pointer + 4] = data[pointer + 4] & ~7 | 5
    return bytes(data)


def _reason_bytes(right: Draft) -> bytes:
    return right.data.replace(b"unsafe", b"\xff\xfe\xfa\xfb\xc0\xc1")


def _long_reason(right: Draft) -> bytes:
    fields = bodies._written(BODIES[right.kind])
    return bodies._to_capnp("FailedWithdrawal", {**fields, "reason": "x" * 65})


def _high_s(right: Draft) -> bytes:
    r, s, v = right.signature[:32], right.signature[32:64], right.signature[64]
    return right.unsigned + r + (ORDER - int.from_bytes(s)).to_bytes(32) + bytes((1 - v,))


def _another_direction(right: Draft) -> bytes:
    kind = Kind.WITHDRAW_ASSETS if right.to_home else Kind.BILL
    return replace(right, kind=kind, data=encode_body(BODIES[kind])).raw


# A root struct of one pointer to a list of 2^29 - 1 structs of no size: much to read, few bytes.
_AMPLIFIED: Final = struct.pack("<II", 0, 3) + _words(1 << 48, 1 | 7 << 32, (1 << 29) - 1 << 2)
_NOT_THE_DSO: Final = tuple(kind for kind in Kind if kind in {Kind.WITHDRAW_ASSETS, Kind.METER_READING, Kind.RECEIPT})

WRONGS: Final[Mapping[str, Wrong]] = {
    # form
    "empty": Wrong(make=lambda right: b"", reason=LinkReason.TRUNCATED),
    "one-byte": Wrong(make=lambda right: right.raw[:1], reason=LinkReason.TRUNCATED),
    "cut-in-the-header": Wrong(make=lambda right: right.raw[:85], reason=LinkReason.TRUNCATED),
    "cut-after-the-header": Wrong(make=lambda right: right.header, reason=LinkReason.TRUNCATED),
    "cut-in-the-body": Wrong(make=lambda right: right.raw[:95], reason=LinkReason.TRUNCATED),
    "cut-in-the-signature": Wrong(make=lambda right: right.raw[:-1], reason=LinkReason.TRUNCATED),
    "no-signature": Wrong(make=lambda right: right.unsigned, reason=LinkReason.TRUNCATED),
    "one-byte-more": Wrong(make=lambda right: right.raw + b"\0", reason=LinkReason.MALFORMED),
    "twice-in-a-row": Wrong(make=lambda right: right.raw * 2, reason=LinkReason.MALFORMED),
    "too-long": Wrong(
        make=lambda right: right.raw.ljust(1 + (HOME_BYTES_MAX if right.to_home else DSO_BYTES_MAX), b"\0"),
        reason=LinkReason.TOO_LONG,
    ),
    "zeros": Wrong(make=lambda right: bytes(300), reason=LinkReason.VERSION),
    "ones": Wrong(make=lambda right: b"\xff" * 300, reason=LinkReason.TRUNCATED),
    "noise": Wrong(make=lambda right: Random(7).randbytes(300), reason=LinkReason.TRUNCATED),
    "json": Wrong(make=lambda right: b'{"kind": "withdrawAssets"}'.ljust(300), reason=LinkReason.TRUNCATED),
    "http": Wrong(make=lambda right: b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(300), reason=LinkReason.TRUNCATED),
    "unicode": Wrong(make=lambda right: "\u202e\U0001f4a3\u0301\ufffd".encode() * 30, reason=LinkReason.TRUNCATED),
    # version, kind, length
    "version-0": Wrong(make=_changed(version=0), reason=LinkReason.VERSION),
    "version-2": Wrong(make=_changed(version=2), reason=LinkReason.VERSION),
    "kind-0": Wrong(make=_changed(number=0), reason=LinkReason.KIND),
    "kind-200": Wrong(make=_changed(number=200), reason=LinkReason.KIND),
    "kind-of-the-other-direction": Wrong(make=_another_direction, reason=LinkReason.KIND),
    "length-too-great": Wrong(
        make=lambda right: replace(right, announced=len(right.data) + 1).raw, reason=LinkReason.TRUNCATED
    ),
    "length-too-small": Wrong(
        make=lambda right: replace(right, announced=len(right.data) - 1).raw, reason=LinkReason.MALFORMED
    ),
    "length-of-four-gigabytes": Wrong(make=_changed(announced=2**32 - 1), reason=LinkReason.TRUNCATED),
    # body: signed by the right key, and no body of its kind
    "no-body": Wrong(make=_changed(data=b""), reason=LinkReason.MALFORMED),
    "body-of-noise": Wrong(make=_body(lambda right: Random(8).randbytes(256)), reason=LinkReason.MALFORMED),
    "body-of-text": Wrong(make=_body(lambda right: b"withdraw everything" * 9), reason=LinkReason.MALFORMED),
    "body-cut": Wrong(make=_body(lambda right: right.data[:12]), reason=LinkReason.MALFORMED),
    "body-of-another-kind": Wrong(
        make=_body(lambda right: encode_body(PRICE_LIST)), reason=LinkReason.MALFORMED, kinds=_FIXED
    ),
    "segments-without-end": Wrong(
        make=_body(lambda right: b"\xff\xff\xff\xff" + bytes(252)), reason=LinkReason.MALFORMED
    ),
    "segment-past-the-end": Wrong(
        make=_body(lambda right: struct.pack("<II", 0, 2**28) + bytes(248)), reason=LinkReason.MALFORMED
    ),
    "pointer-past-the-end": Wrong(
        make=_body(lambda right: struct.pack("<II", 0, 1) + _words(1 << 32 | 1000 << 2)), reason=LinkReason.MALFORMED
    ),
    "pointer-to-itself": Wrong(
        make=_body(lambda right: struct.pack("<II", 0, 1) + _words(2)), reason=LinkReason.MALFORMED
    ),
    "list-of-half-a-billion-nothings": Wrong(
        make=_body(lambda right: _AMPLIFIED), reason=LinkReason.MALFORMED, kinds=(Kind.WITHDRAW_ASSETS,)
    ),
    "bytes-of-another-type": Wrong(make=_body(_retyped), reason=LinkReason.MALFORMED, kinds=_FIXED),
    "bytes-of-another-length": Wrong(make=_body(_lengthened), reason=LinkReason.MALFORMED, kinds=_FIXED),
    "answer-a-byte-short": Wrong(
        make=lambda right: replace(right, data=right.data[:-1]).raw, reason=LinkReason.MALFORMED, kinds=ANSWERS
    ),
    "answer-a-byte-long": Wrong(
        make=lambda right: replace(right, data=right.data + b"\0").raw, reason=LinkReason.MALFORMED, kinds=ANSWERS
    ),
    "reason-that-is-no-text": Wrong(
        make=_body(_reason_bytes), reason=LinkReason.MALFORMED, kinds=(Kind.FAILED_WITHDRAWAL,)
    ),
    "reason-that-is-a-story": Wrong(
        make=_body(_long_reason), reason=LinkReason.MALFORMED, kinds=(Kind.FAILED_WITHDRAWAL,)
    ),
    # signature
    "signature-of-zeros": Wrong(make=lambda right: right.unsigned + bytes(65), reason=LinkReason.SIGNATURE),
    "signature-altered": Wrong(make=lambda right: _flip(right.raw, len(right.raw) - 40), reason=LinkReason.SIGNATURE),
    "signature-as-ethereum-writes-v": Wrong(
        make=lambda right: right.raw[:-1] + bytes((right.raw[-1] + 27,)), reason=LinkReason.SIGNATURE
    ),
    "signature-with-high-s": Wrong(make=_high_s, reason=LinkReason.SIGNATURE),
    "signed-by-another": Wrong(make=lambda right: replace(right, signer=right.other).raw, reason=LinkReason.SIGNATURE),
    "body-altered": Wrong(make=lambda right: _flip(right.raw, 90), reason=LinkReason.SIGNATURE),
    "deadline-altered": Wrong(make=lambda right: _flip(right.raw, 81), reason=LinkReason.SIGNATURE),
    "recipient-altered": Wrong(make=lambda right: _flip(right.raw, 40), reason=LinkReason.SIGNATURE),
    "another-chain": Wrong(make=_changed(domain=OTHER_DOMAIN), reason=LinkReason.SIGNATURE),
    "no-domain": Wrong(make=_changed(domain=b""), reason=LinkReason.SIGNATURE),
    # who to whom
    "sender-is-somebody-else": Wrong(
        make=lambda right: replace(right, sender=right.other).raw, reason=LinkReason.SIGNATURE
    ),
    "for-somebody-else": Wrong(
        make=lambda right: replace(right, recipient=right.other.account).raw, reason=LinkReason.RECIPIENT
    ),
    "for-its-sender": Wrong(
        make=lambda right: replace(right, recipient=right.sender.account).raw, reason=LinkReason.RECIPIENT
    ),
    "for-everybody": Wrong(
        make=_changed(recipient=EVERYBODY),
        reason=LinkReason.RECIPIENT,
        kinds=tuple(kind for kind in Kind if kind is not Kind.PRICE_SCHEDULE),
    ),
    # when
    "expired-long-ago": Wrong(
        make=_changed(created=NOW - 100_000, deadline=NOW - 86_401), reason=LinkReason.EXPIRED
    ),
    "without-a-deadline": Wrong(make=_changed(created=0, deadline=0), reason=LinkReason.EXPIRED),
    "late-before-it-was-made": Wrong(make=_changed(deadline=NOW - 1), reason=LinkReason.EXPIRED),
    "from-the-future": Wrong(make=_changed(created=NOW + 61), reason=LinkReason.FROM_THE_FUTURE),
    "from-the-end-of-time": Wrong(
        make=_changed(created=2**64 - 1, deadline=2**64 - 1), reason=LinkReason.FROM_THE_FUTURE
    ),
}
