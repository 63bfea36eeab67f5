"""Kills client processes, again and again, and counts what is lost or doubled.

Each plan is played by processes that die, at a point of the outbox's way or at a time, as the seed draws.
Between them and the node a proxy loses and doubles messages, and the chain goes back by blocks that are not final.
`python -m tests.faults.kills --kills 2000 --record FILE` is `make verify-client`.
"""

import argparse
import contextlib
import json
import multiprocessing
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from petra.chain.reader import first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.domain.calls import Protest
from petra.domain.events import Protested
from petra.errors import ChainError
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from tests.faults import proxy
from tests.faults.victim import CONFIRMATIONS, POINTS, Books, Crash, Plan, live
from tests.faults.world import World, new_world

_CHAOS = (
    proxy.drop,
    proxy.lose_answer,
    proxy.reset_in_the_middle,
    proxy.duplicate,
    proxy.truncate,
    proxy.garbage,
    proxy.status(503),
    proxy.delay(0.01),
    proxy.deliver_late(0.01),
)
_BLOCK_SECONDS = 0.004
_LONGEST_LIFE_SECONDS = 0.2
_PATIENCE_SECONDS = 60
_PLANS_PER_CHAIN = 10

# Children are forked from a server that has imported the victim: a life begins in milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.victim"])


@dataclass(slots=True)
class Tally:
    """What came of a run."""

    kills: int = 0
    plans: int = 0
    intents: int = 0
    lost: int = 0
    doubled: int = 0
    reorganisations: int = 0
    points: Counter[str] = field(default_factory=Counter)


def started(plan: Plan, crash: Crash) -> ForkServerProcess:
    """Start one life."""
    process = _PROCESSES.Process(target=live, args=(plan, crash), daemon=True)
    process.start()
    return process


def was_killed(process: ForkServerProcess) -> bool:
    """Wait for the end of a life and say whether it was a kill; an error of the victim's own is ours."""
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode in {0, -9}, f"a victim ended with {process.exitcode}"
    return process.exitcode == -9


@contextmanager
def growing(world: World, rng: Random, *, reorganisations: bool) -> Iterator[Counter[str]]:
    """Let the chain grow, and now and then lose blocks that are not final; give the count of those times."""
    stop, counts = threading.Event(), Counter[str]()

    def grow() -> None:
        while not stop.wait(_BLOCK_SECONDS):
            if reorganisations and rng.random() < 0.02 and world.node.head().number > 2 * CONFIRMATIONS:
                world.reorganise(rng.randint(1, CONFIRMATIONS))
                counts["reorganisations"] += 1
            world.mine()

    thread = threading.Thread(target=grow, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join()


def new_plan(world: World, folder: Path, seed: int) -> Plan:
    """Return a plan whose processes reach the node through the proxy."""
    folder.mkdir()
    return Plan(url=world.proxy.url, folder=folder, contract=world.contract, terms=world.terms, seed=seed)


def judge(world: World, plan: Plan, tally: Tally) -> None:
    """Compare books, outbox and chain after a plan's end: each intent once, and as it must end."""
    groups = plan.intents(SimulatedKeys(seed=plan.seed))
    expected = {one.intent_id: isinstance(one.call, Protest) for group in groups for one in group}
    own = {one.call.digest for group in groups for one in group if isinstance(one.call, Protest)}
    books, outbox = Books(plan.folder / "books.db", Crash("", 0)), SqlOutbox(plan.folder / "outbox.db")
    stood = Counter(digest for digest in _protests(world) if digest in own)
    told = books.outcomes()
    tally.plans += 1
    tally.intents += len(expected)
    tally.lost += sum(told.get(key) != done for key, done in expected.items())
    tally.lost += len(own - set(books.effects())) + len(own - set(stood)) + len(outbox.pending())
    tally.doubled += sum(count - 1 for count in stood.values())
    books.close()
    outbox.close()


def _protests(world: World) -> list[bytes]:
    """Return what the final blocks say, while the chain goes on."""
    chain = RpcChain(world.node.url)
    try:
        while True:
            with contextlib.suppress(ChainError):  # a block changed while it was read
                records, _ = read_records(chain, world.contract, first_checkpoint(chain), confirmations=CONFIRMATIONS)
                return [e.digest for record in records for e in record.events if isinstance(e, Protested)]
    finally:
        chain.close()


def play(world: World, plan: Plan, rng: Random, tally: Tally, *, kills: int) -> None:
    """Kill processes of a plan until it is played to its end, or so many kills were made; then let it end."""
    while True:
        spent = tally.kills >= kills
        at_point = rng.random() < 0.5 and not spent
        crash = Crash(rng.choice((*POINTS, "any")), rng.randint(1, 3)) if at_point else Crash("", 0)
        process = started(plan, crash)
        if not at_point and not spent:
            process.join(rng.uniform(0, _LONGEST_LIFE_SECONDS))
            process.kill()
        if not was_killed(process):
            return
        tally.kills += 1
        tally.points[crash.point or "any time"] += 1


def run(seed: int, kills: int) -> Tally:
    """Make so many kills; a new chain begins now and then, so that none grows long."""
    tally, rng = Tally(), Random(seed)
    while tally.kills < kills:
        with new_world() as world, tempfile.TemporaryDirectory() as folder:
            world.proxy.chaos = (Random(rng.random()), 0.03, _CHAOS)
            with growing(world, Random(rng.random()), reorganisations=True) as counts:
                for number in range(_PLANS_PER_CHAIN):
                    if tally.kills < kills:
                        plan = new_plan(world, Path(folder) / str(number), seed=seed * 1_000 + number)
                        play(world, plan, rng, tally, kills=kills)
                        judge(world, plan, tally)
            tally.reorganisations += counts["reorganisations"]
    return tally


def main() -> None:
    """Run, print and record the figures; exit 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    begin = time.monotonic()
    tally = run(options.seed, options.kills)
    figures = {
        "seed": options.seed,
        "commit": commit,
        "kills": tally.kills,
        "kills_by_point": dict(sorted(tally.points.items())),
        "plans": tally.plans,
        "intents": tally.intents,
        "reorganisations": tally.reorganisations,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "seconds": round(time.monotonic() - begin),
    }
    text = json.dumps(figures, indent=2) + "\n"
    print(text, end="")  # noqa: T201 a program for people
    if options.record:
        options.record.write_text(text, encoding="utf-8")
    raise SystemExit(bool(tally.lost or tally.doubled))


if __name__ == "__main__":
    main()
