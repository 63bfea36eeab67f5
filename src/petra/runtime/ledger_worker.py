"""A service's way to the ledger: a thread that signs what is wanted, sends it, and brings what became final.

Decides: when to read and when to send again. Knows no market and no book.
Invariants: an intent is read from the database, where the round that wanted it was committed, so a crash loses none and
the client signs none twice; there is one piece of news at a time, and the next is read when its effects are stored.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from petra.chain.client import LedgerClient, first_checkpoint, read_records
from petra.chain.errors import NonceTaken, Reorganised, WrongChain
from petra.chain.reader import LedgerReader, trail_to_text
from petra.domain.blocks import Checkpoint, Intent, LedgerRecord, Outcome
from petra.domain.refusals import LedgerReason
from petra.domain.terms import Address
from petra.errors import ChainError, PetraError, StoreError
from petra.ports import Chain

POLL_SECONDS = 0.25
GATHER_SECONDS = 0.1  # what a DSO grants meanwhile is signed, kept and sent at once; a block takes a second or more
BREATH_SECONDS = 0.02  # both threads share one interpreter: between two long steps the role has a round of its own
OUTCOMES_MAX = 100  # in one piece of news: its round must not keep the messages waiting
PAUSE_SECONDS = 1.0  # between two attempts at a node that fails
RESEND_SECONDS = 5.0
_GRANTED_BEFORE = frozenset({LedgerReason.ENERGY_ALREADY_GRANTED, LedgerReason.MONEY_ALREADY_GRANTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What became final since the last time.

    Attributes:
        through: the last final block.
        trail: where a reader goes on when all this is stored.
    """

    records: tuple[LedgerRecord, ...]
    outcomes: tuple[Outcome, ...]
    through: Checkpoint
    trail: str


