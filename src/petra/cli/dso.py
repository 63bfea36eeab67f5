"""`petra dso`: the DSO as a service, and its operator's orders to it.

Decides: what is asked for and printed. An order is a row in the DSO's database, which the running service takes within
a second; one that does not run takes it when it starts.
"""

import hashlib
import json
import secrets
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.dso_orders import (
    TAKEN,
    curtail,
    freeze,
    give_order,
    members_of,
    open_database,
    orders_of,
    unfreeze,
)
from petra.cli.guard import guarded
from petra.cli.services import AsJson, Directory, PasswordFile, read_password, run_service, standing, told
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.domain.messages import PriceSchedule
    from petra.roles.dso.state import Member
    from petra.roles.effects import MemberTerms
    from petra.runtime.config import DsoConfig
    from petra.runtime.invitation import Invitation
    from petra.store.database import Database

SECONDS_PER_DAY = 86_400
MONEY_MAX = 10**9  # EUR or ct: a sum of nine times as many nano-EUR still fits the books

app = typer.Typer(no_args_is_help=True, help="Run the DSO of a microgrid, and tell it who belongs and what it costs.")

GridOrFile = Annotated[
    str | None,
    typer.Option(
        metavar="GRID|FILE",
        help="Keep this feeder safe: a grid that comes with PETra (rural1, ..), or a file: PETra's, power-grid-model's "
        "or pandapower's JSON.",
    ),
]
Fraction = Annotated[float | None, typer.Option(help="Of the feeder, where its file does not state it: a fraction.")]
Unenrolled = Annotated[
    int | None, typer.Option(min=0, max=10**9, help="What flows where somebody is connected who is no member.")
]


