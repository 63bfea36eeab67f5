"""A client process that is made to be killed: it plays a plan, keeps books, and can be started again at any time.

It uses the real client, reader and outbox over the real adapter; only the ports are wrapped, to die at a chosen point.
Its books are the simplest that keep DESIGN 4's rule: an outcome is stored under its intent's id, the records of a look
are stored in one commit with the reader's trail.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from petra.chain.client import LedgerClient
from petra.chain.reader import LedgerReader, Mark, trail_from_text, trail_to_text
from petra.chain.rpc import RpcChain
from petra.domain.blocks import Intent, LedgerRecord, Outcome, Receipt
from petra.domain.calls import Call, Protest, RescindOffer
from petra.domain.events import Protested
from petra.domain.terms import Address, Terms
from petra.errors import ChainError
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.transaction import SignedIntent

CONFIRMATIONS = 2
GROUPS, GROUP = 4, 4  # pseudonyms, and intents of each
POINTS = (
    "before put",
    "after put, before send",
    "in the middle of a batch send",
    "after send, before receipt",
    "after receipt, before settle",
    "after settle",
    "before the books",
    "after the books",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one victim is to do, over as many lives as it takes."""

    url: str
    folder: Path
    contract: Address
    terms: Terms
    seed: int

    def intents(self, keys: SimulatedKeys) -> list[list[Intent]]:
        """Return the groups, each of one pseudonym; the last of a group is refused by the contract."""
        groups = []
        for group in range(GROUPS):
            sender = keys.new(f"home {group}")
            calls: list[Call] = [Protest(digest=self.digest(group * GROUP + number)) for number in range(GROUP - 1)]
            calls.append(RescindOffer(offer_id=10**6))
            groups.append(
                [Intent(intent_id=f"{group}.{n}", sender=sender, call=call) for n, call in enumerate(calls)]
            )
        return groups

    def digest(self, number: int) -> bytes:
        """Return what a protest says: no two of any two plans are alike."""
        return (self.seed * 1_000 + number).to_bytes(32)


@dataclass(slots=True)
class Crash:
    """Kills this process the n-th time that it comes to a point; "" never does, "any" counts all points."""

    point: str
    count: int

    def at(self, point: str) -> None:
        """Come to a point."""
        if self.point in {point, "any"}:
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalOutbox(SqlOutbox):
    """The outbox, with points to die at."""

    def __init__(self, path: Path, crash: Crash) -> None:
        """Open it."""
        super().__init__(path)
        self._crash = crash

    def put(self, transactions: Sequence[SignedIntent]) -> None:
        """Keep, or die before or after."""
        self._crash.at("before put")
        super().put(transactions)
        self._crash.at("after put, before send")

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Mark, or die before or after."""
        if outcomes:
            self._crash.at("after receipt, before settle")
        super().settle(outcomes)
        if outcomes:
            self._crash.at("after settle")


class MortalChain(RpcChain):
    """The chain, with points to die at."""

    def __init__(self, url: str, crash: Crash) -> None:
        """Connect, patiently."""
        self._crash = crash
        super().__init__(url, timeout_seconds=2, patience_seconds=2)

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Send in two halves, and die in between or after."""
        half = len(raw_transactions) // 2
        hashes = super().send(raw_transactions[:half])
        if half:
            self._crash.at("in the middle of a batch send")
        hashes += super().send(raw_transactions[half:])
        if raw_transactions:
            self._crash.at("after send, before receipt")
        return hashes

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Look, or die before anything is made of it."""
        found = super().receipts(hashes)
        if any(found):
            self._crash.at("after receipt, before settle")
        return found


class Books:
    """What the victim believes, in a database of its own: how each intent ended, and what was read."""

    def __init__(self, path: Path, crash: Crash) -> None:
        """Open or make them."""
        self._crash = crash
        self._database = sqlite3.connect(path)
        self._database.executescript(
            "CREATE TABLE IF NOT EXISTS outcomes (intent_id TEXT PRIMARY KEY, done INTEGER NOT NULL);"
            "CREATE TABLE IF NOT EXISTS effects (hash BLOB PRIMARY KEY, digest BLOB UNIQUE NOT NULL);"
            "CREATE TABLE IF NOT EXISTS trail (one INTEGER PRIMARY KEY CHECK (one = 1), marks TEXT NOT NULL);"
        )

    def take_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes; one that is told again must say the same."""
        if not outcomes:
            return
        self._crash.at("before the books")
        with self._database as database:
            for outcome in outcomes:
                row = (outcome.intent_id, outcome.done)
                database.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?)", row)
                kept = database.execute("SELECT done FROM outcomes WHERE intent_id = ?", row[:1]).fetchone()
                assert kept == (outcome.done,)
        self._crash.at("after the books")

    def take_records(self, records: Sequence[LedgerRecord], trail: Sequence[Mark], own: set[bytes]) -> None:
        """Store the effects of our protests with the trail, in one commit; an effect that came before is an error."""
        self._crash.at("before the books")
        with self._database as database:
            for record in records:
                for event in record.events:
                    if isinstance(event, Protested) and event.digest in own:
                        database.execute("INSERT INTO effects VALUES (?, ?)", (record.transaction_hash, event.digest))
            database.execute("INSERT OR REPLACE INTO trail VALUES (1, ?)", (trail_to_text(trail),))
        self._crash.at("after the books")

    def trail(self) -> list[Mark]:
        """Return the trail that was stored with the last effects."""
        row = self._database.execute("SELECT marks FROM trail").fetchone()
        return trail_from_text(row[0]) if row else []

    def outcomes(self) -> dict[str, bool]:
        """Return how each intent ended."""
        return {key: bool(done) for key, done in self._database.execute("SELECT intent_id, done FROM outcomes")}

    def effects(self) -> list[bytes]:
        """Return the digests that were read."""
        return [digest for (digest,) in self._database.execute("SELECT digest FROM effects")]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def live(plan: Plan, crash: Crash) -> None:
    """Play the plan to its end, from wherever the last life left it; passing trouble is met by trying again."""
    keys = SimulatedKeys(seed=plan.seed)
    groups = plan.intents(keys)
    own = {one.call.digest for group in groups for one in group if isinstance(one.call, Protest)}
    books = Books(plan.folder / "books.db", crash)
    outbox = MortalOutbox(plan.folder / "outbox.db", crash)
    chain = _patiently_connected(plan.url, crash)
    client = LedgerClient(chain, keys, outbox, plan.contract, confirmations=CONFIRMATIONS)
    reader = LedgerReader(chain, plan.contract, plan.terms, confirmations=CONFIRMATIONS, trail=books.trail())
    while len(told := books.outcomes()) < GROUPS * GROUP or len(books.effects()) < len(own) or client.unresolved:
        try:
            for group in groups[: len(told) // GROUP + 1]:  # one after the other, so that each life may put and send
                client.submit(group)
            books.take_outcomes(client.outcomes())
            client.acknowledge()
            records = reader.advance()
            if records:
                books.take_records(records, reader.trail, own)
            client.resend_pending()
        except ChainError:
            pass
        time.sleep(0.002)  # noqa: TID251 a driver waits for blocks
    outbox.close()
    books.close()
    chain.close()


def _patiently_connected(url: str, crash: Crash) -> MortalChain:
    while True:
        try:
            return MortalChain(url, crash)
        except ChainError:
            time.sleep(0.01)  # noqa: TID251 a driver waits for its node
