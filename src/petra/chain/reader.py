"""Reading the contract's logs: once each, in order, and honestly when the chain changes its mind.

Decides: what is final, and how far back to go when blocks vanish. It writes nothing and knows no book: whoever reads
stores the effects of what became final together with the trail.
Invariant: the records handed out since the start, without those that were taken back, are those of the final blocks of
the chain, each once and in order; the view tells of the whole chain up to the newest block that was read (DESIGN 4).
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from petra.chain.errors import Reorganised, WrongChain
from petra.domain.blocks import Block, Checkpoint, LedgerRecord, Log
from petra.domain.terms import Address, Terms
from petra.errors import ChainError, StoreError
from petra.ledger.fold import LedgerView
from petra.ports import Chain
from petra.wire import abi

DEEPEST_REORGANISATION = 64  # how many blocks below finality the way back is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A block that was read, and the hashes of the transactions whose records it brought."""

    checkpoint: Checkpoint
    transactions: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadBlock:
    checkpoint: Checkpoint
    records: tuple[LedgerRecord, ...] = ()

    @property
    def number(self) -> int:
        return self.checkpoint.block_number


class LedgerReader:
    """Follows the contract's logs on one chain.

    Attributes:
        view: the ledger after the newest block that was read, final or not; None before the first `advance`. For
            looking at offers only: whatever has an effect follows from the records that `advance` returns.
    """

    def __init__(
        self, chain: Chain, contract: Address, terms: Terms, *, confirmations: int = 0, trail: Sequence[Mark] = ()
    ) -> None:
        """Go on after the trail of an earlier reader, or from the beginning.

        Args:
            chain: where to read.
            contract: whose logs.
            terms: the contract's.
            confirmations: a block is final when so many stand on it.
            trail: what `trail` said when the effects were last stored.
        """
        self.view: LedgerView | None = None
        self._chain = chain
        self._contract = contract
        self._terms = terms
        self._confirmations = confirmations
        self._trail = list(trail)  # final, oldest first
        self._final: LedgerView | None = None  # after the trail's last block
        self._recent: list[_ReadBlock] = []  # read and not final, oldest first

    @property
    def trail(self) -> tuple[Mark, ...]:
        """The way back, up to the last final block: to be stored with the effects of what `advance` returned."""
        return tuple(self._trail)

    def advance(self) -> list[LedgerRecord]:
        """Read on, and return what has become final since the last call.

        Where the node is behind us nothing is read.

        Raises:
            Reorganised: final blocks are gone. The reader has gone back; the next call goes on after the ancestor.
            WrongChain: not one of the blocks of the trail is on this chain.
            ChainError: passing trouble; nothing has changed, call again.
        """
        if not self._trail:
            self._trail = [Mark(checkpoint=first_checkpoint(self._chain))]
        head = self._chain.head()
        if not self._is_at(head):
            self._go_back(head)
        final = self._final = self._final or self._replayed(self._trail[-1].checkpoint)
        if self.view is None:
            self.view = _copy(final) if self._confirmations else final
            _observe(self.view, self._recent)
        newest = self._recent[-1].checkpoint if self._recent else self._trail[-1].checkpoint
        if head.number <= newest.block_number:
            return []
        read = _read_blocks(self._chain, self._contract, newest, head)
        _observe(self.view, read)
        self._recent += read
        return self._finalise(final, head.number - self._confirmations)

    def _is_at(self, head: Block) -> bool:
        """Say whether the newest block that we read and that the node has got is still the same."""
        marks = [mark.checkpoint for mark in self._trail] + [block.checkpoint for block in self._recent]
        reached = [checkpoint for checkpoint in marks if checkpoint.block_number <= head.number]
        return not reached or self._stands(reached[-1], head)

    def _stands(self, checkpoint: Checkpoint, head: Block) -> bool:
        number = checkpoint.block_number
        return number <= head.number and self._chain.block(number).hash == checkpoint.block_hash

    def _go_back(self, head: Block) -> None:
        """Forget the blocks that are gone; raise Reorganised where one of them was final."""
        while self._recent and not self._stands(self._recent[-1].checkpoint, head):
            self._recent.pop()
            self.view = None
        kept = list(self._trail)
        while kept and not self._stands(kept[-1].checkpoint, head):
            kept.pop()
        if not kept:
            raise WrongChain(
                f"none of the last {len(self._trail)} blocks that were read is on the chain: it is another chain, or "
                f"one that went back more than {DEEPEST_REORGANISATION} final blocks"
            )
        if len(kept) < len(self._trail):
            undone = tuple(digest for mark in self._trail[len(kept) :] for digest in mark.transactions)
            self._trail, self._recent, self._final, self.view = kept, [], None, None
            raise Reorganised(kept[-1].checkpoint, undone)

    def _replayed(self, end: Checkpoint) -> LedgerView:
        """Return the ledger after this block, from the contract's first log on."""
        view = LedgerView(self._terms)
        block = self._chain.block(end.block_number)
        if block.hash != end.block_hash:
            raise ChainError(f"block {end.block_number} changed while it was read")
        _observe(view, _read_blocks(self._chain, self._contract, first_checkpoint(self._chain), block))
        return view

    def _finalise(self, view: LedgerView, last_final: int) -> list[LedgerRecord]:
        count = sum(block.number <= last_final for block in self._recent)
        final, self._recent = self._recent[:count], self._recent[count:]
        if view is not self.view:
            _observe(view, final)
        for block in final:
            hashes = tuple(record.transaction_hash for record in block.records)
            self._trail.append(Mark(checkpoint=block.checkpoint, transactions=hashes))
        # The newest mark at or below the limit stays: it is the ancestor of a reorganisation as deep as that.
        limit = self._trail[-1].checkpoint.block_number - DEEPEST_REORGANISATION
        beyond = sum(mark.checkpoint.block_number <= limit for mark in self._trail)
        del self._trail[: max(beyond - 1, 0)]
        return [record for block in final for record in block.records]


