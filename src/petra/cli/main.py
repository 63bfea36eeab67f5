"""The command `petra` and its verbs.

Exit codes: 0 done; 1 done, but a promise is broken; 2 bad input, nothing changed; 3 the world failed meanwhile;
130 Ctrl-C.
"""

import typer

from petra.cli import network
from petra.cli.deploy import deploy
from petra.cli.doctor import doctor
from petra.cli.live import live
from petra.cli.report import report
from petra.cli.simulate import simulate

app = typer.Typer(
    name="petra",
    help="Trade energy between the homes of a microgrid: private, safe, auditable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(simulate)
app.command()(live)
app.command()(report)
app.add_typer(network.app, name="network")
app.command()(deploy)
app.command()(doctor)
