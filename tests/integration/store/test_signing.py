"""Transactions and the lease: who may sign, what, and how often; on both kinds of database."""

import threading
from collections.abc import Iterator

import pytest

from petra.errors import StoreError
from petra.store.database import Database
from petra.store.lease import Fenced, Lease
from petra.store.transactions import TransactionStore
from petra.wire.transaction import SignedIntent
from tests.integration.store.rows import ANA, DSO, intent, outcome, signed

SECONDS = 2


class Hours:
    """A clock of our own; a server of PostgreSQL has one that we cannot set."""

    def __init__(self) -> None:
        """Start somewhere."""
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def other(url: str) -> Iterator[Database]:
    """The same database as another process sees it."""
    opened = Database.open(url)
    yield opened
    opened.close()


def _run_out(database: Database, clock: Hours) -> None:
    """Let the lease run out: by our clock, and in the row for a server's."""
    clock.now += SECONDS
    if not database.is_sqlite:
        with database.transaction() as connection:
            connection.exec_driver_sql("UPDATE lease SET expires_ms = expires_ms - 10000")


def test_who_never_took_the_lease_signs_nothing(database: Database) -> None:
    """Not even where nobody else has it."""
    store = TransactionStore(database, Lease(database, "one", SECONDS))
    with pytest.raises(Fenced):
        store.put([signed(1, 0)])
    assert store.pending() == []


def test_a_standby_waits_until_the_lease_has_run_out(database: Database, other: Database) -> None:
    """Renewed in time it stays where it is; the number grows when it changes hands, and only then."""
    clock = Hours()
    one, two = Lease(database, "one", SECONDS, clock), Lease(other, "two", SECONDS, clock)
    assert one.acquire() and one.acquire() and one.number == 1
    assert not two.acquire()
    clock.now += SECONDS - 1
    one.renew()
    clock.now += 1
    assert not two.acquire() and two.number == 0
    _run_out(database, clock)
    assert two.acquire() and two.number == 2
    with pytest.raises(Fenced, match="lease 2"):
        one.renew()
    assert not one.acquire()


def test_who_slept_through_its_dismissal_is_fenced_off(database: Database, other: Database) -> None:
    """It signs nothing more, and a nonce is fixed by the one that holds the lease."""
    clock = Hours()
    one, two = Lease(database, "one", SECONDS, clock), Lease(other, "two", SECONDS, clock)
    sleeper, successor = TransactionStore(database, one), TransactionStore(other, two)
    assert one.acquire()
    sleeper.put([signed(1, 0)])
    _run_out(database, clock)
    assert two.acquire()
    with pytest.raises(Fenced):
        sleeper.put([signed(2, 1)])
    with pytest.raises(Fenced), database.transaction() as connection:
        sleeper.want(connection, [intent(3)])
        one.check(connection)
    successor.put([signed(2, 1)])
    assert [one.intent_id for one in successor.pending()] == ["1", "2"]
    assert successor.wanted() == []


def test_a_lease_that_has_run_out_and_was_not_taken_still_serves(database: Database) -> None:
    """A process that was slow is no worse than one that was quick, as long as nobody came."""
    clock = Hours()
    lease = Lease(database, "one", SECONDS, clock)
    assert lease.acquire()
    _run_out(database, clock)
    lease.renew()
    TransactionStore(database, lease).put([signed(1, 0)])
    assert lease.acquire() and lease.number == 1


def test_a_successor_with_the_same_keystore_takes_over_at_once(database: Database, other: Database) -> None:
    """The keystore's lock says that its forerunner is gone; if it is not, it is fenced off all the same."""
    one, two = Lease(database, "one", SECONDS), Lease(other, "one", SECONDS)
    assert one.acquire() and two.acquire()
    assert (one.number, two.number) == (1, 2)
    with pytest.raises(Fenced):
        one.renew()