def money(text: str) -> Decimal:
    """Return a decimal number; typer tells who gives none."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise typer.BadParameter(f"{text!r} is no decimal number") from error
    if not value.is_finite() or value < 0:
        raise typer.BadParameter(f"{text}: must be 0 or more")
    if value > MONEY_MAX:
        raise typer.BadParameter(f"{text[:40]}: must be at most {MONEY_MAX:,}")
    return value


@app.command()
def init(
    *,
    directory: Directory,
    deployment: Annotated[
        Path, typer.Option(help="The deployment file of `petra deploy`, with its outbox beside it.", show_default=False)
    ],
    dso_key: Annotated[
        Path, typer.Option(help="File of the DSO's key: 64 hexadecimal digits, mode 0600.", show_default=False)
    ],
    database: Annotated[
        str, typer.Option(help="postgresql+psycopg://...; a file of SQLite in the directory if left out.")
    ] = "",
    scenario: Annotated[
        str, typer.Option(help="Its prices and policy open dso.toml, which can be changed until the first run.")
    ] = "case-study",
    feeder: GridOrFile = None,
    voltage_min: Fraction = None,
    voltage_max: Fraction = None,
    voltage_deviation: Fraction = None,
    unenrolled_import_watts: Unenrolled = None,
    unenrolled_export_watts: Unenrolled = None,
    host: Annotated[str, typer.Option(help="Where to listen: an address of this machine.")] = "127.0.0.1",
    public_host: Annotated[str, typer.Option(help="What homes connect to; --host if left out.")] = "",
    first_port: Annotated[
        int | None, typer.Option(help="Use this port and the two after it; free ones if left out.")
    ] = None,
    block_seconds: Annotated[
        int, typer.Option(min=1, max=600, help="The chain's seconds from block to block; homes are told.")
    ] = 5,
    password_file: PasswordFile = None,
) -> None:
    """Make the DSO's directory: keystore, database, dso.toml.

    Example: petra dso init --dir dso --deployment .petra/network/deployment.json --dso-key .petra/network/dso.key
    """
    with guarded():
        from petra.data.feeder_files import read_feeder
        from petra.runtime.creation import NewDso, create_dso
        from petra.scenario import load_scenario

        band = {"voltage_min": voltage_min, "voltage_max": voltage_max, "source_voltage_deviation": voltage_deviation}
        unenrolled = (unenrolled_import_watts, unenrolled_export_watts)
        if feeder is None and any(one is not None for one in (*band.values(), *unenrolled)):
            raise InputError("what is said of a feeder needs --feeder")
        new = NewDso(
            deployment=deployment,
            key=dso_key,
            scenario=load_scenario(scenario),
            feeder=None if feeder is None else read_feeder(feeder, **band),
            unenrolled=unenrolled,
            database=database,
            host=host,
            public_host=public_host,
            first_port=first_port,
            block_seconds=block_seconds,
        )
        config = create_dso(directory, new, read_password(password_file, twice=True))
        typer.echo(f"The DSO lies in {config.directory}. Look at {config.FILE} there, then `petra dso run`.")
        typer.echo(f"{dso_key} is in its keystore now: keep that file in a safe place, or destroy it.")


@app.command()
def run(
    *,
    directory: Directory,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait until the DSO that shares this database ends or falls silent.")
    ] = False,
    moved: Annotated[
        bool,
        typer.Option("--moved", help="The database was moved or restored, and no other copy of it is ever used again."),
    ] = False,
    password_file: PasswordFile = None,
) -> None:
    """Run the DSO until it is told to stop (SIGTERM, Ctrl-C).

    Example: petra dso run --dir dso --password-file dso.password
    """
    with guarded():
        from petra.runtime.building import build_dso
        from petra.runtime.config import DsoConfig

        config = DsoConfig.load(directory)
        password = read_password(password_file)
        if moved:
            _accept_place(config)
        code = run_service(config, "dso", lambda: build_dso(directory, password, standby=standby))
    raise typer.Exit(code)


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="What the DSO calls the home.", show_default=False)],
    *,
    directory: Directory,
    out: Annotated[Path, typer.Option(help="The invitation: a new file for the home.", show_default=False)],
    firm_import_watts: Annotated[
        int, typer.Option(min=0, max=10**9, help="What it may draw without a grant.", show_default=False)
    ],
    production_capacity_watts: Annotated[
        int, typer.Option(min=0, max=10**9, help="Rating of its plant.", show_default=False)
    ],
    opening_balance_eur: Annotated[
        Decimal, typer.Option(parser=money, metavar="EUR", help="What it brings in.", show_default=False)
    ],
    firm_export_watts: Annotated[
        int | None, typer.Option(min=0, max=10**9, help="What it may feed without a grant; its plant's if left out.")
    ] = None,
    consumption_capacity_watts: Annotated[
        int, typer.Option(min=0, max=10**9, help="Rating of its connection.")
    ] = 43_000,
    credit_limit_eur: Annotated[
        Decimal, typer.Option(parser=money, metavar="EUR", help="How far it may sell what it has yet to deliver.")
    ] = Decimal(20),
    node: Annotated[str | None, typer.Option(help="Its node of the feeder.")] = None,
    valid_days: Annotated[int, typer.Option(min=1, max=365, help="How long the invitation serves.")] = 7,
) -> None:
    """Invite a home: write a file with which it joins, once.

    Example: petra dso enrol "home 1" --dir dso --firm-import-watts 14500 --production-capacity-watts 9000
    --opening-balance-eur 20 --out home-1.json
    """
    with guarded():
        from petra.roles.effects import EnrolmentOpened, MemberTerms
        from petra.runtime.config import DsoConfig
        from petra.scenario.schema import nano
        from petra.store.codec import encode
        from petra.store.registry import TokenStore

        config = DsoConfig.load(directory)
        terms = MemberTerms(
            name=name,
            node=node,
            firm_import_watts=firm_import_watts,
            firm_export_watts=production_capacity_watts if firm_export_watts is None else firm_export_watts,
            production_capacity_watts=production_capacity_watts,
            consumption_capacity_watts=consumption_capacity_watts,
            opening_balance=nano(opening_balance_eur),
            credit_limit=nano(credit_limit_eur),
        )
        with open_database(config) as database:
            _require_free_name(database, name)
            _require_room(config, database, terms)
            token, now = secrets.token_bytes(32), int(time.time())
            digest, expires = hashlib.sha256(token).digest(), now + valid_days * SECONDS_PER_DAY
            _invitation(config, database, terms, token, expires).write(out)
            try:
                with database.transaction() as connection:
                    TokenStore(database).add(connection, digest, encode(MemberTerms, terms), expires)
                give_order(database, EnrolmentOpened(token_hash=digest, terms=terms, expires=expires), now)
            except BaseException:
                out.unlink()
                raise
        typer.echo(f"{out}: hand it to the home; it serves once, for {valid_days} days. {TAKEN}")


@app.command()
def revoke(
    home: Annotated[str, typer.Argument(help="Name or address of the home.", metavar="NAME|ADDRESS")],
    *,
    directory: Directory,
) -> None:
    """Take a home out: it is granted nothing more, and what it was granted is settled to the end.

    Example: petra dso revoke "home 1" --dir dso
    """
    with guarded():
        from petra.roles.effects import Revoked
        from petra.runtime.config import DsoConfig

        with open_database(DsoConfig.load(directory)) as database:
            found = [
                (member, revoked_at)
                for member, revoked_at in members_of(database)
                if home == member.name or home.lower() == member.address.lower()
            ]
            active = [member for member, revoked_at in found if revoked_at is None]
            if not active:
                problem = "is revoked already" if found else "is no member"
                raise InputError(f"{home}: {problem}; see `petra dso accounts`")
            give_order(database, Revoked(account=active[0].address), int(time.time()))
        typer.echo(f"{active[0].name} is revoked. {TAKEN}")


@app.command()
def accounts(*, directory: Directory, json_output: AsJson = False) -> None:
    """List the homes, what they have, and the invitations that nobody has used.

    Example: petra dso accounts --dir dso --json
    """
    with guarded():
        from petra.runtime.config import DsoConfig

        with open_database(DsoConfig.load(directory)) as database:
            facts = {"members": _accounts(database), "invitations": _open_invitations(database)}
        if json_output:
            typer.echo(json.dumps(facts))
            return
        for one in facts["members"]:
            ended = "  revoked" if one["revoked_at"] is not None else ""
            typer.echo(f"{one['name']:20} {one['address']} {Decimal(one['balance']) / 10**9:>14.4f} EUR{ended}")
        for one in facts["invitations"]:
            typer.echo(f"{one['name']:20} invited until unix second {one['expires']}")
        if not facts["members"] and not facts["invitations"]:
            typer.echo("Nobody yet: `petra dso enrol` invites a home.")


@app.command()
def price(
    *,
    directory: Directory,
    from_timestep: Annotated[
        int, typer.Option(min=0, help="The first timestep that it holds for.", show_default=False)
    ],
    retail_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="What the utility asks.", show_default=False)
    ],
    feed_in_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="What the utility pays.", show_default=False)
    ],
    local_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="What homes meet at.", show_default=False)
    ],
    imbalance_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="What promised energy costs that is not delivered.")
    ],
    bulk_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="What the utility's own supply costs.")
    ],
    grid_fee_ct_per_kwh: Annotated[
        Decimal, typer.Option(parser=money, metavar="CT", help="On each kWh drawn from the grid.")
    ] = Decimal(0),
) -> None:
    """Set the prices from a timestep on; those of timesteps that may have been granted already stay.

    Example: petra dso price --dir dso --from-timestep 960 --retail-ct-per-kwh 32 --feed-in-ct-per-kwh 8
    --local-ct-per-kwh 20 --grid-fee-ct-per-kwh 7.5 --imbalance-ct-per-kwh 45 --bulk-ct-per-kwh 9
    """
    with guarded():
        from petra.roles.effects import ScheduleAdded
        from petra.runtime.config import DsoConfig, PriceSection
        from petra.scenario.load import checked

        config, now = DsoConfig.load(directory), int(time.time())
        figures = {
            "from_timestep": from_timestep,
            "retail_ct_per_kwh": retail_ct_per_kwh,
            "feed_in_ct_per_kwh": feed_in_ct_per_kwh,
            "local_ct_per_kwh": local_ct_per_kwh,
            "grid_fee_ct_per_kwh": grid_fee_ct_per_kwh,
            "imbalance_ct_per_kwh": imbalance_ct_per_kwh,
            "bulk_ct_per_kwh": bulk_ct_per_kwh,
        }
        schedule = checked(PriceSection, figures, "prices").schedule()
        with open_database(config) as database:
            _require_settable(config, database, schedule, now)
            give_order(database, ScheduleAdded(schedule=schedule), now)
        typer.echo(f"From timestep {from_timestep} on. {TAKEN}")


app.command()(curtail)
app.command()(freeze)
app.command()(unfreeze)


@app.command()
def status(*, directory: Directory, json_output: AsJson = False) -> None:
    """Say how the DSO stands.

    Example: petra dso status --dir dso
    """
    with guarded():
        from petra.runtime.config import DsoConfig

        config = DsoConfig.load(directory)
        with open_database(config) as database:
            everybody = members_of(database)
            members = [member for member, revoked_at in everybody if revoked_at is None]
            facts = standing(config, database) | {
                "members": len(members),
                "revoked": len(everybody) - len(members),
                "invitations": len(_open_invitations(database)),
                "grid": _grid(config, members),
                "rules": _rules(config, members),
            }
        typer.echo(json.dumps(facts) if json_output else told(facts))


def _accounts(database: "Database") -> list[dict[str, Any]]:
    from petra.store.books import EntryStore

    balances = EntryStore(database).balances()
    return [
        {
            "name": member.name,
            "address": member.address,
            "meter": member.meter,
            "balance": balances.get(member.address, 0),
            "revoked_at": revoked_at,
        }
        for member, revoked_at in sorted(members_of(database), key=lambda one: one[0].name)
    ]


def _open_invitations(database: "Database") -> list[dict[str, Any]]:
    """Return the names and last seconds of open invitations."""
    return [{"name": terms.name, "expires": expires} for terms, expires in _invited(database)]


def _invited(database: "Database") -> "list[tuple[MemberTerms, int]]":
    """Return what the tokens promise that have not run out and whose home has not joined, and until when."""
    from petra.roles.effects import MemberTerms
    from petra.store.codec import decode
    from petra.store.registry import TokenStore

    joined, now = {member.name for member, _ in members_of(database)}, time.time()
    tokens: list[tuple[MemberTerms, int]] = [
        (decode(MemberTerms, token.document), token.expires) for token in TokenStore(database).all()
    ]
    return [(terms, expires) for terms, expires in tokens if expires >= now and terms.name not in joined]


def _require_free_name(database: "Database", name: str) -> None:
    taken = {member.name for member, _ in members_of(database)} | {one["name"] for one in _open_invitations(database)}
    if name in taken:
        raise InputError(f"{name}: a home of that name is a member, or invited; choose another")


def _require_room(config: "DsoConfig", database: "Database", terms: "MemberTerms") -> None:
    """Raise InputError where the DSO would refuse the home for the feeder's sake: told before it is invited."""
    from petra.runtime.feeders import feeder_book, room_problem

    if (book := feeder_book(config)) is not None:
        there = [member for member, revoked_at in members_of(database) if revoked_at is None]
        if problem := room_problem(book, [*there, *(invited for invited, _ in _invited(database))], terms):
            raise InputError(problem)


