"""Keys for simulations: every secret follows from a seed, so that a run can be repeated (DESIGN 12).

Decides: which secret an owner's n-th key has. It does not know what is signed. Whoever knows the seed knows every
secret: live commands must refuse these keys. Invariant: same seed, owner and count, same address, whatever the other
owners do.
"""

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
        key = self._keys.get(address)
        if key is None:
            raise StoreError(f"there is no key of {address} here")
        return key.sign(digest)
