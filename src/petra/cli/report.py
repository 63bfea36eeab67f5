"""`petra report`: from a run directory to its page."""

from pathlib import Path
from typing import Annotated

import typer

from petra.cli.guard import guarded


def report(
    directory: Annotated[Path, typer.Argument(help="A run directory, as `petra simulate` writes it.")],
) -> None:
    """Write one self-contained page, report.html, and CSV tables into a run directory.

    Example: petra report runs/demo
    """
    with guarded():
        from petra.report import write_report

        typer.echo(str(write_report(directory)))
