"""Play the case study in real time on real validators while some die, part, censor or lie: `make verify-network`.

Each drill has a network of its own (4 validators, a block a second) and a mischief that begins and ends while homes
trade. A drill passes where the run ends with exit code 0: every intent ended once, the books close, no alarm. What a
mischief costs in time stands in the record, docs/records/network.json, beside the calm drill.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from petra.errors import ChainError
from petra.network import control, create
from petra.network import node as nodes
from petra.network.create import require_geth
from petra.network.ipc import ask
from petra.network.layout import Network, Node
from petra.network.ports import choose_ports
from petra.network.process_table import end_processes
from petra.network.secret_files import new_secret, node_id_of, write_secret

CHECKOUT = Path(__file__).resolve().parents[1]
RECORD = CHECKOUT / "docs" / "records" / "network.json"
KEPT = ("traded_share", "trades", "void", "transactions", "reorganisations", "books_problems", "alarms")


@dataclass(slots=True)
class Scene:
    """A network under a drill, and what was seen of the mischief."""

    network: Network
    over: threading.Event = field(default_factory=threading.Event)
    seen: dict[str, Any] = field(default_factory=dict)

    def links(self, halves: tuple[list[Node], list[Node]], method: str) -> None:
        """Cut (admin_removePeer) or heal (admin_addPeer) every link between two groups, from both ends."""
        for one in halves[0]:
            for other in halves[1]:
                for here, there in ((one, other), (other, one)):
                    with suppress(ChainError):
                        ask(self.network.ipc(here), method, there.enode)


Step = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Drill:
    """One run: how T and lead differ from the calm one, and the mischief; `begin` and `end` come while homes trade."""

    about: str
    options: tuple[str, ...] = ()
    prepare: Step | None = None
    begin: Step | None = None
    end: Step | None = None


def _kill(scene: Scene) -> None:
    node = scene.network.node(3)
    killed = subprocess.run(["pkill", "-9", "-f", f"datadir={scene.network.folder(node)}"], check=False)
    scene.seen["killed"] = killed.returncode == 0


def _bring_back(scene: Scene) -> None:
    began = time.monotonic()
    control.start_nodes(scene.network.directory, [3])
    scene.seen["back_after_seconds"] = round(time.monotonic() - began, 1)


def _halves(scene: Scene) -> tuple[list[Node], list[Node]]:
    return list(scene.network.nodes[:2]), list(scene.network.nodes[2:])


def _cut(scene: Scene) -> None:
    """Part the validators two and two, again and again, since they look for one another."""
    scene.over.clear()

    def keep_apart() -> None:
        while not scene.over.wait(0.2):
            scene.links(_halves(scene), "admin_removePeer")

    threading.Thread(target=keep_apart, daemon=True).start()


def _heal(scene: Scene) -> None:
    scene.over.set()
    heads = [nodes.head_number(node) or 0 for node in scene.network.nodes]
    scene.links(_halves(scene), "admin_addPeer")
    began = time.monotonic()
    while (
        time.monotonic() - began < 90
        and min(nodes.head_number(node) or 0 for node in scene.network.nodes) <= max(heads) + 2
    ):
        time.sleep(0.2)
    scene.seen["one_chain_again_after_seconds"] = round(time.monotonic() - began, 1)


def _censor(scene: Scene) -> None:
    """Let validator 4 mine nothing that pays nothing, unless it was sent to that very node."""
    ask(scene.network.ipc(scene.network.node(4)), "miner_setGasPrice", "0x3b9aca00")
    scene.over.clear()
    threading.Thread(target=_watch_censor, args=(scene, scene.network.node(4)), daemon=True).start()


def _watch_censor(scene: Scene, censor: Node) -> None:
    """Count the blocks that the censor signed, and the transactions in them."""
    ipc = scene.network.ipc(scene.network.node(1))
    scene.seen |= {"blocks_signed": 0, "transactions_in_them": 0}
    begin = nodes.head_number(scene.network.node(1)) or 0
    # The first blocks may have been prepared before it began to censor.
    for number in range(begin + 3, begin + 10_000):
        while (nodes.head_number(scene.network.node(1)) or 0) < number:
            if scene.over.wait(0.2):
                return
        if str(ask(ipc, "clique_getSigner", hex(number))).lower() == censor.address.lower():
            block = ask(ipc, "eth_getBlockByNumber", hex(number), False)
            scene.seen["blocks_signed"] += 1
            scene.seen["transactions_in_them"] += len(block["transactions"])


def _stop_censoring(scene: Scene) -> None:
    scene.over.set()
    ask(scene.network.ipc(scene.network.node(4)), "miner_setGasPrice", "0x0")


def _withhold(scene: Scene) -> None:
    """Let validator 4 sign alone for three seconds and then show its blocks, again and again."""
    scene.over.clear()
    alone = ([scene.network.node(4)], list(scene.network.nodes[:3]))

    def withhold() -> None:
        scene.seen["times_withheld"] = 0
        while not scene.over.is_set():
            until = time.monotonic() + 3
            while time.monotonic() < until:
                scene.links(alone, "admin_removePeer")
                time.sleep(0.1)
            scene.links(alone, "admin_addPeer")
            scene.seen["times_withheld"] += 1
            scene.over.wait(3)

    threading.Thread(target=withhold, daemon=True).start()


def _stop_withholding(scene: Scene) -> None:
    scene.over.set()
    scene.links(([scene.network.node(4)], list(scene.network.nodes[:3])), "admin_addPeer")


def _make_twin(scene: Scene) -> None:
    """Start a second node with validator 4's key: the two sign different blocks of one height."""
    network, original, geth = scene.network, scene.network.node(4), require_geth()
    control.stop_nodes(network.directory, [4])
    secret, (rpc_port, link_port) = new_secret(), choose_ports(2)
    twin = replace(original, number=40, node_id=node_id_of(secret), rpc_port=rpc_port, link_port=link_port)
    around = replace(network, nodes=(*network.nodes[:3], twin))
    folder = network.folder(twin)
    shutil.copytree(network.folder(original), folder, ignore=shutil.ignore_patterns("geth.ipc", "LOCK", "nodekey"))
    write_secret(folder / "geth" / "nodekey", secret.hex())
    (folder / "config.toml").write_text(create._configuration(around, twin), encoding="utf-8")
    control.start_nodes(network.directory, [4])
    nodes.launch(around, twin, geth)
    nodes.open_for_price_zero(around, twin)
    for other in network.nodes[:3]:
        ask(network.ipc(other), "admin_addTrustedPeer", twin.enode)
        ask(network.ipc(other), "admin_addPeer", twin.enode)
    nodes.join(around, twin, network.nodes[:3])
    threading.Thread(target=_watch_twins, args=(scene, original, twin), daemon=True).start()


