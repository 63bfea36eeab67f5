"""How fast a community is served, and what becomes of it when messages are lost or the DSO is away."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from petra.chain.anvil import AnvilChain
from petra.chain.memory import MemoryChain
from petra.domain.quantities import energy_of
from petra.play.world import World
from petra.ports import VirtualChain
from petra.scenario.load import parse_scenario
from petra.scenario.schema import Scenario
from tests.simulation.community import EUR, FIRST_INDEX, SCENARIO, make_home, make_world, play
from tests.simulation.evidence import Evidence, read_evidence

STEPS = FIRST_INDEX + 1
BUYERS = 50
GENESIS = 1_800_000_000


def calm(**changes: object) -> Scenario:
    """Return a scenario in which nothing goes wrong but what is asked for."""
    settings = {
        "method": "perfect",
        "patience": 60,
        "block": 5,
        "delay": 0,
        "loss": 0.0,
        "duplication": 0.0,
        "answer": 0,
    }
    return parse_scenario(SCENARIO.format(**settings | changes), "calm")


def two_sellers(scenario: Scenario, buyers: int, steps: int = STEPS) -> World:
    """Return a world of two sellers who have exactly what all buyers need, each of them something else."""
    needs = [100 + number for number in range(buyers)]
    total = sum(needs)
    homes = [
        make_home(f"seller-{number}", (part,) * steps, (0,) * steps, rating=part)
        for number, part in enumerate((total // 2, total - total // 2))
    ]
    homes += [make_home(f"buyer-{need}", (0,) * steps, (need,) * steps, balance=EUR) for need in needs]
    return make_world(scenario, homes, 900, limits=[None, None])


@pytest.fixture(params=["memory", pytest.param("anvil", marks=pytest.mark.anvil)])
def chain(request: pytest.FixtureRequest) -> Iterator[VirtualChain]:
    """A chain that stands before the run begins."""
    made: VirtualChain
    if request.param == "memory":
        made = MemoryChain(chain_id=31_337, genesis=GENESIS)
    else:
        made = AnvilChain.start(chain_id=31_337, genesis=GENESIS)
    with closing(made):
        yield made


def traded(evidence: Evidence) -> int:
    """Return the joules that were traded."""
    trades = evidence.ledger("OfferAccepted")
    return sum(energy_of(trade["power"], trade["end"] - trade["start"] + 1, 900) for trade in trades)


def test_fifty_buyers_on_two_asks_are_served_within_two_blocks(chain: VirtualChain, tmp_path: Path) -> None:
    """All of them accept in the same block; who finds the first ask empty has the second one a block later."""
    world = two_sellers(calm(), BUYERS)
    play(world, 1, tmp_path / "run", chain)
    evidence = read_evidence(tmp_path / "run")
    blocks = {trade["block"] for trade in evidence.ledger("OfferAccepted")}
    assert traded(evidence) == sum(100 + number for number in range(BUYERS)) * 900
    assert len(blocks) <= 2 and max(blocks) - min(blocks) <= 1
    assert len({posted["asset_id"] for posted in evidence.ledger("OfferPosted")}) == 2, "no buyer had to bid"


def test_lost_messages_keep_nobody_from_trading(tmp_path: Path) -> None:
    """With every fifth message lost and every fifth copied, all that could be traded is, as if none were lost."""
    world = two_sellers(calm(loss=0.2, duplication=0.2, delay=3), 6, STEPS + 2)
    play(world, 5, tmp_path / "run")
    evidence = read_evidence(tmp_path / "run")
    assert traded(evidence) == 3 * sum(100 + number for number in range(6)) * 900
    assert not any(note["provisional"] for note in evidence.settled.values())
    assert len(evidence.bills) == len(world.homes)
    receipts = sum(note["message_kind"] == "receipt" for note in evidence.notes["message"])
    others = {"priceSchedule", "meterReading", "bill"}
    assert receipts == sum(note["message_kind"] in others for note in evidence.notes["message"])


def test_trading_goes_on_while_the_dso_is_away(tmp_path: Path) -> None:
    """It leaves when the grants stand and returns after the cut-off: what was granted is traded and settled (R42)."""
    calm_world = two_sellers(calm(), 6)
    begins = calm_world.genesis
    away = replace(calm_world, offline=((begins + 10, begins + 3_000),))
    for name, world in (("there", calm_world), ("away", away)):
        play(world, 1, tmp_path / name)
    there, gone = read_evidence(tmp_path / "there"), read_evidence(tmp_path / "away")
    assert traded(gone) == traded(there) > 0
    amounts = [{key: note["amount"] for key, note in one.settled.items()} for one in (there, gone)]
    assert amounts[0] == amounts[1]
    assert gone.balances == there.balances


def test_withdrawal_that_waits_for_the_dso_too_long_is_refused(tmp_path: Path) -> None:
    """A DSO that returns after the gate refuses what expired, once for each request; nobody trades, all are billed."""
    world = two_sellers(calm(), 6)
    world = replace(world, offline=((world.genesis - 30, world.genesis + 1_000),))
    play(world, 1, tmp_path / "run")
    evidence = read_evidence(tmp_path / "run")
    assert {note["reason"] for note in evidence.notes["refused"]} == {"Expired"}
    assert len(evidence.notes["refused"]) == len(world.homes)
    assert traded(evidence) == 0 and len(evidence.bills) == len(world.homes)