def trail_to_text(trail: Sequence[Mark]) -> str:
    """Return a trail as one line of JSON, to be stored in the same commit as the effects that it belongs to."""
    marks = [
        [mark.checkpoint.block_number, mark.checkpoint.block_hash.hex(), *(one.hex() for one in mark.transactions)]
        for mark in trail
    ]
    return json.dumps(marks, separators=(",", ":"))


def trail_from_text(text: str) -> list[Mark]:
    """Return the trail that such a line says; StoreError where it is none."""
    try:
        return [
            Mark(
                checkpoint=Checkpoint(block_number=int(number), block_hash=bytes.fromhex(block_hash)),
                transactions=tuple(map(bytes.fromhex, hashes)),
            )
            for number, block_hash, *hashes in json.loads(text)
        ]
    except (TypeError, ValueError) as error:
        raise StoreError(f"what was stored as a reader's trail is none: {text[:40]!r}") from error


def read_records(
    chain: Chain, contract: Address, checkpoint: Checkpoint, *, confirmations: int = 0
) -> tuple[list[LedgerRecord], Checkpoint]:
    """Return what the contract told after a checkpoint up to `confirmations` blocks below the head, and the next one.

    Raises:
        ChainError: the chain no longer holds the checkpoint's block (`LedgerReader` knows the way back), or a log is
            none of our contract's.
    """
    head = chain.head()
    last = head.number - confirmations
    if last <= checkpoint.block_number:
        return [], checkpoint
    end = head if last == head.number else chain.block(last)
    blocks = _read_blocks(chain, contract, checkpoint, end)
    return [record for block in blocks for record in block.records], blocks[-1].checkpoint


def first_checkpoint(chain: Chain) -> Checkpoint:
    """Return the checkpoint of a reader who has read nothing: block 0, which holds no transactions."""
    return _checkpoint(chain.block(0))


def _read_blocks(chain: Chain, contract: Address, after: Checkpoint, end: Block) -> list[_ReadBlock]:
    """Return every block after a checkpoint that has logs, and the end; ChainError unless they are one chain."""
    if end.number <= after.block_number:
        return []
    read: list[_ReadBlock] = []
    logs = chain.logs(contract, after.block_number + 1, end.number)
    for (number, block_hash), in_block in groupby(logs, key=lambda log: (log.block_number, log.block_hash)):
        block = end if number == end.number else chain.block(number)
        if block.hash != block_hash:
            raise ChainError(f"block {number} changed while it was read")
        by_transaction = groupby(in_block, key=lambda log: log.transaction_hash)
        records = tuple(_record(block, list(of_one)) for _, of_one in by_transaction)
        read.append(_ReadBlock(checkpoint=_checkpoint(block), records=records))
    if not read or read[-1].number < end.number:
        read.append(_ReadBlock(checkpoint=_checkpoint(end)))
    # Looked at last: had the chain changed before, or while we read, this block would not be there any more.
    if chain.block(after.block_number).hash != after.block_hash:
        raise ChainError(f"the chain has another block {after.block_number} than when it was read last")
    if chain.block(end.number).hash != end.hash:
        raise ChainError(f"block {end.number} changed while it was read")
    return read


def _record(block: Block, logs: Sequence[Log]) -> LedgerRecord:
    return LedgerRecord(
        transaction_hash=logs[0].transaction_hash,
        block_number=block.number,
        transaction_index=logs[0].transaction_index,
        timestamp=block.timestamp,
        events=tuple(abi.decode_log(log.topics, log.data) for log in logs),
    )


def _checkpoint(block: Block) -> Checkpoint:
    return Checkpoint(block_number=block.number, block_hash=block.hash)


def _observe(view: LedgerView, blocks: Sequence[_ReadBlock]) -> None:
    for block in blocks:
        for record in block.records:
            view.observe(record.events)


def _copy(view: LedgerView) -> LedgerView:
    """Return a view that changes on its own: its maps are copied, the values in them never change."""
    twin = copy.copy(view)
    for name, value in vars(view).items():
        if isinstance(value, dict | set):
            setattr(twin, name, value.copy())
    return twin
