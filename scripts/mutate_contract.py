"""Plant faults in the contract, one at a time, and see that its tests find each: `mutate_contract.py [--sample N]`.

A mutant is one small change of one line of Petra.sol or Quantities.sol. Its id is a digest of what is changed and where
in the function, so it survives edits elsewhere. A mutant that no test finds is a hole in the tests, or changes nothing:
`contracts/equivalent-mutants.json` gives the proof for each that changes nothing. Exit code 1 where a mutant survives
without one, 2 where the tests fail without any fault.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "src"))
sys.path.insert(0, str(CHECKOUT))
from petra.tools import find_foundry, read_version
from scripts.compile_contracts import ask_compiler, find_node
from scripts.mutants import Mutant, mutants_of

CONTRACTS = CHECKOUT / "contracts"
FILES = ("Petra.sol", "Quantities.sol")
PROOFS = CONTRACTS / "equivalent-mutants.json"
# What a fault of the contract must be found by; gas is not its meaning.
UNIT = ["--no-match-contract", "Invariants|Gas|Proofs"]
EXAMPLES, FUZZ = [*UNIT, "--no-match-test", "testFuzz"], [*UNIT, "--match-test", "testFuzz"]  # what is quick first
STATEFUL = ["--match-contract", "Invariants"]
PROCESSOR_SECONDS_MAX = 240  # of one call of forge: a fault may keep a test from ending
# Reads one question a line, so that the compiler is started once.
COMPILE = """
const solc = require("solc");
require("readline").createInterface({input: process.stdin}).on("line", line => {
  let answer;
  try { answer = solc.compile(line); } catch (error) { answer = JSON.stringify({errors: [{severity: "error"}]}); }
  process.stdout.write(JSON.stringify(JSON.parse(answer)) + "\\n");
});
"""


class Compiler:
    """Turns sources into creation code; started once, for it takes a second to start."""

    def __enter__(self) -> Self:
        """Start it."""
        node = find_node()
        if node is None:
            raise SystemExit("Node.js is not installed: run `make setup`.")
        self._process = subprocess.Popen([node, "--stack-size=4000", "-e", COMPILE], cwd=CHECKOUT, text=True, **_PIPES)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def creation_code(self, texts: dict[str, str], *, optimized: bool) -> str | None:
        """Return the contract's creation code as hex, or None where it does not compile."""
        settings = {
            "evmVersion": "paris",
            "viaIR": True,  # the older generator finds the stack too deep
            "optimizer": {"enabled": optimized, "runs": 200},
            "metadata": {"bytecodeHash": "none"},
            "outputSelection": {"Petra.sol": {"Petra": ["evm.bytecode.object"]}},
        }
        sources = {name: {"content": text} for name, text in texts.items()}
        question = {"language": "Solidity", "sources": sources, "settings": settings}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if any(error["severity"] == "error" for error in answer.get("errors", [])):
            return None
        code: str = answer["contracts"]["Petra.sol"]["Petra"]["evm"]["bytecode"]["object"]
        return code


# forge asks for the compiler's version each time, which costs npm's a second and this one nothing.
_QUICK_SOLC = """#!/bin/sh
[ "$1" = --version ] && cat <<'END' && exit
{version}
END
exec node "$(dirname "$0")/solc.js" "$@"
"""
_PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


