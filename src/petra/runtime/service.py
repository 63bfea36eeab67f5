"""A role as a process: it takes events in rounds, commits each round once, and only then acts (DESIGN 2, 6; R79).

Decides: the order of a round: collect, step, commit, release. Knows no rule of the market; the role does.
Invariants: nobody is told anything that is not stored; an event is taken once, whatever dies when; at start the role is
rebuilt by taking the events of its diary again, and what it then wants is compared with what the database holds.
A failed commit ends the process, because memory would be ahead of the disk.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from math import ceil
from random import Random

from petra.crash_points import reach
from petra.domain.blocks import Intent, LedgerRecord, Outcome
from petra.domain.calls import Protest
from petra.domain.messages import Body, Envelope, WithdrawAssets
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.fabric.postbox import Postbox
from petra.ledger.fold import LedgerView
from petra.ports import Keys, Link
from petra.roles.effects import (
    Effect,
    Event,
    LedgerAdvanced,
    Measured,
    Note,
    Order,
    Resend,
    Send,
    Submit,
    SubmitProtest,
    WakeAt,
    Woken,
)
from petra.runtime.agenda import Agenda, Boundaries
from petra.runtime.diary_rows import Boundary, LedgerNews, MessageName, Named
from petra.runtime.draws import Draws
from petra.runtime.figures import Figure
from petra.runtime.ledger_worker import LedgerWorker
from petra.runtime.records import DiaryRow, Records, Round
from petra.store.messages import StoredMessage
from petra.wire.envelope import Header, address_proof_digest, envelope_hash, open_envelope, seal

ARRIVALS_MAX = 32  # in one round: while it is stored, others can send
TIMERS_MAX = 500  # after a long sleep the lease is renewed in between
ROUND_SECONDS = 0.02  # a round costs a commit, so what comes within this time is taken together
PATIENCE_SECONDS = 0.25  # between two looks at the operator's orders, too
REPLAYED = "replayed"  # other bytes under an id that its sender has used
GRACE_SECONDS = 86_400  # a message is offered so long after its deadline: its recipient answers that it is too late


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A role bound to its state, and what its service feeds it beside messages, timers and the ledger.

    Attributes:
        name: `dso`, `prosumer` or `meter`; crash points begin with it.
        addresses: whose messages it takes.
        first: what its very first start brings.
        calendar: what the beginning of a timestep brings; the flag says whether it is the newest one.
        heard: what a message is to the role.
        orders: what its operator has ordered and it has not taken: positions and events.
        differences: what its rebuilt state and tables of its own disagree about.
        shows: called after each round; what is shown there is stored by then, and may be shown again.
    """

    name: str
    addresses: frozenset[Address]
    step: Callable[[Event, int, Random], list[Effect]]
    heard: Callable[[Envelope], Sequence[Event]]
    first: tuple[Woken, ...] = ()
    calendar: Callable[[int, bool], Sequence[Woken | Measured]] = lambda timestep, newest: ()
    orders: Callable[[], Sequence[tuple[int, Order]]] = lambda: ()
    differences: Callable[[], list[str]] = lambda: []
    shows: Callable[[], None] = lambda: None


