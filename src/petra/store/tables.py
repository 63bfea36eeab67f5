"""The tables of a service's database: one schema for the DSO, homes and meters (docs/reference/database.md).

Decides: columns, types and what is unique. It knows no query and no rule of the market.
Invariants that the database itself holds: a diary number, a message (direction, sender, message id), an intent and a
nonce of a sender exist once. The migrations in `migrations/versions` make exactly these tables; a test compares them.
"""

import sqlalchemy as sql

SCHEMA_VERSIONS = ("0001", "0002", "0003")  # every migration, in order: the last one makes the tables below

METADATA = sql.MetaData()
# SQLite takes a column for its row number, which is the fast kind, only where its type is called INTEGER.
NUMBER = sql.BigInteger().with_variant(sql.Integer(), "sqlite")

diary = sql.Table(
    "diary",
    METADATA,
    sql.Column("number", NUMBER, primary_key=True, autoincrement=False),
    sql.Column("at", sql.BigInteger, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("payload", sql.Text, nullable=False),
    sql.Column("drawn", sql.Text, nullable=False),
)

notes = sql.Table(
    "notes",
    METADATA,
    sql.Column("number", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("place", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("at", sql.BigInteger, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("fields", sql.Text, nullable=False),
)

messages = sql.Table(
    "messages",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True, autoincrement=False),
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
    # The message id comes first: it is what differs, so that looking up needs no more of the key.
    sql.UniqueConstraint("message_id", "sender", "direction", name="messages_once"),
    sql.CheckConstraint("direction IN ('in', 'out')", name="messages_direction"),
)
sql.Index(
    "messages_undelivered",  # of those only: hashes scatter, and a commit writes every page that it touches
    messages.c.hash,
    sqlite_where=messages.c.delivered_at.is_(None),
    postgresql_where=messages.c.delivered_at.is_(None),
)

wanted = sql.Table(
    "wanted",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True),
    sql.Column("intent_id", sql.Text, nullable=False, unique=True),
    sql.Column("sender", sql.Text, nullable=False),
    sql.Column("call", sql.LargeBinary, nullable=False),
    sql.Column("waiting", sql.Boolean),
    sql.Column("carrier", sql.Text),  # the intent whose transaction does this; a batch names itself
)
sql.Index(
    "wanted_waiting",
    wanted.c.position,
    sqlite_where=wanted.c.waiting.is_not(None),
    postgresql_where=wanted.c.waiting.is_not(None),
)

sql.Index(
    "wanted_carrier",
    wanted.c.carrier,
    sqlite_where=wanted.c.carrier.is_not(None),
    postgresql_where=wanted.c.carrier.is_not(None),
)
outbox = sql.Table(
    "outbox",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True),  # the order in which they were put
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
    sql.Index("outbox_pending", "state", "position"),
)

lease = sql.Table(
    "lease",
    METADATA,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("number", sql.BigInteger, nullable=False),
    sql.Column("holder", sql.Text, nullable=False),
    sql.Column("expires_ms", sql.BigInteger, nullable=False),
    sql.CheckConstraint("id = 1", name="lease_single"),
)

pseudonyms = sql.Table(
    "pseudonyms",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True),
    sql.Column("address", sql.Text, nullable=False, unique=True),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
)

entries = sql.Table(
    "entries",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True),
    sql.Column("at", sql.BigInteger, nullable=False),
    sql.Column("from_account", sql.Text, nullable=False),
    sql.Column("to_account", sql.Text, nullable=False),
    sql.Column("amount", sql.BigInteger, nullable=False),
    sql.Column("memo", sql.Text, nullable=False),
    sql.Column("reference", sql.Text, nullable=False),
    sql.CheckConstraint("amount > 0", name="entries_amount"),
)

members = sql.Table(
    "members",
    METADATA,
    sql.Column("address", sql.Text, primary_key=True),
    sql.Column("document", sql.Text, nullable=False),
    sql.Column("revoked_at", sql.BigInteger),
)

tokens = sql.Table(
    "tokens",
    METADATA,
    sql.Column("digest", sql.LargeBinary, primary_key=True),
    sql.Column("document", sql.Text, nullable=False),
    sql.Column("expires", sql.BigInteger, nullable=False),
    sql.Column("used_at", sql.BigInteger),
)

orders = sql.Table(
    "orders",
    METADATA,
    sql.Column("position", NUMBER, primary_key=True),
    sql.Column("at", sql.BigInteger, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("document", sql.Text, nullable=False),
    sql.Column("taken", sql.Boolean, nullable=False, server_default=sql.false()),
)

settings = sql.Table(
    "settings",
    METADATA,
    sql.Column("key", sql.Text, primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)
