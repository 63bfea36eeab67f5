"""A whole microgrid on this machine, as real processes: what PlaTIBART was to the original.

Decides: in which order a testbed comes up, and what a failure leaves behind. What each process does, others decide.
Invariants: a testbed that could not be brought up has no process left; `down` needs no process id and finds every
process by the directory's name in its arguments; whoever holds the lock of a service's keys is that service.
"""

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from petra.domain.terms import Terms
from petra.errors import InputError
from petra.network.layout import read_network
from petra.network.ports import choose_ports
from petra.network.secret_files import KeyFile, new_secret, write_secret
from petra.play.world import HomeSetup, World, in_real_time
from petra.processes import free_port
from petra.runtime.local_chain import chain_runs, end_chain, start_chain
from petra.runtime.nursery import Child, Nursery, children_of, end_children
from petra.runtime.testbed_layout import PASSWORD_FILE, Place, Testbed, holder
from petra.runtime.testbed_making import (
    KEY_FILE,
    choose_homes,
    deploy_contract,
    invite,
    make_dso,
    require_room,
    write_profile,
)
from petra.runtime.testbed_play import ends_at
from petra.scenario.rules import lot_of

SERVE, MAKE_HOME = "petra.runtime.testbed_tasks:serve", "petra.runtime.testbed_tasks:make_home"
_READY_SECONDS = 60.0
_READY_SECONDS_PER_HOME = 3.0
_DEPLOYMENT_SECONDS = 3
_START_SECONDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a testbed shall be.

    Attributes:
        homes: how many; None = the scenario's.
        network: directory of a running `petra network`; None = a chain of its own.
        lead_seconds: from the deployment to timestep 0; None = about as long as it takes until all are ready.
        seed: of the shifts by which homes beyond the scenario's differ.
        database: of the DSO, a URL; empty = a file.
        plays: whether the homes fall silent after the scenario's last timestep, instead of going on for ever.
    """

    homes: int | None = None
    timestep_seconds: int = 15
    block_seconds: int = 1
    network: Path | None = None
    lead_seconds: int | None = None
    seed: int = 1
    database: str = ""
    plays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a service stands; `process_id` is None where nobody holds its keys."""

    place: Place
    process_id: int | None


def up(directory: Path, world: World, plan: Plan) -> Testbed:
    """Make a testbed and return when everybody is enrolled, knows the prices and reads final blocks.

    Raises:
        InputError: the directory is in use, or the plan cannot be; nothing was changed.
        WorldError: a process does not come up; all are ended, what they logged is kept.
    """
    directory = directory.resolve()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory}: is not empty: `petra testbed down --remove` ends and removes a testbed there")
    chosen = choose_homes(world, plan.homes, plan.seed)
    require_room(chosen)
    if plan.network is not None:
        read_network(plan.network)  # before anything is made
    _prepare(directory)
    try:
        nursery = Nursery(directory)  # it imports while we go on
        try:
            testbed = _begin(directory, chosen, plan)
            _settle_in(testbed, played(chosen, testbed), nursery, plan)
        finally:
            nursery.close()
    except BaseException:
        down(directory)
        raise
    return testbed


def start(testbed: Testbed) -> None:
    """Start what does not run of a testbed that was made before, and return when everybody is ready.

    Raises:
        WorldError: a process does not come up; `down` ends the others.
    """
    if not testbed.network and not chain_runs(testbed.directory):
        start_chain(testbed.directory, block_seconds=testbed.block_seconds, port=testbed.port)
    nursery = Nursery(testbed.directory)
    try:
        waiting = [serve(nursery, testbed, place) for place in testbed.places if holder(place) is None]
        nursery.wait_ready(waiting, _ready_seconds(testbed))
    finally:
        nursery.close()


def status(testbed: Testbed) -> list[Standing]:
    """Return how each service stands."""
    return [Standing(place=place, process_id=holder(place)) for place in testbed.places]


def down(directory: Path, *, remove: bool = False) -> int:
    """End every process of a testbed and return how many there were; with `remove` its files go too.

    Services end in order; a chain of its own keeps what it holds.

    Raises:
        InputError: `remove` is wanted of a directory that is no testbed's.
    """
    directory = directory.resolve()
    if remove and directory.exists() and not (directory / PASSWORD_FILE).is_file():
        raise InputError(f"{directory}: is no testbed's directory, so it is not removed")
    ended = end_children(directory) + end_chain(directory)
    if remove:
        shutil.rmtree(directory, ignore_errors=True)
    return ended


def runs(directory: Path) -> bool:
    """Say whether any process of a testbed runs."""
    return bool(children_of(directory)) or chain_runs(directory)


