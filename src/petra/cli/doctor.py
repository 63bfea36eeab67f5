"""`petra doctor`: what is installed, what is missing, what does not work without it, and how to get it.

Decides whether `make demo` can run, for which the ledger `memory` suffices. It does not know how anything is used: it
looks, and starts a program only to ask its version. Invariant: whatever is missing carries a consequence and a remedy.
"""

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from petra import tools
from petra.errors import PetraError

_DISTRIBUTION = "petra-tes"
_PYTHON_MIN = (3, 11)
_NODE_MAJOR_MIN = 20
# The demo writes some 10 MB; a disk with less than this is as good as full.
_DISK_FREE_BYTES_MIN = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that PETra may need on this machine.

    Attributes:
        name: what was looked for.
        found: version, place or size; None where it is missing or does not serve.
        needed: whether `make demo` cannot run without it.
        without: what does not work where it is missing.
        remedy: how to get it.
    """

    name: str
    found: str | None
    needed: bool
    without: str
    remedy: str


def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Say what is installed and what is missing, with a remedy for each.

    Exit code 0 if the demo can run (the ledger `memory` suffices), else 2. Example: petra doctor --json
    """
    checks = list(examine())
    ready = all(check.found is not None for check in checks if check.needed)
    if json_output:
        typer.echo(json.dumps({"ready": ready, "checks": [asdict(check) for check in checks]}))
    else:
        typer.echo("\n".join(describe(checks, ready)))
    raise typer.Exit(0 if ready else 2)


def examine() -> Iterator[Check]:
    """Look for everything that PETra may need, the indispensable first."""
    checkout = tools.find_checkout()
    yield _check_python()
    yield from _check_dependencies(checkout)
    yield _check_case_study(checkout)
    yield _check_contract(checkout)
    yield _check_disk()
    yield _check_anvil(checkout)
    yield _check_geth(checkout)
    if checkout is not None:
        yield from _check_solidity(checkout)


def describe(checks: list[Check], ready: bool) -> list[str]:
    """Return a line for each check, two more for each that failed, and the verdict."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        if check.found is not None:
            lines.append(f"  ok       {check.name:<{width}}  {check.found}")
        else:
            lines.append(f"  MISSING  {check.name:<{width}}  without it: {check.without}")
            lines.append(f"           {'':<{width}}  remedy: {check.remedy}")
    anvil = any(check.name == "anvil" and check.found is not None for check in checks)
    if not ready:
        return [*lines, "", "The demo cannot run: mend what is missing above, from the top."]
    node = "on an Ethereum node (anvil)." if anvil else "on the ledger `memory`, without an Ethereum node."
    return [*lines, "", f"The demo can run, {node}"]


def _check_python() -> Check:
    return Check(
        name="Python",
        found=platform.python_version() if sys.version_info >= _PYTHON_MIN else None,
        needed=True,
        without="everything",
        remedy="install Python 3.11 or newer",
    )


def _check_dependencies(checkout: Path | None) -> Iterator[Check]:
    """Check PETra's own package and each that it declares to need."""
    remedy = _install(checkout)
    declared = _requirements()
    if declared is None:
        yield Check(name=_DISTRIBUTION, found=None, needed=True, without="the command `petra`", remedy=remedy)
    for name in [_DISTRIBUTION, *declared] if declared is not None else []:
        yield Check(name=name, found=_version(name), needed=True, without="simulations and reports", remedy=remedy)


def _check_case_study(checkout: Path | None) -> Check:
    """Read the shipped case study as a simulation would."""
    try:
        from petra.data import load_case_study

        profiles, feeder = load_case_study()
        found = f"{len(profiles.homes)} homes, {len(feeder.nodes)} nodes"
    except (ImportError, LookupError, OSError, PetraError, TypeError, ValueError):
        found = None
    remedy = _restore(checkout, "src/petra/data")
    return Check(name="case study", found=found, needed=True, without="the shipped scenarios", remedy=remedy)


