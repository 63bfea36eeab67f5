"""Who belongs to a microgrid, who may join it, what its operator ordered, and what a service was told at its birth.

Decides: that a token serves once and an order is taken once. It does not read the documents, which are JSON of
`petra.store.codec`.
Invariant: a member, a token and an order stay for ever; each says when it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sql

from petra.domain.terms import Address
from petra.errors import StoreError
from petra.store.database import Database
from petra.store.tables import members, orders, settings, tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMember:
    """A member; `revoked_at` is None while it belongs."""

    address: Address
    document: str
    revoked_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A one-time token: sha256 of it, what it grants, until when; `used_at` is None while it serves."""

    digest: bytes
    document: str
    expires: int
    used_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the operator wants of a running service."""

    position: int
    at: int
    kind: str
    document: str


class MemberStore:
    """The members by address."""

    def __init__(self, database: Database) -> None:
        """Keep the members in this database."""
        self._database = database

    def put(self, connection: sql.Connection, address: Address, document: str) -> None:
        """Add a member in the caller's transaction; StoreError where it is one already."""
        connection.execute(members.insert(), {"address": address, "document": document})

    def revoke(self, connection: sql.Connection, address: Address, at: int) -> None:
        """Note that a member no longer belongs; the first time counts. StoreError where there is none."""
        at_first = sql.func.coalesce(members.c.revoked_at, at)
        changed = connection.execute(members.update().where(members.c.address == address).values(revoked_at=at_first))
        if changed.rowcount != 1:
            raise StoreError(f"{self._database.name}: {address} is no member")

    def find(self, address: Address) -> StoredMember | None:
        """Return one member, None where it was never one."""
        rows = self._database.read(sql.select(members).where(members.c.address == address))
        return _member(rows[0]) if rows else None

    def all(self) -> list[StoredMember]:
        """Return everybody who ever was a member, by address."""
        return [_member(row) for row in self._database.read(sql.select(members).order_by(members.c.address))]


class TokenStore:
    """The one-time tokens by their sha256: who reads this database cannot enrol."""

    def __init__(self, database: Database) -> None:
        """Keep the tokens in this database."""
        self._database = database

    def add(self, connection: sql.Connection, digest: bytes, document: str, expires: int) -> None:
        """Add a token that serves until a unix second, in the caller's transaction."""
        connection.execute(tokens.insert(), {"digest": digest, "document": document, "expires": expires})

    def use(self, connection: sql.Connection, digest: bytes, at: int) -> None:
        """Note in the caller's transaction that a token has served; StoreError where it is unknown or has before."""
        serves = (tokens.c.digest == digest, tokens.c.used_at.is_(None))
        if connection.execute(tokens.update().where(*serves).values(used_at=at)).rowcount != 1:
            raise StoreError(f"{self._database.name}: this token is unknown, or has served")

    def all(self) -> list[Token]:
        """Return every token that there ever was, by the time of its end."""
        rows = self._database.read(sql.select(tokens).order_by(tokens.c.expires, tokens.c.digest))
        return [
            Token(digest=row.digest, document=row.document, expires=row.expires, used_at=row.used_at) for row in rows
        ]


class OrderStore:
    """The operator's orders: the command line adds, the running service takes."""

    def __init__(self, database: Database) -> None:
        """Keep the orders in this database."""
        self._database = database

    def add(self, at: int, kind: str, document: str) -> int:
        """Add an order in a transaction of its own; return its position."""
        with self._database.transaction() as connection:
            added = connection.execute(orders.insert().values(at=at, kind=kind, document=document))
            (position,) = added.inserted_primary_key or (0,)
        return int(position)

    def all(self) -> list[Order]:
        """Return every order, in order."""
        rows = self._database.read(sql.select(orders).order_by(orders.c.position))
        return [Order(position=row.position, at=row.at, kind=row.kind, document=row.document) for row in rows]

    def waiting(self) -> list[Order]:
        """Return the orders that nobody has taken, in order."""
        rows = self._database.read(
            sql.select(orders).where(orders.c.taken == sql.false()).order_by(orders.c.position)
        )
        return [Order(position=row.position, at=row.at, kind=row.kind, document=row.document) for row in rows]

    def take(self, connection: sql.Connection, positions: Sequence[int]) -> None:
        """Note in the caller's transaction that these orders are carried out; StoreError where one was before."""
        for position in positions:
            waits = (orders.c.position == position, orders.c.taken == sql.false())
            if connection.execute(orders.update().where(*waits).values(taken=True)).rowcount != 1:
                raise StoreError(f"{self._database.name}: order {position} is unknown, or was taken")


class Settings:
    """A few texts that a service was given or has learnt: role, account, deployment, seed, versions."""

    def __init__(self, database: Database) -> None:
        """Keep the settings in this database."""
        self._database = database

    def get(self, key: str) -> str | None:
        """Return a setting, None where there is none."""
        rows = self._database.read(sql.select(settings.c.value).where(settings.c.key == key))
        return str(rows[0].value) if rows else None

    def put(self, connection: sql.Connection, key: str, value: str) -> None:
        """Set a setting in the caller's transaction."""
        changed = connection.execute(settings.update().where(settings.c.key == key).values(value=value))
        if not changed.rowcount:
            connection.execute(settings.insert(), {"key": key, "value": value})

    def all(self) -> dict[str, str]:
        """Return every setting."""
        return {row.key: row.value for row in self._database.read(sql.select(settings).order_by(settings.c.key))}


def _member(row: sql.Row[tuple[str, str, int | None]]) -> StoredMember:
    return StoredMember(address=Address(row.address), document=row.document, revoked_at=row.revoked_at)
