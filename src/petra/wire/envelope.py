"""The signed envelope: header, body, signature, and the digests that keys sign off the chain.

Decides: which bytes are a message, and that the account named as its sender signed exactly these bytes for this
deployment (DESIGN 5; R80, A10). It does not know who is enrolled, what is late, a replay, or meant for somebody
else: roles and drivers do.
Invariant: the signed bytes are the sent bytes, and no body is parsed before its signature is verified.

    at 0 version | 1 kind | 2 message id | 18 sender | 38 recipient | 58 sequence | 66 created | 74 deadline
    82 body length | 86 body (`petra.capnp`) | then 65 bytes of signature: r, s, v over keccak256(domain || all before)

The header is a fixed big-endian layout and not Cap'n Proto: the sender must be known before anything unverified is
parsed, and a contract or another language's auditor reads it by offsets, from the very bytes that were protested.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from petra.domain.messages import Body, Envelope, Kind
from petra.domain.terms import Address
from petra.errors import MessageError, WorldError
from petra.wire.bodies import body_bytes_max, decode_body, encode_body, kind_of
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import address_bytes, checksum_address, recover

VERSION: Final = 1
SIGNATURE_BYTES: Final = 65
_LAYOUT: Final = struct.Struct(">BB16s20s20sQQQI")
_OVERHEAD_BYTES: Final = _LAYOUT.size + SIGNATURE_BYTES
ENVELOPE_BYTES_MAX: Final = _OVERHEAD_BYTES + max(body_bytes_max(kind) for kind in Kind)

# These numbers stand in signed evidence: add to them, never change one.
_NUMBERS: Final[Mapping[Kind, int]] = {
    Kind.WITHDRAW_ASSETS: 1,
    Kind.WITHDRAWAL_GRANTED: 2,
    Kind.FAILED_WITHDRAWAL: 3,
    Kind.PRICE_SCHEDULE: 4,
    Kind.METER_READING: 5,
    Kind.BILL: 6,
    Kind.RECEIPT: 7,
    Kind.ENROL: 8,
    Kind.ENROLLED: 9,
    Kind.CURTAILMENT: 10,
}
_ADDRESS_PROOF: Final = keccak256(b"PETra address proof 1")
_KINDS: Final[Mapping[int, Kind]] = {number: kind for kind, number in _NUMBERS.items()}


class OtherVersion(MessageError):
    """A version of the envelope that is not spoken here."""


class UnknownKind(MessageError):
    """A kind of message that nobody here knows."""


class NotSigned(MessageError):
    """Altered, or signed by another, or for another chain or contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a sender says about a message besides its body; the kind follows from the body.

    Attributes:
        message_id: 16 bytes, unique.
        sequence: counts per sender and recipient from 0.
        created, deadline: unix seconds.
    """

    message_id: bytes
    sender: Address
    recipient: Address
    sequence: int
    created: int
    deadline: int


def signature_domain(chain_id: int, contract: Address) -> bytes:
    """Return the 32 bytes that tie every signature to one deployment: no message serves in another."""
    return keccak256(b"PETra envelope 1" + chain_id.to_bytes(32) + address_bytes(contract))


def seal(header: Header, body: Body, sign: Callable[[bytes], bytes], domain: bytes) -> Envelope:
    """Encode a message and have its digest signed by the sender's key (`sign`: 32 bytes in, 65 bytes out).

    Raises:
        MessageError: a value does not fit its field.
    """
    kind = kind_of(body)
    data = encode_body(body)
    if len(header.message_id) != 16:
        raise MessageError(f"a message id has 16 bytes, not {len(header.message_id)}")
    try:
        head = _LAYOUT.pack(
            VERSION,
            _NUMBERS[kind],
            header.message_id,
            address_bytes(header.sender),
            address_bytes(header.recipient),
            header.sequence,
            header.created,
            header.deadline,
            len(data),
        )
    except struct.error as error:
        raise MessageError(f"this header cannot be written: {error}") from error
    encoded = head + data
    signature = sign(_digest(domain, encoded))
    assert len(signature) == SIGNATURE_BYTES, "keys sign with 65 bytes"
    return _envelope(kind, header, body, encoded + signature)


def open_envelope(raw: bytes, domain: bytes) -> Envelope:
    """Return the message that these bytes are, verified.

    Whether the sender is known and the recipient is us, the caller asks.

    Raises:
        MessageError: with the first thing that is wrong: length, version (OtherVersion), kind (UnknownKind), signature
            (NotSigned), body.
    """
    kind, header = _parse_header(raw)
    encoded, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
    try:
        signer = recover(_digest(domain, encoded), signature)
    except WorldError as error:
        raise NotSigned(f"the signature of {header.sender} is unusable: {error}") from error
    if signer != header.sender:
        # Altered bytes, another chain and another contract look just the same: each gives another signer.
        raise NotSigned(f"not signed by {header.sender} for this chain and contract, or altered since")
    return _envelope(kind, header, decode_body(kind, encoded[_LAYOUT.size :]), raw)


@lru_cache(maxsize=512)  # a message's name is asked for wherever it passes
def envelope_hash(raw: bytes) -> bytes:
    """Return the 32 bytes by which receipts, bills and protests name a message: keccak256, signature included."""
    return keccak256(raw)


def address_proof_digest(domain: bytes, message_id: bytes, sender: Address, anon_address: Address) -> bytes:
    """Return what a pseudonym signs to prove that the sender of this request controls it (A10).

    It names sender and request, so nobody else can present the proof, nor use it twice.
    """
    assert len(domain) == 32 and len(message_id) == 16, "parts of fixed length: no two proofs share a digest"
    parts = domain + message_id + address_bytes(sender) + address_bytes(anon_address)
    return keccak256(_ADDRESS_PROOF + parts)


def meter_proof_digest(domain: bytes, home: Address, meter: Address, meter_curve_key: bytes) -> bytes:
    """Return what a meter signs to prove that it belongs to a home and speaks with this key on the fabric."""
    assert len(domain) == len(meter_curve_key) == 32, "parts of fixed length: no two proofs share a digest"
    parts = domain + address_bytes(home) + address_bytes(meter) + meter_curve_key
    return keccak256(keccak256(b"PETra meter proof 1") + parts)


def _digest(domain: bytes, encoded: bytes) -> bytes:
    assert len(domain) == 32, "a domain is a hash"
    return keccak256(domain + encoded)


def _parse_header(raw: bytes) -> tuple[Kind, Header]:
    """Read the fixed part and check what needs no key."""
    if not _OVERHEAD_BYTES <= len(raw) <= ENVELOPE_BYTES_MAX:
        raise MessageError(f"an envelope has {_OVERHEAD_BYTES} to {ENVELOPE_BYTES_MAX} bytes, not {len(raw)}")
    version, number, message_id, sender, recipient, *numbers, body_length = _LAYOUT.unpack_from(raw)
    if version != VERSION:
        raise OtherVersion(f"envelope version {version} is not spoken here, only {VERSION}")
    kind = _KINDS.get(number)
    if kind is None:
        raise UnknownKind(f"kind {number} of message is unknown")
    if body_length > body_bytes_max(kind):
        raise MessageError(f"a {kind} of {body_length} bytes is refused: at most {body_bytes_max(kind)}")
    if len(raw) != _OVERHEAD_BYTES + body_length:
        raise MessageError(f"{len(raw) - _OVERHEAD_BYTES} bytes of body came, {body_length} were announced")
    sequence, created, deadline = numbers
    header = Header(
        message_id=message_id,
        sender=checksum_address(sender),
        recipient=checksum_address(recipient),
        sequence=sequence,
        created=created,
        deadline=deadline,
    )
    return kind, header


def _envelope(kind: Kind, header: Header, body: Body, raw: bytes) -> Envelope:
    return Envelope(
        kind=kind,
        message_id=header.message_id,
        sender=header.sender,
        recipient=header.recipient,
        sequence=header.sequence,
        created=header.created,
        deadline=header.deadline,
        body=body,
        encoded=raw[:-SIGNATURE_BYTES],
        signature=raw[-SIGNATURE_BYTES:],
    )
