"""Colluding homes on the ledger twin; `python -m tests.safety.collusion` plays 100,000 histories."""

import pytest

from tests.safety.collusion import play, spent_rule_switched_off


def test_without_the_spent_rule_homes_widen_their_box() -> None:
    """Received permits that may be used again let a home keep more than it was granted: the test would notice."""
    with spent_rule_switched_off():
        _, broken = play(range(100))
    assert broken
    assert all("that it bought, granted" in problem for _, problem in broken)


def test_headroom_for_permits_of_others_would_be_noticed() -> None:
    """A DSO that gives headroom back for any permit, whoever was granted it, breaks its promise."""
    _, broken = play(range(200, 250), frees_by_lineage=False)
    assert broken


@pytest.mark.parametrize("seeds", [range(600), pytest.param(range(1_000_000, 1_020_000), marks=pytest.mark.slow)])
def test_no_collusion_widens_the_box(seeds: range) -> None:
    """Whatever is traded, split, resold, rescinded, deposited and withdrawn again, also with the DSO."""
    moves, broken = play(seeds)
    assert broken == []
    wanted = ("AcceptOffer", "pieces split off", "RescindOffer", "headroom given back", "refused: ASSET_IS_SPENT")
    assert all(moves[kind] > len(seeds) // 4 for kind in wanted), moves


def test_a_history_is_replayed_by_its_seed() -> None:
    """The same seed makes the same moves."""
    assert play(range(7, 9)) == play(range(7, 9))
