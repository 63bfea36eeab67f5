"""`petra simulate` as a user runs it: what it writes, what it refuses, and what Ctrl-C leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from petra.chain.anvil import AnvilChain

PETRA = [sys.executable, "-m", "petra"]


# The case study cut to its first three timesteps.
SHORT = """
[run]
name = "short"
[time]
window_from = 2016-05-26T14:15:00
window_until = 2016-05-26T15:00:00
[data]
source = "case-study"
[forecast]
method = "perfect"
[[prices.schedule]]
retail_ct_per_kwh = 30
feed_in_ct_per_kwh = 8
local_ct_per_kwh = 19
imbalance_ct_per_kwh = 45
bulk_ct_per_kwh = 9
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a short scenario."""
    path = tmp_path_factory.mktemp("scenario") / "short.toml"
    path.write_text(SHORT)
    return str(path)


def petra(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*PETRA, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment, timeout=120
    )


def wait(process: subprocess.Popen[str], seconds: float) -> None:
    """Give a process time; it should still be running afterwards."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def files(directory: Path) -> list[str]:
    """Return what lies in a folder, sorted."""
    return sorted(entry.name for entry in directory.iterdir())


def test_existing_directory_is_refused_without_force(tmp_path: Path) -> None:
    """A run is never written over by mistake; --force replaces runs, and nothing else."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("dear")
    refused = petra("simulate", "--ledger", "memory", "--out", str(tmp_path / "out"))
    forced = petra("simulate", "--ledger", "memory", "--out", str(tmp_path / "out"), "--force")
    assert (refused.returncode, forced.returncode) == (2, 2)
    assert "exists already" in refused.stderr and "is no run directory" in forced.stderr
    assert files(tmp_path / "out") == ["thesis.txt"] and files(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "no scenario of that name"),
        (("case-study", "--block-seconds", "0"), "--block-seconds 0: must be 1 .. 600"),
        (("case-study", "--rpc", "http://127.0.0.1:9"), "127.0.0.1:9"),
        (("case-study", "--rpc", "ftp://node"), "ftp://node"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, one message that names the place, and no file."""
    done = petra("simulate", *arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr
    assert files(tmp_path) == []


def test_scenario_of_ones_own_is_played_from_its_folder(tmp_path: Path) -> None:
    """A TOML file that names a CSV beside it is played, whatever the current directory is."""
    rows = [f"10:{minute:02},{1.5},{-0.6},{-0.4}" for minute in range(0, 60, 15)]
    (tmp_path / "site.csv").write_text("\n".join(["Time,sun,one,two", *rows]) + "\n")
    (tmp_path / "site.toml").write_text(
        """
        [run]
        name = "site"
        [time]
        window_from = 2024-05-01T10:15:00
        window_until = 2024-05-01T11:00:00
        [data]
        source = "csv"
        path = "site.csv"
        [data.csv]
        unit = "kW"
        date = 2024-05-01
        [[data.csv.homes]]
        name = "sun"
        net = "sun"
        pv_rating_watts = 2000
        [[data.csv.homes]]
        name = "one"
        net = 3
        [[data.csv.homes]]
        name = "two"
        net = 4
        [forecast]
        method = "perfect"
        [[prices.schedule]]
        retail_ct_per_kwh = 30
        feed_in_ct_per_kwh = 8
        local_ct_per_kwh = 19
        imbalance_ct_per_kwh = 45
        bulk_ct_per_kwh = 9
        """
    )
    done = petra(
        "simulate", str(tmp_path / "site.toml"), "--ledger", "memory", "--out", str(tmp_path / "out"), "--json"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["energy_demanded_wh"], summary["traded_share"]) == (750, 1.0)


def test_run_directory_is_whole_and_its_summary_is_the_last_line(tmp_path: Path) -> None:
    """The directory holds every promised file and none half written; --json prints what summary.json says."""
    done = petra("simulate", "--ledger", "memory", "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == ["out"]
    held = ["bills", "grid.json", "journal.jsonl", "ledger.jsonl", "run.json", "summary.json"]
    assert files(tmp_path / "out") == held
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["traded_share"] >= 0.999 and summary["timesteps"] == 14 and summary["homes"] == 9
    assert len(files(tmp_path / "out" / "bills")) == 9


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes(tmp_path: Path, short: str) -> None:
    """Journal and public record of two runs are equal byte for byte, whatever the hash seed; another seed differs."""
    runs = {"a": ("1", "0"), "b": ("1", "4711"), "c": ("2", "0")}
    for name, (seed, hash_seed) in runs.items():
        out = str(tmp_path / name)
        done = petra("simulate", short, "--ledger", "memory", "--seed", seed, "--out", out, PYTHONHASHSEED=hash_seed)
        assert done.returncode == 0, done.stderr
    for file in ("journal.jsonl", "ledger.jsonl"):
        first, again, other = ((tmp_path / name / file).read_bytes() for name in runs)
        assert first == again
        assert first != other


@pytest.mark.anvil
def test_same_trades_and_bills_on_an_ethereum_node(tmp_path: Path) -> None:
    """The node and the twin give the same journal, so the same trades, and the same bills."""
    for ledger in ("anvil", "memory"):
        done = petra("simulate", "--ledger", ledger, "--out", str(tmp_path / ledger))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "anvil" / "journal.jsonl").read_bytes() == (tmp_path / "memory" / "journal.jsonl").read_bytes()
    for bill in files(tmp_path / "memory" / "bills"):
        assert (tmp_path / "anvil" / "bills" / bill).read_bytes() == (tmp_path / "memory" / "bills" / bill).read_bytes()


@pytest.mark.anvil
def test_node_of_ones_own_serves_if_it_is_the_right_one(tmp_path: Path, short: str) -> None:
    """A node with another chain id and a later time is refused with remedies; the right one plays the run."""
    wrong = AnvilChain.start(chain_id=5, genesis=1_800_000_000)
    try:
        refused = petra("simulate", short, "--rpc", wrong._rpc.url, "--out", str(tmp_path / "out"))
    finally:
        wrong.close()
    assert refused.returncode == 2
    assert "has chain id 5" in refused.stderr and "start it afresh with --timestamp" in refused.stderr
    assert files(tmp_path) == []
    right = AnvilChain.start(chain_id=31_337, genesis=1_464_000_000)
    try:
        played = petra("simulate", short, "--rpc", right._rpc.url, "--out", str(tmp_path / "out"))
    finally:
        right.close()
    assert played.returncode == 0, played.stderr


@pytest.mark.anvil
def test_ctrl_c_stops_the_node_and_leaves_nothing(tmp_path: Path) -> None:
    """Exit code 130, no run directory, and no anvil that goes on running."""
    command = [*PETRA, "simulate", "feeder-day", "--ledger", "anvil", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        nodes: list[str] = []
        deadline = time.monotonic() + 60
        while not nodes and time.monotonic() < deadline:
            wait(running, 0.2)
            found = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=False)
            nodes = found.stdout.split()
        wait(running, 2)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
        assert running.stderr is not None and "Ctrl-C" in running.stderr.read()
    assert nodes, "the node was running when Ctrl-C came"
    assert not any(Path(f"/proc/{node}").exists() for node in nodes)
    assert files(tmp_path) == []
