"""How long until a testbed is ready, and how much memory a home takes: `python benchmarks/testbed.py --homes 20 102`.

Ready: every home is enrolled, knows the prices and reads final blocks. The original deployed 20 prosumers with
PlaTIBART in 54.8 s (Middleware'17). Memory is the proportional set size, so that pages which siblings share are counted
once; a home is two processes, its agent and its meter. Then homes trade for some timesteps, and books, ledger and
homes are compared while all of it runs.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from petra.chain.client import first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.cli.runs import read_world
from petra.domain.events import OfferAccepted
from petra.network.deployment import read_deployment
from petra.runtime.nursery import children_of
from petra.runtime.testbed import Plan, down, up
from petra.runtime.testbed_consistency import consistency
from petra.runtime.testbed_layout import Testbed

ORIGINAL_SECONDS = 54.8
HERTZ = os.sysconf("SC_CLK_TCK")


def measure(homes: int, timestep_seconds: int, timesteps: int) -> dict[str, object]:
    """Bring a testbed up, let it trade, and return its figures."""
    with tempfile.TemporaryDirectory(prefix="petra-bench-") as folder:
        directory, world = Path(folder) / "testbed", read_world("case-study", None)
        load = os.getloadavg()[0]
        begun = time.monotonic()
        try:
            testbed = up(directory, world, Plan(homes=homes, timestep_seconds=timestep_seconds))
            ready = time.monotonic() - begun
            processes = children_of(directory)
            computed = sum(map(_cpu_seconds, processes))
            time.sleep(timestep_seconds * timesteps)
            return {
                "homes": homes,
                "processes": len(processes),
                "ready_seconds": round(ready, 1),
                "original_seconds": ORIGINAL_SECONDS if homes == 20 else None,
                "load_before": round(load, 1),
                "cpu_seconds": round(computed, 1),
                "memory_mb_a_home": round(sum(map(_memory_kb, processes)) / 1024 / homes, 1),
                "timestep_seconds": timestep_seconds,
                "trades": trades(testbed),
                "cpu_share_while_trading": round(
                    (sum(map(_cpu_seconds, processes)) - computed) / (timestep_seconds * timesteps), 2
                ),
                "differences": len(consistency(testbed)),
            }
        finally:
            down(directory)


def trades(testbed: Testbed) -> int:
    """Return how many trades the ledger holds."""
    chain = RpcChain(testbed.rpc[0], patience_seconds=0)
    try:
        records, _ = read_records(chain, read_deployment(testbed.deployment).contract, first_checkpoint(chain))
    finally:
        chain.close()
    return sum(isinstance(event, OfferAccepted) for record in records for event in record.events)


def _cpu_seconds(process: int) -> float:
    words = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / HERTZ


def _memory_kb(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON object for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[20])
    parser.add_argument("--timestep-seconds", type=int, default=30)
    parser.add_argument("--timesteps", type=int, default=3)
    options = parser.parse_args(arguments)
    for homes in options.homes:
        print(json.dumps(measure(homes, options.timestep_seconds, options.timesteps)), flush=True)


if __name__ == "__main__":
    main()
