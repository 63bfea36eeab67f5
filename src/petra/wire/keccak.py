"""Keccak-256, Ethereum's hash: the original Keccak, not the later SHA3-256 with its other padding.

Two libraries know it. The quicker one is installed where it comes compiled (Linux): a DSO hashes ten times for each
withdrawal. The other is there anyway, for the keystore files.
"""

from Crypto.Hash import keccak

try:
    from sha3 import keccak_256
except ImportError:
    keccak_256 = None


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest."""
    return _slower(data) if keccak_256 is None else keccak_256(data).digest()


def _slower(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
