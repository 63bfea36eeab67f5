"""What a chain holds: blocks, receipts and raw logs, the same for every chain adapter.

Decides nothing: these are words. Hashes are 32 bytes, times unix seconds.
"""

from dataclasses import dataclass

from petra.domain.calls import Call
from petra.domain.events import LedgerEvent
from petra.domain.terms import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block; `transactions` are the hashes in order."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a transaction; `contract` is the address that a deployment made, else None."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    transaction_index: int
    succeeded: bool
    gas_used: int  # 0 on the memory chain, which has no gas
    contract: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One raw log of the contract."""

    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a reader has read: the last block of which it has every log."""

    block_number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """All events of one transaction, decoded, in order; `logs` are the same as raw logs."""

    transaction_hash: bytes
    block_number: int
    transaction_index: int
    timestamp: int
    events: tuple[LedgerEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What somebody wants done on the ledger, once: the key under which its one signed transaction is kept.

    Attributes:
        intent_id: unique text; the same intent is never signed twice.
        sender: the address that signs (a pseudonym or the DSO).
    """

    intent_id: str
    sender: Address
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an intent ended: done (status 1, final) or void (status 0, final)."""

    intent_id: str
    done: bool
    transaction_hash: bytes
    block_number: int
    gas_used: int
