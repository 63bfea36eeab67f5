"""A chain in memory: the contract's twin behind the same signed bytes, nonces, blocks, receipts and logs as a node's.

Decides: which transaction stands in which block: the next one that is made, in the order of sending; one whose nonce
comes too early waits for those before it, as on a node. It runs PETra's contract only, and has no gas.
Invariant: the same bytes sent and blocks made give the same chain, hash by hash, and the same logs as a node gives.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from petra.chain.errors import NonceTaken
from petra.domain.blocks import Block, Log, Receipt
from petra.domain.events import LedgerEvent
from petra.domain.refusals import Refusal
from petra.domain.terms import Address
from petra.errors import ChainError
from petra.ledger import transition
from petra.ledger.state import LedgerState
from petra.wire import abi, rlp
from petra.wire.artifact import CREATION_CODE, RUNTIME_CODE
from petra.wire.keccak import keccak256
from petra.wire.transaction import SignedTransaction, contract_address, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Execution:
    """What a transaction did; `reverted` without a refusal: its calldata are none of the contract's."""

    events: tuple[LedgerEvent, ...] = ()
    refusal: Refusal | None = None
    reverted: bool = False
    contract: Address | None = None


class MemoryChain:
    """A chain of our own, for simulations and tests."""

    def __init__(self, *, chain_id: int, genesis: int) -> None:
        """Make block 0 at this unix second."""
        self._chain_id = chain_id
        self._ledgers: dict[Address, LedgerState] = {}
        self._ready: deque[SignedTransaction] = deque()
        self._early: dict[tuple[Address, int], SignedTransaction] = {}
        self._next_nonce: dict[Address, int] = {}
        self._mined_counts: dict[Address, int] = {}
        self._receipts: dict[bytes, Receipt | None] = {}  # None: sent and not mined
        self._failures: dict[bytes, _Execution] = {}
        self._blocks: list[Block] = []
        self._logs: list[list[tuple[Address, Log]]] = []
        self._append_block(genesis, ())

    @property
    def chain_id(self) -> int:
        """The chain's id, part of every signature."""
        return self._chain_id

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Take signed bytes in order; what is refused does not stop the others.

        Raises:
            NonceTaken: the nonces of some were used up by other transactions.
            ChainError: a transaction is for another chain (then nothing was taken), or some were refused and are not
                known from before; the reasons are in the message.
        """
        transactions = [decode(raw) for raw in raw_transactions]
        for signed in transactions:
            if (found := signed.transaction.chain_id) != self._chain_id:
                raise ChainError(f"a transaction for chain {found} was to be sent to chain {self._chain_id}")
        lost = [f"0x{signed.hash.hex()}: {problem}" for signed in transactions if (problem := self._take(signed))]
        if lost:
            kind = NonceTaken if any("nonce too low" in words for words in lost) else ChainError
            raise kind(f"the memory chain refused {len(lost)} transactions; {'; '.join(lost[:3])}")
        return [signed.hash for signed in transactions]

    def mine(self, timestamp: int) -> Block:
        """Make one block at this unix second, later than the last one's, with everything that was sent."""
        if timestamp <= self._blocks[-1].timestamp:
            raise ChainError(f"a block at {timestamp} would not be later than the last, {self._blocks[-1].timestamp}")
        block = self._append_block(timestamp, tuple(signed.hash for signed in self._ready))
        for index, signed in enumerate(self._ready):
            done = self._execute(signed, timestamp)
            receipt = Receipt(
                transaction_hash=signed.hash,
                block_number=block.number,
                block_hash=block.hash,
                transaction_index=index,
                succeeded=not done.reverted,
                gas_used=0,
                contract=done.contract,
            )
            self._receipts[signed.hash] = receipt
            self._mined_counts[signed.sender] = signed.transaction.nonce + 1
            if done.reverted:
                self._failures[signed.hash] = done
            elif signed.transaction.to is not None:
                self._write_logs(signed.transaction.to, receipt, done.events)
        self._ready.clear()
        return block

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Return what became of each transaction; None while it is not mined."""
        return [self._receipts.get(digest) for digest in hashes]

    def head(self) -> Block:
        """Return the newest block."""
        return self._blocks[-1]

    def block(self, number: int) -> Block:
        """Return a block by number; ChainError where there is none."""
        if not 0 <= number < len(self._blocks):
            raise ChainError(f"the memory chain has no block {number}")
        return self._blocks[number]

    def logs(self, contract: Address, first_block: int, last_block: int) -> list[Log]:
        """Return every log of the contract in these blocks (inclusive), in order."""
        blocks = self._logs[max(first_block, 0) : last_block + 1]
        return [log for block in blocks for writer, log in block if writer == contract]

    def code(self, address: Address) -> bytes:
        """Return the contract's code where it stands, empty elsewhere."""
        return RUNTIME_CODE if address in self._ledgers else b""

    def transaction_counts(self, senders: Sequence[Address]) -> list[int]:
        """Return how many transactions of each sender are mined: the first nonce that the chain has not seen."""
        return [self._mined_counts.get(sender, 0) for sender in senders]

    def dry_run(self, contract: Address, calls: Sequence[tuple[Address, bytes]]) -> list[Refusal | None]:
        """Return for each sender and its calldata why the contract would refuse it after the newest block, or None.

        Raises:
            ChainError: one is no call of the contract's.
        """
        ledger = self._ledgers.get(contract)
        if ledger is None:
            return [None] * len(calls)
        # The twin changes what it is given: each call is tried on maps of its own, whose values are frozen.
        now, results = self._blocks[-1].timestamp, []
        for sender, data in calls:
            trial = replace(
                ledger,
                assets=dict(ledger.assets),
                offers=dict(ledger.offers),
                holders=dict(ledger.holders),
                period_prices=dict(ledger.period_prices),
            )
            results.append(transition.apply(trial, abi.decode_call(data), sender, now))
        return [result if isinstance(result, Refusal) else None for result in results]

    def refusal(self, transaction_hash: bytes) -> Refusal | None:
        """Return why the contract refused a mined transaction, None if it did not; ChainError as a node's port says."""
        if self._receipts.get(transaction_hash) is None:
            raise ChainError(f"the memory chain has not mined 0x{transaction_hash.hex()}")
        failed = self._failures.get(transaction_hash)
        if failed is not None and failed.refusal is None:
            raise ChainError("our contract has no refusal 0x")
        return failed.refusal if failed else None

    def close(self) -> None:
        """Hold on to nothing: there is nothing to let go of."""

    def _take(self, signed: SignedTransaction) -> str | None:
        """Queue a transaction, or return why not, in a node's words; nothing happens where it is known."""
        transaction, sender = signed.transaction, signed.sender
        if signed.hash in self._receipts:
            return None
        if transaction.gas_price or transaction.value:
            return "insufficient funds: nobody has Ether here"
        if transaction.to is None and not transaction.data.startswith(CREATION_CODE):
            return "the memory chain runs PETra's contract only"
        expected = self._next_nonce.get(sender, 0)
        if transaction.nonce < expected:
            return "nonce too low"
        if (sender, transaction.nonce) in self._early:
            return "replacement transaction underpriced"
        self._receipts[signed.hash] = None
        self._early[sender, transaction.nonce] = signed
        while (following := self._early.pop((sender, expected), None)) is not None:
            self._ready.append(following)
            expected += 1
        self._next_nonce[sender] = expected
        return None

    def _execute(self, signed: SignedTransaction, timestamp: int) -> _Execution:
        transaction = signed.transaction
        if transaction.to is None:
            return self._deploy(signed)
        ledger = self._ledgers.get(transaction.to)
        if ledger is None:
            return _Execution()  # a call to an address without code succeeds and does nothing
        try:
            call = abi.decode_call(transaction.data)
        except ChainError:
            return _Execution(reverted=True)
        result = transition.apply(ledger, call, signed.sender, timestamp)
        if isinstance(result, Refusal):
            return _Execution(refusal=result, reverted=True)
        return _Execution(events=result)

    def _deploy(self, signed: SignedTransaction) -> _Execution:
        try:
            terms = abi.decode_constructor(signed.transaction.data[len(CREATION_CODE) :])
        except ChainError:
            return _Execution(reverted=True)
        ledger = transition.deploy(terms)
        if isinstance(ledger, Refusal):
            return _Execution(refusal=ledger, reverted=True)
        contract = contract_address(signed.sender, signed.transaction.nonce)
        self._ledgers[contract] = ledger
        return _Execution(contract=contract)

    def _append_block(self, timestamp: int, transactions: tuple[bytes, ...]) -> Block:
        number = len(self._blocks)
        parent = self._blocks[-1].hash if self._blocks else bytes(32)
        root = keccak256(b"".join(transactions))
        header = [*map(rlp.from_integer, (self._chain_id, number, timestamp)), parent, root]
        block = Block(
            number=number,
            hash=keccak256(rlp.encode(header)),
            parent_hash=parent,
            timestamp=timestamp,
            transactions=transactions,
        )
        self._blocks.append(block)
        self._logs.append([])
        return block

    def _write_logs(self, contract: Address, receipt: Receipt, events: tuple[LedgerEvent, ...]) -> None:
        written = self._logs[receipt.block_number]
        for event in events:
            topics, data = abi.encode_event(event)
            log = Log(
                block_number=receipt.block_number,
                block_hash=receipt.block_hash,
                transaction_hash=receipt.transaction_hash,
                transaction_index=receipt.transaction_index,
                log_index=len(written),
                topics=topics,
                data=data,
            )
            written.append((contract, log))
