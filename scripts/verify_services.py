"""The long runs against the live services (issue 4): every crash point, ordered pairs of them, random kills.

    python scripts/verify_services.py points|pairs|kills|cold [--until N] [--minutes M]

Decides: what is done in which order, from the seed alone; a run that is stopped goes on where it was, because the
record is written after each stretch. A stretch is one testbed; at its end everything is brought to rest, and books,
ledger and homes must be equal. Stretches of kills and pairs take SQLite and PostgreSQL in turn.
"""

import argparse
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from petra.runtime.nursery import Child
from petra.runtime.testbed_layout import Place
from tests.crash.rig import POINTS, READY_SECONDS, Rig, rest
from tests.integration.store.server import Server, find_binaries

SEED = 1
RECORD = CHECKOUT / "docs" / "records" / "service-kills.json"
KILLS, KILLS_A_STRETCH, PAIRS_A_STRETCH, KILLS_A_LOOK = 1_000, 100, 58, 10
RECOVERY_SECONDS_MAX = 5.0
Point = tuple[str, str]

# Those that a withdrawal or a deposit comes by: the home signs, commits and sends, the DSO takes, commits and answers,
# and both put transactions on the ledger.
_ON_THE_WAY = ("commit.before", "commit.after", "send.before", "send.after")
PAIRED: tuple[Point, ...] = (
    *(("prosumer", f"prosumer.{place}") for place in ("sign.before", "sign.after", *_ON_THE_WAY)),
    *(("dso", f"dso.{place}") for place in ("receive.after", "acknowledge.before", "acknowledge.after", *_ON_THE_WAY)),
    *(point for point in POINTS if not point[1].startswith(point[0])),
)


class Record:
    """What was done so far, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        empty: dict[str, Any] = {
            "seed": SEED,
            "points": {},
            "pairs": 0,
            "pairs_planned": len(PAIRED) * (len(PAIRED) - 1),
            "kills": {"sqlite": {}, "postgresql": {}},
            "recoveries": 0,
            "recovery_seconds_max": 0.0,
            "recovery_seconds_medians": [],
            "cold_start_seconds": {},
            "stretches": 0,
            "problems": [],
            "commits": [],
            "seconds": 0,
        }
        self.content = empty | (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {})

    @property
    def kills(self) -> int:
        """How many random kills there were."""
        return sum(sum(by_role.values()) for by_role in self.content["kills"].values())

    def stretch(self, rig: Rig, problems: Sequence[str], seconds: float) -> None:
        """Take note of a testbed that was brought to rest."""
        content = self.content
        if (commit := _commit()) not in content["commits"]:
            content["commits"].append(commit)  # a run may go on with a later one
        content["stretches"] += 1
        content["seconds"] += round(seconds)
        content["problems"] += problems
        if rig.recovery_seconds:
            content["recoveries"] += len(rig.recovery_seconds)
            content["recovery_seconds_max"] = round(max(content["recovery_seconds_max"], *rig.recovery_seconds), 3)
            content["recovery_seconds_medians"].append(round(statistics.median(rig.recovery_seconds), 3))
            content["problems"] += [
                f"{role}: a recovery took {took:.1f} s"
                for role, took in rig.recovered
                if took > RECOVERY_SECONDS_MAX
            ]
        self.write()

    def write(self) -> None:
        """Write the file whole."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")
        partial.replace(self._path)


def points(record: Record, until: int, goes_on: Callable[[], bool]) -> None:
    """Kill at every point, one after the other, on SQLite."""
    left = [point for point in POINTS if _name(point) not in record.content["points"]][:until]
    if not left or not goes_on():
        return
    with testbed("") as rig:
        begun = time.monotonic()
        done, problems = {}, []
        for point in left:
            if goes_on():
                done[_name(point)] = round(rig.crash(rig.place(point[0]), point[1]), 3)
                problems += rig.problems()
        problems += rig.problems_at_rest()
        record.content["points"] |= done
        record.stretch(rig, problems, time.monotonic() - begun)


