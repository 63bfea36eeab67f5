"""Blocks vanish at each step of the workflow: the same bytes go out again, and intents end as the new chain says."""

from collections.abc import Iterator

import pytest

from petra.chain.client import LedgerClient
from petra.chain.errors import Reorganised
from petra.chain.reader import DEEPEST_REORGANISATION, LedgerReader
from petra.domain.blocks import Intent
from petra.domain.calls import (
    AcceptOffer,
    AddAssets,
    DepositEnergyAsset,
    DepositFinancial,
    EnergyGrant,
    FinancialGrant,
    PostOffer,
    Protest,
    RescindOffer,
)
from petra.ledger.fold import LedgerView
from petra.store.outbox import SqlOutbox
from tests.faults.world import Player, World, intent, new_world, playing

pytestmark = pytest.mark.anvil

STEPS = ("issue", "post", "accept", "rescind", "deposit")
QUICK = (1, DEEPEST_REORGANISATION)
DEPTHS = [
    pytest.param(depth, marks=[] if depth in QUICK else [pytest.mark.slow])
    for depth in range(1, DEEPEST_REORGANISATION + 1)
]
ASK, BID, RIVAL = 1, 2, 3  # the assets, in the order of the grants
OFFER = 1


@pytest.fixture
def world() -> Iterator[World]:
    """A node of its own for each test: its blocks vanish."""
    with new_world() as made:
        yield made


class Workflow:
    """One trade, step by step: seller, buyer, and a rival who wants the same offer."""

    def __init__(self, world: World) -> None:
        """Name the three."""
        self.dso = world.dso
        self.seller, self.buyer, self.rival = world.home(), world.home(), world.home()

    def before(self, step: str) -> list[str]:
        """Return the steps that come before."""
        return {
            "issue": [],
            "post": ["issue"],
            "accept": ["issue", "post"],
            "rescind": ["issue", "post"],
            "deposit": ["issue", "post", "accept"],
        }[step]

    def intents(self, step: str) -> list[Intent]:
        """Return what is submitted at a step."""
        match step:
            case "issue":
                power = {self.seller: 1_000, self.buyer: -1_000, self.rival: -1_000}
                grants = AddAssets(
                    energy=tuple(EnergyGrant(anon_address=to, power=power[to], start=90, end=91) for to in power),
                    money=tuple(FinancialGrant(anon_address=to, amount=10**9) for to in (self.buyer, self.rival)),
                )
                return [intent(step, self.dso, grants)]
            case "post":
                return [intent(step, self.seller, PostOffer(asset_id=ASK, price=200_000_000))]
            case "accept":
                return [intent(step, self.buyer, AcceptOffer(offer_id=OFFER, asset_id=BID))]
            case "rescind":
                return [intent(step, self.seller, RescindOffer(offer_id=OFFER))]
            case _:
                return [
                    intent("deposit energy", self.buyer, DepositEnergyAsset(asset_id=ASK)),
                    intent("deposit money", self.seller, DepositFinancial(amount=1_000)),
                ]


def _fresh_view(world: World) -> dict[str, object]:
    """Return what somebody knows who reads the whole chain now."""
    reader = LedgerReader(world.node, world.contract, world.terms)
    reader.advance()
    return _known(reader.view)


def _known(view: LedgerView | None) -> dict[str, object]:
    assert view is not None
    return {name: getattr(view, name) for name in ("assets", "deposited", "open_offers", "balances")}


def _played_until(step: str, world: World, driver: Player) -> Workflow:
    """Play everything before a step, to the end."""
    workflow = Workflow(world)
    for earlier in workflow.before(step):
        driver.play(workflow.intents(earlier), rounds=200)
    return workflow


def _submit_and_bury(driver: Player, intents: list[Intent], depth: int) -> None:
    """Submit, and make so many blocks, of which the first holds the transactions; the driver looks at each."""
    driver.client.submit(intents)
    for _ in range(depth):
        driver.world.mine()
        driver.step()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("step", STEPS)
def test_what_was_not_final_ends_once_as_if_nothing_had_happened(step: str, depth: int, world: World) -> None:
    """As many confirmations as blocks vanish: no outcome and no record was told, so none is taken back."""
    with playing(world, confirmations=depth, direct=True) as driver:
        workflow = _played_until(step, world, driver)
        intents = workflow.intents(step)
        _submit_and_bury(driver, intents, depth)
        assert not any(one.intent_id in driver.ended for one in intents)
        world.reorganise(depth)
        driver.go_on(rounds=200)
        assert {one.intent_id: driver.verdicts()[one.intent_id] for one in intents} == {
            one.intent_id: ["done"] for one in intents
        }
        assert driver.troubles == []
        assert _known(driver.reader.view) == _fresh_view(world)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("step", STEPS)
