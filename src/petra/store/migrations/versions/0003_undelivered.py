"""An index of what is not delivered, in place of one of every hash: hashes scatter, and a commit wrote them all."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Exchange the indexes; no row changes."""
    op.drop_index("messages_hash", "messages")
    op.drop_index("messages_undelivered", "messages")
    waiting = sql.text("delivered_at IS NULL")
    op.create_index("messages_undelivered", "messages", ["hash"], sqlite_where=waiting, postgresql_where=waiting)
