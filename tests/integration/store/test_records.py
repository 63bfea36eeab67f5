"""The diary, the messages and the books of a service, on both kinds of database."""

import pytest
import sqlalchemy as sql

from petra.errors import StoreError
from petra.settlement.books import Entry
from petra.store.books import EntryStore, NoteStore, StoredNote
from petra.store.database import Database
from petra.store.diary import Diary
from petra.store.messages import FIRST_LINK, MessageStore
from petra.wire.keccak import keccak256
from tests.integration.store.rows import ANA, BEN, DSO, event, message, rounds_of, store_round


@pytest.mark.parametrize("numbers", [[2], [1, 1], [1, 3], [0]], ids=str)
def test_a_diary_with_a_gap_or_a_double_is_refused(database: Database, numbers: list[int]) -> None:
    """Nothing of it is kept, and the message says where the diary goes on."""
    diary = Diary(database)
    with pytest.raises(StoreError, match="goes on at 1"), database.transaction() as connection:
        diary.append(connection, [event(number) for number in numbers])
    assert diary.last_number() == 0


def test_a_lost_row_of_the_diary_is_noticed(database: Database) -> None:
    """Playing the rest would give another state."""
    diary = Diary(database)
    with database.transaction() as connection:
        diary.append(connection, [event(number) for number in (1, 2, 3)])
        connection.execute(sql.text("DELETE FROM diary WHERE number = 2"))
    with pytest.raises(StoreError, match="lost number 2"):
        list(diary.read())


def test_the_diary_is_read_as_it_was_written(database: Database) -> None:
    """In order, whole or after a number."""
    diary, entries = Diary(database), [event(number) for number in (1, 2, 3)]
    with database.transaction() as connection:
        diary.append(connection, entries[:1])
        diary.append(connection, [])
        diary.append(connection, entries[1:])
    assert list(diary.read()) == entries
    assert list(diary.read(after=2)) == entries[2:]
    assert diary.last_number() == 3


def test_a_message_that_is_there_is_refused(database: Database) -> None:
    """Whether its bytes are the same or others: callers ask `known` first. What else was in the round is not kept."""
    store = MessageStore(database)
    store_round(database, 1)
    with pytest.raises(StoreError, match="stands there already"), database.transaction() as connection:
        store.received(connection, [message(2), message(1)])
    assert rounds_of(database) == 1


def test_a_message_is_known_by_its_sender_and_id(database: Database) -> None:
    """What we sent under the same id is not meant, nor another sender's."""
    store = MessageStore(database)
    with database.transaction() as connection:
        store.received(connection, [message(1), message(1, sender=BEN), message(2)])
        store.sent(connection, [message(3, sender=ANA)])
    assert store.known(ANA, (1).to_bytes(16)) == message(1).hash
    assert store.known(DSO, (1).to_bytes(16)) is None
    assert store.known(ANA, (3).to_bytes(16)) is None
    asked = [(BEN, (1).to_bytes(16)), (BEN, (2).to_bytes(16)), (ANA, (2).to_bytes(16))]
    assert store.known_among(asked) == {
        (BEN, (1).to_bytes(16)): message(1, sender=BEN).hash,
        (ANA, (2).to_bytes(16)): message(2).hash,
    }


def test_what_is_not_delivered_is_sent_on_until_its_deadline(database: Database) -> None:
    """In order; what the other side has stored, what is late and what came in are not among it."""
    store = MessageStore(database)
    deadlines = (1_999, 2_000, 2_000, 9_000)
    late, kept, stored, last = (message(i, sender=DSO, deadline=deadline) for i, deadline in enumerate(deadlines))
    with database.transaction() as connection:
        store.sent(connection, [late, kept, stored, last])
        store.received(connection, [message(5)])
    store.mark_delivered([stored.hash, bytes(32)], 1_500)
    store.mark_delivered([stored.hash], 1_600)
    store.mark_delivered([], 1_600)
    assert store.undelivered(2_000) == [kept, last]
    assert [row.delivered_at for row in store.all()] == [None, None, 1_500, None, 1_000]