def _watch_twins(scene: Scene, original: Node, twin: Node) -> None:
    """Count the heights at which the two nodes of one key had different newest blocks."""
    hashes: dict[str, set[str]] = {}
    while not scene.over.wait(0.1):
        for node in (original, twin):
            with suppress(ChainError):
                block = ask(scene.network.ipc(node), "eth_getBlockByNumber", "latest", False)
                hashes.setdefault(block["number"], set()).add(block["hash"])
        scene.seen["heights_with_two_blocks"] = sum(len(found) > 1 for found in hashes.values())


DRILLS: dict[str, Drill] = {
    "calm": Drill("nothing happens"),
    "four seconds": Drill(
        "T = 4 s, homes trade six timesteps ahead (R50)", ("--timestep-seconds", "4", "--horizon", "6", "--gate", "1")
    ),
    "killed": Drill("validator 3 is killed with -9 and brought back", begin=_kill, end=_bring_back),
    "cut": Drill("the network is cut two and two, and healed", begin=_cut, end=_heal),
    "censor": Drill("validator 4 mines only what is sent to itself", begin=_censor, end=_stop_censoring),
    "withholding": Drill("validator 4 withholds its blocks for 3 s at a time", begin=_withhold, end=_stop_withholding),
    "two-faced": Drill("two nodes sign with validator 4's key", prepare=_make_twin),
}


def run_drill(name: str, folder: Path, *, timestep_seconds: int, timesteps: int) -> dict[str, Any]:
    """Play one drill and return its row of the record; `passed` says whether the run kept every promise."""
    drill, directory = DRILLS[name], folder / name.replace(" ", "-")
    network = control.up(directory / "network")
    scene = Scene(network)
    try:
        if drill.prepare:
            drill.prepare(scene)
        t = int(drill.options[1]) if drill.options else timestep_seconds
        options = drill.options or ("--timestep-seconds", str(timestep_seconds))
        command = [sys.executable, "-m", "petra", "live", "case-study", "--network", str(network.directory)]
        command += [*options, "--timesteps", str(timesteps), "--out", str(directory / "run"), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as playing:
            _make_mischief(drill, scene, timesteps * t)
            printed, complaints = playing.communicate(timeout=timesteps * t + 600)
    finally:
        scene.over.set()
        control.down(network.directory, remove=True)
        end_processes(f"--datadir={network.directory}/node-40".__eq__)
    summary = json.loads(printed.splitlines()[-1]) if printed.strip() else {}
    figures = {key: summary.get(key) for key in (*KEPT, "post_to_accept_seconds", "service_seconds")}
    passed = playing.returncode == 0 and summary.get("books_problems") == 0
    row = {"about": drill.about, "passed": passed, "exit": playing.returncode, "seen": dict(scene.seen), **figures}
    return row if passed else row | {"complaints": complaints[-500:]}


def _make_mischief(drill: Drill, scene: Scene, trading_seconds: int) -> None:
    """Let the mischief begin after about a third of the trading, and end after about two thirds."""
    lead = 18
    if drill.begin and drill.end:
        time.sleep(lead + trading_seconds * 0.3)
        drill.begin(scene)
        time.sleep(min(60.0, trading_seconds * 0.3))
        drill.end(scene)


def main() -> int:
    """Play the drills side by side and write the record; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drills", nargs="*", default=list(DRILLS), help="all, if left out")
    parser.add_argument("--timestep-seconds", type=int, default=30)
    parser.add_argument("--timesteps", type=int, default=14)
    parser.add_argument("--side-by-side", type=int, default=4, help="how many networks run at a time")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.side_by_side) as pool:
        tasks = {
            name: pool.submit(
                run_drill,
                name,
                Path(folder),
                timestep_seconds=chosen.timestep_seconds,
                timesteps=chosen.timesteps,
            )
            for name in chosen.drills
        }
        rows = {name: task.result() for name, task in tasks.items()}
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    settings = {
        "validators": 4,
        "period_seconds": 1,
        "timestep_seconds": chosen.timestep_seconds,
        "timesteps": chosen.timesteps,
    }
    # Drills that were not played now keep their rows, if they were played alike.
    before = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    kept = before["drills"] if {key: before.get(key) for key in settings} == settings else {}
    played = {name: {"commit": git.stdout.strip(), **row} for name, row in rows.items()}
    record = settings | {"drills": kept | played}
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
    return 0 if all(row["passed"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
