"""Keys, signatures and addresses of Ethereum: secp256k1 by libsecp256k1 (coincurve).

Decides: which bytes are a signature (65 bytes r, s, v with v 0 or 1 and low s, DESIGN 12) and which text is an address
(EIP-55). It does not know what is signed, nor where secrets are kept.
Invariant: for each digest and key only one of the two mathematically valid signatures is accepted, so that a signature
cannot be altered into another valid one.
"""

from functools import lru_cache

from coincurve import PrivateKey, PublicKey

from petra.domain.terms import Address
from petra.errors import WorldError
from petra.wire.keccak import keccak256

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER = ORDER // 2


class SecretKey:
    """One secret with its address; shows the address only."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        """Take a 32-byte secret; WorldError where it is 0 or not below the curve's order."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret) < ORDER:
            raise WorldError("not a secp256k1 secret: 32 bytes between 1 and the curve's order are needed")
        self._key = PrivateKey(secret)
        self.address = address_of(self._key.public_key.format(compressed=False))

    @property
    def public_key(self) -> bytes:
        """The compressed public key, 33 bytes."""
        return self._key.public_key.format(compressed=True)

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v; the same digest always gives the same signature (RFC 6979)."""
        if len(digest) != 32:
            raise WorldError(f"a digest of 32 bytes is signed, not one of {len(digest)}")
        return self._key.sign_recoverable(digest, hasher=None)

    def __repr__(self) -> str:
        """Show the address, never the secret."""
        return f"SecretKey(address={self.address})"


def address_of(public_key: bytes) -> Address:
    """Return the address of a public key (33 bytes compressed or 65 uncompressed); WorldError where it is none."""
    if len(public_key) != 65:
        try:
            public_key = PublicKey(public_key).format(compressed=False)
        except ValueError as error:
            raise WorldError(f"not a secp256k1 public key: {public_key.hex()}") from error
    return checksum_address(keccak256(public_key[1:])[12:])


def recover(digest: bytes, signature: bytes) -> Address:
    """Return the address whose key made this signature of a 32-byte digest.

    Raises:
        WorldError: the bytes are no signature, or one with high s or another v than 0 or 1.
    """
    if len(digest) != 32 or len(signature) != 65 or signature[64] > 1:
        raise WorldError("not a signature: 65 bytes r, s, v with v 0 or 1 over a 32-byte digest are needed")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise WorldError("a signature with high s is refused: its twin with low s is the same signature")
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError as error:
        raise WorldError("not a signature: no public key fits it") from error
    return address_of(key.format(compressed=False))


@lru_cache(maxsize=65_536)  # each log of the contract names addresses, and the capitals cost a hash
def checksum_address(raw: bytes) -> Address:
    """Return the EIP-55 text of 20 bytes: a hexadecimal letter is a capital where the text's hash says so."""
    if len(raw) != 20:
        raise WorldError(f"an address has 20 bytes, not {len(raw)}")
    text = raw.hex()
    digest = keccak256(text.encode()).hex()
    capitals = [high if nibble > "7" else low for low, high, nibble in zip(text, text.upper(), digest, strict=False)]
    return Address("0x" + "".join(capitals))


def address_bytes(address: Address) -> bytes:
    """Return the 20 bytes of an address; WorldError where the text is none (capitals are not checked)."""
    try:
        raw = bytes.fromhex(address[2:])
    except ValueError:
        raw = b""
    if len(raw) != 20 or address[:2] != "0x":
        raise WorldError(f"not an address: {address!r}")
    return raw


def parse_address(text: str) -> Address:
    """Return the address that a text of the outside world names.

    Raises:
        WorldError: it is none, or its capitals contradict EIP-55; all small or all capital letters are accepted.
    """
    address = checksum_address(address_bytes(Address(text)))
    digits = text[2:]
    if text != address and digits not in {digits.lower(), digits.upper()}:
        raise WorldError(f"mistyped address {text!r}: its capitals do not fit (EIP-55)")
    return address