def _grid(config: "DsoConfig", members: "list[Member]") -> str:
    """Say in a line what keeps withdrawals within the grid."""
    from petra.runtime.feeders import feeder_book

    if (book := feeder_book(config)) is None:
        return f"no feeder is watched (rule = {config.grid.rule})"
    served, feeder = {member.node for member in members}, book.ledger.feeder
    open_nodes = [one.node for one in feeder.nodes if one.connected and one.node not in served]
    return (
        f"feeder {feeder.name}: {len(feeder.nodes)} nodes, members at {len(served)}; {len(open_nodes)} nodes with "
        "homes and no member"
    )


def _rules(config: "DsoConfig", members: "list[Member]") -> str:
    """Say in a line which rules bound withdrawals, and whom they name that is not (yet) here."""
    if not config.rule:
        return "none beside the grid's"
    here = {member.name for member in members} | {member.node for member in members}
    absent = sorted({name for rule in config.rule for name in rule.homes} - here)
    named = f"; neither a member nor a member's node: {', '.join(absent)}" if absent else ""
    return ", ".join(rule.kind for rule in config.rule) + named


def _invitation(
    config: "DsoConfig", database: "Database", terms: "MemberTerms", token: bytes, expires: int
) -> "Invitation":
    from petra.network.deployment import read_deployment
    from petra.runtime.creation import CURVE_KEY
    from petra.runtime.invitation import Invitation
    from petra.scenario.load import checked
    from petra.store.registry import Settings

    fabric, path = config.fabric, config.path(config.dso.deployment)
    if fabric.told_host in {"0.0.0.0", "::", "*"}:
        raise InputError(f"{config.directory / config.FILE}: [fabric] public_host: name what homes connect to")
    values = {
        "name": terms.name,
        "dso": read_deployment(path).terms.dso,
        "dso_key": Settings(database).get(CURVE_KEY),
        "dso_endpoint": f"tcp://{fabric.told_host}:{fabric.port}",
        "enrol_endpoint": f"tcp://{fabric.told_host}:{fabric.enrol_port}",
        "publish_endpoint": f"tcp://{fabric.told_host}:{fabric.publish_port}",
        "gateway_url": f"https://{fabric.told_host}:{fabric.gateway_port}" if fabric.gateway_port else "",
        "block_seconds": config.dso.block_seconds,
        "deployment": json.loads(path.read_text(encoding="utf-8")),
        "token": token.hex(),
        "expires": expires,
    }
    return checked(Invitation, values, "the invitation")


def _require_settable(config: "DsoConfig", database: "Database", schedule: "PriceSchedule", now: int) -> None:
    """Raise InputError where the DSO would refuse the schedule: told here, before it is an order."""
    from petra.network.deployment import read_deployment
    from petra.roles.effects import ScheduleAdded

    terms = read_deployment(config.path(config.dso.deployment)).terms
    frozen = terms.timeline.current(now) + config.policy.horizon_timesteps
    problems = []
    if schedule.from_timestep <= frozen:
        problems.append(
            f"--from-timestep {schedule.from_timestep}: prices up to timestep {frozen} are frozen, for assets may have "
            "been granted"
        )
    if schedule.local > terms.max_price:
        problems.append("--local-ct-per-kwh: is above the contract's highest price")
    ordered = [order.schedule for order in orders_of(database) if isinstance(order, ScheduleAdded)]
    if any(one.from_timestep == schedule.from_timestep for one in ordered):
        problems.append(f"--from-timestep {schedule.from_timestep}: prices from there on are ordered already, and stay")
    if problems:
        raise InputError(problems)


def _accept_place(config: "DsoConfig") -> None:
    from petra.store.restored import accept_place

    with open_database(config) as database:
        accept_place(database)
