"""The reader on a chain in memory: the trail as text, and views that change on their own."""

import pytest

from petra.chain.client import LedgerClient, deploy
from petra.chain.memory import MemoryChain
from petra.chain.reader import LedgerReader, Mark, trail_from_text, trail_to_text
from petra.domain.blocks import Checkpoint, Intent
from petra.domain.calls import AddEnergyAsset
from petra.domain.terms import Terms
from petra.errors import StoreError
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox


@pytest.mark.parametrize("text", ["", "{}x", "[1]", "[[1]]", '[["x", "00"]]', '[[1, "zz"]]', '[[1, "00", 5]]'])
def test_text_that_is_no_trail_is_refused(text: str) -> None:
    """A damaged store is named, and nothing is read from the wrong place."""
    with pytest.raises(StoreError, match="trail"):
        trail_from_text(text)


def test_a_trail_comes_back_as_it_was_stored() -> None:
    """Blocks with and without transactions, and none at all."""
    trail = [
        Mark(checkpoint=Checkpoint(block_number=0, block_hash=bytes(32))),
        Mark(checkpoint=Checkpoint(block_number=7, block_hash=b"\x01" * 32), transactions=(b"\x02" * 32, b"\x03" * 32)),
    ]
    assert trail_from_text(trail_to_text(trail)) == trail
    assert trail_from_text(trail_to_text([])) == []


def test_what_is_not_final_is_in_the_view_and_not_in_the_records() -> None:
    """With two confirmations an asset is seen at once, and handed out two blocks later, once."""
    chain = MemoryChain(chain_id=1, genesis=0)
    keys, outbox = SimulatedKeys(seed=1), SqlOutbox()
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=0, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
    _, contract = deploy(chain, keys, outbox, dso, terms)
    chain.mine(5)
    reader = LedgerReader(chain, contract, terms, confirmations=2)
    assert reader.advance() == []
    client = LedgerClient(chain, keys, outbox, contract, queues=[dso])
    grant = AddEnergyAsset(anon_address=keys.new("ana"), power=1_000, start=3, end=4)
    client.submit([Intent(intent_id="grant", sender=dso, call=grant)])
    told = []
    for number in range(3):
        chain.mine(10 + number)
        told.append(len(reader.advance()))
        assert reader.view is not None and list(reader.view.assets) == [1]
    assert told == [0, 0, 1]
    assert reader.trail[-1].checkpoint.block_number == chain.head().number - 2
