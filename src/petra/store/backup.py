"""Backups of a service's database in SQLite, taken while the service runs, and brought back (docs/how-to).

Decides: that a backup is a whole database of one moment, and never written over anything. It does not know whether a
backup is too old to sign with: `restored` does.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from petra.errors import InputError, StoreError
from petra.store.database import Database


def backup(database: Database, path: Path) -> None:
    """Write the database as it is now into a new file, which only its owner may read.

    Raises:
        InputError: the file exists, or the database is a server's, which has tools of its own.
        StoreError: the disk refused, or the copy is not sound; there is no file then.
    """
    if not database.is_sqlite:
        raise InputError(f"{database.name}: a server's database is backed up by its own tools: pg_dump, pg_restore")
    raw = database.engine.raw_connection()
    try:
        assert isinstance(raw.driver_connection, sqlite3.Connection)
        _copy(raw.driver_connection, path)
    finally:
        raw.close()


def restore(copy: Path, path: Path) -> None:
    """Bring a backup back as a service's database, in a new file.

    Raises:
        InputError: there is no such backup, or a database still stands in its place.
        StoreError: the disk refused, or the backup is not sound; there is no file then.
    """
    if not copy.is_file():
        raise InputError(f"{copy}: there is no such backup")
    left = [str(other) for suffix in ("", "-wal", "-shm") if (other := path.with_name(path.name + suffix)).exists()]
    if left:
        raise InputError(f"{', '.join(left)}: a database stands there; stop its service and move it away")
    try:
        source = sqlite3.connect(f"file:{copy}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise StoreError(f"{copy}: {error}") from error
    with contextlib.closing(source):
        _copy(source, path)


def _copy(source: sqlite3.Connection, path: Path) -> None:
    if path.exists():
        raise InputError(f"{path}: is there already, and is not written over")
    partial = path.with_name(path.name + ".partial")
    with _trouble(path, partial):
        partial.unlink(missing_ok=True)  # a process that died here left it
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(sqlite3.connect(partial)) as target:
            source.backup(target)  # in one step: whoever writes meanwhile comes after it
            target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            found = target.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            raise StoreError(f"{path}: the copy is not sound: {found[0][0]}")
        for place in (partial, partial.parent):
            descriptor = os.open(place, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        partial.rename(path)


@contextlib.contextmanager
def _trouble(path: Path, partial: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
