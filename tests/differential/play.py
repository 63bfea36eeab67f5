"""One play of the differential test: the twin, the contract on a real node and the reader of logs, a block at a time.

Decides what "they agree" means: every event, every refusal with its figures, and at the end the whole state. Same mode
and seed, same play. It does not know how many plays there are.
"""

from pathlib import Path
from random import Random

from petra.domain import calls
from petra.domain.refusals import Refusal
from petra.domain.terms import NO_ADDRESS
from petra.ledger.invariants import History, check_all
from petra.ledger.state import LedgerState
from petra.ledger.transition import Result, apply
from petra.ledger.transition import deploy as deploy_twin
from tests.differential.coverage import Coverage, assets_named_by
from tests.differential.generator import GENESIS, MODES, Generator, Step
from tests.differential.node import Contract, deploy, running_node

STEPS_PER_BLOCK = 50  # the node lists and traces long blocks in quadratic time
STEPS_PER_PLAY = 4_000  # and its blocks cost more the more it stores, so a long test is many plays
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


def compare(anvil: Path, mode: str, seed: int, blocks: int, log: Path) -> Coverage:
    """Let all three play so many blocks and compare them; return what was met, fail where they differ."""
    play = Play(mode, seed)
    with running_node(anvil, DEPLOYED - 1, log) as node:
        contract = deploy(node, MODES[mode], DEPLOYED)
        for block in range(blocks):
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
    return play.coverage


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
