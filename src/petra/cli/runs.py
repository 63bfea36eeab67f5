"""What `petra simulate` and `petra live` share: the run directory, what stands in it beside the run, what is printed.

The only place that asks for commit and versions.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from petra.cli.guard import BROKEN_PROMISE, DONE
from petra.errors import InputError
from petra.tools import find_checkout

if TYPE_CHECKING:
    from petra.play.world import World
    from petra.scenario import Scenario

RUN_FORMAT = 1  # of the run directory; raise it when an older report could misread a newer one


def read_world(name_or_path: str, block_seconds: int | None) -> "World":
    """Return a scenario with its data, checked; relative paths are taken from its folder."""
    from petra.play.world import build_world
    from petra.scenario import load_scenario

    declared = _override(load_scenario(name_or_path), block_seconds)
    base = Path(name_or_path).parent if name_or_path.endswith(".toml") else Path.cwd()
    return build_world(declared, name_or_path, base)


def summarised(directory: Path) -> dict[str, Any]:
    """Return the summary of the journal that was written."""
    from petra.report import summarise

    lines = (directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return dict(summarise([json.loads(line) for line in lines]))


def finish(summary: dict[str, Any], target: Path, *, json_output: bool) -> None:
    """Print a finished run and end with its exit code."""
    if json_output:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(_told(summary, target))
    raise typer.Exit(BROKEN_PROMISE if summary["alarms"] else DONE)


@contextmanager
def run_directory(target: Path, *, force: bool) -> Iterator[Path]:
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
def progress_bar(name: str) -> Iterator[Callable[[float], None]]:
    """Show how much of a run is over (0 .. 1), on stderr, where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def write_about(directory: Path, scenario: "Scenario", seed: int, ledger: str, summary: dict[str, Any]) -> None:
    """Write settings, seed, commit and versions (run.json) and the summary (summary.json) into a run directory."""
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


def _override(scenario: "Scenario", block_seconds: int | None) -> "Scenario":
    if block_seconds is None:
        return scenario
    if not 1 <= block_seconds <= 600:
        raise InputError(f"--block-seconds {block_seconds}: must be 1 .. 600")
    chain = scenario.chain.model_copy(update={"block_seconds": block_seconds})
    return scenario.model_copy(update={"chain": chain})
