"""Do a testbed's DSO, ledger and homes agree? What must hold after whatever crash, read from the outside (R79, R80).

Decides: what counts as lost, doubled or invented. It reads databases and the chain and changes nothing.
Invariant: asked while the services run, only what must hold at any moment is demanded, and whatever is told later is
read later, so that no message or transaction under way is mistaken for a lost one. `at_rest` demands equality.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sql

from petra.chain.client import first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.domain.blocks import LedgerRecord
from petra.domain.calls import AddEnergyAsset, AddFinancialBalance
from petra.domain.events import AssetAdded, FinancialAdded, FinancialDeposited
from petra.domain.messages import FailedWithdrawal, Kind, WithdrawalGranted, WithdrawAssets
from petra.domain.terms import NO_ADDRESS, Address
from petra.ledger.fold import LedgerView
from petra.network.deployment import read_deployment
from petra.runtime.config import DsoConfig
from petra.runtime.testbed_feeder import feeder_problems
from petra.runtime.testbed_layout import Place, Testbed
from petra.settlement.books import LEDGER, Books, Entry
from petra.store.books import EntryStore
from petra.store.database import Database
from petra.store.messages import EvidenceRow, MessageStore
from petra.store.tables import outbox, pseudonyms, wanted
from petra.store.transactions import TransactionStore
from petra.wire.envelope import open_envelope, signature_domain

_ENROLMENT = frozenset({Kind.ENROL.value, Kind.ENROLLED.value})  # the home keeps the answer, not the messages
Name = tuple[Address, bytes]  # a message: its sender and id


@dataclass(slots=True, kw_only=True)
class _Service:
    """One service's database, read in the order that the invariant wants."""

    place: Place
    database: Database
    delivered: dict[Name, EvidenceRow] = field(default_factory=dict)
    received: dict[Name, EvidenceRow] = field(default_factory=dict)
    rows: list[EvidenceRow] = field(default_factory=list)
    done: frozenset[str] = frozenset()  # intents that have ended well
    entries: list[Entry] = field(default_factory=list)

    def read_before_the_chain(self) -> None:
        """Read what is told after it has happened elsewhere."""
        sent = _by_name(MessageStore(self.database).all(), "out")
        self.delivered = {name: row for name, row in sent.items() if row.delivered_at is not None}
        self.done = frozenset(intent_id for intent_id, state, _ in self.carried() if state == "done")
        self.entries = list(EntryStore(self.database).all())

    def messages(self, direction: str) -> dict[Name, EvidenceRow]:
        """Return what came or went, by sender and id."""
        return _by_name(self.rows, direction)

    def carried(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield every intent that has a transaction, with its state and its hash; a batch's transaction has several."""
        carrier = sql.func.coalesce(wanted.c.carrier, wanted.c.intent_id)
        columns = (wanted.c.intent_id, outbox.c.state, outbox.c.transaction_hash)
        joined = sql.select(*columns).join(outbox, outbox.c.intent_id == carrier)
        yield from ((row.intent_id, row.state, row.transaction_hash) for row in self.database.read(joined))

    def waits(self) -> list[str]:
        """Return what is wanted and not signed, or signed and not final."""
        unsigned = self.database.read(sql.select(wanted.c.intent_id).where(wanted.c.waiting.is_not(None)))
        pending = self.database.read(sql.select(outbox.c.intent_id).where(outbox.c.state == "pending"))
        return [row.intent_id for row in (*unsigned, *pending)]


def consistency(testbed: Testbed, *, at_rest: bool = False, quiet_since: int = 0) -> list[str]:
    """Return every difference between the DSO's books, the ledger and the homes; none where all is well.

    Args:
        testbed: whose databases are there; its services may run.
        at_rest: the homes have ended and the DSO has read every block since: everything must be equal.
        quiet_since: at rest, what was sent from this unix second on may still be under way.
    """
    deployment = read_deployment(testbed.deployment)
    domain = signature_domain(deployment.chain_id, deployment.contract)
    with ExitStack() as opened:
        services = [_opened(place, opened) for place in testbed.places]
        dso, others = services[0], services[1:]
        for service in services:
            service.read_before_the_chain()
        chain = RpcChain(testbed.rpc[0], patience_seconds=0)
        opened.callback(chain.close)
        records, _ = read_records(chain, deployment.contract, first_checkpoint(chain))
        for service in services:
            service.received = _by_name(MessageStore(service.database).all(), "in")
        for service in services:
            service.rows = list(MessageStore(service.database).all())
        view = LedgerView(deployment.terms)
        for record in records:
            view.observe(record.events)
        problems = [problem for service in services for problem in MessageStore(service.database).verify()]
        problems += _messages(services, at_rest, quiet_since)
        problems += _answers(dso, domain, at_rest)
        problems += _grants(dso, records, at_rest)
        problems += _books(dso, records, view, at_rest)
        homes = [service for service in others if service.place.role == "prosumer"]
        problems += _homes(dso, homes, records, domain)
        problems += feeder_problems(dso.place.directory, dso.database, _pseudonyms(homes), records)
        problems += _nonces(services, chain, at_rest)
    return problems


def dso_rests(testbed: Testbed) -> bool:
    """Say whether the DSO has nothing under way on the ledger."""
    with ExitStack() as opened:
        return not _opened(testbed.dso, opened).waits()


def _opened(place: Place, opened: ExitStack) -> _Service:
    names = {"prosumer": "home.db", "meter": "meter.db"}
    where: str | Path = (
        DsoConfig.load(place.directory).database if place.role == "dso" else place.directory / names[place.role]
    )
    database = Database.open(where)
    opened.callback(database.close)
    return _Service(place=place, database=database)


def _by_name(rows: Iterable[EvidenceRow], direction: str) -> dict[Name, EvidenceRow]:
    return {(row.message.sender, row.message.message_id): row for row in rows if row.direction == direction}


# ---- messages


def _messages(services: Sequence[_Service], at_rest: bool, quiet_since: int) -> Iterator[str]:
    """What one side holds for delivered, the other side holds, byte for byte; and nothing is invented."""
    received = {name: row for service in services for name, row in service.received.items()}
    sent = {name: row for service in services for name, row in service.messages("out").items()}
    for service in services:
        for name, row in service.delivered.items():
            other = received.get(name)
            if other is None and row.message.kind not in _ENROLMENT:
                yield f"{service.place.name}: a {row.message.kind} counts as delivered, and nobody has it"
            elif other is not None and other.message.raw != row.message.raw:
                yield f"{service.place.name}: a {row.message.kind} arrived with other bytes"
    for name, row in received.items():
        published = row.message.recipient == NO_ADDRESS  # the DSO's prices, for everybody
        if name not in sent and not published and row.message.kind not in _ENROLMENT:
            yield f"a {row.message.kind} was received that nobody sent"
    if at_rest:
        for service in services:
            for row in service.messages("out").values():
                late = row.delivered_at is None and row.message.at < quiet_since
                if late and row.message.kind not in _ENROLMENT:
                    yield f"{service.place.name}: a {row.message.kind} of {row.message.at} was never delivered"


def _answers(dso: _Service, domain: bytes, at_rest: bool) -> Iterator[str]:
    """Each withdrawal has one answer, and no answer is without its withdrawal."""
    requests = {
        name[1] for name, row in dso.messages("in").items() if row.message.kind == Kind.WITHDRAW_ASSETS.value
    }
    answered: Counter[bytes] = Counter()
    for row in dso.messages("out").values():
        if row.message.kind in {Kind.WITHDRAWAL_GRANTED.value, Kind.FAILED_WITHDRAWAL.value}:
            body = open_envelope(row.message.raw, domain).body
            assert isinstance(body, WithdrawalGranted | FailedWithdrawal), "its kind says so"
            answered[body.request_id] += 1
    for request, count in answered.items():
        if count > 1:
            yield f"dso: withdrawal {request.hex()} has {count} answers"
    if unasked := answered.keys() - requests:
        yield f"dso: {len(unasked)} answers to withdrawals that nobody sent"
    if at_rest and (open_ones := requests - answered.keys()):
        yield f"dso: {len(open_ones)} withdrawals have no answer"


# ---- ledger and books


def _grants(dso: _Service, records: Sequence[LedgerRecord], at_rest: bool) -> Iterator[str]:
    """Each grant of the diary is on the chain once, from the transaction that the outbox holds, and nothing else is."""
    intents = {key: intent.call for key, intent in TransactionStore(dso.database).all_wanted().items()}
    grants = {key: call for key, call in intents.items() if isinstance(call, AddEnergyAsset | AddFinancialBalance)}
    signed = {(digest, grants[key]): key for key, _, digest in dso.carried() if key in grants}
    issued: Counter[str] = Counter()
    for record in records:
        for event in record.events:
            if not isinstance(event, AssetAdded | FinancialAdded):
                continue
            intent_id = signed.get((record.transaction_hash, _call_of(event)))
            if intent_id is None:
                yield f"ledger: {event} was issued, and the DSO's diary wants no such grant"
            else:
                issued[intent_id] += 1
    for intent_id, count in issued.items():
        if count > 1:
            yield f"ledger: {intent_id} was issued {count} times"
    missing = [key for key in dso.done if key in grants and key not in issued]
    if missing:
        yield f"ledger: {len(missing)} grants count as done and are not there, the first is {missing[0]}"
    if at_rest:
        if waiting := dso.waits():
            yield f"dso: {len(waiting)} intents wait, the first is {waiting[0]}"
        elif lost := [key for key in grants if key not in issued]:
            yield f"ledger: {len(lost)} of {len(grants)} grants were never issued, the first is {lost[0]}"


def _call_of(event: AssetAdded | FinancialAdded) -> AddEnergyAsset | AddFinancialBalance:
    if isinstance(event, FinancialAdded):
        return AddFinancialBalance(anon_address=event.anon_address, amount=event.amount)
    return AddEnergyAsset(anon_address=event.anon_address, power=event.power, start=event.start, end=event.end)


def _books(dso: _Service, records: Sequence[LedgerRecord], view: LedgerView, at_rest: bool) -> Iterator[str]:
    """The entries close; each withdrawal is debited once, each deposit credited once; at rest no unit is missing."""
    books = Books()
    for entry in dso.entries:
        books.post(entry)
    yield from (f"dso: {problem}" for problem in books.problems())
    yield from _debits(dso)
    deposited = Counter(
        (record.transaction_hash.hex(), event.amount)
        for record in records
        for event in record.events
        if isinstance(event, FinancialDeposited)
    )
    credited = Counter((entry.reference, entry.amount) for entry in books.entries if entry.memo == "deposit")
    if more := credited - deposited:
        yield f"dso: {more.total()} deposits are credited that the ledger does not hold"
    if not at_rest:
        return
    if less := deposited - credited:
        yield f"dso: {less.total()} deposits on the ledger are not credited"
    on_chain = sum(view.balances.values()) + sum(view.escrow(offer_id) for offer_id in view.open_offers)
    if on_chain != books.balance(LEDGER):
        yield f"money: the books say that {books.balance(LEDGER)} stand on the ledger, the ledger says {on_chain}"


def _debits(dso: _Service) -> Iterator[str]:
    granted: Counter[str] = Counter()
    for intent_id, intent in TransactionStore(dso.database).all_wanted().items():
        if isinstance(intent.call, AddFinancialBalance):
            granted[intent_id.split(":")[1]] += intent.call.amount
    before, after = _debited(dso.entries), _debited(EntryStore(dso.database).all())
    wrong = [key for key in granted if granted[key] != after[key]] + sorted(before.keys() - granted.keys())
    if wrong:
        yield f"dso: {len(wrong)} withdrawals are debited otherwise than granted, the first is {wrong[0]}"


def _debited(entries: Iterable[Entry]) -> Counter[str]:
    debited: Counter[str] = Counter()
    for entry in entries:
        if entry.memo == "withdrawal":
            debited[entry.reference] += entry.amount
    return debited


def _homes(
    dso: _Service, homes: Sequence[_Service], records: Sequence[LedgerRecord], domain: bytes
) -> Iterator[str]:
    """Every pseudonym that was asked for is kept by one home, and what was issued was asked for by it.

    A home that was refused may ask again for the same pseudonym, for less.
    """
    asked: dict[Address, set[tuple[str, int, int]]] = defaultdict(set)
    for home in homes:
        kept = {row.address for row in home.database.read(sql.select(pseudonyms.c.address))}
        for row in home.messages("out").values():
            if row.message.kind != Kind.WITHDRAW_ASSETS.value:
                continue
            body = open_envelope(row.message.raw, domain).body
            assert isinstance(body, WithdrawAssets), "its kind says so"
            for asset in body.assets:
                if asset.anon_address not in kept:
                    yield f"{home.place.name}: asked for {asset.anon_address} without keeping its key"
                if others := {name for name, _, _ in asked[asset.anon_address]} - {home.place.name}:
                    yield f"{home.place.name}: asked for {asset.anon_address}, as {', '.join(others)} did"
                asked[asset.anon_address].add((home.place.name, asset.power, asset.amount))
    for record in records:
        for event in record.events:
            match event:
                case AssetAdded() if event.power not in {power for _, power, _ in asked[event.anon_address]}:
                    yield f"ledger: {event.anon_address} got {event.power} W that no home has asked for"
                case FinancialAdded() if event.amount not in {amount for _, _, amount in asked[event.anon_address]}:
                    yield f"ledger: {event.anon_address} got {event.amount} nano-EUR that no home has asked for"
                case _:
                    pass


def _pseudonyms(homes: Sequence[_Service]) -> dict[Address, str]:
    """Return whose pseudonym each address is."""
    query = sql.select(pseudonyms.c.address)
    return {Address(row.address): home.place.name for home in homes for row in home.database.read(query)}


def _nonces(services: Sequence[_Service], chain: RpcChain, at_rest: bool) -> Iterator[str]:
    """Nobody's chain account has more transactions than its outbox, and at rest the DSO's has as many."""
    for service in services:
        own = sql.union(sql.select(outbox.c.sender), sql.select(pseudonyms.c.address))
        senders = [Address(row.sender) for row in service.database.read(own)]
        kept = TransactionStore(service.database).next_nonces(senders)
        for sender, count in zip(senders, chain.transaction_counts(senders), strict=True):
            if count > kept[sender] or (at_rest and service.place.role == "dso" and count != kept[sender]):
                yield f"{service.place.name}: the chain has {count} transactions of {sender}, the outbox {kept[sender]}"
