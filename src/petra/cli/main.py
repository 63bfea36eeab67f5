"""The command `petra` and its verbs.

Exit codes: 0 done; 1 done, but a promise is broken; 2 bad input, nothing changed; 3 the world failed meanwhile;
130 Ctrl-C.
"""

import typer

from petra.cli import dso, evidence, meter, network, prosumer, testbed
from petra.cli.backup import backup, restore
from petra.cli.deploy import deploy
from petra.cli.doctor import doctor
from petra.cli.live import live
from petra.cli.protest import protest
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
app.add_typer(testbed.app, name="testbed")
app.command()(deploy)
app.add_typer(dso.app, name="dso")
app.add_typer(prosumer.app, name="prosumer")
app.add_typer(meter.app, name="meter")
app.add_typer(evidence.app, name="evidence")
app.command()(protest)
app.command()(backup)
app.command()(restore)
app.command()(doctor)
