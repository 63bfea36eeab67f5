"""The virtual clock: a queue of events, the blocks' grid, and what becomes of each effect (DESIGN 12).

Decides: in which order things happen. Knows no rule of the market and no price; roles do.
Invariants: nothing comes from the wall clock; a transaction sent at time t stands in the first block after t, in the
order of sending; blocks without transactions are not made.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from petra.chain.client import LedgerClient, read_records
from petra.domain.blocks import Checkpoint, Intent, LedgerRecord, Outcome
from petra.domain.messages import Body, Envelope, WithdrawAssets
from petra.domain.terms import Address
from petra.errors import MessageError
from petra.fabric.memory import MemoryFabric
from petra.ledger.fold import LedgerView
from petra.ports import Journal, Keys, VirtualChain
from petra.roles.effects import (
    Effect,
    Event,
    LedgerAdvanced,
    MessageArrived,
    Note,
    Resend,
    Send,
    Submit,
    WakeAt,
    Woken,
)
from petra.sim.records import as_fields, block_line
from petra.store.outbox import SqlOutbox
from petra.wire.envelope import Header, address_proof_digest, envelope_hash, open_envelope, seal


@dataclass(slots=True, kw_only=True)
class Actor:
    """One role that plays: `step` is bound to its state; `addresses` are where messages reach it."""

    name: str
    addresses: tuple[Address, ...]
    step: Callable[[Event, int, Random], list[Effect]]
    rng: Random
    offline: tuple[tuple[int, int], ...] = ()

    def online_at(self, now: int) -> int:
        """Return the first unix second from now on at which it is online."""
        return next((until for begin, until in self.offline if begin <= now < until), now)


@dataclass(slots=True, kw_only=True)
class Outside:
    """What the engine acts on: the ports of this run.

    Attributes:
        domain: keccak256 of the envelopes' domain. publish: takes each block's line of the public record.
    """

    chain: VirtualChain
    outbox: SqlOutbox
    client: LedgerClient
    contract: Address
    fabric: MemoryFabric
    keys: Keys
    journal: Journal
    domain: bytes
    publish: Callable[[Mapping[str, object]], None]


@dataclass(slots=True, kw_only=True)
class Engine:
    """One run: the queue and everything that is under way.

    Attributes:
        block_seconds, block_origin: blocks stand at origin + n * block_seconds.
        arrivals: draws the order in which the homes hear of a block.
        on_progress: called with the virtual time after each event.
    """

    outside: Outside
    view: LedgerView
    checkpoint: Checkpoint
    block_seconds: int
    block_origin: int
    arrivals: Random
    on_progress: Callable[[int], None]
    actors: list[Actor] = field(default_factory=list)
    transactions: int = 0
    now: int = 0
    _queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _intents: list[Intent] = field(default_factory=list)
    _owners: dict[str, Actor] = field(default_factory=dict)
    _calls: dict[str, str] = field(default_factory=dict)
    _block_at: int | None = None
    _sent: dict[bytes, tuple[Address, bytes]] = field(default_factory=dict)
    _sequences: dict[tuple[Address, Address], int] = field(default_factory=dict)

    def at(self, time: int, action: Callable[[], None]) -> None:
        """Do something at a unix second, after everything that was planned for it before."""
        self._count += 1
        heapq.heappush(self._queue, (time, self._count, action))

    def give(self, actor: Actor, event: Event) -> None:
        """Let an actor take an event now, or when it is online again, and carry out what it wants."""
        online = actor.online_at(self.now)
        if online > self.now:
            self.at(online, lambda: self.give(actor, event))
            return
        for effect in actor.step(event, self.now, actor.rng):
            self._carry_out(actor, effect)

    def run(self) -> None:
        """Play until nothing is planned."""
        while self._queue:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            self.on_progress(self.now)

    def _carry_out(self, actor: Actor, effect: Effect) -> None:
        match effect:
            case Submit(intent=intent):
                self._owners[intent.intent_id] = actor
                self._calls[intent.intent_id] = type(intent.call).__name__
                self._intents.append(intent)
                self._plan_block()
            case Send():
                self._send(effect)
            case Resend(message_id=message_id):
                recipient, raw = self._sent[message_id]
                self._hand_over(recipient, raw)
            case WakeAt(at=at, phase=phase, timestep=timestep):
                self.at(max(at, self.now), lambda: self.give(actor, Woken(phase=phase, timestep=timestep)))
            case Note(kind=kind, fields=fields):
                self.outside.journal.append(self.now, kind, fields)

    def _send(self, effect: Send) -> None:
        pair = (effect.sender, effect.recipient)
        sequence = self._sequences.get(pair, 0)
        self._sequences[pair] = sequence + 1
        header = Header(
            message_id=effect.message_id,
            sender=effect.sender,
            recipient=effect.recipient,
            sequence=sequence,
            created=self.now,
            deadline=effect.deadline,
        )
        sign = partial(self.outside.keys.sign, effect.sender)
        envelope = seal(header, self._proven(effect), sign, self.outside.domain)
        self._sent[effect.message_id] = (effect.recipient, envelope.raw)
        fields = {
            "message": effect.message_id.hex(),
            "message_kind": envelope.kind.value,
            "sender": effect.sender,
            "recipient": effect.recipient,
            "hash": envelope_hash(envelope.raw).hex(),
            "bytes": len(envelope.raw),
        }
        self.outside.journal.append(self.now, "message", fields)
        self._hand_over(effect.recipient, envelope.raw)

    def _proven(self, effect: Send) -> Body:
        """Let each pseudonym of a withdrawal sign that the sender controls it."""
        if not isinstance(effect.body, WithdrawAssets):
            return effect.body
        assets = []
        for asset in effect.body.assets:
            digest = address_proof_digest(self.outside.domain, effect.message_id, effect.sender, asset.anon_address)
            assets.append(replace(asset, proof=self.outside.keys.sign(asset.anon_address, digest)))
        return WithdrawAssets(assets=tuple(assets))

    def _hand_over(self, recipient: Address, raw: bytes) -> None:
        self.outside.fabric.send(recipient, raw, self.now)
        due = self.outside.fabric.next_due()
        if due is not None:
            self.at(max(due, self.now), self._deliver)

    def _deliver(self) -> None:
        for recipient, raw in self.outside.fabric.due(self.now):
            envelope = self._opened(raw)
            actor = next((one for one in self.actors if recipient in one.addresses), None)
            if envelope is not None and actor is not None and envelope.recipient == recipient:
                self.give(actor, MessageArrived(envelope=envelope))
        due = self.outside.fabric.next_due()
        if due is not None:
            self.at(max(due, self.now), self._deliver)

    def _opened(self, raw: bytes) -> Envelope | None:
        try:
            return open_envelope(raw, self.outside.domain)
        except MessageError:
            return None

    def _plan_block(self) -> None:
        if self._block_at is None:
            since = self.now - self.block_origin
            self._block_at = self.block_origin + (since // self.block_seconds + 1) * self.block_seconds
            self.at(self._block_at, self._make_block)

    def _make_block(self) -> None:
        """Send everything that waits, make the block, and tell the actors what it brought."""
        outside, self._block_at = self.outside, None
        intents, self._intents = self._intents, []
        outside.client.submit(intents)
        block = outside.chain.mine(self.now)
        outcomes = outside.client.outcomes()
        records, self.checkpoint = read_records(outside.chain, outside.contract, self.checkpoint)
        self.transactions += len(block.transactions)
        logs = outside.chain.logs(outside.contract, block.number, block.number)
        outside.publish(block_line(block, outcomes, logs, outside.outbox))
        for record in records:
            self.view.observe(record.events)
            self._note_record(record)
        for outcome in outcomes:
            if not outcome.done:
                self._note_void(outcome)
        for actor in self._by_arrival():
            own = tuple(outcome for outcome in outcomes if self._owners[outcome.intent_id] is actor)
            self.give(actor, LedgerAdvanced(records=tuple(records), outcomes=own, view=self.view))

    def _by_arrival(self) -> list[Actor]:
        """Return the actors in the order in which news reaches them: the DSO first, the homes in a new order each time.

        In a fixed order the same homes would win every race for an offer (R33).
        """
        dso, *homes = self.actors
        return [dso, *self.arrivals.sample(homes, len(homes))]

    def _note_record(self, record: LedgerRecord) -> None:
        for event in record.events:
            fields = as_fields(event) | {
                "event": type(event).__name__,
                "block": record.block_number,
                "transaction": record.transaction_hash.hex(),
            }
            self.outside.journal.append(record.timestamp, "ledger", fields)

    def _note_void(self, outcome: Outcome) -> None:
        refusal = self.outside.chain.refusal(outcome.transaction_hash)
        fields = {
            "home": self._owners[outcome.intent_id].name,
            "intent": outcome.intent_id,
            "call": self._calls[outcome.intent_id],
            "reason": str(refusal) if refusal else "unknown",
        }
        self.outside.journal.append(self.now, "void", fields)
