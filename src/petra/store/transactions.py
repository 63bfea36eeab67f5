"""What shall be done on the ledger: wanted intents, and the signed transactions that carry them (DESIGN 4, 6).

Decides: that an intent has one transaction for ever, and a nonce of a sender one owner. It does not send, and does not
know what the bytes say. Invariants: what was wanted is waiting until it is put; what was put is pending until it is
settled as done or void, across restarts, and again only where the block that settled it is gone; what is put at once is
put whole or not at all, and never by a process that has lost the lease; an intent is carried by one transaction.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from petra.domain.batches import Batch
from petra.domain.blocks import Intent, Outcome
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.store.database import Database, add_rows
from petra.store.lease import Lease
from petra.store.tables import outbox, wanted
from petra.wire import abi
from petra.wire.transaction import SignedIntent

_SIGNED = (outbox.c.intent_id, outbox.c.sender, outbox.c.nonce, outbox.c.transaction_hash, outbox.c.raw)
_LOOKUPS = 500  # how many keys one query asks for
_IS_BATCH = sql.func.coalesce(wanted.c.carrier, "") == wanted.c.intent_id
_PUT_AWAY = wanted.update().where(wanted.c.intent_id == sql.bindparam("key")).values(waiting=None)


class TransactionStore:
    """The outbox of `petra.chain.client`, with a list of what shall be signed next before it."""

    def __init__(self, database: Database, lease: Lease | None = None) -> None:
        """Keep transactions in this database.

        Args:
            database: has the tables `wanted` and `outbox`.
            lease: who may put; None where only one process can have the database.
        """
        self._database = database
        self._lease = lease

    def want(self, connection: sql.Connection, intents: Sequence[Intent], batches: Sequence[Batch] = ()) -> None:
        """Add intents to be signed, in order, in the caller's transaction; StoreError where one is there already.

        What is part of a batch does not wait itself: the batch does, after all that is in none.
        """
        if not intents:
            return
        carriers = {part: batch.intent.intent_id for batch in batches for part in batch.parts}
        rows = [_wanted(intent, carriers.get(intent.intent_id)) for intent in intents]
        rows += [_wanted(batch.intent, batch.intent.intent_id) for batch in batches]
        try:
            add_rows(connection, wanted, rows)
        except sql.exc.IntegrityError as error:
            raise StoreError(f"{self._database.name}: one of these intents was wanted before") from error

    def wanted(self, limit: int = 1_000) -> list[Intent]:
        """Return the oldest intents that have no transaction yet, in order."""
        waiting = sql.select(wanted).where(wanted.c.waiting.is_not(None)).order_by(wanted.c.position).limit(limit)
        return [_intent(row) for row in self._database.read(waiting)]

    def all_wanted(self) -> dict[str, Intent]:
        """Return every intent that a role ever wanted, by id, in order: what a replayed diary is compared with."""
        rows = self._database.read(sql.select(wanted).where(~_IS_BATCH).order_by(wanted.c.position))
        return {row.intent_id: _intent(row) for row in rows}

    def parts(self, intent_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return for those of the intents that are batches what each carries, in order."""
        found: dict[str, list[str]] = {}
        for begin in range(0, len(intent_ids), _LOOKUPS):
            among = wanted.c.carrier.in_(intent_ids[begin : begin + _LOOKUPS])
            parts = sql.select(wanted.c.intent_id, wanted.c.carrier).where(among, ~_IS_BATCH)
            for row in self._database.read(parts.order_by(wanted.c.position)):
                found.setdefault(row.carrier, []).append(row.intent_id)
        return found

    def separate(self, intent_id: str) -> None:
        """Let each part of a batch that has no transaction wait on its own: a dry run refused them together."""
        with self._database.transaction() as connection:
            connection.execute(_PUT_AWAY, [{"key": intent_id}])
            connection.execute(
                wanted.update()
                .where(wanted.c.carrier == intent_id, wanted.c.intent_id != intent_id)
                .values(waiting=True, carrier=None)
            )

    def all_ids(self) -> set[str]:
        """Return the id of every intent that was ever wanted or put."""
        rows = self._database.read(sql.union(sql.select(wanted.c.intent_id), sql.select(outbox.c.intent_id)))
        return {row.intent_id for row in rows}

    def hashes(self) -> set[bytes]:
        """Return the hash of every transaction that was ever put."""
        return {row.transaction_hash for row in self._database.read(sql.select(outbox.c.transaction_hash))}

    def drop(self, connection: sql.Connection, intent_ids: Sequence[str]) -> None:
        """Stop wanting intents that ended unsigned, in the caller's transaction: a dry run refused them."""
        if intent_ids:
            connection.execute(_PUT_AWAY, [{"key": intent_id} for intent_id in intent_ids])

    def put(self, transactions: Sequence[SignedIntent]) -> None:
        """Keep signed transactions as pending, all in one commit.

        Raises:
            Fenced: another process has the lease by now; none is kept.
            StoreError: an intent or a sender's nonce is taken already (then none is kept), or the disk failed.
        """
        if not transactions:
            return
        fence: dict[str, Any] = {"lease": self._lease.number} if self._lease else {}
        rows = [
            {
                "intent_id": signed.intent_id,
                "sender": signed.sender,
                "nonce": signed.nonce,
                "transaction_hash": signed.transaction_hash,
                "raw": signed.raw,
                **fence,
            }
            for signed in transactions
        ]
        with self._database.transaction() as connection:
            if self._lease:
                self._lease.check(connection)
            try:
                add_rows(connection, outbox, rows)
            except sql.exc.IntegrityError as error:
                raise StoreError(
                    f"{self._database.name}: an intent or nonce has its transaction already ({error.orig})"
                ) from error
            connection.execute(_PUT_AWAY, [{"key": signed.intent_id} for signed in transactions])

    def find(self, intent_ids: Sequence[str]) -> dict[str, SignedIntent]:
        """Return the transactions of those intents that have one."""
        found: dict[str, SignedIntent] = {}
        for begin in range(0, len(intent_ids), _LOOKUPS):
            part = intent_ids[begin : begin + _LOOKUPS]
            rows = self._database.read(sql.select(*_SIGNED).where(outbox.c.intent_id.in_(part)))
            found |= {row.intent_id: _signed_intent(row) for row in rows}
        return found

    def next_nonces(self, senders: Sequence[Address]) -> dict[Address, int]:
        """Return for each sender the first nonce that no transaction of it has."""
        highest = sql.select(outbox.c.sender, sql.func.max(outbox.c.nonce).label("nonce")).group_by(outbox.c.sender)
        nonces = dict.fromkeys(senders, 0)
        for begin in range(0, len(senders), _LOOKUPS):
            rows = self._database.read(highest.where(outbox.c.sender.in_(senders[begin : begin + _LOOKUPS])))
            nonces |= {Address(row.sender): row.nonce + 1 for row in rows}
        return nonces

    def pending(self) -> list[SignedIntent]:
        """Return what is neither done nor void, in the order in which it was put."""
        rows = self._database.read(
            sql.select(*_SIGNED).where(outbox.c.state == "pending").order_by(outbox.c.position)
        )
        return [_signed_intent(row) for row in rows]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Mark intents as done or void, all in one commit."""
        if outcomes:
            settled = outbox.update().where(outbox.c.intent_id == sql.bindparam("key"))
            with self._database.transaction() as connection:
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
        later = outbox.c.block_number > after_block
        with self._database.transaction() as connection:
            reopened = connection.execute(sql.select(outbox.c.intent_id).where(later).order_by(outbox.c.position))
            intent_ids = [row.intent_id for row in reopened]
            connection.execute(outbox.update().where(later).values(state="pending", block_number=None))
        return intent_ids


def _wanted(intent: Intent, carrier: str | None) -> dict[str, Any]:
    return {
        "intent_id": intent.intent_id,
        "sender": intent.sender,
        "call": abi.encode_call(intent.call),
        "waiting": True if carrier in {None, intent.intent_id} else None,
        "carrier": carrier,
    }


def _intent(row: sql.Row[Any]) -> Intent:
    return Intent(intent_id=row.intent_id, sender=Address(row.sender), call=abi.decode_call(row.call))


def _signed_intent(row: sql.Row[Any]) -> SignedIntent:
    return SignedIntent(
        intent_id=row.intent_id,
        sender=Address(row.sender),
        nonce=row.nonce,
        transaction_hash=row.transaction_hash,
        raw=row.raw,
    )