def pairs(record: Record, until: int, goes_on: Callable[[], bool]) -> None:
    """Kill along a circuit with every ordered pair of points: a death ends one pair and begins the next."""
    circuit = ordered_pairs_circuit(PAIRED, Random(SEED))
    server = Server(find_binaries() or Path())
    try:
        while (done := record.content["pairs"]) < min(until, len(circuit) - 1) and goes_on():
            way = circuit[done : done + PAIRS_A_STRETCH + 1]
            url = _database(server, done // PAIRS_A_STRETCH)
            with testbed(url) as rig:
                begun, problems = time.monotonic(), []
                for count, point in enumerate(way):
                    place = rig.place(point[0])
                    rig.stop(place)
                    rig.die(place, point[1])
                    rig.watch(rig.begin(place))  # it comes up while the next one is on its way to its end
                    if count % KILLS_A_LOOK == 0:
                        problems += rig.problems()
                rig.wait_watched()
                problems += rig.problems_at_rest()
                record.content["pairs"] += len(way) - 1
                record.stretch(rig, problems, time.monotonic() - begun)
                print(f"{record.content['pairs']} of {len(circuit) - 1} pairs, {len(problems)} problems", flush=True)
    finally:
        server.stop()


def kills(record: Record, until: int, goes_on: Callable[[], bool]) -> None:
    """Kill any service at any time, also one that is just coming up; SQLite and PostgreSQL in turn."""
    server = Server(find_binaries() or Path())
    try:
        while record.kills < until and goes_on():
            stretch = record.kills // KILLS_A_STRETCH
            rng = Random(f"{SEED}:{stretch}")
            kind = ("sqlite", "postgresql")[stretch % 2]
            with testbed(_database(server, stretch)) as rig:
                begun = time.monotonic()
                counted, problems = _kill_at_random(rig, rng)
                problems += rig.problems_at_rest()
                total = Counter(record.content["kills"][kind]) + counted
                record.content["kills"][kind] = dict(sorted(total.items()))
                record.stretch(rig, problems, time.monotonic() - begun)
                print(f"{record.kills} kills, {len(problems)} problems", flush=True)
    finally:
        server.stop()


def cold(record: Record, until: int, goes_on: Callable[[], bool]) -> None:
    """Start each role from a cold interpreter after a kill, as an operator's supervisor would."""
    roles = [role for role in ("dso", "prosumer", "meter") if role not in record.content["cold_start_seconds"]]
    if not roles:
        return
    with testbed("") as rig:
        begun, took = time.monotonic(), {}
        for role in roles:
            place = rig.place(role)
            rig.kill(place)
            took[role] = round(_cold_start(rig, place), 3)
            rig.revive(place)
        problems = rig.problems_at_rest()
        record.content["cold_start_seconds"] |= took
        record.stretch(rig, problems, time.monotonic() - begun)


def ordered_pairs_circuit(chosen: Sequence[Point], rng: Random) -> list[Point]:
    """Return a closed way through the points in which each one follows each other one exactly once."""
    left = {point: rng.sample([other for other in chosen if other != point], len(chosen) - 1) for point in chosen}
    way, stack = [], [chosen[0]]
    while stack:  # Hierholzer: go on until stuck, then back to where something is left
        if left[stack[-1]]:
            stack.append(left[stack[-1]].pop())
        else:
            way.append(stack.pop())
    return way[::-1]


@contextmanager
def testbed(database: str) -> Iterator[Rig]:
    """Give a running testbed, and remove it."""
    with tempfile.TemporaryDirectory(prefix="petra-rig-") as folder:
        rig = Rig(Path(folder) / "testbed", database=database)
        try:
            yield rig
        finally:
            rig.close()


def _kill_at_random(rig: Rig, rng: Random) -> tuple[Counter[str], list[str]]:
    counted: Counter[str] = Counter()
    problems: list[str] = []
    running: dict[str, Child] = {}
    places = rig.testbed.places
    for count in range(1, KILLS_A_STRETCH + 1):
        rest(rng.uniform(0.02, 1.2))
        place = places[rng.randrange(len(places))]
        rig.kill(place)
        counted[place.role] += 1
        child = running.get(place.name)
        if child is not None and child.exit_code != -signal.SIGKILL:
            problems.append(f"{place.name} ended with exit code {child.exit_code}")
        running[place.name] = rig.begin(place)
        rig.watch(running[place.name])
        if count % KILLS_A_LOOK == 0:
            problems += rig.problems()
    rig.wait_watched(running.values())
    return counted, problems


def _cold_start(rig: Rig, place: Place) -> float:
    password = rig.testbed.directory / "password"
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"{folder}/notify")
        heard.settimeout(READY_SECONDS)
        begun = time.monotonic()
        command = [sys.executable, "-m", "petra", place.role, "run", "--dir", str(place.directory)]
        process = subprocess.Popen(
            [*command, "--password-file", str(password)],
            env={"NOTIFY_SOCKET": f"{folder}/notify", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while heard.recv(1_024) != b"READY=1":
            pass
        took = time.monotonic() - begun
        rest(2)
        process.terminate()
        process.wait(timeout=READY_SECONDS)
        return took


def _database(server: Server, stretch: int) -> str:
    return server.new_database() if stretch % 2 else ""


def _name(point: Point) -> str:
    return f"{point[0]} {point[1]}"


def _commit() -> str:
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    """Do what is left of a run; exit code 1 if any promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["points", "pairs", "kills", "cold"])
    parser.add_argument("--until", type=int, default=10**6, help="stop after so many, all runs together")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="begin no stretch later than that")
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    record, ends = Record(options.record), time.monotonic() + options.minutes * 60
    until = min(options.until, KILLS) if options.what == "kills" else options.until
    {"points": points, "pairs": pairs, "kills": kills, "cold": cold}[options.what](
        record, until, lambda: time.monotonic() < ends
    )
    print(json.dumps({key: value for key, value in record.content.items() if key != "points"}, indent=1))
    return 1 if record.content["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
