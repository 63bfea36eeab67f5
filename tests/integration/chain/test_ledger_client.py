"""Intents are signed once, sent until they are mined, and read back from the logs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from petra.chain.client import LedgerClient, deploy, first_checkpoint, read_records
from petra.chain.memory import MemoryChain
from petra.domain.blocks import Checkpoint, Intent
from petra.domain.calls import Protest, RescindOffer
from petra.domain.events import Protested
from petra.domain.terms import Terms
from petra.errors import ChainError, ReceiptDeadline, StoreError
from petra.ports import VirtualChain
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.transaction import SignedIntent, transaction_hash
from tests.integration.chain.conftest import CHAIN_ID, GENESIS, Market, deploy_market


def _client(market: Market, *, confirmations: int = 0) -> LedgerClient:
    return LedgerClient(market.chain, market.keys, market.outbox, market.contract, confirmations=confirmations)


def _protests(market: Market, *numbers: int, owner: str = "ana") -> list[Intent]:
    sender = market.keys.new(owner)
    return [
        Intent(intent_id=f"protest-{number}", sender=sender, call=Protest(digest=number.to_bytes(32)))
        for number in numbers
    ]


class UnreachableOnce(MemoryChain):
    """A chain whose node is away at the next send: a shipped adapter with a fault, as the network has them."""

    away = False

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Fail once while away."""
        if self.away:
            self.away = False
            raise ChainError("no node answers")
        return super().send(raw_transactions)


def test_what_could_not_be_sent_is_kept_and_sent_by_a_restart_with_the_same_bytes(tmp_path: Path) -> None:
    """The node is away and the process dies: a new one with the same outbox sends what was signed, and nothing else."""
    chain = UnreachableOnce(chain_id=CHAIN_ID, genesis=GENESIS)
    market = deploy_market(chain)
    market.outbox = SqlOutbox(tmp_path / "outbox.db")
    intents = _protests(market, 1, 2)
    chain.away = True
    with pytest.raises(ChainError):
        _client(market).submit(intents)
    signed = market.outbox.pending()
    market.outbox.close()

    restarted = LedgerClient(chain, SimulatedKeys(seed=99), SqlOutbox(tmp_path / "outbox.db"), market.contract)
    assert restarted.resend_pending() == 2
    assert restarted.submit(intents) == [one.transaction_hash for one in signed]
    number = market.mine()
    assert chain.block(number).transactions == tuple(one.transaction_hash for one in signed)
    assert [outcome.done for outcome in restarted.outcomes()] == [True, True]
    assert restarted.resend_pending() == 0


def test_a_sender_without_a_key_leaves_nothing_behind(market: Market) -> None:
    """If one of the batch cannot be signed, none is kept or sent."""
    client = _client(market)
    assert [client.outcomes() for _ in range(2)][1] == []  # the deployment is told of and marked
    with pytest.raises(StoreError, match="no key"):
        client.submit(
            [*_protests(market, 1), Intent(intent_id="x", sender=market.contract, call=RescindOffer(offer_id=1))]
        )
    assert market.outbox.pending() == []
    assert market.chain.block(market.mine()).transactions == ()


def test_what_is_not_mined_in_time_raises_the_deadline(market: Market) -> None:
    """A transaction behind a gap is never mined: after so many blocks its intent is named."""
    client, [late] = _client(market), _protests(market, 1)
    raw = market.signed(late.sender, 0, RescindOffer(offer_id=1))
    lost = SignedIntent(
        intent_id="lost", sender=late.sender, nonce=0, transaction_hash=transaction_hash(raw), raw=raw
    )
    market.outbox.put([lost])  # by a process that died before it sent
    client.submit([late])
    number = market.mine()
    client.outcomes()
    client.raise_overdue(number, 2)
    client.raise_overdue(market.mine(), 2)
    with pytest.raises(ReceiptDeadline, match=r"^1 transactions not mined in 2 blocks: protest-1 \(0x"):
        client.raise_overdue(market.mine(), 2)
    _client(market).resend_pending()
    market.mine()
    assert [outcome.done for outcome in client.outcomes()] == [True]