def test_a_lease_that_was_given_back_is_free(database: Database, other: Database) -> None:
    """A shutdown in good order costs a standby no waiting; who gave it back signs nothing more."""
    one, two = Lease(database, "one", SECONDS), Lease(other, "two", SECONDS)
    assert one.acquire()
    one.release()
    with pytest.raises(Fenced):
        TransactionStore(database, one).put([signed(1, 0)])
    assert two.acquire()
    one.release()
    two.renew()


def test_taking_the_lease_waits_for_a_transaction_that_has_checked_it(database: Database, other: Database) -> None:
    """Between the check and the commit nobody can take it."""
    clock = Hours()
    one, two = Lease(database, "one", SECONDS, clock), Lease(other, "two", SECONDS, clock)
    assert one.acquire()
    _run_out(database, clock)
    order: list[str] = []

    def take() -> None:
        assert two.acquire()
        order.append("taken")

    taker = threading.Thread(target=take)
    with database.transaction() as connection:
        one.check(connection)
        taker.start()
        taker.join(0.3)
        order.append("committed")
    taker.join(10)
    assert order == ["committed", "taken"]


@pytest.mark.parametrize("twin", [signed(1, 9), signed(9, 0)], ids=["intent", "nonce"])
def test_a_batch_with_something_taken_is_refused_whole(database: Database, twin: SignedIntent) -> None:
    """Neither an intent nor a nonce of a sender has two transactions, and what was wanted still is."""
    store = TransactionStore(database)
    with database.transaction() as connection:
        store.want(connection, [intent(1), intent(2)])
    store.put([signed(1, 0)])
    with pytest.raises(StoreError, match="already"):
        store.put([signed(2, 1), twin])
    assert [one.intent_id for one in store.pending()] == ["1"]
    assert store.wanted() == [intent(2)]


def test_an_intent_is_wanted_once(database: Database) -> None:
    """Neither while it waits nor when it has its transaction can it be wanted again."""
    store = TransactionStore(database)
    with database.transaction() as connection:
        store.want(connection, [intent(1), intent(2)])
        store.want(connection, [])
    store.put([signed(1, 0)])
    for number in (1, 2):
        with pytest.raises(StoreError, match="wanted before"), database.transaction() as connection:
            store.want(connection, [intent(3), intent(number)])
    assert store.all_wanted() == {"1": intent(1), "2": intent(2)}


def test_what_is_wanted_waits_in_order_until_it_is_put(database: Database) -> None:
    """An intent that is put unasked is none of them; all of them are known by id."""
    store = TransactionStore(database)
    with database.transaction() as connection:
        store.want(connection, [intent(number) for number in (3, 1, 2)])
    assert store.wanted() == [intent(3), intent(1), intent(2)]
    assert store.wanted(limit=1) == [intent(3)]
    store.put([signed(1, 0), signed(8, 1)])
    assert store.wanted() == [intent(3), intent(2)]
    assert store.all_ids() == {"1", "2", "3", "8"}
    assert store.hashes() == {signed(1, 0).transaction_hash, signed(8, 1).transaction_hash}


def test_what_ended_unsigned_waits_no_more(database: Database) -> None:
    """A dry run refused it: nobody signs it, and it cannot be wanted again."""
    store = TransactionStore(database)
    with database.transaction() as connection:
        store.want(connection, [intent(1), intent(2)])
        store.drop(connection, ["1", "9"])
        store.drop(connection, [])
    assert store.wanted() == [intent(2)]
    assert store.all_ids() == {"1", "2"}


def test_an_outbox_goes_on_where_it_was(database: Database, other: Database) -> None:
    """Nonces, what is pending, what has ended, and what ended in a block that is gone: as the outbox of a file does."""
    store, again = TransactionStore(database), TransactionStore(other)
    store.put([signed(1, 0), signed(2, 1), signed(3, 0, ANA)])
    store.settle([outcome(1), outcome(2, done=False, block=4)])
    assert again.next_nonces([DSO, ANA]) == {DSO: 2, ANA: 1}
    assert again.pending() == [signed(3, 0, ANA)]
    assert again.find(["1", "9"]) == {"1": signed(1, 0)}
    assert again.reopen(3) == ["2"]
    assert store.pending() == [signed(2, 1), signed(3, 0, ANA)]
