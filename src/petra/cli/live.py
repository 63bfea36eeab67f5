"""`petra live`: play a scenario on the wall clock, on a chain that makes its own blocks."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.runs import finish, progress_bar, read_world, run_directory, summarised, write_about
from petra.errors import ChainError, InputError

NODE_TIMEOUT_SECONDS = 3.0  # a node that hangs must not hold up the homes of the others

if TYPE_CHECKING:
    from petra.chain.rpc import RpcChain
    from petra.play.world import World


def live(
    scenario: Annotated[
        str, typer.Argument(help="A scenario that comes with PETra (case-study, feeder-day, rural-stress), or a file.")
    ] = "case-study",
    *,
    rpc: Annotated[
        list[str] | None, typer.Option(help="URL of a node; give it again for each further node of the same chain.")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(help="Directory of a network that `petra network up` made: all of its nodes.")
    ] = None,
    timestep_seconds: Annotated[int, typer.Option(help="T: how long each timestep of the data lasts, 4 .. 3600.")] = 30,
    timesteps: Annotated[int | None, typer.Option(help="Play only the first so many timesteps.")] = None,
    horizon: Annotated[
        int | None, typer.Option(help="How many timesteps ahead homes withdraw and trade, instead of the scenario's.")
    ] = None,
    gate: Annotated[
        int | None, typer.Option(help="Timesteps between trading and delivery, instead of the scenario's.")
    ] = None,
    block_seconds: Annotated[int, typer.Option(help="The chain's seconds from block to block.")] = 1,
    confirmations: Annotated[int, typer.Option(help="Blocks on top of one that make it final for homes.")] = 1,
    dso_confirmations: Annotated[int, typer.Option(help="The same for the DSO and its books.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Where the run directory goes; runs/SCENARIO-live.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on the last line.")
    ] = False,
) -> None:
    """Play a market day in real time: same roles, transactions and messages as in a simulation.

    Example: petra live case-study --network .petra/network --timestep-seconds 30
    """
    with guarded():
        begun = time.monotonic()
        _check_numbers(timestep_seconds, timesteps, confirmations)
        world = in_time(read_world(scenario, block_seconds), timesteps, horizon, gate)
        target = out or Path("runs") / f"{world.scenario.run.name}-live"
        with run_directory(target, force=force) as directory:
            from petra.runtime.live import LiveSettings, play_live
            from petra.sim import check_grid

            chains = _open_chains(_urls(rpc, network))
            settings = LiveSettings(
                timestep_seconds=timestep_seconds, confirmations=confirmations, dso_confirmations=dso_confirmations
            )
            try:
                with progress_bar(world.scenario.run.name) as on_progress:
                    result = play_live(world, chains, settings, directory, on_progress)
            finally:
                for chain in chains:
                    chain.close()
            summary = summarised(directory) | {
                "transactions": result.transactions,
                "reorganisations": result.reorganisations,
                "alarms": [
                    *result.alarms,
                    *check_grid(replace(world, timestep_seconds=timestep_seconds), directory),
                ],
                "wall_seconds": round(time.monotonic() - begun, 3),
            }
            write_about(directory, world.scenario, 0, "live", summary)
    finish(summary, target, json_output=json_output)


def _check_numbers(timestep_seconds: int, timesteps: int | None, confirmations: int) -> None:
    problems = []
    if not 4 <= timestep_seconds <= 3_600:
        problems.append(f"--timestep-seconds {timestep_seconds}: must be 4 .. 3600")
    if timesteps is not None and timesteps < 1:
        problems.append(f"--timesteps {timesteps}: must be at least 1")
    if not 0 <= confirmations <= 64:
        problems.append(f"--confirmations {confirmations}: must be 0 .. 64")
    if problems:
        raise InputError(problems)


def in_time(world: "World", timesteps: int | None, horizon: int | None, gate: int | None) -> "World":
    """Return the world cut to its first timesteps, traded with another lead."""
    time_settings = world.scenario.time
    ahead_before = time_settings.gate_timesteps + time_settings.horizon_timesteps
    changed = time_settings.model_copy(
        update={
            "horizon_timesteps": time_settings.horizon_timesteps if horizon is None else horizon,
            "gate_timesteps": time_settings.gate_timesteps if gate is None else gate,
        }
    )
    if changed.horizon_timesteps < 1 or changed.gate_timesteps < 0:
        raise InputError("--horizon must be at least 1 and --gate at least 0")
    ahead = changed.gate_timesteps + changed.horizon_timesteps
    count = world.last_timestep - world.first_timestep + 1
    if timesteps is not None and timesteps > count:
        raise InputError(f"--timesteps {timesteps}: the scenario has {count}")
    return replace(
        world,
        scenario=world.scenario.model_copy(update={"time": changed}),
        first_timestep=ahead,
        last_timestep=ahead + (timesteps or count) - 1,
        genesis=world.genesis + (ahead_before - ahead) * world.timestep_seconds,
    )


def _urls(rpc: list[str] | None, network: Path | None) -> list[str]:
    if (rpc is None) == (network is None):
        raise InputError("name the chain: either --rpc URL, or --network DIRECTORY of `petra network up`")
    if network is None:
        return rpc or []
    from petra.network.layout import read_network

    return [node.rpc_url for node in read_network(network).nodes]


def _open_chains(urls: list[str]) -> list["RpcChain"]:
    """Connect to every node; all must serve the same chain."""
    from petra.chain.rpc import RpcChain

    problems: list[str] = []
    chains: list[RpcChain] = []
    for url in urls:
        try:
            chains.append(RpcChain(url, timeout_seconds=NODE_TIMEOUT_SECONDS, patience_seconds=0))
        except ChainError as error:
            problems.append(f"{error}: start the node, or `petra network up`")
    genesis = {chain.block(0).hash for chain in chains}
    if len(genesis) > 1:
        problems.append("the nodes serve different chains: name nodes of one network only")
    if problems:
        for chain in chains:
            chain.close()
        raise InputError(problems)
    return chains
