"""Fifty made-up communities, with homes that fail in every way, a lossy fabric, a DSO that is away: all adds up.

Everything is judged from the run directory: nothing that the DSO says of itself is believed without recomputing it.
"""

from pathlib import Path

import pytest

from petra.ledger.invariants import check_all
from petra.play.world import World
from tests.simulation.community import draw_world, play
from tests.simulation.evidence import Evidence, read_evidence, replay

SEEDS = range(50)
QUICK = 15  # so many are played by `make test`, the others by `make test-marked`
PARAMETERS = [pytest.param(seed, marks=[] if seed < QUICK else [pytest.mark.slow]) for seed in SEEDS]
JOULES_PER_KWH = 3_600_000


@pytest.mark.parametrize("seed", PARAMETERS)
def test_everything_adds_up(seed: int, tmp_path: Path) -> None:
    """Positions, energy, money, bills and the ledger close, to the joule and the unit."""
    world = draw_world(seed)
    result = play(world, seed, tmp_path / "run")
    evidence = read_evidence(tmp_path / "run")
    assert result.alarms == ()
    check_positions(world, evidence)
    check_energy(world, evidence)
    check_bills(world, evidence)
    check_money(world, evidence, tmp_path / "run")


def check_positions(world: World, evidence: Evidence) -> None:
    """What was sold is what was bought, in every timestep, and it is what the trades say."""
    timesteps = range(world.first_timestep, world.last_timestep + 1)
    assert set(evidence.settled) == {(home, timestep) for home in evidence.homes for timestep in timesteps}
    traded = {
        (home, timestep): sum(trade["energy"] for trade in bill["trades"] if trade["start"] == timestep)
        for home, bill in evidence.bills.items()
        for timestep in timesteps
    }
    for timestep in timesteps:
        assert sum(evidence.settled[home, timestep]["position"] for home in evidence.homes) == 0
    assert {key: note["position"] for key, note in evidence.settled.items()} == traded


def check_energy(world: World, evidence: Evidence) -> None:
    """Each joule behind a meter that can be heard is settled in its timestep; a silent home is assumed to import."""
    reports = {home.profile.name: home.override.reports for home in world.homes}
    for measured in evidence.notes["measured"]:
        home, timestep = measured["home"], measured["timestep"]
        settled = evidence.settled[home, timestep]
        assumed = evidence.homes[home]["firm_import_watts"] * world.timestep_seconds
        assert settled["provisional"] is not reports[home]
        energy = (measured["produced"], measured["consumed"]) if reports[home] else (0, assumed)
        assert (settled["produced"], settled["consumed"]) == energy
        assert settled["metered"] == energy[0] - energy[1]
        residual = sum(joules for kind, (joules, _) in settled["lines"].items() if kind != "grid-fee")
        if reports[home]:
            assert residual == abs(settled["metered"] - settled["position"])
        else:
            assert all(amount <= 0 for _, amount in settled["lines"].values())


def check_bills(world: World, evidence: Evidence) -> None:
    """Every home has its bill; it adds up, and its account is what it says."""
    assert set(evidence.bills) == set(evidence.homes)
    for home, bill in evidence.bills.items():
        settled = [note for (name, _), note in evidence.settled.items() if name == home]
        assert bill["settlement"] == sum(note["amount"] for note in settled)
        assert bill["community"] == sum(trade["payment"] for trade in bill["trades"])
        assert bill["closing"] == bill["opening"] - bill["withdrawn"] + bill["deposited"] + bill["settlement"]
        assert bill["on_ledger"] == bill["withdrawn"] - bill["deposited"] + bill["community"]
        assert bill["closing"] == evidence.balances[evidence.homes[home]["account"]]
        assert bill["opening"] == evidence.homes[home]["opening_balance"]
        assert bill["savings"] == bill["community"] + bill["settlement"] - bill["utility_only"]
    assert sum(bill["community"] for bill in evidence.bills.values()) == 0


def check_money(world: World, evidence: Evidence, directory: Path) -> None:
    """The books sum to zero; what they say is on the ledger is there; bulk is bought for the net of the community."""
    balances = evidence.balances
    assert sum(balances.values()) == 0
    state, history = replay(directory)
    assert check_all(state, history) == []
    assert state.money_on_ledger == balances.get("ledger", 0)
    assert state.money_on_ledger == sum(bill["on_ledger"] for bill in evidence.bills.values())
    bulk = 0
    for timestep in range(world.first_timestep, world.last_timestep + 1):
        net = sum(evidence.settled[home, timestep]["metered"] for home in evidence.homes)
        price = max(
            (prices for prices in evidence.notes["prices"] if prices["from_timestep"] <= timestep),
            key=lambda prices: int(prices["from_timestep"]),
        )["bulk"]
        bulk -= net * price // JOULES_PER_KWH
    assert balances.get("bulk", 0) == bulk


def test_the_communities_show_every_fault(tmp_path: Path) -> None:
    """Among the drawn communities are all the faults that the test above is for; else it would show nothing."""
    worlds = [draw_world(seed) for seed in SEEDS]
    overrides = [home.override for world in worlds for home in world.homes]
    for habit in ("participates", "deposits", "delivers", "reports"):
        assert sum(not getattr(override, habit) for override in overrides) >= 10, habit
    assert sum(world.scenario.fabric.loss > 0 for world in worlds) >= 10
    assert sum(bool(world.offline) for world in worlds) >= 10
    assert {len(world.homes) for world in worlds} == set(range(5, 10))
