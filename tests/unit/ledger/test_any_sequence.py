"""Whatever is called in whatever order: the invariants hold, the logs tell the state, and a refusal changes nothing."""

from copy import deepcopy
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petra.domain.refusals import Refusal
from petra.ledger.invariants import History, check_all
from petra.ledger.state import Asset, LedgerState
from petra.ledger.transition import apply, deploy
from tests.differential.generator import MODES, Generator


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(random=st.randoms(use_true_random=True), blocks=st.lists(st.integers(1, 15), min_size=1, max_size=6))
def test_every_sequence_keeps_the_ledger_sound(mode: str, random: Random, blocks: list[int]) -> None:
    """After every step the view of the logs equals the state and all invariants hold; a refusal leaves it equal."""
    state = deploy(MODES[mode])
    assert isinstance(state, LedgerState)
    generator, history = Generator(mode, state, random), History(state.terms)
    for length in blocks:
        generator.advance()
        for _ in range(length):
            step, before = generator.step(), deepcopy(state)
            result = apply(state, step.call, step.sender, step.timestamp)
            if isinstance(result, Refusal):
                assert state == before
            else:
                history.observe(state, result, step.sender, step.timestamp)
                assert history.view.assets == state.assets
                assert {holder: history.view.balance(holder) for holder in state.holders} == {
                    holder: state.balance(holder) for holder in state.holders
                }
        assert check_all(state, history) == []
        assert history.view.open_offers == {i: offer for i, offer in state.offers.items() if offer.open}
        assert history.view.period_prices == state.period_prices


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(random=st.randoms(use_true_random=True))
def test_lineage_leads_to_the_grant(mode: str, random: Random) -> None:
    """Every asset comes from one grant on its own side, and never covers a timestep that its grant did not."""
    state = deploy(MODES[mode])
    assert isinstance(state, LedgerState)
    generator, history = Generator(mode, state, random), History(state.terms)
    granted: dict[int, Asset] = {}
    for _ in range(4):
        generator.advance()
        for _ in range(30):
            step = generator.step()
            result = apply(state, step.call, step.sender, step.timestamp)
            if isinstance(result, Refusal):
                continue
            history.observe(state, result, step.sender, step.timestamp)
            granted |= {
                i: asset for i, asset in state.assets.items() if history.view.lineage(i) == i and i not in granted
            }
    for asset_id, asset in state.assets.items():
        root = granted[history.view.lineage(asset_id)]
        assert history.view.granted_to(asset_id) == root.owner
        assert root.start <= asset.start <= asset.end <= root.end
        assert asset.is_production == root.is_production
        assert abs(asset.power) <= abs(root.power)
