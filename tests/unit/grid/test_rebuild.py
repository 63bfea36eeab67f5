"""What the ledger keeps up step by step is what its integers give when everything is computed anew."""

from random import Random

import pytest

from petra.grid import Change, Envelope, ReactivePower, SafetyLedger
from tests.unit.grid.random_feeders import random_feeder

TIMESTEPS = 6


class Traffic:
    """Random requests and releases at a ledger; `granted` holds what may still be released."""

    def __init__(self, rng: Random, size: int) -> None:
        """Start on a random feeder with two accounts at some nodes and firm parts here and there."""
        feeder = random_feeder(rng, size=size)
        nodes = [node.node for node in feeder.nodes if node.node != "mv"]
        self.rng = rng
        self.names = [f"{node}-{number}" for node in nodes for number in range(rng.choice((1, 2)))]
        self.ledger = SafetyLedger(
            feeder,
            {
                name: Envelope(
                    node=name.split("-")[0], import_watts=rng.choice((0, 100)), export_watts=rng.choice((0, 0, 50))
                )
                for name in self.names
            },
            reactive=ReactivePower(absorbed_per_export=0.1, supplied_per_export=0.05, supplied_per_import=0.02),
        )
        self.granted: list[tuple[str, Change]] = []
        self.grants = self.refusals = self.releases = 0

    def step(self) -> None:
        """Ask for something, or give something back; when a ledger is full more is given back."""
        if self.granted and self.rng.random() < 0.45:
            account, change = self.granted.pop(self.rng.randrange(len(self.granted)))
            self.ledger.release(account, [change])
            self.releases += 1
            return
        account, start = self.rng.choice(self.names), self.rng.randrange(TIMESTEPS)
        watts = self.rng.choice((1, 37, 450, 900_000 // len(self.names)))
        change = Change(
            start=start,
            end=min(TIMESTEPS - 1, start + self.rng.choice((0, 0, 1, 3))),
            production_watts=watts if self.rng.random() < 0.5 else 0,
            consumption_watts=watts * self.rng.randrange(1, 3),
        )
        if self.ledger.grant(account, [change]):
            self.granted.append((account, change))
            self.grants += 1
        else:
            self.refusals += 1


@pytest.mark.parametrize(
    ("size", "steps", "every"),
    [(3, 1_000, 20), (25, 2_000, 100), pytest.param(129, 100_000, 1_000, marks=pytest.mark.slow)],
)
def test_grants_and_releases_leave_what_a_rebuild_gives(size: int, steps: int, every: int) -> None:
    """Bit for bit, after any number of random grants, refusals and releases."""
    traffic = Traffic(Random(size), size)
    for number in range(1, steps + 1):
        traffic.step()
        if number % every == 0:
            assert traffic.ledger.equals(traffic.ledger.rebuilt()), f"after {number} steps"
    assert min(traffic.grants, traffic.releases, traffic.refusals) > steps // 50


def test_bounds_that_differ_in_one_bit_are_told_apart() -> None:
    """The comparison above would see a difference: one watt of loss, in one node, in one timestep."""
    traffic = Traffic(Random(1), 5)
    while not traffic.grants:
        traffic.step()
    rebuilt = traffic.ledger.rebuilt()
    timestep = min(rebuilt.reservations.granted)
    bounds = rebuilt.bounds(timestep)
    bounds[-1] = bounds[-1]._replace(active_loss=bounds[-1].active_loss + 1)
    assert not traffic.ledger.equals(rebuilt)