@dataclass(slots=True, kw_only=True)
class Service:
    """One role, its records, and its ways to the others.

    Attributes:
        domain: keccak256 of the envelopes' domain.
        draws: where the role gets its pseudonyms.
        closing: what is closed with the service: sockets, node, database, keys.
        view: the ledger after the last final block that the role heard of.
        now: the unix second of the last round; it never goes back.
        number: of the last event that the role took.
        answer_step_ms: messages leave at multiples of so many milliseconds; 0 = at once.
        figures: what it shows beside what all services show; called from any thread.
    """

    part: Part
    records: Records
    link: Link
    postbox: Postbox
    ledger: LedgerWorker | None
    keys: Keys
    domain: bytes
    draws: Draws
    boundaries: Boundaries
    closing: ExitStack = field(default_factory=ExitStack)
    view: LedgerView | None = None
    clock: Callable[[], float] = time.time
    now: int = 0
    agenda: Agenda = field(default_factory=Agenda)
    number: int = 0
    answer_step_ms: int = 0
    figures: Callable[[], Sequence[Figure]] = tuple
    _sequences: dict[tuple[Address, Address], int] = field(default_factory=dict)
    _begun: float = 0.0  # the last round, by the monotonic clock
    _looked_at: float = 0.0  # when orders were last asked for
    _ended: set[str] = field(default_factory=set)  # intents whose outcome the role has heard

    def start(self) -> None:
        """Rebuild the role, take up what was under way, and begin.

        Raises:
            StoreError: the rebuilt role wants other things than the database holds.
            WrongChain: the node does not hold the blocks that the diary names.
        """
        replay = _Replay(self)
        replay.play()
        if problems := replay.differences():
            raise StoreError("the diary and the database disagree: " + "; ".join(problems))
        now = self.clock()
        for sent in self.records.undelivered(int(now) - GRACE_SECONDS):
            self.postbox.add(sent.recipient, sent.raw, sent.deadline + GRACE_SECONDS, now)
        if self.ledger is not None:
            self.ledger.start()

    def turn(self) -> None:
        """Wait for something to do, and do it: one round.

        Raises:
            StoreError: the round could not be stored; the process must end.
            PetraError: the ledger worker ended.
        """
        self.link.wait(self._patience())
        time.sleep(max(0.0, self._begun + ROUND_SECONDS - time.monotonic()))
        self._begun = time.monotonic()
        if self.ledger is not None and self.ledger.failure is not None:
            raise self.ledger.failure
        self.now = max(self.now, int(self.clock()))
        self.records.hold(self.clock())
        current = self._collect()
        if current:
            self._point("commit.before")
            self.records.commit(current)
            self._point("commit.after")
            self._release(current)
        self.postbox.pump(self.clock())
        self.part.shows()

    def close(self) -> None:
        """Let go of everything; what is under way is in the database."""
        if self.ledger is not None:
            self.ledger.stop()
        self.closing.close()

    # ---- collect

    def _collect(self) -> Round:
        current = Round(now=self.now, delivered=self.postbox.delivered())
        if self.number == 0:
            for woken in self.part.first:
                self._take(current, woken, (woken,))
        self._take_orders(current)
        self._take_arrivals(current)
        self._take_news(current)
        for timestep in (passed := self.boundaries.passed(self.now)):
            for event in self.part.calendar(timestep, timestep == passed[-1]):
                self._take(current, Boundary(timestep=timestep, event=event), (event,))
        due = self.agenda.due(self.now, self.ledger.final_at if self.ledger is not None else self.now)
        for woken in islice(due, TIMERS_MAX):
            self._take(current, woken, (woken,))
        return current

    def _take_orders(self, current: Round) -> None:
        if abs(self.clock() - self._looked_at) < PATIENCE_SECONDS:
            return
        self._looked_at = self.clock()
        for position, order in self.part.orders():
            self._take(current, order, (order,))
            current.orders.append(position)

    def _take_arrivals(self, current: Round) -> None:
        arrivals = self.link.receive(ARRIVALS_MAX)
        if not arrivals:
            return
        self._point("receive.after")
        known = self.records.known([_name(arrival.envelope) for arrival in arrivals])
        for arrival in arrivals:
            envelope, digest = arrival.envelope, envelope_hash(arrival.envelope.raw)
            name = _name(envelope)
            if known.get(name, digest) != digest:
                self.link.refuse(arrival, REPLAYED)
                continue
            current.arrivals.append(arrival)
            if name not in known:
                known[name] = digest
                current.received.append(envelope)
                self._take(current, MessageName(sender=name[0], message_id=name[1]), self.part.heard(envelope))

    def _take_news(self, current: Round) -> None:
        news = self.ledger.news() if self.ledger is not None else None
        if news is None:
            return
        current.news = news
        fresh = tuple(outcome for outcome in news.outcomes if outcome.intent_id not in self._ended)
        named = LedgerNews(through=news.through, outcomes=fresh)
        self._take(current, named, (self.advanced(news.records, fresh),))

    def advanced(self, records: Sequence[LedgerRecord], outcomes: Sequence[Outcome]) -> LedgerAdvanced:
        """Fold final records into the view; return them as the event that they are to the role."""
        assert self.view is not None, "a part with a ledger has a view"
        for record in records:
            self.view.observe(record.events)
        self._ended |= {outcome.intent_id for outcome in outcomes}
        return LedgerAdvanced(records=tuple(records), outcomes=tuple(outcomes), view=self.view)

    def _take(self, current: Round, named: Named, events: Sequence[Event]) -> None:
        """Let the role take what one row of the diary names, and keep what it wants for the commit."""
        self.number += 1
        for effect in self.step(self.number, events, current.now):
            self._keep(current, effect)
        row = DiaryRow(number=self.number, at=current.now, named=named, drawn=self.draws.taken())
        current.rows.append(row)

    def step(self, number: int, events: Sequence[Event], now: int) -> list[Effect]:
        """Take events with the chance that belongs to their number."""
        rng = Random(f"{self.records.seed}:{number}")
        return [effect for event in events for effect in self.part.step(event, now, rng)]

    # ---- keep and release

    def _keep(self, current: Round, effect: Effect) -> None:
        match effect:
            case Submit(intent=intent):
                current.intents.append(intent)
            case SubmitProtest():
                current.intents.append(self._protest(current, effect))
            case Send():
                current.sent.append(self._sealed(effect))
            case Resend(message_id=message_id):
                current.again.append(message_id)
            case WakeAt():
                self.agenda.add(effect)
            case Note():
                current.notes.append((self.number, effect))

    def _protest(self, current: Round, effect: SubmitProtest) -> Intent:
        """Return the intent that puts the hash of one of our messages on the ledger, this round's among them."""
        named = (one for one in current.sent if one.message_id == effect.message_id)
        message = next(named, None) or self.records.sent_before(effect.message_id)
        if message is None:
            raise StoreError(f"the message {effect.message_id.hex()} that is to be protested is not in the database")
        call = Protest(digest=envelope_hash(message.raw))
        return Intent(intent_id=effect.intent_id, sender=effect.sender, call=call)

    def _sealed(self, effect: Send) -> Envelope:
        header = Header(
            message_id=effect.message_id,
            sender=effect.sender,
            recipient=effect.recipient,
            sequence=self.count(effect),
            created=self.now,
            deadline=effect.deadline,
        )
        self._point("sign.before")
        envelope = seal(header, self._proven(effect), partial(self.keys.sign, effect.sender), self.domain)
        self._point("sign.after")
        return envelope

    def count(self, effect: Send) -> int:
        """Return the sequence number of a message, and count it."""
        pair = (effect.sender, effect.recipient)
        sequence = self._sequences.get(pair, 0)
        self._sequences[pair] = sequence + 1
        return sequence

    def _proven(self, effect: Send) -> Body:
        """Let each pseudonym of a withdrawal sign that the sender controls it."""
        if not isinstance(effect.body, WithdrawAssets):
            return effect.body
        return WithdrawAssets(
            assets=tuple(
                replace(
                    asset,
                    proof=self.keys.sign(
                        asset.anon_address,
                        address_proof_digest(self.domain, effect.message_id, effect.sender, asset.anon_address),
                    ),
                )
                for asset in effect.body.assets
            )
        )

    def _release(self, current: Round) -> None:
        self._point("acknowledge.before")
        self.link.acknowledge(current.arrivals)
        self._point("acknowledge.after")
        leaves = self._next_step(self.clock())
        outgoing: list[Envelope | StoredMessage] = [*current.sent]
        outgoing += filter(None, map(self.records.sent_before, current.again))
        for one in outgoing:
            self._point("send.before")
            self.postbox.add(one.recipient, one.raw, one.deadline + GRACE_SECONDS, leaves)
            self._point("send.after")
        if self.ledger is not None and current.news is not None:
            self.ledger.stored()
        if self.ledger is not None and current.intents:
            self.ledger.nudge()

    def _next_step(self, now: float) -> float:
        """Return when messages leave: what took longer to decide must not be seen to have."""
        step = self.answer_step_ms / 1000
        return ceil(now / step) * step if step else now

    def _patience(self) -> float:
        """Return how long nothing will be due."""
        now = self.clock()
        planned = [at for at in (self.agenda.next_at(), self.boundaries.next_at(), self.postbox.next_due()) if at]
        return max(0.0, min([PATIENCE_SECONDS, *(at - now for at in planned)]))

    def _point(self, place: str) -> None:
        reach(f"{self.part.name}.{place}")


