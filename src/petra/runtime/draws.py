"""Fresh pseudonyms for a role, and the very same ones when its diary is played again.

Decides: nothing; the keystore makes the keys. Invariant: what was drawn while an event was taken stands in that event's
row of the diary, so that the replay of the event knows the addresses that the first time knew.
"""

from collections import deque
from collections.abc import Sequence

from petra.domain.terms import Address
from petra.errors import StoreError
from petra.ports import Keys


class Draws:
    """What a role calls to get a pseudonym."""

    def __init__(self, keys: Keys, owner: str) -> None:
        """Draw from these keys."""
        self._keys = keys
        self._owner = owner
        self._taken: list[Address] = []
        self._again: deque[Address] | None = None

    def __call__(self) -> Address:
        """Return a pseudonym that nobody has had; in a replay, the one of the first time."""
        if self._again is None:
            address = self._keys.new(self._owner)
            self._taken.append(address)
            return address
        if not self._again:
            raise StoreError("the diary does not hold a pseudonym that its replay wants: another version wrote it")
        return self._again.popleft()

    def replay(self, drawn: Sequence[Address] | None) -> None:
        """Hand out these next, because an old event is taken again; None: the replay is over."""
        if self._again:
            raise StoreError("the diary holds a pseudonym that its replay did not want: another version wrote it")
        self._again = None if drawn is None else deque(drawn)

    def taken(self) -> tuple[Address, ...]:
        """Return what was drawn since the last call."""
        taken, self._taken = tuple(self._taken), []
        return taken