def test_ids_are_told_apart_by_direction(database: Database) -> None:
    """What a replayed diary is compared with: the ids of all that was sent."""
    store = MessageStore(database)
    with database.transaction() as connection:
        store.received(connection, [message(1), message(2)])
        store.sent(connection, [message(3, sender=DSO)])
    assert store.ids("out") == {(3).to_bytes(16)}
    assert store.ids("in") == {(1).to_bytes(16), (2).to_bytes(16)}


def test_messages_are_found_by_id(database: Database) -> None:
    """Both ways, and None where there is none."""
    store = MessageStore(database)
    store_round(database, 1)
    answer = message(1, sender=DSO, recipient=ANA)
    assert store.find("in", (1).to_bytes(16)) == message(1)
    assert store.find("out", (1).to_bytes(16)) == answer
    assert store.find("out", (2).to_bytes(16)) is None


def test_each_link_names_the_one_before_it(database: Database) -> None:
    """As the documentation says, so that anybody can check it."""
    store_round(database, 1)
    first, second = MessageStore(database).all()
    assert first.link == keccak256(FIRST_LINK + b"\0" + keccak256(message(1).raw))
    assert second.link == keccak256(first.link + b"\1" + second.message.hash)
    assert list(MessageStore(database).all(after_position=1)) == [second]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE messages SET raw = link WHERE position = 3", ["message 3 was altered", "message 3 does not follow"]),
        ("UPDATE messages SET direction = 'out', message_id = hash WHERE position = 3", ["message 3 does not follow"]),
        ("DELETE FROM messages WHERE position = 3", ["messages 3 to 3 are missing", "message 4 does not follow"]),
        ("UPDATE messages SET link = hash WHERE position = 3", ["message 3 does not", "message 4 does not"]),
    ],
    ids=["altered", "turned", "lost", "unlinked"],
)
def test_evidence_that_was_tampered_with_is_noticed(database: Database, change: str, found: list[str]) -> None:
    """Each row that does not fit is named."""
    for number in (1, 2, 3):
        store_round(database, number)
    assert MessageStore(database).verify() == []
    with database.transaction() as connection:
        connection.execute(sql.text(change))
    problems = MessageStore(database).verify()
    assert len(problems) == len(found)
    assert all(words in problem for words, problem in zip(found, problems, strict=True))


def test_long_evidence_is_read_in_pages(database: Database) -> None:
    """Nothing is lost or doubled where a page ends."""
    store = MessageStore(database)
    with database.transaction() as connection:
        store.sent(connection, [message(number) for number in range(2_001)])
    assert [row.position for row in store.all()] == list(range(1, 2_002))
    names = [(ANA, number.to_bytes(16)) for number in range(1_001)]
    assert store.known_among(names) == {}


def _entry(amount: int, giver: str = "ana", receiver: str = "ledger") -> Entry:
    return Entry(at=5, from_account=giver, to_account=receiver, amount=amount, memo="withdrawal", reference="7")


@pytest.mark.parametrize("amount", [0, -5, 2**63])
def test_an_entry_without_a_fitting_amount_is_refused(database: Database, amount: int) -> None:
    """Nothing of the batch is kept: the sum of all balances stays zero."""
    store = EntryStore(database)
    with pytest.raises(StoreError), database.transaction() as connection:
        store.append(connection, [_entry(5), _entry(amount)])
    assert (store.balances(), list(store.all())) == ({}, [])


def test_balances_are_the_sums_of_the_entries(database: Database) -> None:
    """To the unit, also beyond what a float can say, and they sum to zero."""
    store, large = EntryStore(database), 2**60 + 1
    entries = [_entry(large), _entry(3, "ledger", "ben"), _entry(large, "ben", "ana")]
    with database.transaction() as connection:
        store.append(connection, entries)
        store.append(connection, [])
    assert store.balances() == {"ana": 0, "ledger": large - 3, "ben": 3 - large}
    assert list(store.all()) == entries


def test_the_journal_is_read_by_event_and_place(database: Database) -> None:
    """After a number of the diary, in order."""
    store = NoteStore(database)
    places = [(1, 0), (1, 1), (3, 0)]
    notes = [StoredNote(number=number, place=place, at=9, kind="bill", fields="{}") for number, place in places]
    with database.transaction() as connection:
        store.append(connection, notes)
    assert list(store.read()) == notes
    assert list(store.read(after=1)) == notes[2:]
