"""Same seed, same run: byte for byte, in another process, with other hashes of words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.community import draw_world, play

ROOT = Path(__file__).parents[2]


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file of a run."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", [3, pytest.param(9, marks=pytest.mark.slow)])
def test_same_seed_gives_the_same_bytes_in_any_process(seed: int, tmp_path: Path) -> None:
    """Journal, public record and bills depend on no process: not on its hash seed, not on what ran before in it."""
    play(draw_world(seed), seed, tmp_path / "here")
    for hash_seed in ("0", "4711"):
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.community", str(seed), str(tmp_path / hash_seed)],
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            timeout=120,
        )
        assert contents(tmp_path / hash_seed) == contents(tmp_path / "here")


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    """The same world with another seed has other keys, and so another journal."""
    world = draw_world(3)
    for seed in (3, 4):
        play(world, seed, tmp_path / str(seed))
    assert contents(tmp_path / "3")["journal.jsonl"] != contents(tmp_path / "4")["journal.jsonl"]
