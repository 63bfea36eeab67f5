from dataclasses import replace

import pytest

from petra.domain.refusals import LedgerReason
from petra.domain.terms import NO_ADDRESS, Terms
from petra.ledger.state import LedgerState
from petra.ledger.transition import deploy
from tests.unit.ledger.scene import TERMS, refused


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, dso=NO_ADDRESS),
        replace(TERMS, timestep_seconds=3),
        replace(TERMS, timestep_seconds=3601),
        replace(TERMS, max_length=0),
    ],
)
def test_unusable_terms_are_refused(terms: Terms) -> None:
    """No ledger begins without a DSO, with timesteps outside 4 s .. 1 h, or without any length."""
    assert deploy(terms) == refused(LedgerReason.INVALID_TERMS)


@pytest.mark.parametrize("timestep_seconds", [4, 3600])
def test_ledger_begins_empty(timestep_seconds: int) -> None:
    """A new ledger has its terms and nothing else, and its first ids are 1."""
    terms = replace(TERMS, timestep_seconds=timestep_seconds)
    assert deploy(terms) == LedgerState(terms=terms, next_asset_id=1, next_offer_id=1)
