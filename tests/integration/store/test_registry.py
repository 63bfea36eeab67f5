"""Members, tokens, orders and settings, on both kinds of database."""

import pytest

from petra.errors import StoreError
from petra.store.database import Database
from petra.store.registry import MemberStore, Order, OrderStore, Settings, StoredMember, Token, TokenStore
from tests.integration.store.rows import ANA, BEN


def test_a_member_is_one_once(database: Database) -> None:
    """Also where it was revoked."""
    store = MemberStore(database)
    with database.transaction() as connection:
        store.put(connection, ANA, "{}")
        store.revoke(connection, ANA, 5)
    with pytest.raises(StoreError, match="already"), database.transaction() as connection:
        store.put(connection, ANA, "{}")


def test_only_a_member_is_revoked(database: Database) -> None:
    """The message names the address."""
    with pytest.raises(StoreError, match=f"{BEN} is no member"), database.transaction() as connection:
        MemberStore(database).revoke(connection, BEN, 5)


def test_members_stay_on_record(database: Database) -> None:
    """A revoked one with the time of its first revocation."""
    store = MemberStore(database)
    with database.transaction() as connection:
        store.put(connection, BEN, "ben")
        store.put(connection, ANA, "ana")
        store.revoke(connection, BEN, 5)
        store.revoke(connection, BEN, 9)
    ana = StoredMember(address=ANA, document="ana", revoked_at=None)
    assert store.all() == [ana, StoredMember(address=BEN, document="ben", revoked_at=5)]
    assert store.find(ANA) == ana
    assert store.find(BEN) != ana


def test_a_token_serves_once(database: Database) -> None:
    """An unknown one never does."""
    store, digest = TokenStore(database), bytes(32)
    with database.transaction() as connection:
        store.add(connection, digest, "{}", 1_000)
        store.use(connection, digest, 7)
    for unfit in (digest, b"\1" * 32):
        with pytest.raises(StoreError, match="unknown, or has served"), database.transaction() as connection:
            store.use(connection, unfit, 8)
    assert store.all() == [Token(digest=digest, document="{}", expires=1_000, used_at=7)]


def test_an_order_is_taken_once_and_in_order(database: Database) -> None:
    """What cannot be taken takes nothing beside it."""
    store = OrderStore(database)
    first, second = store.add(5, "revoke", "{}"), store.add(4, "price", "[]")
    with database.transaction() as connection:
        store.take(connection, [first])
    with pytest.raises(StoreError, match=f"order {first} is unknown, or was taken"):
        with database.transaction() as connection:
            store.take(connection, [second, first])
    assert store.waiting() == [Order(position=second, at=4, kind="price", document="[]")]


def test_a_setting_is_what_was_put_last(database: Database) -> None:
    """None where nothing was."""
    settings = Settings(database)
    with database.transaction() as connection:
        settings.put(connection, "role", "dso")
        settings.put(connection, "role", "home")
        settings.put(connection, "account", ANA)
    assert settings.get("role") == "home"
    assert settings.get("seed") is None
    assert settings.all() == {"account": ANA, "role": "home"}
