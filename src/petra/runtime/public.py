"""The public record of a live run: each final block that holds a transaction of ours, as everybody can see it.

Decides: which blocks are written. Knows nobody: what it writes is what the chain shows.
"""

from collections.abc import Mapping

from petra.domain.blocks import Block
from petra.domain.terms import Address
from petra.play.records import Mined, block_line
from petra.ports import Chain
from petra.store.journal import JsonLines


class PublicRecord:
    """Follows a chain at a distance and writes its blocks."""

    def __init__(
        self,
        chain: Chain,
        contract: Address,
        signed: Mapping[bytes, bytes],
        file: JsonLines,
        *,
        confirmations: int,
        first_block: int,
    ) -> None:
        """Begin at a block; `signed` holds the bytes of our transactions by hash, and grows."""
        self.transactions = 0
        self._chain = chain
        self._contract = contract
        self._signed = signed
        self._file = file
        self._confirmations = confirmations
        self._next = first_block

    def write_on(self) -> None:
        """Write what has become final since the last time."""
        last = self._chain.head().number - self._confirmations
        while self._next <= last:
            block = self._chain.block(self._next)
            if block.transactions:
                self._write(block)
            self._next += 1

    def _write(self, block: Block) -> None:
        receipts = [receipt for receipt in self._chain.receipts(block.transactions) if receipt is not None]
        mined = {
            receipt.transaction_hash: Mined(raw=raw, succeeded=receipt.succeeded, gas_used=receipt.gas_used)
            for receipt in receipts
            if (raw := self._signed.get(receipt.transaction_hash)) is not None
        }
        if mined:
            self._file.write(block_line(block, mined, self._chain.logs(self._contract, block.number, block.number)))
            self.transactions += len(mined)
