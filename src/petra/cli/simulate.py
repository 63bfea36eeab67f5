"""`petra simulate`: play a scenario on a virtual clock and write a run directory.

Decides: which chain serves and where the run goes. It asks for the wall time; the run itself never does.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import guarded
from petra.cli.runs import finish, progress_bar, read_world, run_directory, summarised, write_about
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.play.world import World
    from petra.ports import VirtualChain


class Ledger(StrEnum):
    """The chains that a simulation can run on."""

    ANVIL = "anvil"
    MEMORY = "memory"


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="A scenario that comes with PETra (case-study, feeder-day, rural-stress), or a file.")
    ] = "case-study",
    *,
    ledger: Annotated[
        Ledger, typer.Option(help="anvil: a real Ethereum node, started and stopped here; memory: the Python twin.")
    ] = Ledger.ANVIL,
    rpc: Annotated[
        str | None,
        typer.Option(help="URL of a node of your own that answers evm_setNextBlockTimestamp, instead of --ledger."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Chance and keys; the scenario's own seed if left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the run directory goes; runs/SCENARIO-SEED if left out.")
    ] = None,
    block_seconds: Annotated[
        int | None, typer.Option(help="Seconds from block to block, instead of the scenario's.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run directory.")] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on the last line.")
    ] = False,
) -> None:
    """Play a market day: forecast, withdraw, trade, deliver, settle, bill.

    Example: petra simulate case-study --ledger memory --seed 7 --out runs/seven
    """
    with guarded():
        begun = time.monotonic()
        world = read_world(scenario, block_seconds)
        chosen = world.scenario.run.seed if seed is None else seed
        target = out or Path("runs") / f"{world.scenario.run.name}-{chosen}"
        with run_directory(target, force=force) as directory:
            summary = _play(world, chosen, directory, _chain_opener(ledger, rpc, world))
            summary["wall_seconds"] = round(time.monotonic() - begun, 3)
            write_about(directory, world.scenario, chosen, ledger if rpc is None else "rpc", summary)
    finish(summary, target, json_output=json_output)


def _chain_opener(ledger: Ledger, rpc: str | None, world: "World") -> Callable[[], "VirtualChain"]:
    """Return what opens the chain, so that nothing is started before everything else is checked."""
    chain_id, block_seconds = world.scenario.chain.chain_id, world.scenario.chain.block_seconds
    genesis = world.starts - block_seconds
    if rpc is not None:
        from petra.chain.anvil import AnvilChain

        return lambda: _attached(AnvilChain.attach(rpc), rpc, world)
    if ledger is Ledger.MEMORY:
        from petra.chain.memory import MemoryChain

        return lambda: MemoryChain(chain_id=chain_id, genesis=genesis)
    from petra.chain.anvil import AnvilChain

    return lambda: AnvilChain.start(chain_id=chain_id, genesis=genesis)


def _attached(chain: "VirtualChain", url: str, world: "World") -> "VirtualChain":
    """Refuse a node that is another chain, or whose time has passed the scenario's begin."""
    wanted, begins = world.scenario.chain.chain_id, world.starts
    problems = []
    if chain.chain_id != wanted:
        problems.append(f"the node at {url} has chain id {chain.chain_id}, the scenario {wanted}: set [chain] chain_id")
    if (stands := chain.head().timestamp) >= begins:
        problems.append(
            f"the node at {url} stands at unix second {stands}, the scenario begins at {begins}:"
            f" start it afresh with --timestamp {begins - world.scenario.chain.block_seconds}"
        )
    if problems:
        chain.close()
        raise InputError(problems)
    return chain


def _play(world: "World", seed: int, directory: Path, open_chain: Callable[[], "VirtualChain"]) -> dict[str, Any]:
    from petra.sim import simulate as play

    ends = world.genesis + (world.last_timestep + 1) * world.timestep_seconds + world.scenario.dso.windows_seconds
    chain = open_chain()
    try:
        with progress_bar(world.scenario.run.name) as on_progress:
            result = play(
                world,
                chain,
                seed,
                directory,
                lambda now: on_progress((now - world.starts) / (ends - world.starts)),
            )
    finally:
        chain.close()
    return summarised(directory) | {"transactions": result.transactions, "alarms": list(result.alarms)}
