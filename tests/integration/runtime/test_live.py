"""`petra live` on a node that makes its own blocks: the market day in real time, down to T = 4 s (R50)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from petra.processes import ChildProcess, free_port
from petra.tools import find_anvil

LIVE = [sys.executable, "-m", "petra", "live", "case-study"]


@pytest.fixture
def node() -> Iterator[str]:
    """Run a node that makes a block every second, and return its URL."""
    anvil, port = find_anvil(), free_port()
    assert anvil is not None
    flags = "--quiet --block-time 1 --hardfork paris --block-base-fee-per-gas 0 --gas-price 0 --accounts 0 --order fifo"
    child = ChildProcess([str(anvil), "--port", str(port), *flags.split()])
    try:
        child.wait_for_port(port, timeout_seconds=20)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


def live(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*LIVE, *arguments], capture_output=True, text=True, check=False, timeout=150)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name the chain"),
        (("--rpc", "http://127.0.0.1:9", "--network", "x"), "name the chain"),
        (("--rpc", "http://127.0.0.1:9"), "127.0.0.1:9"),
        (("--rpc", "http://127.0.0.1:9", "--timestep-seconds", "3"), "must be 4 .. 3600"),
        (("--rpc", "http://127.0.0.1:9", "--timesteps", "15"), "the scenario has 14"),
        (("--rpc", "http://127.0.0.1:9", "--horizon", "0"), "--horizon must be at least 1"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, one message with its place, and no file."""
    done = live(*arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anvil
@pytest.mark.slow
def test_market_day_is_played_in_real_time(node: str, tmp_path: Path) -> None:
    """Two timesteps of 10 s: what can be served is traded within seconds, the books close, the feeder is solved."""
    out = tmp_path / "out"
    done = live("--rpc", node, "--timesteps", "2", "--timestep-seconds", "10", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    # All of it on a machine with time to spare; a busy one may come too late for some.
    assert summary["traded_share"] >= 0.5 and summary["trades"] > 0
    assert summary["alarms"] == [] and summary["books_problems"] == 0
    assert summary["post_to_accept_seconds"]["max"] <= 10
    assert len(list((out / "bills").iterdir())) == 9
    grid = json.loads((out / "grid.json").read_text())
    assert grid["metered"]["outcomes"] == 2 and 0 < grid["metered"]["worst"]["line_loading"] < 0.1
    report = subprocess.run(
        [sys.executable, "-m", "petra", "report", str(out)], capture_output=True, text=True, check=False
    )
    assert report.returncode == 0, report.stderr


@pytest.mark.anvil
@pytest.mark.slow
def test_timesteps_of_four_seconds_are_traded_forward(node: str, tmp_path: Path) -> None:
    """With T = 4 s homes trade five timesteps ahead, and nothing is lost (R50, A23)."""
    arguments = ("--timesteps", "4", "--timestep-seconds", "4", "--horizon", "5", "--gate", "1", "--json")
    done = live("--rpc", node, *arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["traded_share"] >= 0.5 and summary["alarms"] == []
