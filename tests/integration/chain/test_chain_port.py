"""One port, the same behaviour: what every chain does with signed bytes, blocks, receipts and logs."""

from typing import Any

import pytest

from petra.chain.client import check_chain, deploy
from petra.chain.errors import NonceTaken
from petra.chain.memory import MemoryChain
from petra.domain.calls import AcceptOffer, AddAssets, EnergyGrant, FinancialGrant, PostOffer, Protest, RescindOffer
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import MAX_GRANTS, Terms
from petra.errors import ChainError, InputError
from petra.ports import VirtualChain
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.abi import decode_log
from petra.wire.artifact import runtime_matches
from petra.wire.transaction import Transaction, gas_limit_of, sign, transaction_hash
from tests.integration.chain.conftest import CHAIN_ID, GENESIS, Market, deploy_market


def _protest(number: int) -> Protest:
    return Protest(digest=number.to_bytes(32))


def test_a_transaction_for_another_chain_is_refused(market: Market) -> None:
    """A node would take it and never mine it, so it is not even sent; nor are the others beside it."""
    ana = market.keys.new("ana")
    fine = market.signed(ana, 0, _protest(1))
    with pytest.raises(ChainError, match="chain 7 was to be sent to chain 31415"):
        market.chain.send([fine, market.signed(ana, 1, _protest(2), chain_id=7)])
    market.mine()
    assert market.chain.receipts([transaction_hash(fine)]) == [None]


def test_a_nonce_that_is_used_up_is_refused_and_the_others_are_taken(market: Market) -> None:
    """What the chain refuses is named; what stands beside it in the same call is mined."""
    ana, ben = market.keys.new("ana"), market.keys.new("ben")
    market.chain.send([market.signed(ana, 0, _protest(1))])
    market.mine()
    beside = market.signed(ben, 0, _protest(3))
    with pytest.raises(NonceTaken, match=r"refused 1 transactions.*nonce too low"):
        market.chain.send([market.signed(ana, 0, _protest(2)), beside])
    market.mine()
    [receipt] = market.chain.receipts([transaction_hash(beside)])
    assert receipt is not None and receipt.succeeded


def test_a_second_transaction_with_a_waiting_nonce_is_refused(market: Market) -> None:
    """Equal prices replace nothing: the first one stays."""
    ana = market.keys.new("ana")
    market.chain.send([market.signed(ana, 0, _protest(1))])
    with pytest.raises(ChainError, match="refused 1 transactions"):
        market.chain.send([market.signed(ana, 0, _protest(2))])


def test_bytes_that_are_no_transaction_are_refused(market: Market) -> None:
    """Noise is a ChainError."""
    with pytest.raises(ChainError):
        market.chain.send([b"\xc0noise"])


def test_ether_is_refused_because_nobody_has_any(market: Market) -> None:
    """Neither value nor gas can be paid for."""
    ana = market.keys.new("ana")
    for paid in ({"value": 1}, {"gas_price": 1}):
        transaction = Transaction(
            chain_id=CHAIN_ID, nonce=0, gas_limit=100_000, to=market.contract, data=b"", **paid
        )
        with pytest.raises(ChainError, match=r"(?i)insufficient funds"):
            market.chain.send([sign(transaction, lambda digest: market.keys.sign(ana, digest))])


def test_a_block_that_does_not_move_on_is_refused(market: Market) -> None:
    """Time never goes back on a chain."""
    with pytest.raises(ChainError):
        market.chain.mine(market.now - 1)


def test_a_block_that_does_not_exist_is_refused(chain: VirtualChain) -> None:
    """There is nothing beyond the head."""
    with pytest.raises(ChainError, match="no block 7"):
        chain.block(7)


def test_unusable_terms_deploy_nothing(chain: VirtualChain) -> None:
    """The constructor refuses, the receipt says so, no code stands at the address."""
    keys = SimulatedKeys(seed=1)
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=GENESIS, timestep_seconds=1, gate=0, max_length=96, max_price=1)
    signed, contract = deploy(chain, keys, SqlOutbox(), dso, terms)
    chain.mine(GENESIS + 5)
    [receipt] = chain.receipts([signed.transaction_hash])
    assert receipt is not None and not receipt.succeeded
    assert chain.code(contract) == b""
    assert chain.refusal(signed.transaction_hash) == Refusal(reason=LedgerReason.INVALID_TERMS)


