"""`petra testbed`: a whole microgrid on this machine, as real processes.

Decides: defaults, and what is printed. What happens is decided in `petra.runtime.testbed`.
"""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import guarded
from petra.cli.live import in_time
from petra.cli.runs import finish, progress_bar, read_world, run_directory, summarised, write_about
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.play.world import World
    from petra.runtime.testbed import Plan, Standing
    from petra.runtime.testbed_layout import Testbed

DEFAULT_DIRECTORY = Path(".petra/testbed")

app = typer.Typer(no_args_is_help=True, help="Run a whole microgrid on this machine: chain, DSO, homes and meters.")
Directory = Annotated[Path, typer.Option("--dir", help="Where the testbed's files lie.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
NetworkOption = Annotated[
    Path | None,
    typer.Option(
        help="Directory of a running `petra network`: use its chain instead of an own anvil.", show_default=False
    ),
]
BlockSeconds = Annotated[int, typer.Option(min=1, max=600, help="The own chain's seconds from block to block.")]
Horizon = Annotated[
    int | None, typer.Option(help="How many timesteps ahead homes withdraw and trade, instead of the scenario's.")
]


@app.command()
def up(
    *,
    homes: Annotated[
        int | None,
        typer.Option(min=1, max=1_000, help="How many homes; the scenario's if left out.", show_default=False),
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="Whose homes, prices and terms: case-study, feeder-day, rural-stress, or a file.")
    ] = "case-study",
    timestep_seconds: Annotated[int, typer.Option(min=4, max=3_600, help="T: how long a timestep lasts.")] = 15,
    block_seconds: BlockSeconds = 1,
    horizon: Horizon = None,
    network: NetworkOption = None,
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: AsJson = False,
) -> None:
    """Bring a microgrid up, and return when every home is enrolled, knows the prices and reads final blocks.

    The homes then trade on their own until `petra testbed down`. In the directory of a stopped testbed that one goes
    on. Homes beyond the scenario's have its profiles, shifted.
    Example: petra testbed up --homes 20
    """
    with guarded():
        begun = time.monotonic()
        from petra.runtime.testbed import Plan

        plan = Plan(
            homes=homes, timestep_seconds=timestep_seconds, block_seconds=block_seconds, network=_absolute(network)
        )
        testbed = _up_or_on(directory, in_time(read_world(scenario, None), None, horizon, None), plan)
        seconds = time.monotonic() - begun
        if json_output:
            typer.echo(json.dumps(_facts(testbed) | {"seconds": round(seconds, 3)}))
            return
        typer.echo(f"{len(testbed.homes)} homes are ready since {seconds:.1f} s; T = {testbed.timestep_seconds} s.")
        typer.echo(f"Chain: {', '.join(testbed.rpc)}. Logs: {directory}/dso, {directory}/homes/NAME")
        typer.echo("Next: petra testbed status")


@app.command()
def play(
    scenario: Annotated[
        str, typer.Argument(help="A scenario that comes with PETra (case-study, feeder-day, rural-stress), or a file.")
    ] = "case-study",
    *,
    timestep_seconds: Annotated[int, typer.Option(min=4, max=3_600, help="T: how long a timestep lasts.")] = 15,
    timesteps: Annotated[int | None, typer.Option(min=1, help="Play only the first so many timesteps.")] = None,
    block_seconds: BlockSeconds = 1,
    horizon: Horizon = None,
    network: NetworkOption = None,
    directory: Directory = DEFAULT_DIRECTORY,
    out: Annotated[Path | None, typer.Option(help="Where the run directory goes; runs/SCENARIO-testbed.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on the last line.")
    ] = False,
) -> None:
    """Play a scenario with a process for everybody, and compare books, ledger and homes at its end.

    The testbed is brought up first, or the one of this scenario in the directory is waited for; its processes end with
    the play, its files stay.
    Example: petra testbed play case-study --timestep-seconds 15
    """
    with guarded():
        begun = time.monotonic()
        from petra.runtime.testbed import Plan, down, played
        from petra.runtime.testbed_play import play_out
        from petra.sim import check_grid

        world = in_time(read_world(scenario, block_seconds), timesteps, horizon, None)
        plan = Plan(
            timestep_seconds=timestep_seconds, block_seconds=block_seconds, network=_absolute(network), plays=True
        )
        target = out or Path("runs") / f"{world.scenario.run.name}-testbed"
        with run_directory(target, force=force) as run:
            testbed = _up_or_on(directory, world, plan)
            world = played(world, testbed)
            try:
                with progress_bar(world.scenario.run.name) as on_progress:
                    result = play_out(testbed, world, run, on_progress)
            finally:
                down(directory)
            summary = summarised(run) | {
                "transactions": result.transactions,
                "alarms": [*result.alarms, *check_grid(world, run)],
                "wall_seconds": round(time.monotonic() - begun, 3),
            }
            write_about(run, world.scenario, 0, "testbed", summary)
    finish(summary, target, json_output=json_output)


@app.command()
def status(
    *,
    directory: Directory = DEFAULT_DIRECTORY,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare the DSO's books, the ledger, the homes and the feeder too.")
    ] = False,
    json_output: AsJson = False,
) -> None:
    """Say which processes run, and with --compare whether books, ledger, homes and feeder agree (exit code 1 if not).

    Example: petra testbed status --compare
    """
    with guarded():
        from petra.runtime.local_chain import chain_runs
        from petra.runtime.testbed import status as standings
        from petra.runtime.testbed_consistency import consistency
        from petra.runtime.testbed_layout import read_testbed

        testbed = read_testbed(directory)
        found = standings(testbed)
        differences = consistency(testbed) if compare else []
    chain = "network" if testbed.network else "runs" if chain_runs(testbed.directory) else "stopped"
    if json_output:
        services = [{"role": one.place.role, "name": one.place.name, "process": one.process_id} for one in found]
        compared = {"differences": differences} if compare else {}
        typer.echo(json.dumps(_facts(testbed) | {"chain": chain, "services": services} | compared))
    else:
        typer.echo(f"chain  {testbed.rpc[0]}  {chain}")
        typer.echo("\n".join(map(_told, found)))
        if compare:
            typer.echo("\n".join(differences) or "books, ledger, homes and feeder agree")
    if differences:
        raise typer.Exit(1)


