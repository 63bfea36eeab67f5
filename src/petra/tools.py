"""Where the programs are that PETra starts but does not contain: anvil, geth, and for contributors forge.

Decides which binary is used, in this order: the one that PETRA_ANVIL or PETRA_GETH names, the checkout's own (npm, by
lock file; `make network-tools`), the PATH's. It does not know what the programs are for, and it starts none but to ask
its version. Invariant: what it returns is a native binary. npm's `anvil` is a launcher, and whoever kills a launcher
leaves the node running.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

# The platforms for which npm carries a native anvil, in Foundry's words.
ANVIL_PLATFORMS = frozenset({"darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "win32-amd64"})

_PROCESSORS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def platform_name() -> str:
    """Return this platform in Foundry's words, such as `linux-amd64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{_PROCESSORS.get(machine, machine)}"


def find_checkout() -> Path | None:
    """Return the root of PETra's checkout: the one that this package lies in, or else the current directory's.

    None where PETra was installed as a package and runs outside any checkout.
    """
    here = Path.cwd()
    candidates = [Path(__file__).resolve().parents[2], here, *here.parents]
    return next((folder for folder in candidates if _is_checkout(folder)), None)


def find_anvil() -> Path | None:
    """Return the native anvil binary to start, or None where there is none.

    PETRA_ANVIL, where set, is final: if it names no file, no other anvil is used in its place.
    """
    named = os.environ.get("PETRA_ANVIL")
    if named:
        return Path(named) if Path(named).is_file() else None
    return find_foundry("anvil")


def find_geth() -> Path | None:
    """Return a geth that can sign blocks by clique, as only those up to 1.13 do; None where there is none.

    PETRA_GETH, where set, is final.
    """
    named = os.environ.get("PETRA_GETH")
    if named:
        candidates = [named]
    else:
        checkout = find_checkout()
        built = [str(checkout / ".tools" / "bin" / "geth")] if checkout is not None else []
        candidates = [*built, shutil.which("geth") or ""]
    return next((Path(name) for name in candidates if name and _has_clique(Path(name))), None)


def find_foundry(tool: str) -> Path | None:
    """Return the native binary of one of Foundry's tools: the checkout's, or else the PATH's."""
    checkout = find_checkout()
    if checkout is not None:
        suffix = ".exe" if sys.platform == "win32" else ""
        package = checkout / "node_modules" / "@foundry-rs" / f"{tool}-{platform_name()}"
        binary = package / "bin" / f"{tool}{suffix}"
        if binary.is_file():
            return binary
    on_path = shutil.which(tool)
    return Path(on_path) if on_path is not None and _is_native(Path(on_path)) else None


def read_version(program: Path) -> str | None:
    """Start a program with `--version` and return the first line that it prints; None where it does not start."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.stdout.splitlines()), None)


def _is_checkout(folder: Path) -> bool:
    return (folder / "src" / "petra" / "tools.py").is_file() and (folder / "package-lock.json").is_file()


def _has_clique(program: Path) -> bool:
    return re.match(r"geth version 1\.13\.\d+", read_version(program) or "") is not None


def _is_native(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) != b"#!"
