"""What a service reads from its database at start, and writes into it once a round.

Decides: that a round is one transaction, and what of it stands in which table. Knows no role.
Invariant: a round is stored whole or not at all, and only by the process that holds the lease.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sql

from petra.chain.reader import Mark, trail_from_text
from petra.domain.batches import batches_of
from petra.domain.blocks import Checkpoint, Intent
from petra.domain.messages import Envelope
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.ports import Arrival
from petra.roles.effects import Note
from petra.runtime.diary_rows import Named, from_payload, kind_of, to_payload
from petra.runtime.ledger_worker import News
from petra.store.books import NoteStore, StoredNote
from petra.store.database import Database
from petra.store.diary import Diary, DiaryEntry
from petra.store.lease import Lease
from petra.store.messages import MessageStore, StoredMessage
from petra.store.registry import OrderStore, Settings
from petra.store.transactions import TransactionStore

TRAIL = "trail"  # the setting that holds the ledger reader's way back
SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiaryRow:
    """One event that a role took: its number (from 1), its unix second, and the pseudonyms drawn meanwhile."""

    number: int
    at: int
    named: Named
    drawn: tuple[Address, ...] = ()


@dataclass(slots=True, kw_only=True)
class Round:
    """What one round brings into the database, and what is released when it is there."""

    now: int
    rows: list[DiaryRow] = field(default_factory=list)
    received: list[Envelope] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    sent: list[Envelope] = field(default_factory=list)
    again: list[bytes] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    notes: list[tuple[int, Note]] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    delivered: list[bytes] = field(default_factory=list)
    news: News | None = None

    def __bool__(self) -> bool:
        """Say whether there is anything to store or to acknowledge."""
        return bool(self.rows or self.arrivals or self.delivered)


class Records:
    """A service's database, as far as its service needs it."""

    def __init__(
        self,
        database: Database,
        transactions: TransactionStore,
        *,
        lease: Lease | None = None,
        lease_seconds: float = 0,
        with_round: Callable[[sql.Connection, Round], None] = lambda connection, current: None,
    ) -> None:
        """Use a database.

        Args:
            database: with the tables of a service, and a seed among its settings.
            transactions: what is wanted and signed.
            lease: checked in each round; None where only one process can have the database.
            lease_seconds: how long it lasts.
            with_round: writes what is particular to the role, in each round's transaction.
        """
        self.database = database
        self._transactions = transactions
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._renew_at = 0.0
        self._with_round = with_round
        self._diary = Diary(database)
        self._messages = MessageStore(database)
        self._notes = NoteStore(database)
        self._orders = OrderStore(database)
        self._settings = Settings(database)
        self.seed = self.setting(SEED) or ""
        if not self.seed:
            raise StoreError(f"{database.name}: holds no seed: it was not made by `init`")

    def hold(self, now: float) -> None:
        """Renew the lease now and then; Fenced where another process has taken it."""
        if self._lease is not None and now >= self._renew_at:
            self._lease.renew()
            self._renew_at = now + self._lease_seconds / 3

    def setting(self, key: str) -> str | None:
        """Return a setting, None where there is none."""
        return self._settings.get(key)

    def rows(self) -> Iterator[DiaryRow]:
        """Yield the diary from its beginning."""
        for entry in self._diary.read():
            yield DiaryRow(
                number=entry.number, at=entry.at, named=from_payload(entry.payload), drawn=entry.drawn
            )

    def trail(self) -> list[Mark]:
        """Return the way back of the ledger's reader, as of the last round."""
        return trail_from_text(self.setting(TRAIL) or "[]")

    def read_through(self) -> Checkpoint | None:
        """Return the last block whose records the role has heard of."""
        trail = self.trail()
        return trail[-1].checkpoint if trail else None

    def known(self, names: Sequence[tuple[Address, bytes]]) -> dict[tuple[Address, bytes], bytes]:
        """Return, of senders with message ids, those under which something came, with its hash."""
        return self._messages.known_among(names)

    def came(self) -> Iterator[StoredMessage]:
        """Yield every message that came, in the order in which the diary names them."""
        return self._messages.came()

    def sent_before(self, message_id: bytes) -> StoredMessage | None:
        """Return a message of ours by its id."""
        return self._messages.find("out", message_id)

    def undelivered(self, now: int) -> list[StoredMessage]:
        """Return our messages that nobody has acknowledged and whose time is not past."""
        return self._messages.undelivered(now)

    def sent_ids(self) -> set[bytes]:
        """Return the ids of all our messages."""
        return set(self._messages.ids("out"))

    def intent_ids(self) -> set[str]:
        """Return every intent that a round wanted."""
        return set(self._transactions.all_wanted())

    def commit(self, current: Round) -> None:
        """Store a round.

        Raises:
            Fenced: another process writes by now; nothing is stored.
            StoreError: the database refused; what is stored, the next start tells.
        """
        with self.database.transaction() as connection:
            if self._lease is not None:
                self._lease.check(connection)
            self._diary.append(connection, [_entry(row) for row in current.rows])
            self._messages.received(connection, [StoredMessage.of(one, current.now) for one in current.received])
            self._messages.sent(connection, [StoredMessage.of(one, current.now) for one in current.sent])
            self._messages.delivered(connection, current.delivered, current.now)
            self._transactions.want(connection, current.intents, batches_of(current.intents))
            self._notes.append(connection, _notes(current))
            self._orders.take(connection, current.orders)
            if current.news is not None:
                self._settings.put(connection, TRAIL, current.news.trail)
                self._transactions.drop(
                    connection, [one.intent_id for one in current.news.outcomes if not one.transaction_hash]
                )
            self._with_round(connection, current)


def _entry(row: DiaryRow) -> DiaryEntry:
    return DiaryEntry(
        number=row.number, at=row.at, kind=kind_of(row.named), payload=to_payload(row.named), drawn=row.drawn
    )


def _notes(current: Round) -> list[StoredNote]:
    places: dict[int, int] = {}
    stored = []
    for number, note in current.notes:
        place = places[number] = places.get(number, -1) + 1
        fields = json.dumps(note.fields, sort_keys=True)
        stored.append(StoredNote(number=number, place=place, at=current.now, kind=note.kind, fields=fields))
    return stored
