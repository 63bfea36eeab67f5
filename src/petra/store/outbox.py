"""The outbox: signed transactions on disk before they are sent (DESIGN 4).

Decides: that an intent has one transaction for ever, and a nonce of a sender one owner. It does not send, and does not
know what the bytes say. Invariant: what was put is pending until it is settled as done or void, across restarts, and
again only where the block that settled it is gone; a batch is put whole or not at all.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.pool import StaticPool

from petra.domain.blocks import Outcome
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.wire.transaction import SignedIntent

_METADATA = sql.MetaData()
_OUTBOX = sql.Table(
    "outbox",
    _METADATA,
    sql.Column("position", sql.Integer, primary_key=True),  # the order in which they were put
    sql.Column("intent_id", sql.Text, nullable=False, unique=True),
    sql.Column("sender", sql.Text, nullable=False),
    sql.Column("nonce", sql.BigInteger, nullable=False),
    sql.Column("transaction_hash", sql.LargeBinary(32), nullable=False),
    sql.Column("raw", sql.LargeBinary, nullable=False),
    sql.Column("state", sql.Text, nullable=False, server_default="pending"),
    sql.Column("block_number", sql.BigInteger),
    sql.UniqueConstraint("sender", "nonce"),
    sql.CheckConstraint("state IN ('pending', 'done', 'void')"),
    sql.Index("outbox_pending", "state", "position"),
)
_IDENTITY = (_OUTBOX.c.intent_id, _OUTBOX.c.sender, _OUTBOX.c.nonce, _OUTBOX.c.transaction_hash, _OUTBOX.c.raw)


class SqlOutbox:
    """An outbox in SQLite: in a file, or in memory for simulations."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or make the outbox; None keeps it in memory. StoreError where the file is no outbox."""
        self._name = str(path) if path else "the outbox in memory"
        if path is None:
            self._engine = sql.create_engine("sqlite://", poolclass=StaticPool)
        else:
            self._engine = sql.create_engine(sql.URL.create("sqlite", database=str(path)))
            sql.event.listen(self._engine, "connect", _make_durable)
        with self._transaction() as connection:
            _METADATA.create_all(connection)

    def put(self, transactions: Sequence[SignedIntent]) -> None:
        """Keep signed transactions as pending, all in one commit.

        Raises:
            StoreError: an intent or a sender's nonce is taken already (then none is kept), or the disk failed.
        """
        if transactions:
            with self._transaction() as connection:
                connection.execute(
                    _OUTBOX.insert(),
                    [
                        {
                            "intent_id": signed.intent_id,
                            "sender": signed.sender,
                            "nonce": signed.nonce,
                            "transaction_hash": signed.transaction_hash,
                            "raw": signed.raw,
                        }
                        for signed in transactions
                    ],
                )

    def find(self, intent_ids: Sequence[str]) -> dict[str, SignedIntent]:
        """Return the transactions of those intents that have one."""
        rows = self._rows(sql.select(*_IDENTITY).where(_OUTBOX.c.intent_id.in_(intent_ids)))
        return {row.intent_id: _signed_intent(row) for row in rows}

    def next_nonces(self, senders: Sequence[Address]) -> dict[Address, int]:
        """Return for each sender the first nonce that no transaction of it has."""
        highest = sql.select(_OUTBOX.c.sender, sql.func.max(_OUTBOX.c.nonce).label("nonce"))
        rows = self._rows(highest.where(_OUTBOX.c.sender.in_(senders)).group_by(_OUTBOX.c.sender))
        return dict.fromkeys(senders, 0) | {Address(row.sender): row.nonce + 1 for row in rows}

    def pending(self) -> list[SignedIntent]:
        """Return what is neither done nor void, in the order in which it was put."""
        rows = self._rows(sql.select(*_IDENTITY).where(_OUTBOX.c.state == "pending").order_by(_OUTBOX.c.position))
        return [_signed_intent(row) for row in rows]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Mark intents as done or void, all in one commit."""
        if outcomes:
            settled = _OUTBOX.update().where(_OUTBOX.c.intent_id == sql.bindparam("key"))
            with self._transaction() as connection:
                connection.execute(
                    settled.values(state=sql.bindparam("to"), block_number=sql.bindparam("at")),
                    [
                        {
                            "key": outcome.intent_id,
                            "to": "done" if outcome.done else "void",
                            "at": outcome.block_number,
                        }
                        for outcome in outcomes
                    ],
                )

    def reopen(self, after_block: int) -> list[str]:
        """Mark what was settled by a later block as pending again, and return those intents in the order of putting."""
        later = _OUTBOX.c.block_number > after_block
        with self._transaction() as connection:
            reopened = connection.execute(sql.select(_OUTBOX.c.intent_id).where(later).order_by(_OUTBOX.c.position))
            intent_ids = [row.intent_id for row in reopened]
            connection.execute(_OUTBOX.update().where(later).values(state="pending", block_number=None))
        return intent_ids

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _rows(self, query: sql.Select[Any]) -> Sequence[sql.Row[Any]]:
        with self._transaction() as connection:
            return connection.execute(query).all()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sql.exc.IntegrityError as error:
            raise StoreError(f"{self._name}: an intent or nonce has its transaction already ({error.orig})") from error
        except sql.exc.SQLAlchemyError as error:
            raise StoreError(f"{self._name}: {error}") from error


def _make_durable(connection: Any, _record: object) -> None:
    # Each commit is on the disk before the bytes are sent, while readers go on reading.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _signed_intent(row: sql.Row[Any]) -> SignedIntent:
    return SignedIntent(
        intent_id=row.intent_id,
        sender=Address(row.sender),
        nonce=row.nonce,
        transaction_hash=row.transaction_hash,
        raw=row.raw,
    )
