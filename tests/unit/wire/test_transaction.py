"""Legacy EIP-155 transactions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.calls import AddAssets, Call, EnergyGrant, FinancialGrant
from petra.domain.terms import MAX_GRANTS, Address
from petra.errors import ChainError
from petra.store.keystore import eth_account
from petra.wire import rlp, transaction
from petra.wire.secp256k1 import ORDER, SecretKey
from petra.wire.transaction import Transaction
from tests.unit.wire import strategies

KEY = SecretKey(bytes.fromhex("46" * 32))
# The worked example of EIP-155.
EXAMPLE = Transaction(
    chain_id=1,
    nonce=9,
    gas_price=20 * 10**9,
    gas_limit=21_000,
    to=Address("0x3535353535353535353535353535353535353535"),
    value=10**18,
    data=b"",
)
EXAMPLE_RAW = bytes.fromhex(
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a0"
    "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a0"
    "67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)


def test_a_transaction_that_names_no_chain_is_refused() -> None:
    """Without EIP-155 a transaction could be replayed on any chain."""
    fields = [*rlp.decode(EXAMPLE_RAW)]
    with pytest.raises(ChainError, match="EIP-155"):
        transaction.decode(rlp.encode([*fields[:6], b"\x1b", *fields[7:]]))


def test_the_twin_with_high_s_is_refused() -> None:
    """The same intent must not appear under two hashes."""
    fields = [*rlp.decode(EXAMPLE_RAW)]
    high = rlp.from_integer(ORDER - int.from_bytes(bytes(fields[8])))
    with pytest.raises(ChainError, match="high s"):
        transaction.decode(rlp.encode([*fields[:6], b"\x26", fields[7], high]))


@given(st.binary(max_size=200), st.integers(0, len(EXAMPLE_RAW) - 1))
def test_hostile_bytes_are_refused_or_mean_something_else(tail: bytes, position: int) -> None:
    """Noise and altered transactions raise a ChainError or decode to exactly their own bytes, never to the original."""
    altered = EXAMPLE_RAW[:position] + bytes((EXAMPLE_RAW[position] ^ 1,)) + EXAMPLE_RAW[position + 1 :]
    for hostile in (tail, EXAMPLE_RAW[:position], altered):
        try:
            decoded = transaction.decode(hostile)
        except ChainError:
            continue
        assert (decoded.transaction, decoded.sender) != (EXAMPLE, KEY.address)


def test_known_answer_of_eip_155() -> None:
    """Bytes, sender and fields of the standard's own example."""
    assert transaction.sign(EXAMPLE, KEY.sign) == EXAMPLE_RAW
    decoded = transaction.decode(EXAMPLE_RAW)
    assert (decoded.transaction, decoded.sender) == (EXAMPLE, KEY.address)
    assert decoded.hash.hex() == "33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"


@given(
    st.integers(1, 2**40),
    st.integers(0, 2**63),
    st.binary(max_size=100),
    st.binary(min_size=32, max_size=32).filter(lambda secret: 0 < int.from_bytes(secret) < ORDER),
)
def test_the_bytes_are_those_of_eth_account(chain_id: int, nonce: int, data: bytes, secret: bytes) -> None:
    """Ethereum's own library makes the same bytes and hash."""
    key, to = SecretKey(secret), EXAMPLE.to
    ours = transaction.sign(
        Transaction(chain_id=chain_id, nonce=nonce, gas_limit=500_000, to=to, data=data), key.sign
    )
    theirs = eth_account().Account.sign_transaction(
        {"chainId": chain_id, "nonce": nonce, "gas": 500_000, "gasPrice": 0, "to": to, "value": 0, "data": data},
        secret,
    )
    assert ours == bytes(theirs.raw_transaction)
    decoded = transaction.decode(ours)
    assert decoded.hash == bytes(theirs.hash) and decoded.sender == key.address


def test_a_deployment_stands_where_ethereum_puts_it() -> None:
    """The first contract of the development nodes' first key has a well-known address."""
    deployer = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    assert transaction.contract_address(deployer, 0) == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert transaction.contract_address(deployer, 1) == "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


@given(strategies.calls)
def test_a_gas_limit_tells_nothing_of_a_pseudonym(call: Call) -> None:
    """All calls but the DSO's have the same limit; the DSO's depend on kind and size only."""
    name = type(call).__name__
    limit = transaction.gas_limit_of(call)
    if not name.startswith(("Add", "SetPrice", "RecordSchedule")):
        assert limit == transaction.PSEUDONYM_GAS


def test_the_largest_batch_fits_a_block() -> None:
    """200 grants of either sort stay below the 30 million gas of an ordinary block."""
    energy = EnergyGrant(anon_address=KEY.address, power=1, start=0, end=0)
    money = FinancialGrant(anon_address=KEY.address, amount=1)
    assert transaction.gas_limit_of(AddAssets(energy=(energy,) * MAX_GRANTS)) < 30_000_000
    assert transaction.gas_limit_of(AddAssets(money=(money,) * MAX_GRANTS)) < 30_000_000