@dataclass(frozen=True)
class Range:
    """A copy of the contract's tests in which one artifact is exchanged for another.

    Attributes:
        folder: the copy.
        forge: the native binary.
    """

    folder: Path
    forge: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Copy the tests and compile them."""
        forge = find_foundry("forge")
        if forge is None:
            raise SystemExit("forge is not installed: run `make setup`.")
        copy = folder / "contracts"
        shutil.copytree(CONTRACTS, copy, ignore=shutil.ignore_patterns("out", "cache"))
        (folder / "node_modules").symlink_to(CHECKOUT / "node_modules")
        (copy / "solc").rename(copy / "solc.js")
        (copy / "solc").touch(mode=0o755)
        (copy / "solc").write_text(_QUICK_SOLC.format(version=ask_compiler("--version")), encoding="utf-8")
        made = cls(copy, forge)
        if not made.passes(["--match-contract", "ProtestTest"]):
            raise SystemExit("The contract's tests do not compile.")
        return made

    def exchange(self, code: str) -> None:
        """Let the tests deploy this creation code."""
        artifact = self.folder / "out" / "Petra.sol" / "Petra.json"
        content = json.loads(artifact.read_text(encoding="utf-8"))
        content["bytecode"]["object"] = "0x" + code
        artifact.write_text(json.dumps(content), encoding="utf-8")

    def passes(self, arguments: list[str], **settings: str) -> bool:
        """Tell whether these tests pass; tests that do not end fail."""
        node = find_node()
        path = os.pathsep.join([str(Path(node or "").parent), os.environ["PATH"]])
        command = [str(self.forge), "test", "--fail-fast", "--fuzz-seed", "1", "-j", "1", *arguments]
        done = subprocess.run(
            ["sh", "-c", f'ulimit -S -t {PROCESSOR_SECONDS_MAX}; exec "$@"', "sh", *command],
            cwd=self.folder,
            env=os.environ | {"PATH": path} | settings,
            capture_output=True,
            check=False,
        )
        if done.returncode == -signal.SIGXCPU:
            return False
        if done.returncode < 0:  # killed from outside, which says nothing about the fault
            return self.passes(arguments, **settings)
        return done.returncode == 0

    def verdict(self, code: str) -> str:
        """Return which tests find the fault in this creation code: "unit", "stateful", or "" for none."""
        self.exchange(code)
        if not (self.passes(EXAMPLES) and self.passes(FUZZ)):
            return "unit"
        short = {
            "FOUNDRY_INVARIANT_RUNS": "4",
            "FOUNDRY_INVARIANT_DEPTH": "200",
            "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0",
        }
        return "" if self.passes(STATEFUL, **short) else "stateful"


def chosen(arguments: argparse.Namespace, mutants: list[Mutant]) -> list[Mutant]:
    """Return the mutants that the command line asks for."""
    if arguments.only:
        return [mutant for mutant in mutants if mutant.id in arguments.only]
    if arguments.sample:
        mutants = random.Random(arguments.seed).sample(mutants, min(arguments.sample, len(mutants)))
    return mutants


def judged(
    mutants: list[Mutant], texts: dict[str, str], proofs: dict[str, str], jobs: int
) -> Iterator[tuple[Mutant, str]]:
    """Yield what became of each mutant: stillborn, unit, stateful, equivalent, proved, or survived."""
    with ExitStack() as stack:
        free: SimpleQueue[tuple[Range, Compiler]] = SimpleQueue()
        for _ in range(jobs):
            folder = stack.enter_context(TemporaryDirectory(prefix="mutants-"))
            free.put((Range.make(Path(folder)), stack.enter_context(Compiler())))
        tests, compiler = free.get()
        original = compiler.creation_code(texts, optimized=False)
        optimized = compiler.creation_code(texts, optimized=True)
        if original is None or tests.verdict(original):
            print("The tests fail without any fault: repair that first.", file=sys.stderr)
            raise SystemExit(2)
        free.put((tests, compiler))

        def judge(mutant: Mutant) -> tuple[Mutant, str]:
            tests, compiler = free.get()
            changed = texts | {mutant.file: mutant.text}
            code = compiler.creation_code(changed, optimized=False)
            verdict = "stillborn" if code is None else "equivalent" if code == original else tests.verdict(code)
            if not verdict:
                same = compiler.creation_code(changed, optimized=True) == optimized
                verdict = "equivalent" if same else "proved" if mutant.id in proofs else "survived"
            free.put((tests, compiler))
            return mutant, verdict

        with ThreadPoolExecutor(max_workers=jobs) as pool:
            yield from pool.map(judge, mutants)


def main() -> int:
    """Judge the mutants and tell the score."""
    parser = argparse.ArgumentParser(description="Plant faults in the contract and see that its tests find each.")
    parser.add_argument("--sample", type=int, help="judge only this many mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to judge at a time")
    parser.add_argument("--only", nargs="+", help="judge only these ids")
    parser.add_argument("--list", action="store_true", help="list the mutants, judge none")
    parser.add_argument("--verbose", action="store_true", help="tell the verdict of every mutant")
    parser.add_argument("--keep", type=Path, nargs="+", help="keep the verdicts in the first file; go on from them all")
    parser.add_argument("--record", type=Path, help="write what was found to this file")
    arguments = parser.parse_args()
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((CONTRACTS / "src").glob("*.sol"))}
    mutants = chosen(arguments, [mutant for name in FILES for mutant in mutants_of(name, texts[name])])
    if arguments.list:
        print("\n".join(str(mutant) for mutant in mutants))
        return 0
    proofs = json.loads(PROOFS.read_text(encoding="utf-8")) if PROOFS.is_file() else {}
    verdicts = _known(arguments.keep or [])
    lacking = [mutant for mutant in mutants if mutant.id not in verdicts]
    for mutant, verdict in judged(lacking, texts, proofs, arguments.jobs):
        verdicts[mutant.id] = verdict
        if arguments.keep:
            arguments.keep[0].write_text(json.dumps(verdicts), encoding="utf-8")
        if arguments.verbose or verdict in {"survived", "proved"}:
            print(f"{verdict:10} {mutant}", flush=True)
    refuted = [name for name in proofs if verdicts.get(name) in {"unit", "stateful"}]
    if refuted:
        print(f"proved to change nothing, and found by a test nevertheless: {refuted}", file=sys.stderr)
    summary = summed(verdicts, {mutant.id: str(mutant) for mutant in mutants})
    print(json.dumps(summary, indent=1))
    if arguments.record:
        verdicts = {mutant.id: verdicts[mutant.id] for mutant in mutants}
        text = json.dumps(_origin() | summary | {"verdicts": verdicts}, indent=1)
        arguments.record.write_text(text + "\n", encoding="utf-8")
    return 1 if refuted or summary["survivors"] else 0


def _known(kept: list[Path]) -> dict[str, str]:
    """Return the verdicts that were kept, to go on from; survivors are judged again."""
    verdicts: dict[str, str] = {}
    for file in kept:
        if file.is_file():
            verdicts |= json.loads(file.read_text(encoding="utf-8"))
    return {name: verdict for name, verdict in verdicts.items() if verdict not in {"survived", "proved"}}


def summed(verdicts: dict[str, str], names: dict[str, str]) -> dict[str, Any]:
    """Return the score: equivalent are those of the same optimized code, proved those of the list of proofs."""
    counts = Counter(verdicts.values())
    killed = counts["unit"] + counts["stateful"]
    living = killed + counts["survived"]
    return {
        "mutants": len(verdicts),
        "counts": dict(counts),
        "compile and change something": living,
        "found": killed,
        "found, %": round(100 * killed / living, 2) if living else 100.0,
        "survivors": [names.get(name, name) for name, verdict in verdicts.items() if verdict == "survived"],
    }


def _origin() -> dict[str, Any]:
    """Return by which command and with which programs something was found."""
    forge = find_foundry("forge")
    compiler = ask_compiler("--version").split("Version: ")[1].strip()
    versions = {"forge": read_version(forge) if forge else None, "solc": compiler}
    last = ["git", "log", "-1", "--format=%H", "--", "contracts"]
    commit = subprocess.run(last, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()
    return {"command": "python scripts/mutate_contract.py", "commit of contracts/": commit, "versions": versions}


if __name__ == "__main__":
    sys.exit(main())