def played(world: World, testbed: Testbed) -> World:
    """Return the world of a testbed in the testbed's own time."""
    genesis: int = json.loads(testbed.deployment.read_text(encoding="utf-8"))["terms"]["genesis"]
    settings = world.scenario.chain.model_copy(update={"block_seconds": testbed.block_seconds})
    scenario = world.scenario.model_copy(update={"chain": settings})
    return in_real_time(replace(world, scenario=scenario), genesis, testbed.timestep_seconds)


def serve(nursery: Nursery, testbed: Testbed, place: Place, *, crash_at: str = "") -> Child:
    """Let a nursery fork a service."""
    arguments = {"role": place.role, "directory": str(place.directory), "password": testbed.password}
    return nursery.fork(SERVE, place.name, arguments, crash_at=crash_at)


# ---- coming up


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    write_secret(directory / PASSWORD_FILE, new_secret().hex() + "\n")
    write_secret(directory / KEY_FILE, new_secret().hex() + "\n")
    for folder in ("homes", "profiles", "invitations"):
        (directory / folder).mkdir(mode=0o700)


def _begin(directory: Path, world: World, plan: Plan) -> Testbed:
    """Find or start the chain and put the contract on it."""
    port, network = 0, ""
    if plan.network is None:
        port = free_port()
        rpc: tuple[str, ...] = (start_chain(directory, block_seconds=plan.block_seconds, port=port),)
        block_seconds = plan.block_seconds
    else:
        found = read_network(plan.network)
        rpc, network = tuple(node.rpc_url for node in found.nodes), str(found.directory)
        block_seconds = found.period_seconds
    testbed = Testbed(
        directory=directory,
        scenario=world.scenario.run.name,
        homes=tuple(home.profile.name for home in world.homes),
        timestep_seconds=plan.timestep_seconds,
        block_seconds=block_seconds,
        network=network,
        port=port,
        rpc=rpc,
        plays=plan.plays,
    )
    lead = plan.lead_seconds
    if lead is None:
        lead = _START_SECONDS + _DEPLOYMENT_SECONDS * block_seconds + len(testbed.homes) // 2
    deploy_contract(testbed, directory / KEY_FILE, _terms(testbed, world, int(time.time()) + lead))
    testbed.save()
    return testbed


def _terms(testbed: Testbed, world: World, genesis: int) -> Terms:
    key = KeyFile(testbed.directory / KEY_FILE)
    return in_real_time(world, genesis, testbed.timestep_seconds).terms(key.address)


def _settle_in(testbed: Testbed, world: World, nursery: Nursery, plan: Plan) -> None:
    """Make and start the services, each as soon as what it needs is there."""
    config = make_dso(testbed, world, confirmations=1 if plan.network is None else 3, database=plan.database)
    waiting = [serve(nursery, testbed, testbed.dso)]
    making = []
    ports = choose_ports(len(world.homes))
    for home, port, invitation in zip(world.homes, ports, invite(testbed, config, world.homes), strict=True):
        arguments = _home_arguments(testbed, world, home, invitation) | {"listen_port": port}
        making.append(nursery.fork(MAKE_HOME, home.profile.name, arguments))
    started: set[int] = set()

    def start_those_made() -> bool:
        for place, (child, name) in enumerate(zip(making, testbed.homes, strict=True)):
            if child.exit_code == 0 and place not in started:
                started.add(place)
                waiting.extend(serve(nursery, testbed, one) for one in (testbed.home(name), testbed.meter(name)))
        return len(started) == len(making) or any(child.exit_code for child in making)

    nursery.wait(start_those_made, _ready_seconds(testbed))
    nursery.wait_ready([*making, *waiting], _ready_seconds(testbed))


def _home_arguments(testbed: Testbed, world: World, home: HomeSetup, invitation: Path) -> dict[str, Any]:
    name, strategy = home.profile.name, world.scenario.strategy
    profile = testbed.directory / "profiles" / f"{name}.csv"
    # Until everything is settled and billed, and then for as long as a slow machine may need.
    silent = 2 * len(range(world.genesis, ends_at(world), world.timestep_seconds)) if testbed.plays else 0
    write_profile(world, home.profile, profile, silent_timesteps=silent)
    return {
        "directory": str(testbed.home(name).directory),
        "invitation": str(invitation),
        "profile": str(profile),
        "password": testbed.password,
        "block_seconds": testbed.block_seconds,
        "strategy": {
            "horizon_timesteps": world.scenario.time.horizon_timesteps,
            "patience_seconds": strategy.patience_seconds,
            "retry_seconds": strategy.retry_seconds,
            "minimum_watts": strategy.minimum_watts,
            "spare_offers": strategy.spare_offers,
            "lot_watts": lot_of(world.scenario.dso.rule, name, home.profile.node),
        },
    }


def _ready_seconds(testbed: Testbed) -> float:
    return _READY_SECONDS + _READY_SECONDS_PER_HOME * len(testbed.homes)
