"""`petra simulate`: play a scenario on a virtual clock and write a run directory.

Decides: which chain serves, where the run goes, and what is printed. The only place that asks for commit and wall time.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import BROKEN_PROMISE, DONE, guarded
from petra.errors import InputError
from petra.tools import find_checkout

if TYPE_CHECKING:
    from petra.play.world import World
    from petra.ports import VirtualChain
    from petra.scenario import Scenario


RUN_FORMAT = 1  # of the run directory; raise it when an older report could misread a newer one


class Ledger(StrEnum):
    """The chains that a simulation can run on."""

    ANVIL = "anvil"
    MEMORY = "memory"


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="A scenario that comes with PETra (case-study, feeder-day), or a TOML file.")
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
        from petra.play.world import build_world
        from petra.scenario import load_scenario

        declared = _override(load_scenario(scenario), block_seconds)
        base = Path(scenario).parent if scenario.endswith(".toml") else Path.cwd()
        world = build_world(declared, scenario, base)
        chosen = declared.run.seed if seed is None else seed
        target = out or Path("runs") / f"{declared.run.name}-{chosen}"
        with _run_directory(target, force=force) as directory:
            summary = _play(world, chosen, directory, _chain_opener(ledger, rpc, world))
            summary["wall_seconds"] = round(time.monotonic() - begun, 3)
            _write_about(directory, declared, chosen, ledger if rpc is None else "rpc", summary)
    if json_output:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(_told(summary, target))
    raise typer.Exit(BROKEN_PROMISE if summary["alarms"] else DONE)


def _override(scenario: "Scenario", block_seconds: int | None) -> "Scenario":
    if block_seconds is None:
        return scenario
    if not 1 <= block_seconds <= 600:
        raise InputError(f"--block-seconds {block_seconds}: must be 1 .. 600")
    chain = scenario.chain.model_copy(update={"block_seconds": block_seconds})
    return scenario.model_copy(update={"chain": chain})


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
    from petra.report import summarise
    from petra.sim import simulate as play

    chain = open_chain()
    try:
        with _progress(world) as on_progress:
            result = play(world, chain, seed, directory, on_progress)
    finally:
        chain.close()
    lines = (directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    summary = dict(summarise([json.loads(line) for line in lines]))
    return summary | {"transactions": result.transactions, "alarms": list(result.alarms)}


@contextmanager
def _run_directory(target: Path, *, force: bool) -> Iterator[Path]:
    """Give DIR.partial to write into; it becomes DIR when all went well and disappears when the user stops it."""
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another --out, or replace it with --force")
    if target.exists() and not (target / "run.json").is_file():
        raise InputError(f"{target}: is no run directory, so --force does not replace it; choose another --out")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{partial}: cannot be made: {error.strerror}") from error
    try:
        yield partial
    except (InputError, KeyboardInterrupt):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)


@contextmanager
def _progress(world: "World") -> Iterator[Callable[[int], None]]:
    """Show how much of the virtual day is over, on stderr, where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    dso = world.scenario.dso
    until = world.genesis + (world.last_timestep + 1) * world.timestep_seconds
    total = until + dso.deposit_window_seconds + dso.dispute_window_seconds - world.starts
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(world.scenario.run.name, total=total)

        def on_progress(now: int) -> None:
            progress.update(task, completed=now - world.starts)

        yield on_progress


def _write_about(directory: Path, scenario: "Scenario", seed: int, ledger: str, summary: dict[str, Any]) -> None:
    about = {
        "format": RUN_FORMAT,
        "scenario": scenario.model_dump(mode="json"),
        "seed": seed,
        "ledger": str(ledger),
        "commit": _commit(),
        "versions": _versions(),
        "wall_seconds": summary["wall_seconds"],
        "exit": BROKEN_PROMISE if summary["alarms"] else DONE,
    }
    (directory / "run.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    (directory / "summary.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")


def _commit() -> str:
    """Return the checkout's commit, with a mark where files were changed since; the version where there is no git."""
    checkout = find_checkout()
    if checkout is None or shutil.which("git") is None:
        return f"version {metadata.version('petra-tes')}"

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(checkout), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = "+changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "HEAD") or f"version {metadata.version('petra-tes')}") + changed


def _versions() -> dict[str, str]:
    names = ("petra-tes", "coincurve", "pycapnp", "pydantic", "sqlalchemy")
    return {"python": platform.python_version(), "system": platform.system()} | {
        name: metadata.version(name) for name in names
    }


def _told(summary: dict[str, Any], target: Path) -> str:
    waited, served = summary["post_to_accept_seconds"], summary["service_seconds"]
    lines = [
        f"traded         {summary['energy_traded_wh'] / 1000:.3f} kWh of {summary['energy_servable_wh'] / 1000:.3f} kWh"
        f" that could be served ({summary['traded_share']:.2%})",
        f"offer to trade {waited['mean']:.1f} s on average, {waited['max']} s at most"
        if waited["mean"] is not None
        else "offer to trade -",
        f"a timestep     served within {served['mean']:.1f} s on average" if served["mean"] is not None else "",
        f"transactions   {summary['transactions']}",
        f"wall time      {summary['wall_seconds']:.1f} s",
        *(f"BROKEN PROMISE {alarm}" for alarm in summary["alarms"]),
        f"run directory  {target}{os.sep}",
        f"report         petra report {target}",
    ]
    return "\n".join(line for line in lines if line)