def _name(envelope: Envelope) -> tuple[Address, bytes]:
    return envelope.sender, envelope.message_id


class _Replay:
    """Rebuilds a service's role from its diary, and compares what it wants with what the database holds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._records: dict[int, list[LedgerRecord]] = {}  # by block
        self._came = service.records.came()
        self._intents: set[str] = set()
        self._messages: set[bytes] = set()

    def play(self) -> None:
        service = self._service
        self._read_ledger()
        for row in service.records.rows():
            service.now = max(service.now, row.at)
            service.draws.replay(row.drawn)
            for effect in service.step(row.number, self._events(row.named), row.at):
                self._note(effect)
            service.number = row.number
        service.draws.replay(None)

    def differences(self) -> list[str]:
        records = self._service.records
        pairs = (
            ("ledger intents", self._intents, records.intent_ids()),
            ("messages", {one.hex() for one in self._messages}, {one.hex() for one in records.sent_ids()}),
        )
        return [
            f"{len(wanted ^ held)} {what} differ, the first is {min(wanted ^ held)}"
            for what, wanted, held in pairs
            if wanted != held
        ] + self._service.part.differences()

    def _read_ledger(self) -> None:
        through, ledger = self._service.records.read_through(), self._service.ledger
        if through is None or ledger is None:
            return
        for record in ledger.history(through):
            self._records.setdefault(record.block_number, []).append(record)

    def _events(self, named: Named) -> Sequence[Event]:
        service = self._service
        match named:
            case MessageName():
                came = next(self._came, None)
                if came is None or (came.sender, came.message_id) != (named.sender, named.message_id):
                    raise StoreError(f"the diary names a message of {named.sender} that is not there, in its place")
                return service.part.heard(open_envelope(came.raw, service.domain))
            case LedgerNews(through=through, outcomes=outcomes):
                blocks = sorted(number for number in self._records if number <= through.block_number)
                records = [one for number in blocks for one in self._records.pop(number)]
                return (service.advanced(records, outcomes),)
            case Boundary(timestep=timestep, event=event):
                service.boundaries.last = timestep
                return (event,)
            case Woken():
                service.agenda.pass_over(named)
                return (named,)
            case _:
                return (named,)

    def _note(self, effect: Effect) -> None:
        match effect:
            case Submit(intent=intent):
                self._intents.add(intent.intent_id)
            case SubmitProtest(intent_id=intent_id):
                self._intents.add(intent_id)
            case Send():
                self._service.count(effect)
                self._messages.add(effect.message_id)
            case WakeAt():
                self._service.agenda.add(effect)
            case _:
                pass
