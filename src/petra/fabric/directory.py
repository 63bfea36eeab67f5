"""Who may speak: what a link asks about keys and accounts, for every message.

Decides: nothing; the DSO's members stand in its database. Invariant of every implementation: the answer is true now,
so that a revoked key is refused on a connection that it opened before.
"""

from collections.abc import Set
from typing import Protocol

from petra.domain.terms import Address


class Directory(Protocol):
    """The enrolled keys and accounts."""

    def party(self, curve_public: bytes) -> Set[Address]:
        """Return the accounts for which the owner of a CURVE key (32 bytes) speaks; none if unknown or revoked."""
        ...

    def known(self, account: Address) -> bool:
        """Return whether an account is enrolled and not revoked; asked where a signature alone says who speaks."""
        ...
