"""Keccak-256, Ethereum's hash: the original Keccak, not the later SHA3-256 with its other padding."""

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest."""
    return keccak.new(digest_bits=256, data=data).digest()
