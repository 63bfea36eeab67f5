"""Which transaction carries a wanted intent, where several go together."""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; what was wanted before went alone."""
    op.add_column("wanted", sql.Column("carrier", sql.Text))
    carried = sql.text("carrier IS NOT NULL")
    op.create_index("wanted_carrier", "wanted", ["carrier"], sqlite_where=carried, postgresql_where=carried)
