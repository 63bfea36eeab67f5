"""The diary: every event that a service's role took, in order; playing it again gives the role's state (DESIGN 2).

Decides: that there is no gap. It does not know what a payload says.
Invariant: numbers begin at 1 and follow one another, so that a diary with a lost row is not taken for a whole one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sql

from petra.domain.terms import Address
from petra.errors import StoreError
from petra.store.database import Database, add_rows
from petra.store.tables import diary

_PAGE = 5_000
_LAST = sql.select(sql.func.coalesce(sql.func.max(diary.c.number), 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiaryEntry:
    """One event.

    Attributes:
        number: counts from 1.
        at: the unix second that the role was told.
        kind: which event; payload: the rest of it, as JSON.
        drawn: the fresh addresses that the role got while it took the event, in order.
    """

    number: int
    at: int
    kind: str
    payload: str
    drawn: tuple[Address, ...] = ()


class Diary:
    """The diary of one service."""

    def __init__(self, database: Database) -> None:
        """Keep the diary in this database."""
        self._database = database

    def append(self, connection: sql.Connection, entries: Sequence[DiaryEntry]) -> None:
        """Add events in the caller's transaction; StoreError where a number is not the one after the last."""
        if not entries:
            return
        last: int = connection.scalar(_LAST) or 0
        if [entry.number for entry in entries] != list(range(last + 1, last + 1 + len(entries))):
            raise StoreError(f"{self._database.name}: the diary goes on at {last + 1}, not at {entries[0].number}")
        add_rows(
            connection,
            diary,
            [
                {
                    "number": entry.number,
                    "at": entry.at,
                    "kind": entry.kind,
                    "payload": entry.payload,
                    "drawn": " ".join(entry.drawn),
                }
                for entry in entries
            ],
        )

    def read(self, after: int = 0) -> Iterator[DiaryEntry]:
        """Yield the events after a number, in order; StoreError at a gap."""
        query = sql.select(diary).order_by(diary.c.number).limit(_PAGE)
        while rows := self._database.read(query.where(diary.c.number > after)):
            for row in rows:
                if row.number != after + 1:
                    raise StoreError(f"{self._database.name}: the diary has lost number {after + 1}")
                after = row.number
                yield DiaryEntry(
                    number=row.number,
                    at=row.at,
                    kind=row.kind,
                    payload=row.payload,
                    drawn=tuple(map(Address, row.drawn.split())),
                )

    def last_number(self) -> int:
        """Return the number of the newest event, 0 where there is none."""
        return int(self._database.read(_LAST)[0][0])