def test_what_counted_as_final_is_taken_back_by_name_and_done_again(step: str, depth: int, world: World) -> None:
    """Without confirmations done is told early: the reader names what is undone, and the same bytes are mined again."""
    with playing(world, confirmations=0, direct=True) as driver:
        workflow = _played_until(step, world, driver)
        intents = workflow.intents(step)
        _submit_and_bury(driver, intents, depth)
        first = {one.intent_id: driver.ended[one.intent_id][0].transaction_hash for one in intents}
        world.reorganise(depth)
        driver.go_on(rounds=5)
        assert driver.troubles == ["Reorganised"]
        for one in intents:
            [told] = driver.ended[one.intent_id]
            assert told.done
            assert told.transaction_hash == first[one.intent_id]
        hashes = [record.transaction_hash for record in driver.records]
        assert len(hashes) == len(set(hashes))
        assert _known(driver.reader.view) == _fresh_view(world)


@pytest.mark.parametrize("confirmations", [0, 5])
def test_an_accept_that_was_done_is_void_when_another_took_the_offer(confirmations: int, world: World) -> None:
    """The rival's accept comes first on the new chain: ours ends as void, and was told as done only where final."""
    with playing(world, confirmations=confirmations, direct=True) as driver:
        workflow = _played_until("accept", world, driver)
        rival_outbox = SqlOutbox()
        rival = LedgerClient(world.node, world.keys, rival_outbox, world.contract)
        _submit_and_bury(driver, workflow.intents("accept"), 5)
        assert ("accept" in driver.ended) == (confirmations == 0)
        rival.submit([intent("rival", workflow.rival, AcceptOffer(offer_id=OFFER, asset_id=RIVAL))])
        world.lose_pool()
        world.reorganise(5, *(signed.raw for signed in rival_outbox.pending()))
        rival_outbox.close()
        driver.go_on(rounds=20)
        assert driver.verdicts()["accept"] == ["void"]
        assert driver.troubles == (["Reorganised"] if confirmations == 0 else [])
        view = driver.reader.view
        assert view is not None
        assert view.assets[ASK].owner == workflow.rival
        assert _known(view) == _fresh_view(world)


def test_a_whole_day_that_vanishes_is_played_again_in_its_order(world: World) -> None:
    """Every step's block is gone: the bytes go out again, oldest first, and every intent is done again."""
    with playing(world, confirmations=0, direct=True) as driver:
        driver.world.mine()
        driver.step()
        begin = world.node.head().number
        _played_until("deposit", world, driver)
        world.reorganise(world.node.head().number - begin)
        driver.go_on()
        assert driver.troubles == ["Reorganised"]
        assert driver.verdicts() == {step: ["done"] for step in ("issue", "post", "accept")}
        assert _known(driver.reader.view) == _fresh_view(world)


def test_a_restarted_reader_names_what_vanished_while_it_was_away(world: World) -> None:
    """The stored trail leads back to the common ancestor, and says which transactions' effects must be undone."""
    with playing(world, confirmations=0, direct=True) as driver:
        workflow = _played_until("post", world, driver)
        before = driver.reader.trail[-1].checkpoint
        driver.play(workflow.intents("post"))
        world.mine(3)
        driver.step()
        world.reorganise(4)
        restarted = LedgerReader(world.node, world.contract, world.terms, trail=driver.reader.trail)
        with pytest.raises(Reorganised) as raised:
            restarted.advance()
        assert raised.value.ancestor == before
        assert raised.value.undone == (driver.ended["post"][0].transaction_hash,)
        assert restarted.advance() == []
        assert _known(restarted.view) == _fresh_view(world)


def test_a_restarted_reader_goes_on_where_the_trail_ends(world: World) -> None:
    """What was handed out before is not handed out again, and the view is whole."""
    with playing(world, confirmations=2, direct=True) as driver:
        workflow = _played_until("post", world, driver)
        restarted = LedgerReader(
            world.node, world.contract, world.terms, confirmations=2, trail=driver.reader.trail
        )
        driver.play(workflow.intents("post"))
        assert [record.transaction_hash for record in restarted.advance()] == [
            driver.ended["post"][0].transaction_hash
        ]
        assert _known(restarted.view) == _fresh_view(world)


def test_an_offer_is_seen_before_it_is_final_and_gone_with_its_block(world: World) -> None:
    """The view serves an order book: it follows the newest blocks, and nothing of it is an effect."""
    with playing(world, confirmations=3, direct=True) as driver:
        workflow = _played_until("post", world, driver)
        known = len(driver.records)
        driver.client.submit(workflow.intents("post"))
        world.mine()
        assert driver.reader.advance() == []
        assert driver.reader.view is not None and list(driver.reader.view.open_offers) == [OFFER]
        world.reorganise(1)
        assert driver.reader.advance() == []
        assert list(driver.reader.view.open_offers) == []
        assert len(driver.records) == known


def test_the_trail_is_as_long_as_the_deepest_reorganisation(world: World) -> None:
    """It does not grow with the chain, and its oldest block lies at or below the deepest ancestor."""
    with playing(world, confirmations=1, direct=True) as driver:
        for number in range(2 * DEEPEST_REORGANISATION):
            driver.client.submit([intent(f"protest {number}", world.home(), Protest(digest=number.to_bytes(32)))])
            world.mine()
            driver.step()
        trail = [mark.checkpoint.block_number for mark in driver.reader.trail]
        assert trail == list(range(trail[-1] - DEEPEST_REORGANISATION, trail[-1] + 1))
