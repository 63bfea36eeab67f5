"""Rows for tests: as small as a row may be."""

from petra.domain.blocks import Intent, Outcome
from petra.domain.calls import AddFinancialBalance
from petra.domain.terms import Address
from petra.store.database import Database
from petra.store.diary import Diary, DiaryEntry
from petra.store.messages import MessageStore, StoredMessage
from petra.store.transactions import TransactionStore
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import checksum_address
from petra.wire.transaction import SignedIntent

ANA, BEN, DSO = (checksum_address(bytes([number]) * 20) for number in (1, 2, 3))


def event(number: int) -> DiaryEntry:
    """Return the event with a number."""
    payload = f'{{"number":{number}}}'
    return DiaryEntry(number=number, at=1_000 + number, kind="Woken", payload=payload, drawn=(ANA, BEN))


def message(number: int, *, sender: Address = ANA, recipient: Address = DSO, deadline: int = 2_000) -> StoredMessage:
    """Return a message whose id is a number."""
    raw = f"{sender} {number}".encode()
    return StoredMessage(
        sender=sender,
        recipient=recipient,
        message_id=number.to_bytes(16),
        kind="receipt",
        deadline=deadline,
        at=1_000,
        hash=keccak256(raw),
        raw=raw,
    )


def intent(number: int, sender: Address = DSO) -> Intent:
    """Return an intent whose id is a number."""
    return Intent(intent_id=str(number), sender=sender, call=AddFinancialBalance(anon_address=ANA, amount=number))


def signed(number: int, nonce: int, sender: Address = DSO) -> SignedIntent:
    """Return the transaction of the intent with a number."""
    raw = f"{number} {nonce}".encode()
    return SignedIntent(
        intent_id=str(number), sender=sender, nonce=nonce, transaction_hash=keccak256(raw), raw=raw
    )


def outcome(number: int, *, done: bool = True, block: int = 3) -> Outcome:
    """Return how the intent with a number ended."""
    return Outcome(
        intent_id=str(number), done=done, transaction_hash=bytes(32), block_number=block, gas_used=0
    )


def store_round(database: Database, number: int) -> None:
    """Store one round: an event, a message in, a message out and an intent, all called by a number."""
    store = MessageStore(database)
    with database.transaction() as connection:
        Diary(database).append(connection, [event(number)])
        store.received(connection, [message(number)])
        store.sent(connection, [message(number, sender=DSO, recipient=ANA)])
        TransactionStore(database).want(connection, [intent(number)])


def rounds_of(database: Database) -> int:
    """Return how many rounds a database holds; each must be whole."""
    count = Diary(database).last_number()
    store = MessageStore(database)
    rows = [(row.direction, int.from_bytes(row.message.message_id)) for row in store.all()]
    assert rows == [(way, number) for number in range(1, count + 1) for way in ("in", "out")]
    assert [one.intent_id for one in TransactionStore(database).wanted()] == [
        str(number) for number in range(1, count + 1)
    ]
    assert store.verify() == []
    return count