def test_an_intent_is_signed_and_sent_once(market: Market) -> None:
    """Submitting again, in the same call or later, gives the same hash and no second transaction."""
    client = _client(market)
    [intent] = _protests(market, 1)
    first = client.submit([intent, intent])
    assert client.submit([intent]) == first[:1] == first[1:]
    number = market.mine()
    assert client.submit([intent]) == first[:1]
    assert len(market.chain.block(number).transactions) == 1
    assert market.chain.block(market.mine()).transactions == ()


def test_outcomes_say_done_or_void_once(market: Market) -> None:
    """Status 1 is done, status 0 is void; each is told once and stored."""
    client = _client(market)
    assert [outcome.intent_id for outcome in client.outcomes()] == ["deploy"]
    [fine] = _protests(market, 1)
    void = Intent(intent_id="void", sender=fine.sender, call=RescindOffer(offer_id=5))
    hashes = client.submit([fine, void])
    assert client.outcomes() == []
    number = market.mine()
    outcomes = client.outcomes()
    assert [(o.intent_id, o.done, o.transaction_hash, o.block_number) for o in outcomes] == [
        ("protest-1", True, hashes[0], number),
        ("void", False, hashes[1], number),
    ]
    assert client.outcomes() == [] == market.outbox.pending()


def test_an_outcome_waits_for_its_confirmations(market: Market) -> None:
    """With two confirmations an intent ends two blocks after its own."""
    client = _client(market, confirmations=2)
    client.submit(_protests(market, 1))
    market.mine()
    assert [o.intent_id for o in client.outcomes()] == []
    market.mine()
    assert [o.intent_id for o in client.outcomes()] == ["deploy"]
    market.mine()
    assert [o.intent_id for o in client.outcomes()] == ["protest-1"]


def test_a_deployment_is_made_once(chain: VirtualChain) -> None:
    """A second call with the same outbox gives the same transaction and address."""
    keys, outbox = SimulatedKeys(seed=1), SqlOutbox()
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=GENESIS, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
    assert deploy(chain, keys, outbox, dso, terms) == deploy(chain, keys, outbox, dso, terms)
    assert len(chain.mine(GENESIS + 5).transactions) == 1


def test_a_reader_notices_that_its_checkpoint_is_gone(market: Market) -> None:
    """Another block stands where it read last: it must not go on as if nothing had happened."""
    market.mine()
    with pytest.raises(ChainError, match="another block 1"):
        read_records(market.chain, market.contract, Checkpoint(block_number=1, block_hash=bytes(32)))


def test_records_come_once_and_in_order(market: Market) -> None:
    """From checkpoint to checkpoint every transaction's events come once, with block and time."""
    client, checkpoint = _client(market), first_checkpoint(market.chain)
    assert read_records(market.chain, market.contract, checkpoint)[0] == []
    hashes = client.submit(_protests(market, 1, 2))
    first = market.mine()
    hashes += client.submit(_protests(market, 3, owner="ben"))
    second = market.mine()
    records, checkpoint = read_records(market.chain, market.contract, checkpoint)
    assert [record.transaction_hash for record in records] == hashes
    assert [(r.block_number, r.transaction_index) for r in records] == [(first, 0), (first, 1), (second, 0)]
    assert [r.timestamp for r in records] == [market.now - 5, market.now - 5, market.now]
    assert [r.events for r in records] == [(Protested(digest=number.to_bytes(32)),) for number in (1, 2, 3)]
    assert checkpoint == Checkpoint(block_number=second, block_hash=market.chain.block(second).hash)
    assert read_records(market.chain, market.contract, checkpoint) == ([], checkpoint)


def test_a_reader_stays_behind_the_head_by_its_confirmations(market: Market) -> None:
    """What is not final is not read."""
    client, checkpoint = _client(market), first_checkpoint(market.chain)
    client.submit(_protests(market, 1))
    number = market.mine()
    records, checkpoint = read_records(market.chain, market.contract, checkpoint, confirmations=1)
    assert (records, checkpoint.block_number) == ([], number - 1)
    market.mine()
    records, checkpoint = read_records(market.chain, market.contract, checkpoint, confirmations=1)
    assert (len(records), checkpoint.block_number) == (1, number)
