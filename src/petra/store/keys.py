"""Keys in memory: from a seed for simulations, from the operating system for what runs live (DESIGN 12).

Decides: which secret an owner's n-th key has. It does not know what is signed. Whoever knows the seed of simulated keys
knows every secret: live commands never use them. Invariant: same seed, owner and count, same simulated address,
whatever the other owners do.
"""

import secrets

from petra.domain.terms import Address
from petra.errors import StoreError
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey


class SimulatedKeys:
    """Keeps the keys of all owners of a simulated microgrid; for simulations only."""

    def __init__(self, seed: int) -> None:
        """Start without keys."""
        self._seed = seed
        self._counts: dict[str, int] = {}
        self._keys: dict[Address, SecretKey] = {}

    def new(self, owner: str) -> Address:
        """Make the next key of this owner and return its address."""
        count = self._counts.get(owner, 0)
        self._counts[owner] = count + 1
        # The owner stands last: no name can look like another seed or count.
        key = SecretKey(keccak256(f"PETra simulated key 1\n{self._seed}\n{count}\n{owner}".encode()))
        self._keys[key.address] = key
        return key.address

    def sign(self, address: Address, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v (0 or 1), low s; StoreError where the key is not ours."""
        return _signed(self._keys, address, digest)


class SystemKeys:
    """Keys that nobody can guess, kept in memory only: when the process ends they are gone."""

    def __init__(self) -> None:
        """Start without keys."""
        self._keys: dict[Address, SecretKey] = {}

    def new(self, owner: str) -> Address:
        """Make a key from the operating system's randomness and return its address; the owner is not kept."""
        key = SecretKey(secrets.token_bytes(32))
        self._keys[key.address] = key
        return key.address

    def sign(self, address: Address, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v (0 or 1), low s; StoreError where the key is not ours."""
        return _signed(self._keys, address, digest)


def _signed(keys: dict[Address, SecretKey], address: Address, digest: bytes) -> bytes:
    key = keys.get(address)
    if key is None:
        raise StoreError(f"there is no key of {address} here")
    return key.sign(digest)
