"""The lease: of several processes on one database, the one that may sign (DESIGN 6, "one database is the fence").

Decides: who is the writer, and when a standby may take over. It does not know what is written.
Invariant: the number grows whenever the lease is taken, and every transaction that fixes a nonce checks it, so that a
process which slept through its own dismissal can sign nothing. It cannot see a copy of the database: `restored` does.
"""

import time
from collections.abc import Callable

import sqlalchemy as sql

from petra.errors import StoreError
from petra.store.database import Database
from petra.store.tables import lease


class Fenced(StoreError):
    """Another process has taken the lease: this one must end."""


class Lease:
    """This process's claim to be the one that writes."""

    def __init__(
        self, database: Database, holder: str, seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Claim nothing yet.

        Args:
            database: what is fenced.
            holder: names this process's keystore: a successor with the same one takes over at once, since the
                keystore's lock says that its forerunner is gone; others wait until the lease has run out.
            seconds: how long the lease lasts without `renew`.
            clock: unix seconds of this machine, for SQLite; a server of PostgreSQL has a clock for all.
        """
        self._database = database
        self._holder = holder
        self._milliseconds = seconds * 1_000
        self._clock = clock
        self.number = 0  # 0: not held

    def acquire(self) -> bool:
        """Take the lease if it is free, ours, or has run out; say whether it is ours now."""
        with self._database.transaction() as connection:
            found = connection.execute(sql.select(lease).with_for_update()).one()
            now = self._now(connection)
            ours = self.number > 0 and found.number == self.number
            if not ours and found.holder != self._holder and found.expires_ms > now:
                return False
            number = found.number if ours else found.number + 1
            taken = {"number": number, "holder": self._holder, "expires_ms": now + self._milliseconds}
            connection.execute(lease.update().values(taken))
        self.number = number
        return True

    def renew(self) -> None:
        """Hold on for so many seconds more; Fenced where another process has taken the lease."""
        with self._database.transaction() as connection:
            self.check(connection)
            connection.execute(lease.update().values(expires_ms=self._now(connection) + self._milliseconds))

    def release(self) -> None:
        """Let a standby take over at once; nothing happens where the lease is not ours."""
        with self._database.transaction() as connection:
            connection.execute(lease.update().where(lease.c.number == self.number).values(expires_ms=0, holder=""))
        self.number = 0

    def check(self, connection: sql.Connection) -> None:
        """Raise Fenced unless the lease is ours, and hold it until the caller's transaction ends."""
        # A lease that has run out but that nobody has taken is still ours: taking it waits for this transaction.
        found = connection.scalar(sql.select(lease.c.number).with_for_update())
        if not self.number or found != self.number:
            raise Fenced(f"{self._database.name}: another process holds lease {found} and does the work; this one ends")

    def _now(self, connection: sql.Connection) -> int:
        """Return unix milliseconds by the clock that all who want this lease share."""
        if self._database.is_sqlite:
            return round(self._clock() * 1_000)
        return int(connection.execute(sql.text("SELECT extract(epoch FROM clock_timestamp()) * 1000")).scalar_one())
