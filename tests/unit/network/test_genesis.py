"""The first block: who signs, and that nothing costs."""

from petra.domain.terms import Address
from petra.network.genesis import (
    CHAIN_ID_MAX,
    CHAIN_ID_MIN,
    clique_genesis,
    fresh_chain_id,
    qbft_extra_data,
    qbft_genesis,
)
from petra.wire import rlp
from petra.wire.secp256k1 import address_bytes

# The validators and the extra data of the example in Besu's manual on QBFT.
BESU_SIGNERS = [
    Address("0x64a702e6263b7297a96638cac6ae65e6541f4169"),
    Address("0x3923390ad55e90c237593b3b0e401f3b08a03185"),
    Address("0xaefdb9a738c9f433e5b6b212a6d62f6370c2f692"),
    Address("0xc7eeb9a4e00ce683cf93039b212648e01c6c6b78"),
]
BESU_EXTRA_DATA = bytes.fromhex(
    "f87aa00000000000000000000000000000000000000000000000000000000000000000f854"
    "9464a702e6263b7297a96638cac6ae65e6541f4169943923390ad55e90c237593b3b0e401f3b08a03185"
    "94aefdb9a738c9f433e5b6b212a6d62f6370c2f69294c7eeb9a4e00ce683cf93039b212648e01c6c6b78c080c0"
)


def test_no_genesis_has_a_base_fee() -> None:
    """Whoever owns no coin can trade: geth has no London fork, Besu a base fee of zero for ever."""
    clique = clique_genesis(chain_id=7, period_seconds=1, timestamp=1, signers=BESU_SIGNERS)
    qbft = qbft_genesis(chain_id=7, period_seconds=1, timestamp=1, signers=BESU_SIGNERS)
    assert "londonBlock" not in clique["config"]
    assert qbft["config"]["zeroBaseFee"] is True
    assert clique["alloc"] == qbft["alloc"] == {}


def test_every_genesis_has_a_chain_id_of_its_own() -> None:
    """Transactions of one chain are never valid on the next."""
    chain_ids = {fresh_chain_id() for _ in range(1_000)}
    assert len(chain_ids) == 1_000
    assert all(CHAIN_ID_MIN <= chain_id <= CHAIN_ID_MAX for chain_id in chain_ids)


def test_clique_names_its_signers_in_ascending_order() -> None:
    """Geth expects vanity, addresses and an empty seal, nothing between them."""
    genesis = clique_genesis(chain_id=7, period_seconds=3, timestamp=9, signers=BESU_SIGNERS)
    extra = bytes.fromhex(genesis["extraData"][2:])
    signers = [extra[32 + 20 * index : 52 + 20 * index] for index in range(4)]
    assert signers == sorted(map(address_bytes, BESU_SIGNERS))
    assert (extra[:32], extra[112:]) == (bytes(32), bytes(65))
    assert genesis["config"]["clique"]["period"] == 3
    assert (genesis["timestamp"], genesis["difficulty"]) == ("0x9", "0x1")


def test_qbft_extra_data_holds_the_validators_and_no_seal() -> None:
    """Decoded: vanity, validators, no vote, round 0, no seals."""
    assert rlp.decode(qbft_extra_data(BESU_SIGNERS)) == [
        bytes(32),
        sorted(map(address_bytes, BESU_SIGNERS)),
        [],
        b"",
        [],
    ]


def test_qbft_extra_data_is_that_of_besus_manual() -> None:
    """Their example with the same validators has the same bytes, but for the validators' order."""
    theirs, ours = rlp.decode(BESU_EXTRA_DATA), rlp.decode(qbft_extra_data(BESU_SIGNERS))
    assert theirs[1] == list(map(address_bytes, BESU_SIGNERS))
    assert [theirs[0], *theirs[2:]] == [ours[0], *ours[2:]]


def test_qbft_genesis_has_the_shape_that_besu_reads() -> None:
    """The keys of Besu's manual, the mark of a Byzantine protocol, and the wanted period."""
    genesis = qbft_genesis(chain_id=7, period_seconds=2, timestamp=1, signers=BESU_SIGNERS)
    assert genesis["config"]["qbft"] == {"blockperiodseconds": 2, "epochlength": 30_000, "requesttimeoutseconds": 4}
    assert bytes.fromhex(genesis["mixHash"][2:]) == b"ctical byzantine fault tolerance"
    assert genesis["extraData"] == "0x" + qbft_extra_data(BESU_SIGNERS).hex()
    assert genesis.keys() == {
        *("config", "nonce", "timestamp", "extraData", "gasLimit", "difficulty", "alloc", "mixHash"),
    }
