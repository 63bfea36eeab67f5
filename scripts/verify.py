"""Verify the contract: `verify.py invariants | proofs | slither`; `make verify` does all of it and more.

`invariants` plays seeded batches of random calls until there are as many as asked for, and sums up what the runs met.
`proofs` lets halmos prove what contracts/test/Proofs.t.sol says. `slither` compares the static analyser's findings with
those that contracts/slither.json explains. `--record FILE` writes what was found, with seeds and commit. Exit code 1
where something is broken. halmos and slither live in .tools/verify, away from what PETra runs on.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "src"))
sys.path.insert(0, str(CHECKOUT))
from petra.tools import find_foundry, read_version
from scripts.compile_contracts import ask_compiler, find_node

CONTRACTS = CHECKOUT / "contracts"
TOOLS = CHECKOUT / ".tools" / "verify"
LOCK = CHECKOUT / "requirements-verify.txt"
EXPLAINED = CONTRACTS / "slither.json"

# Batches of 250,000 calls: of forty, so many on each kind of deployment. A batch's seed is its base plus its number.
RUNS, DEPTH = 625, 400
DEPLOYMENTS = {"FreeOffers": (20, 1000), "Market": (10, 2000), "PricedOffers": (6, 3000), "WholeLots": (4, 4000)}
SHAPES = ("nothing", "inside", "after", "before", "dead before")
SHAPE_MIN, TRADE_SHARE_MIN = 10_000, 0.1
CALLS_WHOLE = 10_000_000

Found = tuple[bool, dict[str, Any]]


def environment(**settings: str) -> dict[str, str]:
    """Return the environment in which forge finds Node.js, and halmos and slither find forge."""
    forge, node = find_foundry("forge"), find_node()
    if forge is None or node is None:
        raise SystemExit("forge or Node.js is not installed: run `make setup`.")
    folders = [str(TOOLS / "bin"), str(forge.parent), str(Path(node).parent), os.environ["PATH"]]
    return os.environ | {"PATH": os.pathsep.join(folders)} | settings


def install() -> None:
    """Install halmos and slither into a virtual environment of their own, unless these very versions are there."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = TOOLS / ".lock"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    print("installing halmos and slither into .tools/verify", file=sys.stderr)
    venv.create(TOOLS, clear=True, with_pip=True)
    pip = [
        str(TOOLS / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    if subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=False).returncode != 0:
        raise SystemExit("pip could not install halmos and slither.")
    stamp.write_text(digest, encoding="utf-8")


# ------------------------------------------------------------------------------------------------------- invariants


def batches(calls: int) -> list[tuple[str, int]]:
    """Return the deployment and the seed of each batch that it takes to make so many calls."""
    every = [
        (place / count, f"{name}InvariantsTest", base + place)
        for name, (count, base) in DEPLOYMENTS.items()
        for place in range(1, count + 1)
    ]
    wanted = -(-calls // (RUNS * DEPTH))
    if wanted > len(every):
        raise SystemExit(f"there are batches for {len(every) * RUNS * DEPTH:,} calls at most")
    return [(name, seed) for _, name, seed in sorted(every)[:wanted]]


def play(folder: Path, batch: tuple[str, int]) -> None:
    """Play one batch and leave its log and its tally."""
    name, seed = batch
    tally = CONTRACTS / "cache" / f"{name}-{seed}.tally"  # the only folder into which forge lets a test write
    tally.unlink(missing_ok=True)
    settings = {
        "PETRA_TALLY": str(tally.relative_to(CONTRACTS)),
        "FOUNDRY_OPTIMIZER": "true",
        "FOUNDRY_INVARIANT_RUNS": str(RUNS),
        "FOUNDRY_INVARIANT_DEPTH": str(DEPTH),
        "FOUNDRY_INVARIANT_CHECK_INTERVAL": str(DEPTH),
    }
    command = [
        "nice",
        "-n",
        "10",
        "forge",
        "test",
        "--match-contract",
        f"^{name}$",
        "-j",
        "1",
        "--fuzz-seed",
        str(seed),
    ]
    begun = time.monotonic()
    with (folder / f"{name}-{seed}.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=CONTRACTS, env=environment(**settings), stdout=log, stderr=log, check=False)
        if tally.is_file():
            shutil.move(tally, folder / tally.name)
        log.write(f"rc {done.returncode} seconds {time.monotonic() - begun:.1f}\n")


def summed(folder: Path) -> Found:
    """Return whether no batch was broken and all was met often enough, and the sums over all batches."""
    total: Counter[str] = Counter()
    by_deployment: dict[str, Counter[str]] = {}
    seeds: dict[str, list[int]] = {}
    for log in sorted(folder.glob("*.log")):
        name, _, seed = log.stem.rpartition("-")
        if not _is_played(folder, (name, int(seed))):
            continue
        _, code, _, seconds = log.read_text(encoding="utf-8").splitlines()[-1].split()
        total["broken batches"] += code != "0"
        total["seconds"] += round(float(seconds))
        seeds.setdefault(name, []).append(int(seed))
        for line in _runs_of(log.with_suffix(".tally")):
            numbers = _named([int(number) for number in line.split()[1:]])
            total += numbers
            by_deployment[name] = by_deployment.get(name, Counter()) + numbers
    # The offered side in a market is the bid's; a market has no gate, so nothing of it is dead.
    rare = {
        name: total[name] for name in _named([0] * 21) if total[name] < SHAPE_MIN and not name.startswith("pieces: ")
    }
    rare |= {
        f"pieces: {count}": total[f"pieces: {count}"] for count in range(5) if total[f"pieces: {count}"] < SHAPE_MIN
    }
    total["settlements"] = by_deployment.get("MarketInvariantsTest", Counter())["trades"]
    total["accepts"] = total["trades"] - total["settlements"]
    is_whole = total["calls"] >= CALLS_WHOLE  # only then are the promises about numbers due
    is_enough = total["accepts"] >= TRADE_SHARE_MIN * total["calls"] and not (is_whole and rare)
    is_fine = not total["broken batches"] and is_enough
    found = {"runs": RUNS, "depth": DEPTH, "seeds": seeds, "total": dict(total)}
    found |= {
        "deployments": {name: dict(counts) for name, counts in by_deployment.items()},
        "rarer than promised": rare,
    }
    return is_fine, found


def _runs_of(tally: Path) -> list[str]:
    """Return a line for each run; forge looks at the last run twice."""
    lines = tally.read_text(encoding="utf-8").splitlines()
    return lines[:-1] if len(lines) > RUNS else lines


def _named(numbers: list[int]) -> Counter[str]:
    """Name the numbers of a run as Invariants.t.sol writes them."""
    names = ["calls", "refusals", "trades"]
    names += [f"{side}: {shape}" for side in ("offered", "provided") for shape in SHAPES]
    names += [f"pieces: {count}" for count in range(7)]
    return Counter(dict(zip(names, numbers, strict=False)))


def invariants(arguments: argparse.Namespace) -> Found:
    """Play the batches that the folder lacks, some at a time, and sum up all that it has."""
    with TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        lacking = [batch for batch in batches(arguments.calls) if not _is_played(folder, batch)]
        if lacking:
            prepare = ["forge", "test", "--match-contract", "ProtestTest"]
            settings = environment(FOUNDRY_OPTIMIZER="true")
            subprocess.run(prepare, cwd=CONTRACTS, env=settings, check=True, capture_output=True)
        with ThreadPoolExecutor(max_workers=arguments.jobs) as pool:
            list(pool.map(lambda batch: play(folder, batch), lacking))
        return summed(folder)


def _is_played(folder: Path, batch: tuple[str, int]) -> bool:
    """Tell whether a batch came to its end; one that was killed from outside says nothing."""
    log = folder / f"{batch[0]}-{batch[1]}.log"
    return log.is_file() and re.search(r"^rc \d", log.read_text(encoding="utf-8"), re.MULTILINE) is not None


# ---------------------------------------------------------------------------------------------- proofs and slither


def proofs(arguments: argparse.Namespace) -> Found:
    """Let halmos prove every `check_`."""
    install()
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "proofs.json"
        command = ["halmos", "--contract", "ProofsTest", "--loop", "16", "--solver-timeout-assertion", "60000"]
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--json-output", str(answer)],
            cwd=CONTRACTS,
            env=environment(),
            check=False,
            stdin=subprocess.DEVNULL,
        )
        results = json.loads(answer.read_text(encoding="utf-8"))["test_results"] if answer.is_file() else {}
    proved = {
        test["name"]: test["num_paths"][0] for tests in results.values() for test in tests if test["exitcode"] == 0
    }
    failed = [test["name"] for tests in results.values() for test in tests if test["exitcode"] != 0]
    found = {"proved, with paths": proved, "failed": failed, "seconds": round(time.monotonic() - begun)}
    return done.returncode == 0 and not failed and len(proved) > 0, found


def slither(arguments: argparse.Namespace) -> Found:
    """Compare slither's findings, informational ones apart, with those that are explained."""
    install()
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "slither.json"
        command = ["slither", ".", "--filter-paths", "test", "--exclude-informational", "--exclude-optimization"]
        subprocess.run(
            [*command, "--json", str(answer)], cwd=CONTRACTS, env=environment(), check=False, capture_output=True
        )
        findings = json.loads(answer.read_text(encoding="utf-8"))["results"].get("detectors", [])
    entries = json.loads(EXPLAINED.read_text(encoding="utf-8"))
    explained = {(entry["check"], function) for entry in entries for function in entry["functions"]}
    seen = {(finding["check"], finding["elements"][0]["name"]): finding["impact"] for finding in findings}
    new = {" in ".join(place): impact for place, impact in seen.items() if place not in explained}
    gone = [" in ".join(place) for place in sorted(explained - set(seen))]
    # An explanation says why a finding is no fault, so only what is not explained counts.
    listed: dict[str, list[str]] = {"high": [], "medium": [], "low": []}
    for place, impact in sorted(seen.items()):
        if place in explained:
            listed[impact.lower()].append(" in ".join(place))
    counts = {name: sum(impact.lower() == name for impact in new.values()) for name in listed}
    return not new and not gone, counts | {"unexplained": new, "explained": listed, "explained but gone": gone}


def main() -> int:
    """Do what the command line names."""
    parser = argparse.ArgumentParser(description="Verify the contract.")
    verbs: dict[str, Callable[[argparse.Namespace], Found]] = {
        "invariants": invariants,
        "proofs": proofs,
        "slither": slither,
    }
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("--calls", type=int, default=CALLS_WHOLE, help="how many calls to play")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many batches at a time")
    parser.add_argument("--folder", type=Path, help="keep the batches here, and go on from them")
    parser.add_argument("--record", type=Path, help="write what was found to this file")
    arguments = parser.parse_args()
    is_fine, found = verbs[arguments.verb](arguments)
    command = f"python scripts/verify.py {arguments.verb}"
    origin = {"command": command, "commit of contracts/": _commit(), "versions": _versions(arguments.verb)}
    text = json.dumps(origin | {"fine": is_fine} | found, indent=1)
    print(text)
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    return 0 if is_fine else 1


def _versions(verb: str) -> dict[str, str | None]:
    """Return the versions of the programs that found what was found."""
    forge = find_foundry("forge")
    programs = {"forge": forge} if forge is not None else {}
    if verb in {"proofs", "slither"}:
        tool = "halmos" if verb == "proofs" else "slither"
        programs[tool] = TOOLS / "bin" / tool
    versions = {name: read_version(program) for name, program in programs.items()}
    return versions | {"solc": ask_compiler("--version").split("Version: ")[1].strip()}


def _commit() -> str:
    """Return the last commit that changed the contract or its tests."""
    command = ["git", "log", "-1", "--format=%H", "--", "contracts"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
