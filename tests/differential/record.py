"""The differential test at length, with a record: `python -m tests.differential.record --steps 1000000 --seed 100`.

The plays are those of test_differential.py: each seed from the first one on, in every mode. `--keep FILE` holds a line
for each play that has ended, so that a long run can be stopped and go on. Exit code 1 where twin and contract differ.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from petra.tools import find_anvil, read_version
from petra.wire.artifact import CREATION_CODE
from tests.differential.coverage import Coverage
from tests.differential.generator import MODES
from tests.differential.play import STEPS_PER_BLOCK, STEPS_PER_PLAY, compare


def told(mode: str, seed: int, coverage: Coverage, seconds: float) -> dict[str, Any]:
    """Return what is kept of a play."""
    done = {verb: count for (verb, outcome), count in sorted(coverage.steps.items()) if outcome == "done"}
    refused: Counter[str] = Counter()
    for (_, outcome), count in coverage.steps.items():
        if outcome != "done":
            refused[outcome] += count
    shapes = {f"{side}: {shape}": count for (side, shape), count in sorted(coverage.shapes.items())}
    pieces = {str(number): count for number, count in sorted(coverage.pieces.items())}
    kept: dict[str, Any] = {"mode": mode, "seed": seed, "seconds": round(seconds, 1)}
    return kept | {"done": done, "refused": refused, "shapes": shapes, "pieces": pieces}


def summed(plays: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over all plays."""
    seeds = {play["seed"] for play in plays}
    sums = {
        what: dict(sorted(sum((Counter(play[what]) for play in plays), Counter[str]()).items()))
        for what in ("done", "refused", "shapes", "pieces")
    }
    found: dict[str, Any] = {"seed": min(seeds), "rounds": len(seeds), "modes": list(MODES), "plays": len(plays)}
    found["steps"] = sum(sums["done"].values()) + sum(sums["refused"].values())
    return found | {"differences": 0, "seconds": round(sum(play["seconds"] for play in plays))} | sums


def origin(anvil: Path) -> dict[str, Any]:
    """Return what was compared, by which command and with which programs."""
    versions = {"anvil": read_version(anvil), "python": sys.version.split()[0]}
    code = sha256(CREATION_CODE).hexdigest()
    return {"command": "python -m tests.differential.record", "creation code, sha256": code, "versions": versions}


def main() -> int:
    """Play what is not kept yet, then write the record."""
    parser = argparse.ArgumentParser(description="Compare the twin and the contract at length.")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=100, help="of the first round; the next round has the next one")
    parser.add_argument("--keep", type=Path, default=Path(os.devnull), help="a line a play; go on where it ends")
    parser.add_argument("--record", type=Path, help="write the sums to this file")
    arguments = parser.parse_args()
    anvil = find_anvil()
    if anvil is None:
        raise SystemExit("anvil is not installed: run `make setup`.")
    rounds = -(-arguments.steps // (STEPS_PER_PLAY * len(MODES)))
    wanted = [(mode, seed) for seed in range(arguments.seed, arguments.seed + rounds) for mode in MODES]
    kept = arguments.keep.read_text(encoding="utf-8").splitlines() if arguments.keep.is_file() else []
    plays = [play for play in map(json.loads, kept) if (play["mode"], play["seed"]) in wanted]
    played = {(play["mode"], play["seed"]) for play in plays}
    with TemporaryDirectory() as folder, arguments.keep.open("a", encoding="utf-8") as lines:
        for mode, seed in wanted:
            if (mode, seed) in played:
                continue
            begun = time.monotonic()
            coverage = compare(anvil, mode, seed, STEPS_PER_PLAY // STEPS_PER_BLOCK, Path(folder) / "anvil.log")
            plays.append(told(mode, seed, coverage, time.monotonic() - begun))
            lines.write(json.dumps(plays[-1]) + "\n")
            lines.flush()
    text = json.dumps(origin(anvil) | summed(plays), indent=1)
    sys.stdout.write(text + "\n")
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
