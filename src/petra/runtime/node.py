"""One Ethereum node and those who work through it: what they send, what it tells them.

Decides: when there is news. Knows no market; a passing failure of the node is waited out, for a while.
Invariants: effects follow final blocks only, offers are looked at in the newest one; an intent is signed once and the
same bytes are sent again until its receipt is final.
"""

from dataclasses import dataclass, field

from petra.chain.client import LedgerClient
from petra.chain.errors import Reorganised
from petra.chain.reader import LedgerReader
from petra.domain.blocks import Block, Intent, LedgerRecord, Outcome
from petra.domain.terms import Address
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
        queues: senders that sign on while transactions of theirs are under way: the DSO's address.
        patience_seconds: how long the node may fail before the run is given up.
    """

    name: str
    chain: Chain
    outbox: SqlOutbox
    client: LedgerClient
    reader: LedgerReader
    signed: dict[bytes, bytes]
    queues: frozenset[Address]
    patience_seconds: float
    actors: list[Actor] = field(default_factory=list)
    _waiting: list[Intent] = field(default_factory=list)
    _records: list[LedgerRecord] = field(default_factory=list)
    _outcomes: list[Outcome] = field(default_factory=list)
    _undone: tuple[bytes, ...] | None = None
    _head: bytes = b""
    _failing_since: float | None = None
    _quiet_until: float = 0
    _resent_at: int = 0

    def take(self, intent: Intent) -> None:
        """Keep an intent for the next `send`."""
        self._waiting.append(intent)

    def send(self, now: float) -> None:
        """Sign, keep and send what waits; what cannot be sent now is sent with the next news.

        Whose transactions are under way again, because a reorganisation took an outcome back, waits for them.
        """
        if now < self._quiet_until:
            return
        busy = self.client.unresolved - self.queues
        ready = [intent for intent in self._waiting if intent.sender not in busy]
        if not ready:
            return
        self._waiting = [intent for intent in self._waiting if intent.sender in busy]
        try:
            self.client.submit(ready)
        except ChainError as error:
            self._fails(error, now)
        kept = self.outbox.find([intent.intent_id for intent in ready])
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
            self._read()
            if head.number >= self._resent_at + RESEND_BLOCKS:
                self.client.resend_pending()
                self._resent_at = head.number
        except ChainError as error:
            self._fails(error, now)
            return None
        self._head, self._failing_since = head.hash, None
        news = News(head=head, records=tuple(self._records), outcomes=tuple(self._outcomes), undone=self._undone)
        self._records, self._outcomes, self._undone = [], [], None
        return news

    def _read(self) -> None:
        """Read on; what was read stays here until it is delivered, also where the node fails half-way."""
        try:
            self._records += self.reader.advance()
        except Reorganised as error:
            self.client.reopen(error.ancestor)
            self._undone = (self._undone or ()) + error.undone
        self._outcomes += self.client.outcomes()

    def _fails(self, error: ChainError, now: float) -> None:
        """Leave the node alone for a moment, so that it does not hold up the others; give up after a while."""
        self._failing_since = self._failing_since or now
        self._quiet_until = now + PAUSE_SECONDS
        self._resent_at = -RESEND_BLOCKS  # what it may have lost is sent again with its first news
        if now - self._failing_since > self.patience_seconds:
            raise ChainError(f"{self.name} has failed for {self.patience_seconds:.0f} s: {error}") from error
