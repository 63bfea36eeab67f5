"""The twin, the contract on a real EVM node and the reader of logs play the same steps and agree on everything.

PETRA_DIFFERENTIAL_STEPS and PETRA_DIFFERENTIAL_SEED make it longer or another play; a failure names seed and step.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from petra.domain import calls
from petra.domain.refusals import LedgerReason
from petra.domain.terms import MAX_GRANTS, NO_ADDRESS, Terms
from petra.ledger.transition import deploy as deploy_twin
from petra.tools import find_anvil
from tests.differential.coverage import SHAPES
from tests.differential.generator import MODES
from tests.differential.node import refusal_of_deployment, running_node
from tests.differential.play import DEPLOYED, STEPS_PER_BLOCK, STEPS_PER_PLAY, Play, compare

STEPS = int(os.environ.get("PETRA_DIFFERENTIAL_STEPS", "20000"))
SEED = int(os.environ.get("PETRA_DIFFERENTIAL_SEED", "1"))
ROUNDS = -(-STEPS // (STEPS_PER_PLAY * len(MODES)))
QUICK = ("free", "periods", "market")  # the other modes are played by `make test-marked`
PLAYED = [pytest.param(mode, marks=[] if mode in QUICK else [pytest.mark.slow]) for mode in MODES]
BLOCKS = -(-STEPS // (STEPS_PER_BLOCK * len(MODES) * ROUNDS))


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
@pytest.mark.parametrize("mode", PLAYED)
def test_twin_contract_and_logs_agree(mode: str, seed: int, tmp_path: Path) -> None:
    """Every event, every refusal with its figures, and at the end every asset, offer and balance are the same."""
    anvil = find_anvil()
    assert anvil is not None
    assert sum(compare(anvil, mode, seed, BLOCKS, tmp_path / "anvil.log").steps.values()) == BLOCKS * STEPS_PER_BLOCK


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