@app.command()
def down(
    *,
    directory: Directory = DEFAULT_DIRECTORY,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the directory too: chain, keys, databases, logs.")
    ] = False,
) -> None:
    """End every process of the testbed, whatever state it is in; `up` goes on with it.

    Example: petra testbed down --remove
    """
    with guarded():
        from petra.runtime.testbed import down as end

        ended = end(directory, remove=remove)
        typer.echo(f"ended: {ended} processes of {directory}{', which is removed' if remove else ''}")


def _up_or_on(directory: Path, world: "World", plan: "Plan") -> "Testbed":
    """Make a testbed, or start again what of the directory's one does not run."""
    from petra.runtime import testbed
    from petra.runtime.testbed_layout import TESTBED_FILE, read_testbed

    if not (directory / TESTBED_FILE).is_file():
        return testbed.up(directory, world, plan)
    found = read_testbed(directory)
    wanted = (world.scenario.run.name, plan.timestep_seconds, plan.plays)
    if wanted != (found.scenario, found.timestep_seconds, found.plays) or plan.homes not in {None, len(found.homes)}:
        raise InputError(
            f"{directory}: holds another testbed ({found.scenario}, {len(found.homes)} homes, T = "
            f"{found.timestep_seconds} s): `petra testbed down --remove` ends and removes it, or name another --dir"
        )
    testbed.start(found)
    return found


def _absolute(network: Path | None) -> Path | None:
    return network.resolve() if network is not None else None


def _facts(testbed: "Testbed") -> dict[str, Any]:
    return {
        "directory": str(testbed.directory),
        "scenario": testbed.scenario,
        "homes": list(testbed.homes),
        "timestep_seconds": testbed.timestep_seconds,
        "rpc": list(testbed.rpc),
    }


def _told(one: "Standing") -> str:
    state = "stopped" if one.process_id is None else f"process {one.process_id}"
    return f"{one.place.role:9} {one.place.name:24} {state}"
