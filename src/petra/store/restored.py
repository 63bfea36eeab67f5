"""Is this the database that signed last? What a service asks before its first signature (DESIGN 6).

Decides: whether database and chain can both be right. A database that was restored from an old backup, and one of two
copies, know less than the chain; who signs with it grants twice, or with nonces that are taken.
Invariant: no problem is found where every transaction that our keys ever signed went through this database.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sql

from petra.domain.blocks import LedgerRecord
from petra.domain.events import AssetAdded, FinancialAdded
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.store.database import Database
from petra.store.registry import Settings

PLACE = "place"  # the setting that says where the database stood when it signed


class Alarm(StrEnum):
    """Why nothing may be signed, a word for each."""

    COPIED = "database-copied"
    NONCE_BEYOND_OURS = "nonce-beyond-ours"
    UNKNOWN_GRANT = "unknown-grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One alarm with what was found."""

    alarm: Alarm
    detail: str

    def __str__(self) -> str:
        """Show both."""
        return f"{self.alarm.value}: {self.detail}"


class RestoredDatabase(StoreError):
    """The chain knows more than this database: nothing may be signed until an operator has looked."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems."""
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def ledger_problems(
    *,
    nonces: Mapping[Address, int],
    counts: Mapping[Address, int],
    hashes: Collection[bytes],
    records: Iterable[LedgerRecord],
) -> list[Problem]:
    """Return what the chain has and this database does not.

    Args:
        nonces: by sender, the first nonce that no transaction in the database has (`TransactionStore.next_nonces`).
        counts: by sender, how many transactions are mined (`Chain.transaction_counts`).
        hashes: of every transaction in the database (`TransactionStore.hashes`).
        records: what final blocks hold, from the contract's first one on.
    """
    problems = [
        Problem(
            alarm=Alarm.NONCE_BEYOND_OURS,
            detail=f"the chain has {count} transactions of {sender}, this database only {nonces.get(sender, 0)}",
        )
        for sender, count in counts.items()
        if count > nonces.get(sender, 0)
    ]
    known = frozenset(hashes)
    for record in records:
        granted = [event for event in record.events if isinstance(event, AssetAdded | FinancialAdded)]
        if granted and record.transaction_hash not in known:
            problems.append(
                Problem(
                    alarm=Alarm.UNKNOWN_GRANT,
                    detail=f"transaction 0x{record.transaction_hash.hex()} in block {record.block_number} granted to "
                    f"{granted[0].anon_address}, and this database did not sign it",
                )
            )
    return problems


def check_place(database: Database) -> Problem | None:
    """Say whether this database was moved, copied or restored since it signed last; the first call marks its place.

    Two copies of one database do not see one another's lease, so the second one may not sign before an operator has
    said, by `accept_place`, that the first one never will again.
    """
    settings = Settings(database)
    with database.transaction() as connection:
        here, marked = _place(database, connection), settings.get(PLACE)
        if marked is None:
            settings.put(connection, PLACE, here)
    if marked in {None, here}:
        return None
    return Problem(
        alarm=Alarm.COPIED,
        detail=f"{database.name} is a copy, was moved, or was restored; if the service that used the other one is "
        "stopped for ever, say so by `petra dso run --moved`, and this one goes on",
    )


def accept_place(database: Database) -> None:
    """Take note of an operator's word that no other copy of this database is in use."""
    with database.transaction() as connection:
        Settings(database).put(connection, PLACE, _place(database, connection))


def _place(database: Database, connection: sql.Connection) -> str:
    """Return what a copy of the database cannot have: its file, or its server and number there."""
    path = database.path
    if path is not None:
        return f"{path.stat().st_ino} {path.resolve()}"
    found = connection.execute(
        sql.text(
            "SELECT oid, (SELECT system_identifier FROM pg_control_system()) "
            "FROM pg_database WHERE datname = current_database()"
        )
    ).one()
    return f"{found[0]} {found[1]}"
