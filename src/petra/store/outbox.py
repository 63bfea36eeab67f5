"""An outbox in a file of its own, or in memory: for simulations, and for runs that need no more of a database."""

from pathlib import Path

from petra.store.database import Database
from petra.store.tables import outbox, wanted
from petra.store.transactions import TransactionStore


class SqlOutbox(TransactionStore):
    """The outbox of `petra.chain.client` in SQLite."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or make the outbox; None keeps it in memory. StoreError where the file is no outbox."""
        super().__init__(Database.alone(path, [wanted, outbox]))

    def close(self) -> None:
        """Close the database."""
        self._database.close()
