"""What is left where the disk fails: whole rounds, and a clear word."""

import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sql

from petra.errors import StoreError
from petra.store.database import Database
from tests.integration.store.rows import rounds_of, store_round
from tests.integration.store.server import Server

FILE_BYTES_MAX = 600_000
KILLS = 6
_FILL = """
import sys
from pathlib import Path
from petra.errors import StoreError
from petra.store.database import Database
from tests.integration.store.rows import store_round
database, number = Database.open(Path(sys.argv[1])), 0
try:
    while number < 5_000:
        store_round(database, number + 1)
        number += 1
except StoreError as error:
    sys.stdout.write(f"{number} {error}")
"""

_WRITE = """
import sys
from petra.store.database import Database
from tests.integration.store.rows import rounds_of, store_round
database = Database.open(sys.argv[1])
number = rounds_of(database)
while True:
    number += 1
    store_round(database, number)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


class FailingConnection(sqlite3.Connection):
    """A connection whose commit says that the disk failed: before it did anything, or after it did everything."""

    fails: str | None = None

    def commit(self) -> None:
        """Fail as SQLite does where fsync fails."""
        if self.fails and self.in_transaction:
            if self.fails == "after":
                super().commit()
            raise sqlite3.OperationalError("disk I/O error")
        super().commit()


def _with_failing_commits(database: Database) -> None:
    """Let the next connections be such; those that are open are closed."""

    def factory(_dialect: object, _record: object, _arguments: object, keywords: dict[str, Any]) -> None:
        keywords["factory"] = FailingConnection

    sql.event.listen(database.engine, "do_connect", factory)
    database.engine.dispose()


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A fresh database's file."""
    path = tmp_path / "service.db"
    path.write_bytes(made.read_bytes())
    return path


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_that_fails_is_told_and_is_whole_or_not_at_all(
    file: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed fsync leaves open which of the two: the next start tells."""
    database = Database.open(file)
    _with_failing_commits(database)
    store_round(database, 1)
    monkeypatch.setattr(FailingConnection, "fails", when)
    with pytest.raises(StoreError, match=r"service\.db: disk I/O error"):
        store_round(database, 2)
    monkeypatch.setattr(FailingConnection, "fails", None)
    database.close()
    again = Database.open(file)
    assert rounds_of(again) == (1 if when == "before" else 2)
    again.close()


def test_a_full_database_keeps_what_it_has(file: Path) -> None:
    """The round that did not fit left nothing, and when there is room the next one goes on where it was."""
    database = Database.open(file)
    pages = Path(file).stat().st_size // 4096

    def limit(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")

    sql.event.listen(database.engine, "checkout", limit)
    number = 0
    with pytest.raises(StoreError, match="full"):
        while number < 1_000:
            store_round(database, number + 1)
            number += 1
    assert rounds_of(database) == number > 0
    sql.event.remove(database.engine, "checkout", limit)
    database.engine.dispose()
    store_round(database, number + 1)
    assert rounds_of(database) == number + 1
    database.close()


@pytest.mark.slow
def test_a_disk_that_takes_no_more_ends_with_whole_rounds(file: Path) -> None:
    """The operating system refuses bytes in the middle of a write; a process of its own meets that."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))

    filled = subprocess.run(
        [sys.executable, "-c", _FILL, str(file)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        preexec_fn=limit,
        timeout=120,
    )
    number, _, said = filled.stdout.partition(" ")
    assert "service.db: " in said and "\n" not in said
    database = Database.open(file)
    assert rounds_of(database) in {int(number), int(number) + 1}
    assert int(number) > 0
    store_round(database, rounds_of(database) + 1)
    database.close()


def test_a_database_that_another_process_holds_too_long_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some patience, and nothing is stored."""
    monkeypatch.setattr("petra.store.database._PATIENCE_SECONDS", 0.2)
    database, holder = Database.open(file), Database.open(file)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with holder.transaction():
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(StoreError, match="locked"):
        store_round(database, 1)
    done.set()
    thread.join(10)
    store_round(database, 1)
    assert rounds_of(database) == 1
    database.close()
    holder.close()


@pytest.mark.slow
def test_a_writer_that_is_killed_again_and_again_loses_no_round(url: str) -> None:
    """What it said was stored is there, the round that it was in is there whole or not at all."""
    rng, told, pause = Random(1), 0, threading.Event()
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITE, url], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline()]  # it has begun
        pause.wait(rng.random() / 4)
        writer.kill()
        said += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait(30)
        told = int([line for line in said if line.endswith("\n")][-1])
        database = Database.open(url)
        assert rounds_of(database) in {told, told + 1}
        database.close()
    assert told > KILLS


@pytest.mark.postgresql
def test_a_server_that_hangs_up_in_the_middle_leaves_whole_rounds(server: Server) -> None:
    """The round that was under way is gone, and the message is one line."""
    database = Database.open(server.new_database("made"))
    store_round(database, 1)
    with pytest.raises(StoreError, match=r"^[^\n]*terminat[^\n]*$"), database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO diary VALUES (2, 0, 'a', 'b', '')")
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert rounds_of(database) == 1
    database.close()
