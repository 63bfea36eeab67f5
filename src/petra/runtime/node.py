"""One Ethereum node and those who work through it: what they send, what it tells them.

Decides: when there is news. Knows no market; a passing failure of the node is waited out, for a while.
Invariants: effects follow final blocks only, offers are looked at in the newest one; an intent is signed once and the
same bytes are sent again until its receipt is final.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from petra.chain.client import LedgerClient
from petra.chain.errors import NonceUnresolved, Reorganised
from petra.chain.reader import LedgerReader
from petra.domain.blocks import Block, Intent, LedgerRecord, Outcome
from petra.errors import ChainError
from petra.play.stage import Actor
from petra.ports import Chain
from petra.store.outbox import SqlOutbox

PAUSE_SECONDS = 1.0  # between two attempts at a node that fails
RESEND_BLOCKS = 5  # after so many blocks without a receipt the same bytes are sent again


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a node told since the last time: its newest block, and what became final.

    Attributes:
        undone: None, or: final blocks are gone, and with them these transactions (hashes).
    """

    head: Block
    records: tuple[LedgerRecord, ...]
    outcomes: tuple[Outcome, ...]
    undone: tuple[bytes, ...] | None = None


@dataclass(slots=True, kw_only=True)
class LiveNode:
    """A node with the actors that use it.

    Attributes:
        signed: gets the bytes of everything that was sent, by hash.
        patience_seconds: how long the node may fail before the run is given up.
    """

    name: str
    chain: Chain
    outbox: SqlOutbox
    client: LedgerClient
    reader: LedgerReader
    signed: dict[bytes, bytes]
    patience_seconds: float
    actors: list[Actor] = field(default_factory=list)
    _waiting: list[Intent] = field(default_factory=list)
    _head: bytes = b""
    _failing_since: float | None = None
    _quiet_until: float = 0
    _resent_at: int = 0

    def take(self, intent: Intent) -> None:
        """Keep an intent for the next `send`."""
        self._waiting.append(intent)

    def send(self, now: float) -> None:
        """Sign, keep and send what waits; what cannot be sent now is sent with the next news."""
        if not self._waiting or now < self._quiet_until:
            return
        waiting, self._waiting = self._waiting, []
        try:
            self.client.submit(waiting)
        except NonceUnresolved:
            # A reorganisation took an outcome back: its sender waits for it again, and so do we.
            self._waiting = waiting
            return
        except ChainError as error:
            self._fails(error, now)
        kept = self.outbox.find([intent.intent_id for intent in waiting])
        self.signed.update({one.transaction_hash: one.raw for one in kept.values()})

    def news(self, now: float) -> News | None:
        """Return what is new at this node, None where nothing is or it does not answer for the moment.

        Raises:
            ChainError: it has not answered for longer than its patience.
        """
        if now < self._quiet_until:
            return None
        try:
            head = self.chain.head()
            if head.hash == self._head:
                return None
            news = self._read(head)
            if head.number >= self._resent_at + RESEND_BLOCKS:
                self.client.resend_pending()
                self._resent_at = head.number
        except ChainError as error:
            self._fails(error, now)
            return None
        self._head, self._failing_since = head.hash, None
        return news

    def _read(self, head: Block) -> News:
        try:
            records: Sequence[LedgerRecord] = self.reader.advance()
        except Reorganised as error:
            self.client.reopen(error.ancestor)
            return News(head=head, records=(), outcomes=(), undone=error.undone)
        return News(head=head, records=tuple(records), outcomes=tuple(self.client.outcomes()))

    def _fails(self, error: ChainError, now: float) -> None:
        """Leave the node alone for a moment, so that it does not hold up the others; give up after a while."""
        self._failing_since = self._failing_since or now
        self._quiet_until = now + PAUSE_SECONDS
        self._resent_at = -RESEND_BLOCKS  # what it may have lost is sent again with its first news
        if now - self._failing_since > self.patience_seconds:
            raise ChainError(f"{self.name} has failed for {self.patience_seconds:.0f} s: {error}") from error