def test_a_refused_call_is_mined_without_logs_and_its_reason_can_be_read(market: Market) -> None:
    """Status 0, no log, and the contract's own word with its figures."""
    ana = market.keys.new("ana")
    raw = market.signed(ana, 0, RescindOffer(offer_id=9))
    [digest] = market.chain.send([raw])
    number = market.mine()
    [receipt] = market.chain.receipts([digest])
    assert receipt is not None and not receipt.succeeded
    assert market.chain.logs(market.contract, number, number) == []
    assert market.chain.refusal(digest) == Refusal(reason=LedgerReason.UNKNOWN_OFFER, arguments=(9,))


def test_a_call_that_was_done_has_no_refusal(market: Market) -> None:
    """There is nothing to explain about a success."""
    [digest] = market.chain.send([market.signed(market.keys.new("ana"), 0, _protest(1))])
    market.mine()
    assert market.chain.refusal(digest) is None


def test_calldata_that_are_none_of_the_contract_s_fail_without_a_word(market: Market) -> None:
    """They revert; there is no reason to read, and nobody invents one."""
    ana = market.keys.new("ana")
    transaction = Transaction(chain_id=CHAIN_ID, nonce=0, gas_limit=100_000, to=market.contract, data=b"\1\2\3\4")
    [digest] = market.chain.send([sign(transaction, lambda digest: market.keys.sign(ana, digest))])
    market.mine()
    [receipt] = market.chain.receipts([digest])
    assert receipt is not None and not receipt.succeeded
    with pytest.raises(ChainError, match="no refusal"):
        market.chain.refusal(digest)


def test_the_contract_stands_where_it_was_computed_to(market: Market) -> None:
    """Code, receipt and address of a deployment agree."""
    block = market.chain.block(1)
    [receipt] = market.chain.receipts(block.transactions)
    assert receipt is not None and receipt.succeeded and receipt.contract == market.contract
    assert runtime_matches(market.chain.code(market.contract))
    assert market.chain.code(market.dso) == b""


def test_blocks_have_our_time_and_their_parent_s_hash(market: Market) -> None:
    """Every block stands at the second that was asked for, and on the block before."""
    genesis, first = market.chain.block(0), market.chain.block(1)
    assert (genesis.timestamp, first.timestamp, first.parent_hash) == (GENESIS, GENESIS + 5, genesis.hash)
    second = market.chain.mine(GENESIS + 3_600)
    assert (second.timestamp, second.parent_hash, second.number) == (GENESIS + 3_600, first.hash, 2)
    assert market.chain.head() == second == market.chain.block(2)


def test_an_unmined_transaction_has_no_receipt(market: Market) -> None:
    """Sending is not mining."""
    digests = market.chain.send([market.signed(market.keys.new("ana"), 0, _protest(1))])
    assert market.chain.receipts(digests) == [None]
    market.mine()
    assert market.chain.receipts(digests) != [None]


def test_the_same_bytes_may_be_sent_again(market: Market) -> None:
    """Before and after it is mined, a transaction counts once."""
    raw = market.signed(market.keys.new("ana"), 0, _protest(1))
    assert market.chain.send([raw]) == market.chain.send([raw, raw])[:1]
    number = market.mine()
    market.chain.send([raw])
    market.mine()
    assert len(market.chain.logs(market.contract, number, number + 1)) == 1


def test_a_nonce_that_comes_too_early_waits_for_those_before_it(market: Market) -> None:
    """A gap is no refusal: the transaction is mined once the gap is filled."""
    ana = market.keys.new("ana")
    [early] = market.chain.send([market.signed(ana, 1, _protest(2))])
    market.mine()
    assert market.chain.receipts([early]) == [None]
    [first] = market.chain.send([market.signed(ana, 0, _protest(1))])
    number = market.mine()
    assert market.chain.block(number).transactions == (first, early)


