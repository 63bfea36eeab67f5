"""The operator's orders to a DSO that bound what is withdrawn: freeze, unfreeze.

Decides: what is asked for and printed. An order is a row in the DSO's database, which the running service takes within
a second; one that does not run takes it when it starts.
"""

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from petra.cli.guard import guarded
from petra.cli.services import Directory

if TYPE_CHECKING:
    from petra.roles.dso.state import Member
    from petra.roles.effects import Order
    from petra.runtime.config import DsoConfig
    from petra.store.database import Database

TAKEN: Final = "The running DSO takes the order within a second; one that does not run, when it starts."


def freeze(
    *,
    directory: Directory,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, max=366 * 1_440, help="How long it holds; until `petra dso unfreeze` if left out."),
    ] = None,
) -> None:
    """Stop all withdrawals, of energy and of money; what was granted before stays.

    Example: petra dso freeze --dir dso --minutes 60
    """
    with guarded():
        from petra.roles.effects import Frozen
        from petra.runtime.config import DsoConfig

        now = int(time.time())
        with open_database(DsoConfig.load(directory)) as database:
            give_order(database, Frozen(until=None if minutes is None else now + 60 * minutes), now)
        held = "until `petra dso unfreeze`" if minutes is None else f"for {minutes} min"
        typer.echo(f"Nothing is withdrawn {held}. {TAKEN}")


def unfreeze(*, directory: Directory) -> None:
    """Lift a freeze.

    Example: petra dso unfreeze --dir dso
    """
    with guarded():
        from petra.roles.effects import Unfrozen
        from petra.runtime.config import DsoConfig

        with open_database(DsoConfig.load(directory)) as database:
            give_order(database, Unfrozen(), int(time.time()))
        typer.echo(f"Withdrawals are answered by the rules again. {TAKEN}")


def open_database(config: "DsoConfig") -> "closing[Database]":
    """Open the DSO's database for a block."""
    from petra.store.database import Database

    return closing(Database.open(config.database))


def give_order(database: "Database", order: "Order", now: int) -> None:
    """Leave an order for the DSO."""
    from petra.roles.effects import Order as AnyOrder
    from petra.store.codec import encode
    from petra.store.registry import OrderStore

    OrderStore(database).add(now, type(order).__name__, encode(AnyOrder, order))


def members_of(database: "Database") -> list[tuple["Member", int | None]]:
    """Return every member with the second at which it was revoked, None if it was not."""
    from petra.roles.dso.state import Member
    from petra.store.codec import decode
    from petra.store.registry import MemberStore

    return [(decode(Member, one.document), one.revoked_at) for one in MemberStore(database).all()]
