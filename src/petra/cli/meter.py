"""`petra meter`: a meter as a service, simulated or replayed from a file."""

from pathlib import Path
from typing import Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.services import Directory, PasswordFile, read_password, run_service

app = typer.Typer(no_args_is_help=True, help="Count what a home produces and consumes, and sign it.")


@app.command()
def init(
    *,
    directory: Directory,
    home_card: Annotated[Path, typer.Option(help="home-card.json of its home's directory.", show_default=False)],
    profile: Annotated[Path | None, typer.Option(help="CSV file for its simulated sensor, which is copied.")] = None,
    password_file: PasswordFile = None,
) -> None:
    """Make the directory of a meter that lives apart from its home; a home with its meter needs this not.

    Example: petra meter init --dir meter --home-card home-card.json --profile day.csv
    """
    with guarded():
        from petra.runtime.creation import METER_CARD_FILE, create_meter

        create_meter(directory, home_card, read_password(password_file, twice=True), profile=profile)
        typer.echo(f"The meter lies in {directory}. Bring {directory / METER_CARD_FILE} home: `petra prosumer adopt`.")


@app.command()
def run(*, directory: Directory, password_file: PasswordFile = None) -> None:
    """Count and tell until told to stop (SIGTERM, Ctrl-C).

    Example: petra meter run --dir home/meter --password-file home.password
    """
    with guarded():
        from petra.runtime.building import build_meter
        from petra.runtime.config import MeterConfig

        config = MeterConfig.load(directory)
        password = read_password(password_file)
        code = run_service(config, "meter", lambda: build_meter(directory, password))
    raise typer.Exit(code)
