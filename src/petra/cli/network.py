"""`petra network`: validators on this machine, or the files of a production network.

Decides: defaults, and what is printed. What happens is decided in `petra.network`.
"""

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import guarded
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.network.layout import Network

DEFAULT_DIRECTORY = Path(".petra/network")

app = typer.Typer(no_args_is_help=True, help="Run a network of validators on this machine, or write Besu's files.")
Directory = Annotated[Path, typer.Option("--dir", help="Where the network's files lie.")]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of nodes, counted from 1.", metavar="N...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class Engine(StrEnum):
    """What validates."""

    GETH = "geth"
    BESU = "besu"


@app.command()
def up(
    *,
    validators: Annotated[
        int | None, typer.Option(help="How many nodes sign blocks: 1 to 20, 4 if left out.", show_default=False)
    ] = None,
    period: Annotated[
        int | None, typer.Option(help="Seconds from block to block: 1 to 600, 1 if left out.", show_default=False)
    ] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    engine: Annotated[
        Engine, typer.Option(help="geth: clique, started here, for tests; besu: QBFT, files only, for production.")
    ] = Engine.GETH,
    first_port: Annotated[
        int | None, typer.Option(help="Listen at this port of 127.0.0.1 and those after it; free ones if left out.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Bring a network up, and return when every node has a block.

    In the directory of a stopped network that one goes on; its chain and its keys are kept.
    Example: petra network up --validators 4 --period 1
    """
    with guarded():
        begun = time.monotonic()
        if engine is Engine.BESU:
            _write_besu(directory, validators, period, first_port, json_output)
            return
        from petra.network import control

        network = control.up(directory, validators=validators, period_seconds=period, first_port=first_port)
        seconds = time.monotonic() - begun
        if json_output:
            typer.echo(json.dumps(_facts(network) | {"seconds": round(seconds, 3)}))
            return
        nodes = [f"  node {node.number}  {node.rpc_url}  signs as {node.address}" for node in network.nodes]
        typer.echo(f"Chain {network.chain_id} runs in {directory} since {seconds:.1f} s.")
        typer.echo("\n".join(nodes))
        typer.echo(f"Next: petra deploy --network {directory}")


@app.command()
def status(*, directory: Directory = DEFAULT_DIRECTORY, json_output: AsJson = False) -> None:
    """Say which nodes run, how far each has come and to how many others it is linked.

    Example: petra network status
    """
    with guarded():
        from petra.network import control
        from petra.network.layout import read_network

        network = read_network(directory)
        found, watched = control.status(network), control.watchdog_runs(network)
    running = sum(one.running for one in found)
    if json_output:
        states = [{"running": one.running, "head": one.head, "links": one.links} for one in found]
        facts = _facts(network)
        facts["nodes"] = [node | state for node, state in zip(facts["nodes"], states, strict=True)]
        typer.echo(json.dumps(facts | {"running": running, "needed": network.signers_needed, "watchdog": watched}))
        return
    typer.echo(f"Chain {network.chain_id}, a block every {network.period_seconds} s")
    for one in found:
        state = f"block {one.head}, {one.links} links" if one.running else "stopped"
        typer.echo(f"  node {one.node.number}  {one.node.rpc_url}  {state}")
    if 0 < running < network.signers_needed:
        typer.echo(f"The chain stands still: {network.signers_needed} nodes must run, {running} do.")
    if running and not watched:
        typer.echo("The watchdog does not run: after a cut the chain may stand still. Any start-node starts it.")


@app.command(name="stop-node")
def stop_node(numbers: Numbers, *, directory: Directory = DEFAULT_DIRECTORY) -> None:
    """End single nodes; the chain goes on while more than half of all run.

    Example: petra network stop-node 2
    """
    with guarded():
        from petra.network import control

        control.stop_nodes(directory, numbers)
        typer.echo(f"stopped: node {', '.join(map(str, numbers))}")


@app.command(name="start-node")
def start_node(numbers: Numbers, *, directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Start nodes that were stopped or killed, and return when they have caught up and sign again.

    Example: petra network start-node 2
    """
    with guarded():
        from petra.network import control

        control.start_nodes(directory, numbers)
        typer.echo(f"started: node {', '.join(map(str, numbers))}")


@app.command()
def down(
    *,
    directory: Directory = DEFAULT_DIRECTORY,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the directory too: chain, keys, deployment file.")
    ] = False,
) -> None:
    """End every process of the network, whatever state it is in; `up` goes on with its chain.

    Example: petra network down --remove
    """
    with guarded():
        from petra.network import control

        ended = control.down(directory, remove=remove)
        typer.echo(f"ended: {ended} processes of {directory}{', which is removed' if remove else ''}")


def _facts(network: "Network") -> dict[str, Any]:
    return {
        "directory": str(network.directory),
        "chain_id": network.chain_id,
        "period_seconds": network.period_seconds,
        "nodes": [
            {"number": node.number, "address": node.address, "rpc": node.rpc_url} for node in network.nodes
        ],
    }


def _write_besu(
    directory: Path, validators: int | None, period: int | None, first_port: int | None, json_output: bool
) -> None:
    if first_port is not None:
        raise InputError("--first-port: is for --engine geth; Besu's ports stand in the compose file")
    from petra.network.besu import write_besu

    chain_id = write_besu(directory, validators=validators or 4, period_seconds=period or 1)
    if json_output:
        typer.echo(json.dumps({"directory": str(directory.resolve()), "chain_id": chain_id}))
        return
    typer.echo(f"Chain {chain_id}: genesis, keys and configuration lie in {directory}; nothing was started.")
    typer.echo("On one machine, for a trial: put Besu's digest into .env, then `docker compose up -d` in there.")
    typer.echo("For production: docs/how-to/production-besu.md")