def _check_contract(checkout: Path | None) -> Check:
    """Read the shipped contract as a deployment would."""
    try:
        from petra.wire import artifact

        found = f"{len(artifact.RUNTIME_CODE)} bytes, solc {artifact.COMPILER}"
    except (ImportError, LookupError, OSError, TypeError, ValueError):
        found = None
    remedy = _restore(checkout, "src/petra/wire")
    return Check(name="contract", found=found, needed=True, without="every ledger", remedy=remedy)


def _check_disk() -> Check:
    free_bytes = shutil.disk_usage(Path.cwd()).free
    return Check(
        name="free disk",
        found=f"{free_bytes / 1e9:.1f} GB" if free_bytes >= _DISK_FREE_BYTES_MIN else None,
        needed=True,
        without="writing a run: the current folder's disk is full",
        remedy=f"free {_DISK_FREE_BYTES_MIN // 1_000_000} MB, or run in a folder on another disk",
    )


def _check_anvil(checkout: Path | None) -> Check:
    """Find the node that PETra would start, and start it for its version."""
    anvil = tools.find_anvil()
    version = tools.read_version(anvil) if anvil is not None else None
    named = os.environ.get("PETRA_ANVIL")
    if named:
        remedy = f"PETRA_ANVIL names {named}, which is no program that starts: correct it, or unset it"
    elif tools.platform_name() not in tools.ANVIL_PLATFORMS:
        remedy = f"there is none for {tools.platform_name()}: use `--ledger memory`, or name your own in PETRA_ANVIL"
    else:
        remedy = f"{'make setup' if checkout else 'install Foundry'}, or name a binary in PETRA_ANVIL"
    return Check(
        name="anvil",
        found=f"{version} ({anvil})" if version is not None else None,
        needed=False,
        without="`--ledger anvil`; `--ledger memory` works",
        remedy=remedy,
    )


def _check_geth(checkout: Path | None) -> Check:
    """Find the node of `petra network`; it is asked for its version to see that it still has clique."""
    geth = tools.find_geth()
    version = tools.read_version(geth) if geth is not None else None
    build = "make network-tools (it builds geth 1.13.15), or " if checkout is not None else ""
    return Check(
        name="geth 1.13",
        found=f"{version} ({geth})" if version is not None else None,
        needed=False,
        without="`petra network up` with its default engine",
        remedy=f"{build}name a binary in PETRA_GETH",
    )


def _check_solidity(checkout: Path) -> Iterator[Check]:
    """Find what only a contributor to the contract needs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node = shutil.which("node", path=path)
    node_version = tools.read_version(Path(node)) if node is not None else None
    major = re.match(r"v(\d+)\.", node_version or "")
    forge = tools.find_foundry("forge")
    programs = {
        "Node.js": node_version if major and int(major[1]) >= _NODE_MAJOR_MIN else None,
        "solc": _npm_version(checkout / "node_modules" / "solc"),
        "forge": tools.read_version(forge) if forge is not None else None,
    }
    for name, found in programs.items():
        without = "compiling and testing the contract (`make contracts`); running PETra needs none of it"
        yield Check(name=name, found=found, needed=False, without=without, remedy="make setup")


def _requirements() -> list[str] | None:
    """Return the names of the packages that PETra declares; None where PETra itself is not installed."""
    try:
        declared = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    matches = [re.match(r"[\w.-]+", line) for line in declared if "extra ==" not in line]
    return [match[0] for match in matches if match is not None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _npm_version(package: Path) -> str | None:
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except (LookupError, OSError, ValueError):
        return None


def _install(checkout: Path | None) -> str:
    return "make setup" if checkout is not None else f"pip install --force-reinstall {_DISTRIBUTION}"


def _restore(checkout: Path | None, folder: str) -> str:
    return f"git checkout -- {folder}" if checkout is not None else _install(checkout)
