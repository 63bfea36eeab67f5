"""Set up this checkout, and nothing outside it: `bootstrap.py use | dev | node | ledger`.

Runs on the standard library alone, because nothing else is installed yet. Each step leaves a stamp with the digest of
the lock files that it installed, so a step that is done costs some milliseconds; a lock lets two makes run side by
side. Everything is installed by hash, with pip and npm as the machine has them configured, so a mirror or a proxy that
works for them works here.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_MAJOR_MIN = 20
# A step is done again when one of its files changes.
INPUTS = {
    "use": ("requirements.txt", "requirements-build.txt", "pyproject.toml"),
    "dev": ("requirements-dev.txt",),
    "node": ("package-lock.json", "requirements-node.txt"),
}
STAMPS = {"use": VENV / ".use", "dev": VENV / ".dev", "node": CHECKOUT / "node_modules" / ".petra"}

# PETra's own finder of tools stands on the standard library too.
sys.path.insert(0, str(CHECKOUT / "src"))
from petra import tools


class SetupError(Exception):
    """A step failed; the text says what and how to go on."""


def say(text: str) -> None:
    """Tell progress without mixing with what a make target prints."""
    print(f"[setup] {text}", file=sys.stderr, flush=True)


def run(command: list[str], remedy: str) -> None:
    """Run a command quietly; on failure show its errors and the remedy, and keep the rest in .setup.log."""
    environment = os.environ | {"PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        log = CHECKOUT / ".setup.log"
        log.write_text(done.stdout, encoding="utf-8")
        lines = [line for line in done.stdout.splitlines() if re.match(r"ERROR|(npm )?error (code|network)", line)]
        shown = lines or done.stdout.splitlines()[-3:]
        raise SetupError("\n".join([*shown, f"[setup] {remedy}", f"[setup] What it said in full: {log.name}"]))


def make_venv() -> None:
    """Make the virtual environment, also where an earlier attempt was cut off."""
    check = [str(PYTHON), "-m", "pip", "--version"]
    if PYTHON.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0:
        return
    say(f"making .venv with Python {platform.python_version()}")
    remedy = "No virtual environment could be made in .venv: is the disk full or the folder not yours?"
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], remedy)


def pip_install(*arguments: str) -> None:
    """Install into .venv with the pip that Python ships."""
    remedy = (
        f"pip could not install {' '.join(arguments)}. Is the network up? Behind a mirror or a proxy set "
        "PIP_INDEX_URL, PIP_CERT or HTTPS_PROXY. Then run make again: what is done is kept."
    )
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    run([str(PYTHON), "-m", "pip", "install", *quiet, *arguments], remedy)


def install_use() -> None:
    """Install what PETra runs on, and PETra itself as an editable package."""
    say("installing PETra and what it runs on")
    pip_install("--require-hashes", "-r", "requirements.txt")
    pip_install("--require-hashes", "-r", "requirements-build.txt")
    pip_install("--no-deps", "--no-build-isolation", "--editable", ".")


def install_dev() -> None:
    """Install the test and lint tools."""
    say("installing the test and lint tools")
    pip_install("--require-hashes", "-r", "requirements-dev.txt")


def has_node() -> bool:
    """Tell whether npm and a Node.js that is new enough are on the PATH or in .venv."""
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"
    node = shutil.which("node", path=path)
    if node is None or shutil.which("npm", path=path) is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", answer)
    return version is not None and int(version[1]) >= NODE_MAJOR_MIN


def install_node() -> None:
    """Install anvil, forge and solc from npm, with PyPI's Node.js where the machine has none."""
    if tools.platform_name() not in tools.ANVIL_PLATFORMS:
        say(f"npm carries no anvil for {tools.platform_name()}: nothing to install, the ledger `memory` serves")
        return
    if not has_node():
        say(f"no Node.js >= {NODE_MAJOR_MIN} with npm on the PATH: installing one into .venv")
        pip_install("--require-hashes", "-r", "requirements-node.txt")
    say("installing anvil, forge and solc into node_modules")
    run(
        ["npm", "ci", "--no-progress"],
        "npm could not install anvil, forge and solc. Is the network up? Behind a mirror or a proxy set "
        "NPM_CONFIG_REGISTRY, NODE_EXTRA_CA_CERTS or HTTPS_PROXY. Then run make again: what is done is kept. "
        "`make demo LEDGER=memory` needs neither npm nor Node.js.",
    )


def name_ledger() -> None:
    """Print the ledger that `make demo` runs on: anvil, or memory where no anvil starts on this machine."""
    anvil = tools.find_anvil()
    starts = anvil is not None and tools.read_version(anvil) is not None
    if not starts:
        say(f"no anvil starts here ({tools.platform_name()}): the demo runs on the ledger `memory`,")
        say("the contract's Python twin: the same rules and the same figures, but no Ethereum node.")
    print("anvil" if starts else "memory")


def do_once(step: str) -> None:
    """Do a step unless its stamp says that these very files are installed."""
    content = b"".join((CHECKOUT / name).read_bytes() for name in INPUTS[step])
    digest = hashlib.sha256(content).hexdigest()
    stamp = STAMPS[step]
    with (CHECKOUT / "pyproject.toml").open(encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_venv()
        done = stamp.exists() and stamp.read_text(encoding="utf-8") == digest
        if not done or (step == "node" and not has_node()):
            {"use": install_use, "dev": install_dev, "node": install_node}[step]()
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest, encoding="utf-8")


def main() -> int:
    """Do the steps that the command line names; 2 where one cannot be done."""
    try:
        for step in sys.argv[1:]:
            name_ledger() if step == "ledger" else do_once(step)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("stopped; run make again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
