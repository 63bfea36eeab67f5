"""One service's database: SQLite in a file, or PostgreSQL by URL (DESIGN 6).

Decides: how durable a commit is, and what of a database's trouble a reader of logs may see. It knows no table's sense.
Invariants: a transaction is whole or not at all, and on the disk when `transaction` returns; whatever the database
refuses is a StoreError of one line, without the values that were to be written.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.pool import StaticPool

from petra.errors import InputError, StoreError
from petra.store.schema import bring_up_to_date

_PATIENCE_SECONDS = 10  # how long one process waits for another one's transaction, or for a server's first answer
_WRITING = "petra_writing"


class Database:
    """Transactions and reads; safe to use from several threads, of which one at a time writes."""

    def __init__(self, engine: sql.Engine, name: str) -> None:
        """Take an engine; `open` makes the right one."""
        self.engine = engine
        self.name = name
        self._reader = engine.execution_options(**{_WRITING: False})
        self._turn = threading.RLock()

    @classmethod
    def open(cls, url: str | Path, *, create: bool = False) -> "Database":
        """Open a database and bring its tables up to date.

        Args:
            url: a path names a file of SQLite; a text is sqlite:///PATH or postgresql+psycopg://...
            create: make the file, or the tables, where there are none; otherwise that is an error.

        Raises:
            InputError: the URL is none of ours, nothing is there, or a newer version of petra made the tables.
            StoreError: the database cannot be reached, or is no database.
        """
        database = _open_file(url, create) if isinstance(url, Path) else _open_url(url, create)
        try:
            with database.transaction() as connection:
                bring_up_to_date(connection, database.name, create=create)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def alone(cls, path: Path | None, tables: Sequence[sql.Table]) -> "Database":
        """Open a file of SQLite (None: one in memory) that holds these tables only, and makes them where they lack."""
        if path is None:
            engine = _engine(sql.URL.create("sqlite"), poolclass=StaticPool)
        else:
            engine = _engine(sql.URL.create("sqlite", database=str(path)))
        database = cls(engine, str(path) if path else "the database in memory")
        with database.transaction() as connection:
            tables[0].metadata.create_all(connection, tables=tables)
        return database

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file (or memory) of ours, and not a server's."""
        return self.engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path | None:
        """The file of SQLite; None elsewhere."""
        return Path(self.engine.url.database) if self.is_sqlite and self.engine.url.database else None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """Open a transaction that is committed at the end of the block, or rolled back where that raises.

        Raises:
            StoreError: the database refused; nothing of the transaction is kept. Where the commit itself failed (a
                disk that fails) the next start tells whether it was kept whole: the caller must end.
        """
        with self._turn, self._refusals(), self.engine.begin() as connection:
            yield connection

    def read(self, query: sql.Select[Any] | sql.CompoundSelect[Any], **parameters: Any) -> Sequence[sql.Row[Any]]:
        """Return the rows of a query with its parameters, in a transaction of its own that nobody waits for."""
        with self._refusals(), self._reader.begin() as connection:
            return connection.execute(query, parameters).all()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except sql.exc.IntegrityError as error:
            raise StoreError(f"{self.name}: it is there already ({_words(error)})") from error
        except sql.exc.SQLAlchemyError as error:
            raise StoreError(f"{self.name}: {_words(error)}") from error
        except OverflowError as error:
            raise StoreError(f"{self.name}: a number does not fit 64 bits") from error


def add_rows(connection: sql.Connection, table: sql.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all name the same columns, in the caller's transaction; none is fine.

    The rows go to the driver as they are. What SQLAlchemy would do to each of them took longer than what SQLite does,
    and a service's rounds consist of little else.

    Raises:
        IntegrityError: SQLAlchemy's; a row, or one like it, is there already.
    """
    if rows:
        statement, columns = _insertion(table, connection.dialect, tuple(rows[0]))
        taken = [tuple([row[name] for name in columns]) for row in rows] if columns else [*rows]
        connection.exec_driver_sql(statement, taken)


@lru_cache
def _insertion(table: sql.Table, dialect: sql.Dialect, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the statement for rows with these columns, and their order where its parameters have no names."""
    compiled = table.insert().inline().compile(dialect=dialect, column_keys=names)
    return str(compiled), tuple(compiled.positiontup or ())


def _words(error: sql.exc.SQLAlchemyError) -> str:
    """Return the driver's first line: the others may repeat what was to be written."""
    said = getattr(error, "orig", None) or error
    return (str(said).splitlines() or [type(said).__name__])[0]


def _open_file(path: Path, create: bool) -> Database:
    if not path.exists():
        if not create:
            raise InputError(f"{path}: there is no database; `init` makes one, a backup can be restored to here")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StoreError(f"{path}: cannot be made: {error.strerror}") from error
    return Database(_engine(sql.URL.create("sqlite", database=str(path))), str(path))


def _open_url(text: str, create: bool) -> Database:
    try:
        url = sql.make_url(text)
    except (sql.exc.ArgumentError, ValueError) as error:  # a port that is no number is the second
        raise InputError("the database's URL cannot be read: sqlite:///PATH or postgresql://USER@HOST/NAME") from error
    if url.get_backend_name() == "sqlite" and url.database:
        return _open_file(Path(url.database), create)
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise InputError(f"no database of the kind {url.drivername!r} is known: sqlite or postgresql")
    url = url.set(drivername="postgresql+psycopg")
    try:
        engine = _engine(url)
    except ImportError as error:
        raise InputError("PostgreSQL needs its driver: install petra-tes[postgresql]") from error
    return Database(engine, url.render_as_string(hide_password=True))


def _engine(url: sql.URL, **options: Any) -> sql.Engine:
    sqlite = url.get_backend_name() == "sqlite"
    patience = {"timeout" if sqlite else "connect_timeout": _PATIENCE_SECONDS}
    engine = sql.create_engine(url, hide_parameters=True, connect_args=patience, **options)
    if sqlite:
        sql.event.listen(engine, "connect", _set_up_sqlite)
        sql.event.listen(engine, "begin", _begin_sqlite)
    else:
        sql.event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Each commit is on the disk before it is told of, while readers go on reading. We begin transactions ourselves.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sql.Connection) -> None:
    # A writer takes the lock at once: taken at its first write, it could find that somebody wrote since its reads.
    writing = connection.get_execution_options().get(_WRITING, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    # A server may be set to tell of commits before they are on the disk; ours then ask for more.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()
