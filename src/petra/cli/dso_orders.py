"""The operator's orders to a DSO that bound what is withdrawn: curtail, freeze, unfreeze.

Decides: what is asked for and printed. An order is a row in the DSO's database, which the running service takes within
a second; one that does not run takes it when it starts.
"""

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from petra.cli.guard import guarded
from petra.cli.services import Directory
from petra.domain.messages import Direction
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.roles.dso.state import Member
    from petra.roles.effects import Order
    from petra.runtime.config import DsoConfig
    from petra.store.database import Database

TIMESTEP_MAX: Final = 2**40  # the last one that a DSO knows
TAKEN: Final = "The running DSO takes the order within a second; one that does not run, when it starts."


def curtail(
    *,
    directory: Directory,
    direction: Annotated[
        str, typer.Option(help="`export` or `import`: what is bounded at the homes' meters.", show_default=False)
    ],
    start_timestep: Annotated[int, typer.Option(min=0, help="The first; it must not have begun.", show_default=False)],
    end_timestep: Annotated[int, typer.Option(min=0, max=TIMESTEP_MAX, help="The last, included.", show_default=False)],
    limit_watts: Annotated[
        int | None, typer.Option(min=0, max=10**9, help="The most that may flow, whatever is firm or granted.")
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Lift what was ordered before for these timesteps.")] = False,
    home: Annotated[
        list[str] | None, typer.Option(help="Name, address or node; several times for several. Everybody if left out.")
    ] = None,
) -> None:
    """Bound what homes export or import in timesteps to come, and tell them by a signed message.

    Example: petra dso curtail --dir dso --direction export --limit-watts 2000 --start-timestep 960 --end-timestep 967
    --home "home 1"
    """
    with guarded():
        from petra.roles.effects import CurtailmentOrdered
        from petra.runtime.config import DsoConfig

        config, now = DsoConfig.load(directory), int(time.time())
        with open_database(config) as database:
            members = [member for member, revoked_at in members_of(database) if revoked_at is None]
            problems = _timestep_problems(config, start_timestep, end_timestep, now)
            problems += [] if direction in {"export", "import"} else [f"--direction {direction}: export or import"]
            problems += [] if lift is (limit_watts is None) else ["--limit-watts, --lift: say one of the two"]
            problems += [
                f"--home {one}: no home or node of that name; see `petra dso accounts`"
                for one in home or ()
                if not any(_is_named(member, one) for member in members)
            ]
            if problems:
                raise InputError(problems)
            order = CurtailmentOrdered(
                direction=Direction(direction),
                limit_watts=limit_watts,
                start=start_timestep,
                end=end_timestep,
                accounts=tuple(
                    member.address for member in members if any(_is_named(member, one) for one in home or ())
                ),
            )
            give_order(database, order, now)
        named = f"{len(order.accounts)} of {len(members)} homes" if home else "everybody"
        typer.echo(f"Timesteps {start_timestep}..{end_timestep}, {named}. {TAKEN}")


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


def _is_named(member: "Member", text: str) -> bool:
    return text in {member.name, member.node} or text.lower() == member.address.lower()


def _timestep_problems(config: "DsoConfig", start: int, end: int, now: int) -> list[str]:
    from petra.network.deployment import read_deployment

    current = read_deployment(config.path(config.dso.deployment)).terms.timeline.current(now)
    problems = []
    if start <= current:
        problems.append(f"--start-timestep {start}: has begun, the current one is {current}; homes must be told before")
    if end < start:
        problems.append(f"--end-timestep {end}: lies before --start-timestep {start}")
    return problems


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


def orders_of(database: "Database") -> "list[Order]":
    """Return every order that there ever was, taken or not."""
    from petra.roles.effects import Order as AnyOrder
    from petra.store.codec import decode
    from petra.store.registry import OrderStore

    return [decode(AnyOrder, one.document) for one in OrderStore(database).all()]


def members_of(database: "Database") -> list[tuple["Member", int | None]]:
    """Return every member with the second at which it was revoked, None if it was not."""
    from petra.roles.dso.state import Member
    from petra.store.codec import decode
    from petra.store.registry import MemberStore

    return [(decode(Member, one.document), one.revoked_at) for one in MemberStore(database).all()]
