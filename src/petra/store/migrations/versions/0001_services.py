"""The tables of a service."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sql.BigInteger().with_variant(sql.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _make_records()
    _make_messages()
    _make_transactions()
    _make_keys_and_books()
    _make_registry()


def _make_records() -> None:
    op.create_table(
        "diary",
        sql.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sql.Column("at", sql.BigInteger, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("payload", sql.Text, nullable=False),
        sql.Column("drawn", sql.Text, nullable=False),
    )
    op.create_table(
        "notes",
        sql.Column("number", sql.BigInteger, primary_key=True, autoincrement=False),
        sql.Column("place", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("at", sql.BigInteger, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("fields", sql.Text, nullable=False),
    )


def _make_messages() -> None:
    op.create_table(
        "messages",
        sql.Column("position", _NUMBER, primary_key=True, autoincrement=False),
        sql.Column("direction", sql.Text, nullable=False),
        sql.Column("sender", sql.Text, nullable=False),
        sql.Column("recipient", sql.Text, nullable=False),
        sql.Column("message_id", sql.LargeBinary, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("deadline", sql.BigInteger, nullable=False),
        sql.Column("at", sql.BigInteger, nullable=False),
        sql.Column("hash", sql.LargeBinary, nullable=False),
        sql.Column("raw", sql.LargeBinary, nullable=False),
        sql.Column("link", sql.LargeBinary, nullable=False),
        sql.Column("delivered_at", sql.BigInteger),
        sql.UniqueConstraint("message_id", "sender", "direction", name="messages_once"),
        sql.CheckConstraint("direction IN ('in', 'out')", name="messages_direction"),
    )
    op.create_index("messages_hash", "messages", ["hash"])
    undelivered = sql.text("delivered_at IS NULL")
    op.create_index(
        "messages_undelivered", "messages", ["deadline"], sqlite_where=undelivered, postgresql_where=undelivered
    )


def _make_transactions() -> None:
    op.create_table(
        "wanted",
        sql.Column("position", _NUMBER, primary_key=True),
        sql.Column("intent_id", sql.Text, nullable=False, unique=True),
        sql.Column("sender", sql.Text, nullable=False),
        sql.Column("call", sql.LargeBinary, nullable=False),
        sql.Column("waiting", sql.Boolean),
    )
    waiting = sql.text("waiting IS NOT NULL")
    op.create_index("wanted_waiting", "wanted", ["position"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "outbox",
        sql.Column("position", _NUMBER, primary_key=True),
        sql.Column("intent_id", sql.Text, nullable=False, unique=True),
        sql.Column("sender", sql.Text, nullable=False),
        sql.Column("nonce", sql.BigInteger, nullable=False),
        sql.Column("transaction_hash", sql.LargeBinary, nullable=False),
        sql.Column("raw", sql.LargeBinary, nullable=False),
        sql.Column("lease", sql.BigInteger),
        sql.Column("state", sql.Text, nullable=False, server_default="pending"),
        sql.Column("block_number", sql.BigInteger),
        sql.UniqueConstraint("sender", "nonce", name="outbox_nonce"),
        sql.CheckConstraint("state IN ('pending', 'done', 'void')", name="outbox_state"),
    )
    op.create_index("outbox_pending", "outbox", ["state", "position"])
    lease = op.create_table(
        "lease",
        sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("number", sql.BigInteger, nullable=False),
        sql.Column("holder", sql.Text, nullable=False),
        sql.Column("expires_ms", sql.BigInteger, nullable=False),
        sql.CheckConstraint("id = 1", name="lease_single"),
    )
    # The one row: a lease that nobody holds.
    op.bulk_insert(lease, [{"id": 1, "number": 0, "holder": "", "expires_ms": 0}])


def _make_keys_and_books() -> None:
    op.create_table(
        "pseudonyms",
        sql.Column("position", _NUMBER, primary_key=True),
        sql.Column("address", sql.Text, nullable=False, unique=True),
        sql.Column("owner", sql.Text, nullable=False),
        sql.Column("sealed", sql.LargeBinary, nullable=False),
    )
    op.create_table(
        "entries",
        sql.Column("position", _NUMBER, primary_key=True),
        sql.Column("at", sql.BigInteger, nullable=False),
        sql.Column("from_account", sql.Text, nullable=False),
        sql.Column("to_account", sql.Text, nullable=False),
        sql.Column("amount", sql.BigInteger, nullable=False),
        sql.Column("memo", sql.Text, nullable=False),
        sql.Column("reference", sql.Text, nullable=False),
        sql.CheckConstraint("amount > 0", name="entries_amount"),
    )


def _make_registry() -> None:
    op.create_table(
        "members",
        sql.Column("address", sql.Text, primary_key=True),
        sql.Column("document", sql.Text, nullable=False),
        sql.Column("revoked_at", sql.BigInteger),
    )
    op.create_table(
        "tokens",
        sql.Column("digest", sql.LargeBinary, primary_key=True),
        sql.Column("document", sql.Text, nullable=False),
        sql.Column("expires", sql.BigInteger, nullable=False),
        sql.Column("used_at", sql.BigInteger),
    )
    op.create_table(
        "orders",
        sql.Column("position", _NUMBER, primary_key=True),
        sql.Column("at", sql.BigInteger, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("document", sql.Text, nullable=False),
        sql.Column("taken", sql.Boolean, nullable=False, server_default=sql.false()),
    )
    op.create_table(
        "settings",
        sql.Column("key", sql.Text, primary_key=True),
        sql.Column("value", sql.Text, nullable=False),
    )
