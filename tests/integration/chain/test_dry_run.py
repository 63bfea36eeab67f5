"""A call can be tried before it is signed, on every chain alike."""

import pytest

from petra.chain.client import LedgerClient
from petra.domain.batches import GRANTS_MAX
from petra.domain.blocks import Intent
from petra.domain.calls import (
    AddAssets,
    AddFinancialBalance,
    DepositFinancial,
    FinancialGrant,
    PostOffer,
    Protest,
)
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import NO_ADDRESS
from petra.errors import ChainError
from petra.wire.abi import encode_call
from tests.integration.chain.conftest import Market


def test_calldata_that_are_none_of_the_contract_s_fail_without_its_word(market: Market) -> None:
    """That is no refusal: something is wrong with us."""
    with pytest.raises(ChainError):
        market.chain.dry_run(market.contract, [(market.dso, b"\1\2\3\4")])


def test_a_dry_run_names_what_the_contract_would_refuse(market: Market) -> None:
    """Each call is tried by itself, with its sender, and gets the contract's word and figures."""
    ana = market.keys.new("ana")
    grant = encode_call(AddFinancialBalance(anon_address=ana, amount=5))
    calls = [(ana, grant), (market.dso, grant), (ana, encode_call(PostOffer(asset_id=9, price=1)))]
    assert market.chain.dry_run(market.contract, calls) == [
        Refusal(reason=LedgerReason.NOT_ISSUER, arguments=(ana,)),
        None,
        Refusal(reason=LedgerReason.UNKNOWN_ASSET, arguments=(9,)),
    ]


def test_a_long_row_of_waiting_batches_is_tried_in_parts(market: Market) -> None:
    """A node that was away comes back to more than one request may hold: three megabytes of grants."""
    anas = [market.keys.new(f"ana {number}") for number in range(GRANTS_MAX)]
    call = encode_call(AddAssets(money=tuple(FinancialGrant(anon_address=ana, amount=5) for ana in anas)))
    calls = [(market.dso, call)] * (3 * 2**20 // (2 * len(call)) + 1)
    assert market.chain.dry_run(market.contract, calls) == [None] * len(calls)


def test_a_dry_run_changes_nothing(market: Market) -> None:
    """What would have been granted is not there: neither after the dry run nor in a block after it."""
    ana = market.keys.new("ana")
    grant = encode_call(AddFinancialBalance(anon_address=ana, amount=5))
    take = (ana, encode_call(DepositFinancial(amount=5)))
    assert market.chain.dry_run(market.contract, [(market.dso, grant), (market.dso, grant), take])[:2] == [None, None]
    market.mine()
    [refusal] = market.chain.dry_run(market.contract, [take])
    assert refusal is not None and refusal.reason is LedgerReason.INSUFFICIENT_BALANCE


def test_where_no_contract_stands_nothing_is_refused(market: Market) -> None:
    """As on every Ethereum chain: a call there succeeds and does nothing."""
    assert market.chain.dry_run(NO_ADDRESS, [(market.dso, encode_call(Protest(digest=bytes(32))))]) == [None]


def test_transactions_are_counted_when_they_are_mined(market: Market) -> None:
    """The DSO deployed the contract; whoever sent nothing has none; what waits does not count."""
    ana = market.keys.new("ana")
    market.chain.send([market.signed(ana, 0, Protest(digest=bytes(32)))])
    assert market.chain.transaction_counts([market.dso, ana]) == [1, 0]
    market.mine()
    assert market.chain.transaction_counts([market.dso, ana]) == [1, 1]


def test_a_client_tries_only_what_has_no_transaction_yet(market: Market) -> None:
    """An intent that was signed is sent whatever the contract would say now; the others are told apart by id."""
    client = LedgerClient(market.chain, market.keys, market.outbox, market.contract, queues=[market.dso])
    grant = AddFinancialBalance(anon_address=market.keys.new("ana"), amount=5)
    first = Intent(intent_id="first", sender=market.dso, call=grant)
    again = Intent(intent_id="again", sender=market.dso, call=grant)
    client.submit([first])
    market.mine()
    assert client.refusals([first, again]) == {
        "again": Refusal(reason=LedgerReason.MONEY_ALREADY_GRANTED, arguments=(grant.anon_address,))
    }
