"""The stage: an agenda of what comes when, and what becomes of each effect, whatever the clock (DESIGN 2).

Decides: how effects become messages, timers and journal entries; transactions it hands to its driver, which knows the
chain. Knows no rule of the market and no price; roles do.
Invariant: an actor that is offline hears of an event when it is back, in the order in which it came.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from petra.domain.blocks import Intent, LedgerRecord, Outcome
from petra.domain.calls import Protest
from petra.domain.messages import Body, Envelope, WithdrawAssets
from petra.domain.refusals import Refusal
from petra.domain.terms import Address
from petra.errors import MessageError
from petra.fabric.memory import MemoryFabric
from petra.ledger.fold import LedgerView
from petra.play.records import as_fields
from petra.ports import Journal, Keys
from petra.roles.effects import (
    Effect,
    Event,
    LedgerAdvanced,
    MessageArrived,
    Note,
    Resend,
    Send,
    Submit,
    SubmitProtest,
    WakeAt,
    Woken,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the stage acts on, beside the chain.

    Attributes:
        domain: keccak256 of the envelopes' domain.
        submit: takes an actor's intent for the ledger.
    """

    contract: Address
    fabric: MemoryFabric
    keys: Keys
    journal: Journal
    domain: bytes
    submit: Callable[[Actor, Intent], None]


@dataclass(slots=True, kw_only=True)
class Stage:
    """One run: the actors, the agenda, and everything that is under way.

    Attributes:
        now: the unix second that everything happens at until the driver moves it.
        arrivals: draws the order in which the homes hear of a block.
    """

    outside: Outside
    now: int
    arrivals: Random
    actors: list[Actor] = field(default_factory=list)
    _agenda: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _owners: dict[str, Actor] = field(default_factory=dict)
    _calls: dict[str, str] = field(default_factory=dict)
    _sent: dict[bytes, tuple[Address, bytes]] = field(default_factory=dict)
    _sequences: dict[tuple[Address, Address], int] = field(default_factory=dict)
    _delivery_at: int | None = None

    def at(self, time: int, action: Callable[[], None]) -> None:
        """Do something at a unix second, after everything that was planned for it before."""
        self._count += 1
        heapq.heappush(self._agenda, (time, self._count, action))

    @property
    def next_at(self) -> int | None:
        """The unix second of what comes next, None when nothing is planned."""
        return self._agenda[0][0] if self._agenda else None

    def do_next(self) -> None:
        """Do what comes next."""
        _, _, action = heapq.heappop(self._agenda)
        action()

    def give(self, actor: Actor, event: Event) -> None:
        """Let an actor take an event now, or when it is online again, and carry out what it wants."""
        online = actor.online_at(self.now)
        if online > self.now:
            self.at(online, lambda: self.give(actor, event))
            return
        for effect in actor.step(event, self.now, actor.rng):
            self._carry_out(actor, effect)

    def tell_of_blocks(
        self,
        records: Sequence[LedgerRecord],
        outcomes: Sequence[Outcome],
        view: LedgerView,
        audience: Sequence[Actor] | None = None,
    ) -> None:
        """Tell actors (all, unless named) what final blocks brought, and each how its own transactions ended.

        The DSO hears first, the homes in a new order each time: in a fixed one the same homes would win every race for
        an offer (R33).
        """
        first, *others = self.actors if audience is None else audience
        for actor in (first, *self.arrivals.sample(others, len(others))):
            own = tuple(outcome for outcome in outcomes if self._owners.get(outcome.intent_id) is actor)
            self.give(actor, LedgerAdvanced(records=tuple(records), outcomes=own, view=view))

    def note_record(self, record: LedgerRecord) -> None:
        """Write a transaction's events into the journal."""
        for event in record.events:
            fields = as_fields(event) | {
                "event": type(event).__name__,
                "block": record.block_number,
                "transaction": record.transaction_hash.hex(),
            }
            self.outside.journal.append(record.timestamp, "ledger", fields)

    def note_void(self, outcome: Outcome, refusal: Refusal | None) -> None:
        """Write into the journal that the ledger refused a transaction, and why if that is known."""
        fields = {
            "home": self._owners[outcome.intent_id].name,
            "intent": outcome.intent_id,
            "call": self._calls[outcome.intent_id],
            "reason": str(refusal) if refusal else "unknown",
        }
        self.outside.journal.append(self.now, "void", fields)

    def _carry_out(self, actor: Actor, effect: Effect) -> None:
        match effect:
            case Submit(intent=intent):
                self._owners[intent.intent_id] = actor
                self._calls[intent.intent_id] = type(intent.call).__name__
                self.outside.submit(actor, intent)
            case SubmitProtest(intent_id=intent_id, sender=sender, message_id=message_id):
                digest = envelope_hash(self._sent[message_id][1])
                intent = Intent(intent_id=intent_id, sender=sender, call=Protest(digest=digest))
                self._carry_out(actor, Submit(intent=intent))
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
        self._plan_delivery()

    def _plan_delivery(self) -> None:
        """Plan the next delivery, unless one is planned that early already."""
        due = self.outside.fabric.next_due()
        if due is not None and (self._delivery_at is None or due < self._delivery_at):
            self._delivery_at = max(due, self.now)
            self.at(self._delivery_at, self._deliver)

    def _deliver(self) -> None:
        self._delivery_at = None
        for recipient, raw in self.outside.fabric.due(self.now):
            envelope = self._opened(raw)
            actor = next((one for one in self.actors if recipient in one.addresses), None)
            if envelope is not None and actor is not None and envelope.recipient == recipient:
                self.give(actor, MessageArrived(envelope=envelope))
        self._plan_delivery()

    def _opened(self, raw: bytes) -> Envelope | None:
        try:
            return open_envelope(raw, self.outside.domain)
        except MessageError:
            return None
