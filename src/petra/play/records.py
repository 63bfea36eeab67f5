"""Ledger events and blocks as plain JSON values, for the journal and the public record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from petra.domain.blocks import Block, Log
from petra.domain.events import LedgerEvent


def as_fields(event: LedgerEvent) -> dict[str, object]:
    """Return an event's fields by name; bytes as hexadecimal text."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(event).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A transaction in a block: its signed bytes, and how it ended."""

    raw: bytes
    succeeded: bool
    gas_used: int


def block_line(block: Block, mined: Mapping[bytes, Mined], logs: Sequence[Log]) -> dict[str, object]:
    """Return what everybody can know of a block: its transactions (those that `mined` holds) and the raw logs."""
    return {
        "number": block.number,
        "hash": block.hash.hex(),
        "timestamp": block.timestamp,
        "transactions": [
            {
                "hash": transaction.hex(),
                "raw": mined[transaction].raw.hex(),
                "succeeded": mined[transaction].succeeded,
                "gas_used": mined[transaction].gas_used,
            }
            for transaction in block.transactions
            if transaction in mined
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
