"""`petra prosumer`: a home as a service."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.services import AsJson, Directory, PasswordFile, read_password, run_service, standing, told

if TYPE_CHECKING:
    from petra.runtime.config import HomeConfig
    from petra.runtime.operation import Running
    from petra.store.database import Database

app = typer.Typer(no_args_is_help=True, help="Let a home trade by itself.")


@app.command()
def init(
    *,
    directory: Directory,
    invitation: Annotated[Path, typer.Option(help="The file that the DSO handed out.", show_default=False)],
    rpc: Annotated[
        list[str] | None, typer.Option(help="URL of a node; again for further ones; the deployment's if left out.")
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="Reach the DSO through its gateway, where ZeroMQ cannot go.")
    ] = False,
    meter_elsewhere: Annotated[
        bool, typer.Option("--meter-elsewhere", help="Make no meter: `petra meter init` makes it with home-card.json.")
    ] = False,
    listen_host: Annotated[str, typer.Option(help="Where the home's own meter reaches it.")] = "127.0.0.1",
    profile: Annotated[
        Path | None, typer.Option(help="CSV file for the meter's simulated sensor, which is copied.")
    ] = None,
    password_file: PasswordFile = None,
) -> None:
    """Make a home's directory: keystore, database, home.toml; in DIR/meter the same for its meter.

    Example: petra prosumer init --dir home --invitation home-1.json --profile day.csv
    """
    with guarded():
        from petra.runtime.creation import HOME_CARD_FILE, NewHome, create_home

        new = NewHome(
            invitation=invitation,
            rpc=tuple(rpc or ()),
            https=https,
            listen_host=listen_host,
            has_meter=not meter_elsewhere,
            profile=profile,
        )
        create_home(directory, new, read_password(password_file, twice=True))
        if meter_elsewhere:
            typer.echo(f"The home lies in {directory}. Bring its {HOME_CARD_FILE} to its meter: `petra meter init`.")
        else:
            typer.echo(f"The home lies in {directory}, its meter in {directory / 'meter'}, with the same password.")


@app.command()
def adopt(
    *,
    directory: Directory,
    meter_card: Annotated[Path, typer.Option(help="meter-card.json of `petra meter init`.", show_default=False)],
) -> None:
    """Take in the meter that was made elsewhere.

    Example: petra prosumer adopt --dir home --meter-card meter-card.json
    """
    with guarded():
        from petra.runtime.creation import adopt_meter

        adopt_meter(directory, meter_card)
        typer.echo("The home knows its meter.")


@app.command()
def run(*, directory: Directory, password_file: PasswordFile = None) -> None:
    """Join the DSO at the first start, and then trade until told to stop (SIGTERM, Ctrl-C).

    Example: petra prosumer run --dir home --password-file home.password
    """
    with guarded():
        from petra.runtime.building import build_home
        from petra.runtime.config import HomeConfig
        from petra.runtime.joining import join

        config = HomeConfig.load(directory)
        password = read_password(password_file)

        def build() -> "Running":
            join(directory, password)
            return build_home(directory, password)

        code = run_service(config, "prosumer", build)
    raise typer.Exit(code)


@app.command()
def status(*, directory: Directory, json_output: AsJson = False) -> None:
    """Say how the home stands.

    Example: petra prosumer status --dir home
    """
    with guarded():
        from petra.runtime.config import HomeConfig
        from petra.runtime.joining import ENROLLED
        from petra.store.database import Database
        from petra.store.registry import Settings

        config = HomeConfig.load(directory)
        with closing(Database.open(config.database)) as database:
            facts = {"enrolled": Settings(database).get(ENROLLED) is not None} | standing(config, database)
            facts["curtailments"] = _curtailments(config, database)
        typer.echo(json.dumps(facts) if json_output else told(facts))


def _curtailments(config: "HomeConfig", database: "Database") -> dict[str, int]:
    """Return what the DSO lets flow at the meter in this timestep and the next: whoever controls the home asks."""
    import sqlalchemy as sql

    from petra.domain.messages import Curtailment, Direction, Kind
    from petra.network.deployment import read_deployment
    from petra.roles.curtailments import limit_of
    from petra.store.tables import messages
    from petra.wire.envelope import open_envelope, signature_domain

    deployment = read_deployment(config.path(config.home.deployment))
    domain = signature_domain(deployment.chain_id, deployment.contract)
    where = (messages.c.kind == Kind.CURTAILMENT.value, messages.c.direction == "in")
    rows = database.read(sql.select(messages.c.raw).where(*where))
    bodies = [open_envelope(bytes(row.raw), domain).body for row in rows]
    signals = [body for body in bodies if isinstance(body, Curtailment)]
    current = deployment.terms.timeline.current(int(time.time()))
    limits = {
        f"{way.value}_watts_{when}": limit_of(signals, timestep, way)
        for when, timestep in (("now", current), ("next", current + 1))
        for way in Direction
    }
    return {name: limit for name, limit in limits.items() if limit is not None}
