"""The DSO's double entry and every service's journal, as rows (DESIGN 6).

Decides: nothing; `petra.settlement.books` says what an entry is. It does not know why money moves.
Invariant: rows are added and never changed; the balances are a sum over them and nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sql

from petra.settlement.books import Entry
from petra.store.database import Database, add_rows
from petra.store.tables import entries, notes

_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNote:
    """A line of the journal.

    Attributes:
        number: the diary's, of the event that the role took.
        place: counts the notes of one event from 0.
        fields: JSON.
    """

    number: int
    place: int
    at: int
    kind: str
    fields: str


class EntryStore:
    """The entries of the double entry."""

    def __init__(self, database: Database) -> None:
        """Keep the entries in this database."""
        self._database = database

    def append(self, connection: sql.Connection, added: Sequence[Entry]) -> None:
        """Add entries, in order, in the caller's transaction; StoreError where an amount is not positive."""
        add_rows(
            connection,
            entries,
            [
                {
                    "at": entry.at,
                    "from_account": entry.from_account,
                    "to_account": entry.to_account,
                    "amount": entry.amount,
                    "memo": entry.memo,
                    "reference": entry.reference,
                }
                for entry in added
            ],
        )

    def balances(self) -> dict[str, int]:
        """Return each account's balance in nano-units; they sum to zero."""
        totals: dict[str, int] = {}
        for side, sign in ((entries.c.to_account, 1), (entries.c.from_account, -1)):
            total = sql.func.sum(entries.c.amount).label("total")
            for row in self._database.read(sql.select(side.label("account"), total).group_by(side)):
                totals[row.account] = totals.get(row.account, 0) + sign * int(row.total)
        return totals

    def all(self) -> Iterator[Entry]:
        """Yield every entry, in order."""
        query, after = sql.select(entries).order_by(entries.c.position).limit(_PAGE), 0
        while rows := self._database.read(query.where(entries.c.position > after)):
            for row in rows:
                yield Entry(
                    at=row.at,
                    from_account=row.from_account,
                    to_account=row.to_account,
                    amount=row.amount,
                    memo=row.memo,
                    reference=row.reference,
                )
            after = rows[-1].position


class NoteStore:
    """The journal of a service."""

    def __init__(self, database: Database) -> None:
        """Keep the notes in this database."""
        self._database = database

    def append(self, connection: sql.Connection, added: Sequence[StoredNote]) -> None:
        """Add notes in the caller's transaction."""
        add_rows(
            connection,
            notes,
            [
                {
                    "number": note.number,
                    "place": note.place,
                    "at": note.at,
                    "kind": note.kind,
                    "fields": note.fields,
                }
                for note in added
            ],
        )

    def read(self, after: int = 0) -> Iterator[StoredNote]:
        """Yield the notes of events after a number of the diary, in order."""
        last = (after, 2**31 - 1)
        query = sql.select(notes).order_by(notes.c.number, notes.c.place).limit(_PAGE)
        while rows := self._database.read(query.where(sql.tuple_(notes.c.number, notes.c.place) > last)):
            for row in rows:
                yield StoredNote(number=row.number, place=row.place, at=row.at, kind=row.kind, fields=row.fields)
            last = (rows[-1].number, rows[-1].place)
