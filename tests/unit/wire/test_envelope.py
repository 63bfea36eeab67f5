"""Signed envelopes: whose bytes they are, and that nobody changed them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.messages import BillStatement, Body, Envelope, FailedWithdrawal, MeterReading, WithdrawalGranted
from petra.domain.terms import Address
from petra.errors import MessageError
from petra.wire.envelope import (
    ENVELOPE_BYTES_MAX,
    Header,
    address_proof_digest,
    envelope_hash,
    open_envelope,
    seal,
    signature_domain,
)
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import ORDER, SecretKey, address_bytes, recover
from tests.unit.wire.message_strategies import addresses, bodies, failures, grants, message_ids, uint64

HOME, DSO, PSEUDONYM = (SecretKey(bytes([number]) * 32) for number in (1, 2, 3))
CONTRACT = Address("0x3535353535353535353535353535353535353535")
DOMAIN = signature_domain(1337, CONTRACT)
HEADER = Header(
    message_id=bytes(range(16)),
    sender=HOME.address,
    recipient=DSO.address,
    sequence=5,
    created=1_464_271_200,
    deadline=1_464_272_100,
)
READING = MeterReading(timestep=57, produced=1_800_000, consumed=900_000, previous=bytes(range(32)))
HEADER_BYTES = 86
# A message of the first version, as it was sent.
EVIDENCE = bytes.fromhex(
    "0105000102030405060708090a0b0c0d0e0f1a642f0e3c3af545e7acbd38b07251b3990914f15050a4f4b3f9338c"
    "3472dcc01a87c76a144b3c9c0000000000000005000000005747016000000000574704e400000050000000000900"
    "00000000000003000100390000000000000040771b0000000000a0bb0d0000000000010000000201000000010203"
    "0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f37f25cfd8c89daba5aa76bd08f8ae223db84"
    "04a67af993646675a35460ff943c013716fad1a19e803055245fe142dbb2f9001153300209159cacb05d1c52fae6"
    "01"
)

headers = st.builds(
    Header,
    message_id=message_ids,
    sender=st.just(HOME.address),
    recipient=addresses,
    sequence=uint64,
    created=uint64,
    deadline=uint64,
)


def sealed(body: Body = READING, header: Header = HEADER) -> Envelope:
    """Return a message that the home signed."""
    return seal(header, body, HOME.sign, DOMAIN)


def signed_anew(encoded: bytes) -> bytes:
    """Return bytes that the home signed although they may be nonsense."""
    return encoded + HOME.sign(keccak256(DOMAIN + encoded))


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("body", [READING, WithdrawalGranted(request_id=bytes(16))])
def test_every_altered_byte_is_found(body: Body) -> None:
    """Whichever byte of header, body, padding or signature is altered, the message is refused."""
    raw = sealed(body).raw
    for position in range(len(raw)):
        altered = bytearray(raw)
        altered[position] ^= 1 << position % 8
        with pytest.raises(MessageError):
            open_envelope(bytes(altered), DOMAIN)


@pytest.mark.parametrize(
    "domain",
    [
        signature_domain(1338, CONTRACT),
        signature_domain(1337, Address("0x3535353535353535353535353535353535353536")),
    ],
)
def test_messages_of_another_deployment_are_refused(domain: bytes) -> None:
    """A message for another chain or another contract does not serve here."""
    with pytest.raises(MessageError, match=f"not signed by {HOME.address} for this chain and contract"):
        open_envelope(sealed().raw, domain)


def test_another_signer_is_refused() -> None:
    """Nobody can write in somebody else's name."""
    forged = seal(HEADER, READING, DSO.sign, DOMAIN)
    with pytest.raises(MessageError, match=f"not signed by {HOME.address}"):
        open_envelope(forged.raw, DOMAIN)


def test_high_s_is_refused() -> None:
    """The other valid form of a signature would be a second hash for the same message."""
    message = sealed()
    r, s, v = message.signature[:32], message.signature[32:64], message.signature[64]
    twin = r + (ORDER - int.from_bytes(s)).to_bytes(32) + bytes([1 - v])
    with pytest.raises(MessageError, match="high s"):
        open_envelope(message.encoded + twin, DOMAIN)


@pytest.mark.parametrize("signature", [bytes(65), b"\xff" * 65, b"\x01" * 64 + b"\x1b"])
def test_unusable_signatures_are_refused(signature: bytes) -> None:
    """Zeros, numbers above the curve's order, and Ethereum's v of 27 are no signatures here."""
    with pytest.raises(MessageError, match="unusable"):
        open_envelope(sealed().encoded + signature, DOMAIN)


def test_truncated_messages_are_refused() -> None:
    """No proper prefix of a message is a message."""
    raw = sealed().raw
    for length in range(len(raw)):
        with pytest.raises(MessageError, match="bytes"):
            open_envelope(raw[:length], DOMAIN)


@given(st.binary(max_size=600), st.integers(1, 7))
def test_random_bytes_are_refused(data: bytes, kind: int) -> None:
    """Random bytes are refused, also behind a right version, a known kind and the right length."""
    plausible = bytearray(bytes([1, kind]) + data)
    if len(plausible) >= HEADER_BYTES + 65:
        plausible[82:86] = (len(plausible) - HEADER_BYTES - 65).to_bytes(4)
    for hostile in (data, bytes(plausible)):
        with pytest.raises(MessageError):
            open_envelope(hostile, DOMAIN)