def test_many_transactions_of_one_block_keep_the_order_of_sending(market: Market) -> None:
    """400 senders, one block: first come, first served means something."""
    senders = [market.keys.new(f"home {number}") for number in range(400)]
    sent = market.chain.send([market.signed(sender, 0, _protest(i)) for i, sender in enumerate(senders)])
    number = market.mine()
    assert list(market.chain.block(number).transactions) == sent
    logs = market.chain.logs(market.contract, number, number)
    assert [log.transaction_hash for log in logs] == sent
    assert [log.log_index for log in logs] == list(range(400))
    assert all(receipt is not None and receipt.succeeded for receipt in market.chain.receipts(sent))


@pytest.mark.parametrize("kind", ["energy", "money"])
def test_the_largest_batch_fits_its_gas_limit(market: Market, kind: str) -> None:
    """200 grants to fresh addresses at once, the most that the contract takes, need less gas than they are given."""
    homes = [market.keys.new(f"home {number}") for number in range(MAX_GRANTS)]
    energy = tuple(EnergyGrant(anon_address=one, power=-(2**62), start=2**40, end=2**40 + 95) for one in homes)
    money = tuple(FinancialGrant(anon_address=one, amount=2**55) for one in homes)
    call = AddAssets(energy=energy) if kind == "energy" else AddAssets(money=money)
    [digest] = market.chain.send([market.signed(market.dso, 1, call)])
    market.mine()
    [receipt] = market.chain.receipts([digest])
    assert receipt is not None and receipt.succeeded
    assert receipt.gas_used < 0.9 * gas_limit_of(call)


def test_logs_of_another_address_are_not_returned(market: Market) -> None:
    """Only the contract's own logs are read."""
    market.chain.send([market.signed(market.keys.new("ana"), 0, _protest(1))])
    number = market.mine()
    assert market.chain.logs(market.dso, 0, number) == []


@pytest.mark.parametrize("wrong", ["chain id", "genesis", "contract"])
def test_another_chain_is_noticed_before_anything_happens(market: Market, wrong: str) -> None:
    """The deployment's chain id, genesis and code are compared; each difference is named with its remedy."""
    genesis = market.chain.block(0).hash
    right: dict[str, Any] = {"chain_id": CHAIN_ID, "genesis_hash": genesis, "contract": market.contract}
    check_chain(market.chain, **right)
    other: dict[str, dict[str, Any]] = {
        "chain id": {"chain_id": 1},
        "genesis": {"genesis_hash": bytes(32)},
        "contract": {"contract": market.dso},
    }
    with pytest.raises(InputError, match=f"^{wrong}: "):
        check_chain(market.chain, **right | other[wrong])


def test_every_chain_writes_the_logs_that_the_memory_chain_writes(market: Market) -> None:
    """A small market day, with a refusal in it: raw topics and data are equal, byte for byte."""
    twin = deploy_market(MemoryChain(chain_id=CHAIN_ID, genesis=GENESIS))
    told = [_trade(market), _trade(twin)]
    assert told[0] == told[1]
    assert [decode_log(topics, data).__class__.__name__ for topics, data in told[0][1]] == [
        *["AssetAdded", "AssetAdded", "FinancialAdded", "OfferPosted"],
        *["OfferAccepted", "AssetSplit", "AssetTransferred", "AssetTransferred"],
    ]


def _trade(market: Market) -> tuple[list[bool], list[tuple[tuple[bytes, ...], bytes]]]:
    seller, buyer = market.keys.new("seller"), market.keys.new("buyer")
    grants = AddAssets(
        energy=(
            EnergyGrant(anon_address=seller, power=3_000, start=1, end=2),
            EnergyGrant(anon_address=buyer, power=-2_000, start=1, end=2),
        ),
        money=(FinancialGrant(anon_address=buyer, amount=10**9),),
    )
    sent = market.chain.send(
        [
            market.signed(market.dso, 1, grants),
            market.signed(seller, 0, PostOffer(asset_id=1, price=200_000_000)),
            market.signed(buyer, 0, AcceptOffer(offer_id=7, asset_id=2)),
            market.signed(buyer, 1, AcceptOffer(offer_id=1, asset_id=2)),
        ]
    )
    number = market.mine()
    statuses = [receipt.succeeded for receipt in market.chain.receipts(sent) if receipt is not None]
    return statuses, [(log.topics, log.data) for log in market.chain.logs(market.contract, 1, number)]
