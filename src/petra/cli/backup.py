"""`petra backup` and `petra restore`: a service's database, whole and of one moment."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.services import Directory, is_running
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.runtime.config import DsoConfig, HomeConfig, MeterConfig


def backup(
    *,
    directory: Directory,
    out: Annotated[Path, typer.Option(help="The backup: a new file.", show_default=False)],
) -> None:
    """Copy a service's database into a new file, while the service runs.

    Example: petra backup --dir dso --out /backup/dso-monday.db
    """
    with guarded():
        from petra.runtime.config import load_any
        from petra.store.backup import backup as copy
        from petra.store.database import Database

        with closing(Database.open(load_any(directory).database)) as database:
            copy(database, out)
        typer.echo(f"{out}: the database as it was just now. Keys and configuration are copied apart, once.")


def restore(
    copy: Annotated[Path, typer.Argument(help="A file of `petra backup`.", metavar="BACKUP", show_default=False)],
    *,
    directory: Directory,
) -> None:
    """Bring a backup back into the directory of a service that does not run and has no database.

    Example: petra restore /backup/dso-monday.db --dir dso
    """
    with guarded():
        from petra.runtime.config import load_any
        from petra.store.backup import restore as bring_back

        config = load_any(directory)
        path = _file_of(config)
        if is_running(config):
            raise InputError(f"{config.directory}: the service runs; stop it first")
        bring_back(copy, path)
        typer.echo(f"{path}: restored. A DSO starts again with `petra dso run --moved`, unless it has signed since.")


def _file_of(config: "DsoConfig | HomeConfig | MeterConfig") -> Path:
    if isinstance(config.database, Path):
        return config.database
    raise InputError("a server's database is restored by its own tools: pg_dump, pg_restore")
