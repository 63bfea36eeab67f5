"""The version of a database's tables: brought up to ours, or refused where it is newer (DESIGN 6).

Decides: whether this petra may use those tables. The steps themselves are Alembic's, in `migrations/versions`.
Invariant: tables of a version that we do not know are left as they are.
"""

from pathlib import Path

import sqlalchemy as sql

from petra import __version__
from petra.errors import InputError
from petra.store.tables import SCHEMA_VERSIONS

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(connection: sql.Connection, name: str, *, create: bool) -> None:
    """Make or migrate the tables within the caller's transaction.

    Raises:
        InputError: there are no tables of ours (and none shall be made), or a newer petra made them.
    """
    found = _version(connection)
    if found == SCHEMA_VERSIONS[-1]:
        return
    if found is None:
        if sql.inspect(connection).get_table_names():
            raise InputError(f"{name}: holds tables that are not petra's; name another database")
        if not create:
            raise InputError(f"{name}: holds no tables of petra yet; `init` makes them")
    elif found not in SCHEMA_VERSIONS:
        raise InputError(
            f"{name}: its tables have version {found}, and petra {__version__} knows them up to {SCHEMA_VERSIONS[-1]}; "
            "use the newer petra that wrote it, or restore a backup from before"
        )
    migrate(connection)


def migrate(connection: sql.Connection) -> None:
    """Take every step from the version that is there to ours."""
    # Imported here: a service starts hundreds of times with tables that are up to date.
    from alembic import command, config  # noqa: PLC0415

    settings = config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def _version(connection: sql.Connection) -> str | None:
    if not sql.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sql.text("SELECT version_num FROM alembic_version"))
    return version
