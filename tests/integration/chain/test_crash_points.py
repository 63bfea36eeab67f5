"""The places at which a test may kill a client stand in the order that its promises need."""

import pytest

from petra.chain.client import LedgerClient
from petra.domain.blocks import Intent
from petra.domain.calls import Protest
from tests.integration.chain.conftest import Market


def test_what_is_signed_is_kept_before_it_is_sent(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side of signing, keeping, sending and marking the outcome has its name, and is passed once."""
    reached: list[str] = []
    monkeypatch.setattr("petra.chain.client.reach", reached.append)
    client = LedgerClient(market.chain, market.keys, market.outbox, market.contract, queues=[market.dso])
    client.submit([Intent(intent_id="one", sender=market.dso, call=Protest(digest=bytes(32)))])
    sent = [f"{name}.{side}" for name in ("sign", "keep", "transmit") for side in ("before", "after")]
    assert reached == sent
    market.mine()
    assert client.outcomes() and reached == sent
    client.acknowledge()
    client.acknowledge()
    assert reached == [*sent, "outcome.before", "outcome.after"]
