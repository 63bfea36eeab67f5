"""What the DSO's database holds beside its diary, for operators and auditors who read tables: entries and members.

Decides: nothing; both follow from the diary. It also tells the fabric who may speak.
Invariant: after each round the tables say what the state says; at start the two are compared.
"""

from collections.abc import Set

import sqlalchemy as sql

from petra.domain.terms import Address
from petra.roles.dso.state import DsoState, Member
from petra.runtime.records import Round
from petra.store.books import EntryStore
from petra.store.codec import encode
from petra.store.database import Database
from petra.store.registry import MemberStore


class DsoTables:
    """The tables of one DSO, written in the transaction of each round."""

    def __init__(self, database: Database, state: DsoState) -> None:
        """Follow a state."""
        self._state = state
        self._entries = EntryStore(database)
        self._members = MemberStore(database)
        self._known: set[Address] = set()
        self._revoked: set[Address] = set()

    def write(self, connection: sql.Connection, current: Round) -> None:
        """Add what the state has and the tables have not."""
        self._entries.append(connection, self._state.books.carry_forward())
        if len(self._state.members) > len(self._known):
            for address in self._state.members.keys() - self._known:
                self._members.put(connection, address, encode(Member, self._state.members[address]))
        if len(self._state.revoked) > len(self._revoked):
            for address in self._state.revoked.keys() - self._revoked:
                self._members.revoke(connection, address, current.now)
        self._follow()

    def differences(self) -> list[str]:
        """Return where the tables and the rebuilt state disagree, and follow the state from here on."""
        state = self._state
        problems = [
            f"account {account}: the tables say {held}, the diary says {state.books.balance(account)}"
            for account, held in self._entries.balances().items()
            if held != state.books.balance(account)
        ]
        stored = {one.address: one for one in self._members.all()}
        problems += [f"member {one} is in one of the two only" for one in sorted(stored.keys() ^ state.members.keys())]
        revoked = {address for address, one in stored.items() if one.revoked_at is not None}
        problems += [f"{one} is revoked in one of the two only" for one in sorted(revoked ^ state.revoked.keys())]
        state.books.carry_forward()  # the replay's entries are those of the table
        self._follow()
        return problems

    def _follow(self) -> None:
        if len(self._state.members) > len(self._known):
            self._known = set(self._state.members)
        if len(self._state.revoked) > len(self._revoked):
            self._revoked = set(self._state.revoked)


class Members:
    """Who may speak to the DSO, as its state says now: `petra.fabric.directory`."""

    def __init__(self, state: DsoState) -> None:
        """Ask a state."""
        self._state = state
        self._count = (-1, -1)
        self._by_key: dict[bytes, frozenset[Address]] = {}
        self._accounts: frozenset[Address] = frozenset()

    def party(self, curve_public: bytes) -> Set[Address]:
        """Return the accounts for which the owner of a key speaks; none if unknown or revoked."""
        self._follow()
        return self._by_key.get(curve_public, frozenset())

    def known(self, account: Address) -> bool:
        """Return whether an account is enrolled and not revoked."""
        self._follow()
        return account in self._accounts

    def _follow(self) -> None:
        """Index the members again where somebody came or went: asked for every message, changed once in a while."""
        count = (len(self._state.members), len(self._state.revoked))
        if count == self._count:
            return
        self._count = count
        self._by_key = {}
        for member in self._state.active_members():
            for key, account in ((member.curve_key, member.address), (member.meter_curve_key, member.meter)):
                self._by_key[key] = self._by_key.get(key, frozenset()) | {account}
        self._accounts = frozenset(account for accounts in self._by_key.values() for account in accounts)
