"""Every message that a service got or sent, hash-chained: its evidence, its inbox and its outgoing post (R80, R85).

Decides: that a message stands here once, in order, and what is still to be delivered. It opens no envelope.
Invariant: link = keccak256(link before || direction || keccak256(raw)), direction one byte: 0 in, 1 out; the first
one's link before is 32 zero bytes. So a row that is altered, lost or put in later breaks every link after it, and
whoever has the newest link can tell. `petra.wire.evidence` verifies exported rows alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Self

import sqlalchemy as sql

from petra.domain.messages import Envelope
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.store.database import Database, add_rows
from petra.store.tables import messages
from petra.wire.envelope import envelope_hash
from petra.wire.keccak import keccak256

Direction = Literal["in", "out"]
FIRST_LINK = bytes(32)

_BYTES: dict[str, bytes] = {"in": b"\0", "out": b"\1"}
_PAGE = 2_000
_LOOKUPS = 500  # how many keys one query asks for
_LATEST = 2**63 - 1  # a sender may name any later deadline: a column of the database cannot
_TIP = sql.select(messages.c.position, messages.c.link).order_by(messages.c.position.desc()).limit(1)
# Asked each round, so it is made once.
_CAME = sql.select(messages.c.sender, messages.c.message_id, messages.c.hash).where(
    messages.c.message_id.in_(sql.bindparam("ids", expanding=True)), messages.c.direction == "in"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One message as it travelled.

    Attributes:
        kind: the envelope's kind, as text.
        deadline: unix second after which it must be refused.
        at: unix second at which we got or sent it.
        hash: keccak256 of raw: how receipts and protests name it.
    """

    sender: Address
    recipient: Address
    message_id: bytes
    kind: str
    deadline: int
    at: int
    hash: bytes
    raw: bytes

    @classmethod
    def of(cls, envelope: Envelope, at: int) -> Self:
        """Return an envelope as it is stored."""
        raw = envelope.raw
        return cls(
            sender=envelope.sender,
            recipient=envelope.recipient,
            message_id=envelope.message_id,
            kind=envelope.kind.value,
            deadline=min(envelope.deadline, _LATEST),
            at=at,
            hash=envelope_hash(raw),
            raw=raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """A message with its place in the chain.

    Attributes:
        delivered_at: unix second at which the other side said that it has stored it, None before; for what came in,
            the second at which it came.
    """

    position: int
    direction: Direction
    message: StoredMessage
    link: bytes
    delivered_at: int | None


class MessageStore:
    """The messages of one service."""

    def __init__(self, database: Database) -> None:
        """Keep the messages in this database."""
        self._database = database

    def received(self, connection: sql.Connection, arrived: Sequence[StoredMessage]) -> None:
        """Add what came, in the caller's transaction; StoreError where one is `known` already."""
        self._add(connection, "in", arrived)

    def sent(self, connection: sql.Connection, leaving: Sequence[StoredMessage]) -> None:
        """Add what goes out, in the caller's transaction, before it goes; StoreError where one is there already."""
        self._add(connection, "out", leaving)

    def known(self, sender: Address, message_id: bytes) -> bytes | None:
        """Return the hash of what came from a sender under an id; None where nothing did."""
        return self.known_among([(sender, message_id)]).get((sender, message_id))

    def known_among(self, names: Sequence[tuple[Address, bytes]]) -> dict[tuple[Address, bytes], bytes]:
        """Return, of senders with ids, those under which something came, with its hash."""
        wanted = set(names)
        found: dict[tuple[Address, bytes], bytes] = {}
        for begin in range(0, len(names), _LOOKUPS):
            ids = [message_id for _, message_id in names[begin : begin + _LOOKUPS]]
            rows = self._database.read(_CAME, ids=ids)
            found |= {(Address(row.sender), row.message_id): row.hash for row in rows}
        return {name: digest for name, digest in found.items() if name in wanted}

    def undelivered(self, now: int) -> list[StoredMessage]:
        """Return what goes out, has not arrived as far as we know, and is not too late at a unix second; in order."""
        waiting = (messages.c.delivered_at.is_(None), messages.c.direction == "out", messages.c.deadline >= now)
        rows = self._database.read(sql.select(messages).where(*waiting))
        # Sorted here: to have them in order, SQLite would go through all messages instead of the small index.
        return [_message(row) for row in sorted(rows, key=attrgetter("position"))]

    def mark_delivered(self, hashes: Sequence[bytes], at: int) -> None:
        """Note that the other side has stored these messages of ours; those that are not ours change nothing."""
        if hashes:
            with self._database.transaction() as connection:
                self.delivered(connection, hashes, at)

    def delivered(self, connection: sql.Connection, hashes: Sequence[bytes], at: int) -> None:
        """Do as `mark_delivered`, in the caller's transaction."""
        if hashes:
            waiting = (messages.c.hash == sql.bindparam("digest"), messages.c.delivered_at.is_(None))
            connection.execute(
                messages.update().where(*waiting).values(delivered_at=at), [{"digest": digest} for digest in hashes]
            )

    def find(self, direction: Direction, message_id: bytes) -> StoredMessage | None:
        """Return the first message under an id that came or went; None where there is none."""
        named = (messages.c.message_id == message_id, messages.c.direction == direction)
        rows = self._database.read(sql.select(messages).where(*named).order_by(messages.c.position).limit(1))
        return _message(rows[0]) if rows else None

    def ids(self, direction: Direction) -> set[bytes]:
        """Return the ids of all that came, or of all that went."""
        rows = self._database.read(sql.select(messages.c.message_id).where(messages.c.direction == direction))
        return {row.message_id for row in rows}

    def came(self) -> Iterator[StoredMessage]:
        """Yield what came, in order."""
        query = sql.select(messages).where(messages.c.direction == "in").order_by(messages.c.position).limit(_PAGE)
        position = 0
        while rows := self._database.read(query.where(messages.c.position > position)):
            yield from map(_message, rows)
            position = rows[-1].position

    def all(self, after_position: int = 0) -> Iterator[EvidenceRow]:
        """Yield the messages after a position, in order."""
        query = sql.select(messages).order_by(messages.c.position).limit(_PAGE)
        while rows := self._database.read(query.where(messages.c.position > after_position)):
            for row in rows:
                yield _evidence(row)
            after_position = rows[-1].position

    def verify(self) -> list[str]:
        """Return what is wrong with the hash chain, a line for each row that does not fit; empty where all is well."""
        problems, link, position = [], FIRST_LINK, 0
        for row in self.all():
            if row.position != position + 1:
                problems.append(f"{self._database.name}: messages {position + 1} to {row.position - 1} are missing")
            if row.message.hash != keccak256(row.message.raw):
                problems.append(f"{self._database.name}: message {row.position} was altered: its hash is another")
            if row.link != _link(link, row.direction, keccak256(row.message.raw)):
                problems.append(f"{self._database.name}: message {row.position} does not follow the one before it")
            link, position = row.link, row.position
        return problems

    def _add(self, connection: sql.Connection, direction: Direction, added: Sequence[StoredMessage]) -> None:
        if not added:
            return
        tip = connection.execute(_TIP).one_or_none()
        position, link = (tip.position, tip.link) if tip else (0, FIRST_LINK)
        rows: list[dict[str, Any]] = []
        for message in added:
            position += 1
            link = _link(link, direction, message.hash)
            rows.append(
                {
                    "position": position,
                    "direction": direction,
                    "sender": message.sender,
                    "recipient": message.recipient,
                    "message_id": message.message_id,
                    "kind": message.kind,
                    "deadline": message.deadline,
                    "at": message.at,
                    "hash": message.hash,
                    "raw": message.raw,
                    "link": link,
                    "delivered_at": message.at if direction == "in" else None,
                }
            )
        try:
            add_rows(connection, messages, rows)
        except sql.exc.IntegrityError as error:
            raise StoreError(f"{self._database.name}: a message stands there already; ask `known` first") from error


def _link(before: bytes, direction: Direction, digest: bytes) -> bytes:
    return keccak256(before + _BYTES[direction] + digest)


def _message(row: sql.Row[Any]) -> StoredMessage:
    return StoredMessage(
        sender=Address(row.sender),
        recipient=Address(row.recipient),
        message_id=row.message_id,
        kind=row.kind,
        deadline=row.deadline,
        at=row.at,
        hash=row.hash,
        raw=row.raw,
    )


def _evidence(row: sql.Row[Any]) -> EvidenceRow:
    return EvidenceRow(
        position=row.position,
        direction=row.direction,
        message=_message(row),
        link=row.link,
        delivered_at=row.delivered_at,
    )
