"""Ledger events and blocks as plain JSON values, for the journal and the public record."""

from collections.abc import Sequence
from dataclasses import asdict

from petra.domain.blocks import Block, Log, Outcome
from petra.domain.events import LedgerEvent
from petra.store.outbox import SqlOutbox


def as_fields(event: LedgerEvent) -> dict[str, object]:
    """Return an event's fields by name; bytes as hexadecimal text."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(event).items()}


def block_line(block: Block, outcomes: Sequence[Outcome], logs: Sequence[Log], outbox: SqlOutbox) -> dict[str, object]:
    """Return what everybody can know of a block: its transactions as signed, how they ended, and the raw logs."""
    signed = outbox.find([outcome.intent_id for outcome in outcomes])
    raw = {one.transaction_hash: one.raw for one in signed.values()}
    ended = {outcome.transaction_hash: outcome for outcome in outcomes}
    return {
        "number": block.number,
        "hash": block.hash.hex(),
        "timestamp": block.timestamp,
        "transactions": [
            {
                "hash": transaction.hex(),
                "raw": raw[transaction].hex(),
                "succeeded": ended[transaction].done,
                "gas_used": ended[transaction].gas_used,
            }
            for transaction in block.transactions
        ],
        "logs": [
            {
                "transaction": log.transaction_hash.hex(),
                "index": log.log_index,
                "topics": [topic.hex() for topic in log.topics],
                "data": log.data.hex(),
            }
            for log in logs
        ],
    }
