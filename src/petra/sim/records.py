"""Ledger events and blocks as plain JSON values, for the journal and the public record."""

from dataclasses import asdict

from petra.chain.client import LedgerClient
from petra.domain.blocks import Block
from petra.domain.events import LedgerEvent
from petra.domain.terms import Address
from petra.ports import Chain


def as_fields(event: LedgerEvent) -> dict[str, object]:
    """Return an event's fields by name; bytes as hexadecimal text."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(event).items()}


def block_line(chain: Chain, client: LedgerClient, contract: Address, block: Block) -> dict[str, object]:
    """Return what everybody can know of a block: its transactions as signed, how they ended, and the raw logs."""
    receipts = {receipt.transaction_hash: receipt for receipt in chain.receipts(block.transactions) if receipt}
    return {
        "number": block.number,
        "hash": block.hash.hex(),
        "timestamp": block.timestamp,
        "transactions": [
            {
                "hash": transaction.hex(),
                "raw": client.raw(transaction).hex(),
                "succeeded": receipts[transaction].succeeded,
                "gas_used": receipts[transaction].gas_used,
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
            for log in chain.logs(contract, block.number, block.number)
        ],
    }
