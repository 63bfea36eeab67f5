"""A database that knows less than the chain, or that is not the only one of its kind, does not sign unnoticed."""

import shutil
from pathlib import Path

import pytest

from petra.domain.blocks import LedgerRecord
from petra.domain.events import AssetAdded, FinancialAdded, FinancialDeposited, LedgerEvent
from petra.errors import InputError, StoreError
from petra.store.backup import backup, restore
from petra.store.database import Database
from petra.store.lease import Lease
from petra.store.restored import Alarm, RestoredDatabase, accept_place, check_place, ledger_problems
from petra.store.transactions import TransactionStore
from tests.integration.store.rows import ANA, BEN, DSO, rounds_of, signed, store_round
from tests.integration.store.server import Server


def _record(transaction_hash: bytes, *events: LedgerEvent) -> LedgerRecord:
    return LedgerRecord(
        transaction_hash=transaction_hash, block_number=7, transaction_index=0, timestamp=9, events=events
    )


MONEY = FinancialAdded(anon_address=ANA, amount=5)
ENERGY = AssetAdded(anon_address=BEN, asset_id=1, power=5, start=1, end=1)


@pytest.mark.parametrize("event", [MONEY, ENERGY], ids=["money", "energy"])
def test_a_grant_that_we_did_not_sign_is_an_alarm(event: LedgerEvent) -> None:
    """It names the transaction and the address, also where we granted the same by another transaction."""
    records = [_record(b"\1" * 32, MONEY, ENERGY), _record(b"\2" * 32, event)]
    [problem] = ledger_problems(nonces={}, counts={}, hashes=[b"\1" * 32], records=records)
    assert problem.alarm is Alarm.UNKNOWN_GRANT
    assert "02" * 32 in problem.detail and event.anon_address in problem.detail  # type: ignore[union-attr]


def test_a_nonce_of_the_chain_beyond_ours_is_an_alarm() -> None:
    """Somebody signs with our key; a transaction of ours that is not mined yet is none."""
    problems = ledger_problems(nonces={DSO: 3, ANA: 1}, counts={DSO: 4, ANA: 0, BEN: 1}, hashes=[], records=[])
    assert [(problem.alarm, problem.detail.partition(",")[0]) for problem in problems] == [
        (Alarm.NONCE_BEYOND_OURS, f"the chain has 4 transactions of {DSO}"),
        (Alarm.NONCE_BEYOND_OURS, f"the chain has 1 transactions of {BEN}"),
    ]
    assert str(RestoredDatabase(problems)).startswith("nonce-beyond-ours: the chain has 4")


def test_what_homes_do_on_the_chain_is_no_alarm() -> None:
    """Only grants are ours alone."""
    deposit = _record(b"\2" * 32, FinancialDeposited(anon_address=ANA, amount=5))
    assert ledger_problems(nonces={DSO: 3}, counts={DSO: 3}, hashes=[], records=[deposit]) == []


def _signing(database: Database, number: int) -> None:
    store = TransactionStore(database)
    store.put([signed(number, store.next_nonces([DSO])[DSO])])


def test_a_backup_that_is_brought_back_knows_less_than_the_chain(made: Path, tmp_path: Path) -> None:
    """What was signed after it was taken is missed: its nonce and its grant."""
    database = _started(made, tmp_path / "service.db")
    _signing(database, 1)
    backup(database, tmp_path / "backup.db")
    _signing(database, 2)
    lost = TransactionStore(database).hashes() - {signed(1, 0).transaction_hash}
    database.close()
    restore(tmp_path / "backup.db", tmp_path / "again.db")
    again = Database.open(tmp_path / "again.db")
    moved = check_place(again)
    assert moved is not None and moved.alarm is Alarm.COPIED
    store = TransactionStore(again)
    problems = ledger_problems(
        nonces=store.next_nonces([DSO]),
        counts={DSO: 2},
        hashes=store.hashes(),
        records=[_record(signed(1, 0).transaction_hash, MONEY), _record(lost.pop(), ENERGY)],
    )
    assert [problem.alarm for problem in problems] == [Alarm.NONCE_BEYOND_OURS, Alarm.UNKNOWN_GRANT]
    again.close()


