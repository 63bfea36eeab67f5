"""Opening a database: what is refused, what is made, and that a transaction is whole or not at all."""

import contextlib
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from petra import __version__
from petra.errors import InputError, StoreError
from petra.store.database import Database
from petra.store.diary import Diary
from petra.store.registry import Settings
from petra.store.schema import MIGRATIONS
from petra.store.tables import METADATA, SCHEMA_VERSIONS
from tests.integration.store.rows import event, rounds_of, store_round
from tests.integration.store.server import Server


def test_tables_of_a_newer_petra_are_left_alone(url: str) -> None:
    """The message names both versions and the remedy, and the tables stay as they are."""
    database = Database.open(url)
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9001'")
    database.close()
    with pytest.raises(InputError) as refused:
        Database.open(url, create=True)
    said = str(refused.value)
    assert "version 9001" in said and __version__ in said and SCHEMA_VERSIONS[-1] in said and "use the newer" in said


def test_a_file_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    """A mistyped path must not become an empty DSO."""
    path = tmp_path / "service.db"
    for named in (path, f"sqlite:///{path}"):
        with pytest.raises(InputError, match=r"service\.db: there is no database"):
            Database.open(named)
    assert not path.exists()


@pytest.mark.postgresql
def test_an_empty_database_of_a_server_is_not_filled_unasked(server: Server) -> None:
    """As with a file: `init` makes the tables."""
    with pytest.raises(InputError, match="no tables of petra yet"):
        Database.open(server.new_database())


def test_what_a_killed_creation_left_is_made_whole(tmp_path: Path) -> None:
    """An empty file is no service's database, and `init` makes one of it; the tables come all together."""
    path = tmp_path / "service.db"
    path.touch(mode=0o600)
    with pytest.raises(InputError, match="no tables of petra yet"):
        Database.open(path)
    database = Database.open(path, create=True)
    store_round(database, 1)
    database.close()
    Database.open(path, create=True).close()
    again = Database.open(path)
    assert rounds_of(again) == 1
    again.close()


def test_a_migration_that_fails_leaves_the_tables_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is one transaction, the making of tables too."""
    monkeypatch.setattr("petra.store.schema.MIGRATIONS", _broken_migrations(tmp_path))
    with pytest.raises(ZeroDivisionError):
        Database.open(tmp_path / "service.db", create=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "service.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


def _broken_migrations(folder: Path) -> Path:
    """Copy our steps and break the first one near its end."""
    copy = folder / "migrations"
    shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    step = copy / "versions" / "0001_services.py"
    step.write_text(step.read_text(encoding="utf-8").replace("    _make_registry()\n", "    1 / 0\n"), encoding="utf-8")
    return copy


def test_somebody_else_s_tables_are_left_alone(tmp_path: Path) -> None:
    """Ours are not made beside them."""
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="not petra's"):
        Database.open(tmp_path / "other.db", create=True)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """The message is one line that names the file."""
    path = tmp_path / "service.db"
    path.write_text("no database, but long enough to be taken for one" * 10, encoding="utf-8")
    with pytest.raises(StoreError, match=r"^[^\n]*service\.db[^\n]*$"):
        Database.open(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The disk says no, in one line."""
    with pytest.raises(StoreError, match="cannot be made"):
        Database.open(tmp_path / "nowhere" / "service.db", create=True)


@pytest.mark.parametrize("url", ["mysql://there/petra", "postgresql+asyncpg://there/petra", "no url", "sqlite://"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    """What can be used is named."""
    with pytest.raises(InputError, match="sqlite"):
        Database.open(url, create=True)


def test_a_server_that_does_not_answer_is_refused_without_its_password(tmp_path: Path) -> None:
    """The name of the database is in the message, the password is not."""
    with pytest.raises(StoreError) as refused:
        Database.open(f"postgresql://dso:hunter2@/petra?host={tmp_path}")
    assert "/petra" in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """And so is what SQLite puts beside it."""
    database = Database.open(tmp_path / "service.db", create=True)
    store_round(database, 1)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    database.close()
    assert modes == {"service.db": 0o600, "service.db-wal": 0o600, "service.db-shm": 0o600}


def test_a_commit_is_on_the_disk(database: Database) -> None:
    """Durable is what the two are set to."""
    asked = ("PRAGMA journal_mode", "PRAGMA synchronous") if database.is_sqlite else ("SHOW synchronous_commit",)
    with database.transaction() as connection:
        found = [connection.exec_driver_sql(question).scalar() for question in asked]
    assert found == (["wal", 2] if database.is_sqlite else ["on"])


@pytest.mark.postgresql
def test_a_server_that_commits_lazily_is_asked_for_more(server: Server) -> None:
    """Its own setting does not weaken ours."""
    url = server.new_database("made")
    server.execute(f"ALTER DATABASE {server.name_of(url)} SET synchronous_commit = off")
    database = Database.open(url)
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """Column by column, index by index, on both kinds of database."""
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == SCHEMA_VERSIONS[-1]
        checks = {
            check["name"]
            for table in METADATA.tables
            for check in sql.inspect(connection).get_check_constraints(table)
        }
    named = [constraint for table in METADATA.tables.values() for constraint in table.constraints]
    assert checks == {one.name for one in named if isinstance(one, sql.CheckConstraint)}


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    """What stood before stands after."""
    store_round(database, 1)
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        Diary(database).append(connection, [event(2)])
        raise ZeroDivisionError
    assert rounds_of(database) == 1


def test_trouble_is_told_without_what_was_to_be_written(database: Database) -> None:
    """One line, without the values: they may be keys or say who is who."""
    settings = Settings(database)
    with pytest.raises(StoreError) as refused, database.transaction() as connection:
        connection.execute(sql.text("INSERT INTO settings (key, value) VALUES ('a', :value)"), {"value": "hunter2"})
        connection.execute(sql.text("INSERT INTO settings (key, value) VALUES ('a', :value)"), {"value": "hunter2"})
    assert "hunter2" not in str(refused.value) and "\n" not in str(refused.value)
    assert settings.all() == {}


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    """It sees what was committed last."""
    store_round(database, 1)
    with database.transaction() as connection:
        Diary(database).append(connection, [event(2)])
        assert Diary(database).last_number() == 1
    assert Diary(database).last_number() == 2


def test_several_threads_and_processes_take_turns(url: str) -> None:
    """Whoever comes meanwhile waits; nothing is lost. Two `Database` on one URL are as two processes."""
    databases = [Database.open(url), Database.open(url)]

    def count(database: Database) -> None:
        for _ in range(10):
            with database.transaction() as connection:
                connection.exec_driver_sql("UPDATE lease SET number = number + 1")

    workers = [threading.Thread(target=count, args=(database,)) for database in databases * 2]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    with databases[0].transaction() as connection:
        assert connection.exec_driver_sql("SELECT number FROM lease").scalar() == 40
    for database in databases:
        database.close()


def test_opening_a_copy_of_a_running_database_s_file_finds_whole_rounds(made: Path, tmp_path: Path) -> None:
    """Also where only the file was copied and not what SQLite keeps beside it."""
    shutil.copy(made, tmp_path / "service.db")
    database = Database.open(tmp_path / "service.db")
    for number in (1, 2, 3):
        store_round(database, number)
    shutil.copy(tmp_path / "service.db", tmp_path / "copy.db")
    database.close()
    copy = Database.open(tmp_path / "copy.db")
    assert rounds_of(copy) in {0, 1, 2, 3}
    copy.close()
