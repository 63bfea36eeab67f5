"""The twin, the contract on a real EVM node and the reader of logs play the same steps and agree on everything.

PETRA_DIFFERENTIAL_STEPS and PETRA_DIFFERENTIAL_SEED make it longer or another play; a failure names seed and step.
"""

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from petra.domain import calls
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import MAX_GRANTS, NO_ADDRESS, Terms
from petra.ledger.invariants import History, check_all
from petra.ledger.state import LedgerState
from petra.ledger.transition import Result, apply
from petra.ledger.transition import deploy as deploy_twin
from petra.tools import find_anvil
from tests.differential.coverage import SHAPES, Coverage, assets_named_by
from tests.differential.generator import GENESIS, MODES, Generator, Step
from tests.differential.node import Contract, deploy, refusal_of_deployment, running_node

STEPS = int(os.environ.get("PETRA_DIFFERENTIAL_STEPS", "20000"))
SEED = int(os.environ.get("PETRA_DIFFERENTIAL_SEED", "1"))
STEPS_PER_BLOCK = 50  # the node lists and traces long blocks in quadratic time
STEPS_PER_PLAY = 4_000  # and its blocks cost more the more it stores, so a long test is many plays
ROUNDS = -(-STEPS // (STEPS_PER_PLAY * len(MODES)))
BLOCKS = -(-STEPS // (STEPS_PER_BLOCK * len(MODES) * ROUNDS))
DEPLOYED = GENESIS - 10_000


class Play:
    """The twin, the reader of its logs and the invariants, moved on a block at a time."""

    def __init__(self, mode: str, seed: int) -> None:
        """Begin a play in this mode."""
        twin = deploy_twin(MODES[mode])
        assert isinstance(twin, LedgerState)
        self.mode, self.twin, self.history, self.coverage = mode, twin, History(twin.terms), Coverage()
        self._generator = Generator(mode, twin, Random(f"{mode} {seed}"))

    def next_block(self) -> list[tuple[Step, Result]]:
        """Make the steps of the next block and apply them to the twin; return what became of each."""
        self._generator.advance()
        return [self._next() for _ in range(STEPS_PER_BLOCK)]

    def _next(self) -> tuple[Step, Result]:
        step, twin = self._generator.step(), self.twin
        offer = twin.offers.get(step.call.offer_id) if isinstance(step.call, calls.AcceptOffer) else None
        before = assets_named_by(step, twin.assets, offer.asset_id if offer else 0)
        result = apply(twin, step.call, step.sender, step.timestamp)
        self.coverage.observe(step, result, before, twin.first_tradeable(step.timestamp))
        if not isinstance(result, Refusal):
            self.history.observe(twin, result, step.sender, step.timestamp)
        return step, result


@pytest.mark.anvil
@pytest.mark.parametrize(
    "unusable",
    [
        replace(MODES["free"], dso=NO_ADDRESS),
        replace(MODES["free"], timestep_seconds=3),
        replace(MODES["free"], timestep_seconds=3601),
        replace(MODES["free"], max_length=0),
    ],
    ids=["no DSO", "short timesteps", "long timesteps", "no length"],
)
def test_unusable_terms_are_refused_by_both(unusable: Terms, tmp_path: Path) -> None:
    """Neither the contract nor the twin can be deployed with terms that make no sense."""
    anvil = find_anvil()
    assert anvil is not None
    with running_node(anvil, DEPLOYED - 1, tmp_path / "anvil.log") as node:
        assert refusal_of_deployment(node, unusable, DEPLOYED) == deploy_twin(unusable)


@pytest.mark.anvil
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
@pytest.mark.parametrize("mode", MODES)
def test_twin_contract_and_logs_agree(mode: str, seed: int, tmp_path: Path) -> None:
    """Every event, every refusal with its figures, and at the end every asset, offer and balance are the same."""
    anvil, play = find_anvil(), Play(mode, seed)
    assert anvil is not None
    with running_node(anvil, DEPLOYED - 1, tmp_path / "anvil.log") as node:
        contract = deploy(node, MODES[mode], DEPLOYED)
        for block in range(BLOCKS):
            expected = play.next_block()
            actual = contract.play([step for step, _ in expected])
            for number, ((step, twin_result), contract_result) in enumerate(zip(expected, actual, strict=True)):
                assert twin_result == contract_result, (
                    f"seed {seed}, mode {mode}, step {block * STEPS_PER_BLOCK + number}: {step}\n"
                    f"twin: {twin_result}\ncontract: {contract_result}"
                )
        assert_same_storage(play.twin, contract)
    assert_same_view(play.twin, play.history)
    assert check_all(play.twin, play.history) == [], f"seed {seed}, mode {mode}"


def test_play_is_worth_comparing() -> None:
    """At least a fifth of the trades succeed, and every shape of remainder and every refusal is met."""
    plays = [Play(mode, SEED) for mode in MODES]
    for play in plays:
        for _ in range(STEPS_PER_PLAY // STEPS_PER_BLOCK):
            play.next_block()
        assert play.coverage.accept_share >= 0.2, play.mode
    shapes = {key for play in plays if play.mode != "market" for key in play.coverage.shapes}
    assert shapes == {(side, shape) for side in ("offered", "provided") for shape in SHAPES}
    settled = {key for play in plays if play.mode == "market" for key in play.coverage.shapes}
    assert settled == {(side, shape) for side in ("offered", "provided") for shape in SHAPES - {"dead before"}}
    assert {4, 3, 2, 1, 0} <= {count for play in plays for count in play.coverage.pieces}
    outcomes = {outcome for play in plays for _, outcome in play.coverage.steps}
    assert outcomes == {reason.value for reason in LedgerReason} - {"InvalidTerms"} | {"done"}
    assert max(play.coverage.largest_batch for play in plays) == MAX_GRANTS
    verbs = {verb for play in plays for verb, outcome in play.coverage.steps if outcome == "done"}
    assert verbs == {kind.__name__ for kind in calls.Call.__args__}


def assert_same_storage(twin: LedgerState, contract: Contract) -> None:
    """Compare everything that the contract's views tell with the twin."""
    asset_ids, offer_ids = range(twin.next_asset_id + 1), range(twin.next_offer_id + 1)
    nothing = (NO_ADDRESS, 0, 0, 0, 0)
    assert contract.assets(asset_ids) == [
        (asset.owner, asset.power, asset.start, asset.end, asset.offer_id) if asset else nothing
        for asset in map(twin.assets.get, asset_ids)
    ]
    assert contract.spent(asset_ids) == [
        asset_id in twin.assets and twin.assets[asset_id].spent for asset_id in asset_ids
    ]
    assert contract.offers(offer_ids) == [
        (
            twin.assets[offer.asset_id].owner if offer.open else NO_ADDRESS,
            offer.asset_id,
            offer.price,
            offer.open,
        )
        if offer
        else (NO_ADDRESS, 0, 0, False)
        for offer in map(twin.offers.get, offer_ids)
    ]
    holders = list(twin.holders)
    assert contract.balances(holders) == [twin.balance(holder) for holder in holders]


def assert_same_view(twin: LedgerState, history: History) -> None:
    """Compare what the logs tell with the twin."""
    view = history.view
    assert view.assets == twin.assets
    assert view.open_offers == {offer_id: offer for offer_id, offer in twin.offers.items() if offer.open}
    assert {holder: view.balance(holder) for holder in twin.holders} == {
        holder: twin.balance(holder) for holder in twin.holders
    }
    assert view.period_prices == twin.period_prices
