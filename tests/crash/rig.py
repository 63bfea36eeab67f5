"""A small testbed whose processes are killed at named places, started again, and compared with one another.

One DSO, two homes, two meters and anvil, T = 4 s, withdrawals three timesteps ahead. Each service is forked from one
nursery, so that a death costs the harness no interpreter's start.
"""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from petra.chain.client import first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.domain.blocks import LedgerRecord
from petra.network.deployment import read_deployment
from petra.play.world import World, build_world
from petra.runtime.nursery import Child, Nursery
from petra.runtime.testbed import Plan, down, serve, up
from petra.runtime.testbed_consistency import consistency, dso_rests
from petra.runtime.testbed_layout import Place, Testbed, holder
from petra.scenario import load_scenario

TIMESTEP_SECONDS, HORIZON = 4, 3
READY_SECONDS = 30.0
REACHED_SECONDS = 45.0  # every place is passed within a few timesteps
_REST_SECONDS = 30.0
_QUIET_SECONDS = 6  # what was sent so shortly before the end may be under way
_POLL_SECONDS = 0.05

# Before and after everything that a crash could tear: receive, sign, commit, acknowledge, send; and for those with
# transactions: sign, keep, transmit, take note of the outcome.
_ROUND = (
    "receive.after",
    "sign.before",
    "sign.after",
    "commit.before",
    "commit.after",
    "acknowledge.before",
    "acknowledge.after",
    "send.before",
    "send.after",
)
_LEDGER = tuple(f"{what}.{when}" for what in ("sign", "keep", "transmit", "outcome") for when in ("before", "after"))
POINTS: tuple[tuple[str, str], ...] = (
    *((role, f"{role}.{place}") for role in ("dso", "prosumer", "meter") for place in _ROUND),
    *((role, place) for role in ("dso", "prosumer") for place in _LEDGER),
)


def small_world() -> World:
    """The case study's homes, with withdrawals further ahead: a restart may take a few seconds of a timestep."""
    scenario = load_scenario("case-study")
    ahead = scenario.time.model_copy(update={"horizon_timesteps": HORIZON})
    world = build_world(scenario.model_copy(update={"time": ahead}), "case-study", Path())
    return replace(world, scenario=world.scenario)


def rest(seconds: float) -> None:
    """Wait: the processes under test keep the time of the wall."""
    time.sleep(seconds)  # noqa: TID251


def now() -> int:
    """Return the unix second."""
    return int(time.time())  # noqa: TID251


class Rig:
    """A running testbed that can be hurt."""

    def __init__(self, directory: Path, *, database: str = "", world: World | None = None) -> None:
        """Bring it up; `database` is the DSO's, a file unless a URL is given."""
        plan = Plan(homes=2, timestep_seconds=TIMESTEP_SECONDS, database=database)
        self.testbed: Testbed = up(directory, world or small_world(), plan)
        self.nursery = Nursery(directory)
        self.recovered: list[tuple[str, float]] = []  # which service, and after how many seconds
        self._watched: list[Child] = []
        self._last: dict[str, Child] = {}  # by service: what was begun last

    @property
    def recovery_seconds(self) -> list[float]:
        """How long each recovery took."""
        return [seconds for _, seconds in self.recovered]

    def place(self, role: str, number: int = 0) -> Place:
        """Return a service by its role; homes and meters are numbered."""
        name = self.testbed.homes[number]
        return {"dso": self.testbed.dso, "prosumer": self.testbed.home(name), "meter": self.testbed.meter(name)}[role]

    def crash(self, place: Place, point: str) -> float:
        """Let a service die at a place, start it again, and return how many seconds that took until it was ready."""
        self.stop(place)
        self.die(place, point)
        return self.revive(place)

    def die(self, place: Place, point: str) -> None:
        """Start a service that is down, and wait until it dies at a place."""
        child = self._last[place.name] = serve(self.nursery, self.testbed, place, crash_at=point)
        assert self.nursery.wait_ended([child], REACHED_SECONDS), f"{place.name} did not come by {point}"
        assert child.exit_code == -signal.SIGKILL, f"{place.name} ended with {child.exit_code}, not at {point}"

    def revive(self, place: Place) -> float:
        """Start a service that is down, and return after how many seconds it was ready."""
        child = self.begin(place)
        self.nursery.wait_ready([child], READY_SECONDS)
        assert child.ready_at is not None
        self.recovered.append((place.name, child.ready_at - child.born_at))
        return self.recovered[-1][1]

    def begin(self, place: Place) -> Child:
        """Start a service that is down."""
        self._last[place.name] = serve(self.nursery, self.testbed, place)
        return self._last[place.name]

    def watch(self, child: Child) -> None:
        """Count the recovery of a service that was begun, unless it is killed before it is ready."""
        self._watched.append(child)

    def wait_watched(self, needed: Iterable[Child] = ()) -> None:
        """Return when those that are needed (all that live, unless named) are ready."""
        self.nursery.hear()
        alive = [child for child in self._watched if child.exit_code is None]
        self.nursery.wait_ready(needed or alive, READY_SECONDS)
        self.recovered += [(one.name, one.ready_at - one.born_at) for one in self._watched if one.ready_at is not None]
        self._watched.clear()

    def kill(self, place: Place) -> None:
        """End a service as the kernel would that has no memory left."""
        self._end(place, signal.SIGKILL)

    def stop(self, place: Place) -> None:
        """Ask a service to end."""
        self._end(place, signal.SIGTERM)

    def records(self) -> list[LedgerRecord]:
        """Return what the ledger holds."""
        chain = RpcChain(self.testbed.rpc[0], patience_seconds=0)
        try:
            contract = read_deployment(self.testbed.deployment).contract
            return read_records(chain, contract, first_checkpoint(chain))[0]
        finally:
            chain.close()

    def problems(self) -> list[str]:
        """Return what disagrees while everything runs."""
        return consistency(self.testbed)

    def problems_at_rest(self) -> list[str]:
        """End homes and meters, let the DSO read on to the end, end it too, and return what disagrees then."""
        began = now()
        for place in self.testbed.places[1:]:
            self.stop(place)
        deadline = time.monotonic() + _REST_SECONDS
        rest(3)  # two blocks: what was sent last is final
        while not dso_rests(self.testbed) and time.monotonic() < deadline:
            rest(_POLL_SECONDS)
        rest(1)
        self.stop(self.testbed.dso)
        return consistency(self.testbed, at_rest=True, quiet_since=began - _QUIET_SECONDS)

    def close(self) -> None:
        """End everything and remove it."""
        self.nursery.close()
        down(self.testbed.directory, remove=True)

    def _end(self, place: Place, number: signal.Signals) -> None:
        self.nursery.hear()
        last = self._last.get(place.name)
        if last is not None and last.exit_code is None:  # it may be so young that it has not taken its keys yet
            assert self.nursery.wait(lambda: last.process_id > 0, READY_SECONDS), f"{place.name} is not born"
            os.kill(last.process_id, number)
            assert self.nursery.wait_ended([last], READY_SECONDS), f"{place.name} does not end"
        elif (process := holder(place)) is not None:  # forked by the nursery that made the testbed
            os.kill(process, number)
        deadline = time.monotonic() + READY_SECONDS
        while holder(place) is not None:
            assert time.monotonic() < deadline, f"{place.name} does not end"
            rest(_POLL_SECONDS)