def _started(made: Path, path: Path) -> Database:
    shutil.copy(made, path)
    database = Database.open(path)
    assert check_place(database) is None
    return database


def test_the_second_of_two_copies_does_not_sign_unnoticed(made: Path, tmp_path: Path) -> None:
    """Its lease is a copy too and can be taken, so the place must tell; the first one goes on in peace."""
    first = _started(made, tmp_path / "service.db")
    assert Lease(first, "first", 60).acquire()
    backup(first, tmp_path / "copy.db")
    second = Database.open(tmp_path / "copy.db")
    assert not Lease(second, "second", 60).acquire()
    problem = check_place(second)
    assert problem is not None and "database-copied" in str(problem) and "copy.db" in str(problem)
    assert check_place(second) == problem
    assert check_place(first) is None
    accept_place(second)
    assert check_place(second) is None
    first.close()
    second.close()


def test_a_copy_in_the_place_of_the_first_is_noticed(made: Path, tmp_path: Path) -> None:
    """An old file that is put back by hand has the same name, and is another file."""
    first = _started(made, tmp_path / "service.db")
    backup(first, tmp_path / "copy.db")
    first.close()
    for left in tmp_path.glob("service.db*"):
        left.rename(tmp_path / f"old-{left.name}")
    (tmp_path / "copy.db").rename(tmp_path / "service.db")
    second = Database.open(tmp_path / "service.db")
    assert check_place(second) is not None
    second.close()


@pytest.mark.postgresql
def test_a_copy_on_a_server_is_noticed(server: Server) -> None:
    """It has another number there; the server's own standby has the same and is none."""
    url = server.new_database("made")
    first = Database.open(url)
    assert check_place(first) is None
    first.close()
    second = Database.open(server.new_database(server.name_of(url)))
    problem = check_place(second)
    assert problem is not None and problem.alarm is Alarm.COPIED
    second.close()


def test_a_backup_is_one_whole_file_of_the_moment(made: Path, tmp_path: Path) -> None:
    """Taken from a database in use; what comes later is not in it; only its owner may read it."""
    database = _started(made, tmp_path / "service.db")
    store_round(database, 1)
    backup(database, tmp_path / "backup.db")
    store_round(database, 2)
    database.close()
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    restore(tmp_path / "backup.db", tmp_path / "again.db")
    again = Database.open(tmp_path / "again.db")
    assert rounds_of(again) == 1
    again.close()


def test_a_backup_is_never_written_over_anything(made: Path, tmp_path: Path) -> None:
    """Neither an older backup nor a database, nor what is left beside one."""
    database = _started(made, tmp_path / "service.db")
    backup(database, tmp_path / "backup.db")
    with pytest.raises(InputError, match="not written over"):
        backup(database, tmp_path / "backup.db")
    with pytest.raises(InputError, match="stop its service"):
        restore(tmp_path / "backup.db", tmp_path / "service.db")
    (tmp_path / "new.db-wal").touch()
    with pytest.raises(InputError, match=r"new\.db-wal"):
        restore(tmp_path / "backup.db", tmp_path / "new.db")
    with pytest.raises(InputError, match="no such backup"):
        restore(tmp_path / "nothing.db", tmp_path / "other.db")
    database.close()


def test_a_backup_that_is_not_sound_is_not_brought_back(made: Path, tmp_path: Path) -> None:
    """Nothing is left in the database's place."""
    torn = tmp_path / "torn.db"
    torn.write_bytes(made.read_bytes()[:20_000] + bytes(20_000))
    with pytest.raises(StoreError, match=r"service\.db"):
        restore(torn, tmp_path / "service.db")
    assert not list(tmp_path.glob("service.db*"))


@pytest.mark.postgresql
def test_a_server_is_backed_up_by_its_own_tools(server: Server, tmp_path: Path) -> None:
    """The message says by which."""
    database = Database.open(server.url("made"))
    with pytest.raises(InputError, match="pg_dump"):
        backup(database, tmp_path / "backup.db")
    database.close()