@given(st.binary(max_size=200))
def test_trailing_bytes_are_refused(tail: bytes) -> None:
    """Nothing can be appended, neither behind the signature nor before it."""
    message = sealed()
    if tail:
        for longer in (message.raw + tail, message.encoded + tail + message.signature):
            with pytest.raises(MessageError, match="were announced"):
                open_envelope(longer, DOMAIN)


@pytest.mark.parametrize(("position", "value", "reason"), [(0, 2, "version 2"), (1, 0, "kind 0"), (1, 99, "kind 99")])
def test_unknown_versions_and_kinds_are_refused(position: int, value: int, reason: str) -> None:
    """Even rightly signed, what we do not know is not guessed at."""
    encoded = bytearray(sealed().encoded)
    encoded[position] = value
    with pytest.raises(MessageError, match=reason):
        open_envelope(signed_anew(bytes(encoded)), DOMAIN)


def test_too_long_messages_are_refused_before_their_signature() -> None:
    """Size is checked first: hashing gigabytes for a stranger would be a gift."""
    with pytest.raises(MessageError, match="an envelope has 151 to"):
        open_envelope(bytes(ENVELOPE_BYTES_MAX + 1), DOMAIN)
    long_reading = sealed(BillStatement(document=bytes(100_000))).raw
    with pytest.raises(MessageError, match="a meterReading of"):
        open_envelope(long_reading[:1] + b"\x05" + long_reading[2:], DOMAIN)


def test_no_body_is_parsed_before_its_signature_is_verified() -> None:
    """The same broken body is refused for its signature by a stranger, and for its shape if the sender signed it."""
    message = sealed()
    broken = message.encoded[:HEADER_BYTES] + b"\xff" * (len(message.encoded) - HEADER_BYTES)
    with pytest.raises(MessageError, match="not signed by"):
        open_envelope(broken + message.signature, DOMAIN)
    with pytest.raises(MessageError, match="shape"):
        open_envelope(signed_anew(broken), DOMAIN)


@pytest.mark.parametrize(
    "header",
    [replace(HEADER, sequence=-1), replace(HEADER, deadline=2**64), replace(HEADER, message_id=bytes(15))],
)
def test_headers_that_do_not_fit_are_not_written(header: Header) -> None:
    """A value outside its field is refused by the writer, never cut or padded."""
    with pytest.raises(MessageError):
        sealed(header=header)


# -------------------------------------------------------------------------------------------------------------- success


@given(headers, bodies)
def test_messages_survive_the_round_trip(header: Header, body: Body) -> None:
    """What is sealed opens to the same envelope, to the byte, with every field as it was given."""
    message = sealed(body, header)
    assert open_envelope(message.raw, DOMAIN) == message
    assert Header(**{name: getattr(message, name) for name in Header.__slots__}) == header
    assert message.body == body


@given(headers, grants, failures)
def test_both_answers_have_one_length(header: Header, granted: WithdrawalGranted, failed: FailedWithdrawal) -> None:
    """Whoever sees encrypted traffic cannot tell a grant from a refusal by its size."""
    assert len(sealed(granted, header).raw) == len(sealed(failed, header).raw)


def test_the_layout_is_as_documented() -> None:
    """Other languages read the header by these offsets, and the signature over exactly these bytes."""
    message = sealed()
    raw = message.raw
    assert (raw[0], raw[1], raw[2:18]) == (1, 5, HEADER.message_id)
    assert (raw[18:38], raw[38:58]) == (address_bytes(HOME.address), address_bytes(DSO.address))
    numbers = [int.from_bytes(raw[start : start + 8]) for start in (58, 66, 74)]
    assert numbers == [HEADER.sequence, HEADER.created, HEADER.deadline]
    assert int.from_bytes(raw[82:86]) == len(raw) - HEADER_BYTES - 65
    domain = keccak256(b"PETra envelope 1" + (1337).to_bytes(32) + bytes.fromhex("35" * 20))
    assert recover(keccak256(domain + raw[:-65]), raw[-65:]) == HOME.address


def test_old_evidence_stays_valid() -> None:
    """What version 1 wrote opens for ever, to the same fields and under the same hash."""
    message = open_envelope(EVIDENCE, DOMAIN)
    assert message.body == READING
    assert (message.sender, message.recipient, message.deadline) == (HOME.address, DSO.address, HEADER.deadline)
    assert envelope_hash(EVIDENCE).hex() == "b4e04c4997a0d427f3680dd6ba1ca871697d125fb1203bafd0462db33e1c6fef"


# -------------------------------------------------------------------------------------------------- proofs of addresses


def test_a_pseudonym_proves_that_the_sender_controls_it() -> None:
    """Whoever holds the pseudonym's key can sign the digest, and it is recovered from it."""
    digest = address_proof_digest(DOMAIN, HEADER.message_id, HOME.address, PSEUDONYM.address)
    assert recover(digest, PSEUDONYM.sign(digest)) == PSEUDONYM.address


def test_a_proof_serves_for_nothing_else() -> None:
    """Another deployment, request, sender or pseudonym needs another proof."""
    digests = {
        address_proof_digest(DOMAIN, HEADER.message_id, HOME.address, PSEUDONYM.address),
        address_proof_digest(signature_domain(1, CONTRACT), HEADER.message_id, HOME.address, PSEUDONYM.address),
        address_proof_digest(DOMAIN, bytes(16), HOME.address, PSEUDONYM.address),
        address_proof_digest(DOMAIN, HEADER.message_id, DSO.address, PSEUDONYM.address),
        address_proof_digest(DOMAIN, HEADER.message_id, HOME.address, DSO.address),
        address_proof_digest(DOMAIN, HEADER.message_id, PSEUDONYM.address, HOME.address),
    }
    assert len(digests) == 6