class Wanted(Protocol):
    """The intents that rounds have committed and nobody has signed."""

    def wanted(self) -> list[Intent]:
        """Return them in order."""
        ...

    def parts(self, intent_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return for those of the intents that are batches what each carries."""
        ...

    def separate(self, intent_id: str) -> None:
        """Let each part of an unsigned batch wait on its own."""
        ...


class LedgerWorker(threading.Thread):
    """One node, one contract, one outbox.

    Attributes:
        failure: what ended the thread; the service must end too.
        trouble: what the node last failed with; None while it answers.
        head: the number of the last final block that was seen.
        final_at: the unix second of the last final block up to which every effect is stored.
    """

    def __init__(
        self,
        chain: Chain,
        contract: Address,
        client: LedgerClient,
        reader: LedgerReader,
        wanted: Wanted,
        *,
        queues: Collection[Address] = (),
        wake: Callable[[], None] = lambda: None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            chain: the node.
            contract: whose logs are read.
            client: signs and sends.
            reader: follows the logs.
            wanted: what rounds have committed.
            queues: senders that sign on while transactions of theirs are under way, each after a dry run: the DSO's.
            wake: called when there is news.
            poll_seconds: how often the node is asked.
        """
        super().__init__(name="ledger", daemon=True)
        self.failure: PetraError | None = None
        self.trouble: str | None = None
        self.head = 0
        self.final_at = 0
        self._chain = chain
        self._contract = contract
        self._client = client
        self._reader = reader
        self._wanted = wanted
        self._queues = frozenset(queues)
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._nudged = threading.Event()
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._news: News | None = None
        self._later: deque[News] = deque()  # more of what was read at once
        self._records: list[LedgerRecord] = []  # read, and kept while the node fails half-way
        self._stored = True
        self._resent_at = 0.0
        self._asked_at: Checkpoint | None = None  # the last final block when outcomes were asked for
        self._through_at = 0  # unix second of the last final block that was read
        self._refused: dict[str, Outcome] = {}  # in a dry run
        self._told: set[str] = set()

    def history(self, through: Checkpoint) -> list[LedgerRecord]:
        """Return every record up to a block that was read before.

        Raises:
            WrongChain: the block is not on this chain any more.
        """
        first = first_checkpoint(self._chain)
        if through.block_number == 0:
            return []
        if self._chain.block(through.block_number).hash != through.block_hash:
            raise WrongChain(
                f"block {through.block_number} of the diary is not on the node's chain: it is another chain, another "
                "node that lags, or one that took final blocks back"
            )
        confirmations = max(0, self._chain.head().number - through.block_number)
        records, _ = read_records(self._chain, self._contract, first, confirmations=confirmations)
        return [record for record in records if record.block_number <= through.block_number]

    def nudge(self) -> None:
        """Say that intents were committed."""
        self._nudged.set()

    def news(self) -> News | None:
        """Return what has become final, once; the next follows when `stored` was called."""
        with self._lock:
            news, self._news = self._news, None
        return news

    def stored(self) -> None:
        """Say that the effects of the last news are on disk."""
        with self._lock:
            self._news = self._later.popleft() if self._later else None
            self._stored = self._news is None
        if self._stored:
            self.final_at = self._through_at
            self._nudged.set()
        else:
            self._wake()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._ends.set()
        self._nudged.set()
        if self.is_alive():
            self.join(timeout=10)

    def run(self) -> None:
        """Go on until stopped, or until nothing can be trusted any more."""
        try:
            while not self._ends.is_set():
                self.turn()
                self._nudged.wait(self._poll_seconds)
                if self._queues:
                    self._ends.wait(GATHER_SECONDS)
                self._nudged.clear()
        except (StoreError, WrongChain, NonceTaken, Reorganised) as error:
            self.failure = error
            self._wake()

    def turn(self) -> None:
        """Read what is new, and send what waits; `run` does it again and again."""
        try:
            if self._stored:
                self._client.acknowledge()
                self._read()
            self._send()
            self.trouble = None
        except (WrongChain, NonceTaken, Reorganised):
            raise
        except ChainError as error:
            self.trouble = str(error)
            self._resent_at = 0.0  # what it may have lost is sent again when it is back
            self._ends.wait(PAUSE_SECONDS)

    def _tried(self, ready: list[Intent]) -> list[Intent]:
        """Return what the contract would take; what it would refuse ends as void and is never signed.

        A batch that it would refuse comes apart, and its parts are tried one by one the next time.

        Raises:
            StoreError: an address was granted to before, although the books know of no such grant.
        """
        refusals = self._client.refusals(ready)
        batches = self._wanted.parts(list(refusals))
        for intent_id, refusal in refusals.items():
            if refusal.reason in _GRANTED_BEFORE:
                raise StoreError(
                    f"the ledger holds a grant that the books do not know ({intent_id}: {refusal}): this database is "
                    "older than the chain, or another process signs with the same key; nothing is signed any more"
                )
            if intent_id in batches:
                self._wanted.separate(intent_id)
                self.nudge()
                continue
            self._refused[intent_id] = Outcome(
                intent_id=intent_id, done=False, transaction_hash=b"", block_number=self.head, gas_used=0
            )
        return [intent for intent in ready if intent.intent_id not in refusals]

    def _read(self) -> None:
        fresh = self._reader.advance()
        self._records += fresh
        through = self._reader.trail[-1].checkpoint
        if fresh:
            self._ends.wait(BREATH_SECONDS)
        # Nothing ends between two final blocks, and a DSO may have thousands of transactions to ask about.
        ended = self._client.outcomes() if through != self._asked_at else []
        if ended:
            self._ends.wait(BREATH_SECONDS)
        outcomes = [*self._of_parts(ended), *self._unsigned()]
        self._asked_at = through
        if through.block_number > self.head or not self._through_at:
            self._through_at = self._chain.block(through.block_number).timestamp
        self.head = max(self.head, through.block_number)
        if not self._records and not outcomes:
            self.final_at = self._through_at
            return
        self._tell(outcomes, through)
        self._records = []

    def _tell(self, outcomes: Sequence[Outcome], through: Checkpoint) -> None:
        """Make news of what was read, in pieces; the records are all in the first."""
        pieces = [outcomes[begin : begin + OUTCOMES_MAX] for begin in range(0, len(outcomes), OUTCOMES_MAX)] or [()]
        trail = trail_to_text(self._reader.trail)
        records = [tuple(self._records), *[()] * (len(pieces) - 1)]
        first, *later = (
            News(records=known, outcomes=tuple(piece), through=through, trail=trail)
            for known, piece in zip(records, pieces, strict=True)
        )
        with self._lock:
            self._news, self._stored = first, False
            self._later.extend(later)
        self._wake()

    def _of_parts(self, ended: Sequence[Outcome]) -> Iterator[Outcome]:
        """Yield how each intent ended that a role wanted: a batch ends as all that it carries, which share its gas."""
        batches = self._wanted.parts([outcome.intent_id for outcome in ended])
        for outcome in ended:
            parts = batches.get(outcome.intent_id, [outcome.intent_id])
            gas_used = outcome.gas_used // len(parts)
            yield from (replace(outcome, intent_id=part, gas_used=gas_used) for part in parts)

    def _unsigned(self) -> list[Outcome]:
        """Return what ended without a signature, once."""
        fresh = [outcome for key, outcome in self._refused.items() if key not in self._told]
        self._told |= {outcome.intent_id for outcome in fresh}
        return fresh

    def _send(self) -> None:
        wanted = self._wanted.wanted()
        busy = self._client.unresolved - self._queues
        # A pseudonym waits for the outcome of what it signed before: that decides whether more may follow.
        ready = [intent for intent in wanted if intent.sender not in busy and intent.intent_id not in self._refused]
        if self._queues and ready:
            ready = self._tried(ready)
        if ready:
            self._client.submit(ready)
        if time.monotonic() - self._resent_at >= RESEND_SECONDS:
            self._resent_at = time.monotonic()
            self._client.resend_pending()
