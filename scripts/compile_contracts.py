"""Compile the contract into the artifact that PETra ships: `compile_contracts.py [--check]`.

Python users never compile: `src/petra/wire/petra.json` carries the ABI and the bytecode, with the compiler's version
and settings, so that anybody can make the same bytes again. With `--check` nothing is written; the exit code is 1 where
the shipped artifact is not what the sources give, and 2 where it cannot be known: no compiler, or no compilation.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = CHECKOUT / "contracts" / "src"
COMPILER = CHECKOUT / "contracts" / "solc"
ARTIFACT = CHECKOUT / "src" / "petra" / "wire" / "petra.json"
CONTRACT = "Petra"
# The same as in contracts/foundry.toml. `paris`: clique geth has no PUSH0. No hash of the sources in the bytecode:
# a comment that changes must not change the contract.
SETTINGS: dict[str, Any] = {
    "evmVersion": "paris",
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none"},
}
OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"]


class CompilationError(Exception):
    """The contract does not compile, or its compiler is missing; the text says what to do."""


def find_node() -> str | None:
    """Return the Node.js of .venv, or else the PATH's."""
    path = os.pathsep.join([str(CHECKOUT / ".venv" / "bin"), os.environ.get("PATH", "")])
    return shutil.which("node", path=path)


def ask_compiler(argument: str, question: str = "") -> str:
    """Return what the compiler answers."""
    node = find_node()
    if node is None or not (CHECKOUT / "node_modules" / "solc").is_dir():
        raise CompilationError("npm's solc or Node.js is not installed: run `make setup`.")
    done = subprocess.run(
        [node, str(COMPILER), argument], input=question, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CompilationError(done.stderr.strip())
    return done.stdout


def compile_artifact() -> dict[str, Any]:
    """Return the artifact that the sources give."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.sol"))}
    question = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in texts.items()},
        "settings": SETTINGS | {"outputSelection": {"*": {"*": OUTPUTS}}},
    }
    answer = json.loads(ask_compiler("--standard-json", json.dumps(question)))
    if answer.get("errors"):  # A warning is an error.
        raise CompilationError("\n".join(error["formattedMessage"] for error in answer["errors"]))
    compiled = answer["contracts"][f"{CONTRACT}.sol"][CONTRACT]
    runtime = compiled["evm"]["deployedBytecode"]
    places = [place for places in runtime["immutableReferences"].values() for place in places]
    return {
        "contract": CONTRACT,
        "compiler": ask_compiler("--version").split("Version: ")[1].split(".Linux")[0],
        "settings": SETTINGS,
        "sources": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + runtime["object"],
        "immutableReferences": sorted(places, key=lambda place: place["start"]),
    }


def main() -> int:
    """Write the artifact, or compare it with the shipped one."""
    parser = argparse.ArgumentParser(description="Compile the contract into the artifact that PETra ships.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the artifact is stale")
    arguments = parser.parse_args()
    try:
        artifact = compile_artifact()
    except CompilationError as error:
        print(error, file=sys.stderr)
        return 2
    text = json.dumps(artifact, indent=1) + "\n"
    size = len(artifact["deployedBytecode"]) // 2 - 1
    if arguments.check:
        if not ARTIFACT.is_file() or ARTIFACT.read_text(encoding="utf-8") != text:
            print("The shipped artifact is stale: run `python scripts/compile_contracts.py`.", file=sys.stderr)
            return 1
        print(f"{CONTRACT}: the shipped artifact is fresh, {size} bytes of 24576")
        return 0
    ARTIFACT.write_text(text, encoding="utf-8")
    print(f"{CONTRACT}: {size} bytes of 24576, solc {artifact['compiler']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
