"""The first block of a network: who signs, how often, and which chain this is.

Decides: chain id and genesis for clique (geth) and QBFT (Besu). It knows no files and no processes.
Invariant: no base fee in either, so that an address without a coin can trade (DESIGN 4); every genesis has a chain id
of its own, because on a chain made again under an old id the old transactions would be valid once more.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from petra.domain.terms import Address
from petra.wire import rlp
from petra.wire.secp256k1 import address_bytes

# Above all registered chains, and JSON holds them exactly: two fresh ones are the same once in 10^15 times.
CHAIN_ID_MIN, CHAIN_ID_MAX = 2**40, 2**53 - 1
# Counts the limits of transactions, not what they use: 200 by pseudonyms fit into a block.
BLOCK_GAS_LIMIT = 100_000_000
_EPOCH_BLOCKS = 30_000
_VANITY, _SEAL = bytes(32), bytes(65)
# "Practical Byzantine fault tolerance" is what Besu looks for here.
_QBFT_MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
_FORKS_TO_BERLIN = (
    *("homesteadBlock", "eip150Block", "eip155Block", "eip158Block", "byzantiumBlock", "constantinopleBlock"),
    *("petersburgBlock", "istanbulBlock", "berlinBlock"),
)


def fresh_chain_id() -> int:
    """Return a random chain id, CHAIN_ID_MIN .. CHAIN_ID_MAX."""
    return CHAIN_ID_MIN + secrets.randbelow(CHAIN_ID_MAX - CHAIN_ID_MIN + 1)


def clique_genesis(*, chain_id: int, period_seconds: int, timestamp: int, signers: Sequence[Address]) -> dict[str, Any]:
    """Return geth's genesis for these signers; without the London fork no block has a base fee."""
    extra = _VANITY + b"".join(sorted(map(address_bytes, signers))) + _SEAL
    forks = dict.fromkeys(_FORKS_TO_BERLIN, 0)
    clique = {"period": period_seconds, "epoch": _EPOCH_BLOCKS}
    return _genesis({"chainId": chain_id, **forks, "clique": clique}, extra, timestamp)


def qbft_genesis(*, chain_id: int, period_seconds: int, timestamp: int, signers: Sequence[Address]) -> dict[str, Any]:
    """Return Besu's genesis for these validators, with a base fee of zero for ever."""
    qbft = {
        "blockperiodseconds": period_seconds,
        "epochlength": _EPOCH_BLOCKS,
        # A validator that is silent for so long is passed over; Besu advises twice the period.
        "requesttimeoutseconds": 2 * period_seconds,
    }
    config = {"chainId": chain_id, "berlinBlock": 0, "londonBlock": 0, "zeroBaseFee": True, "qbft": qbft}
    return _genesis(config, qbft_extra_data(signers), timestamp) | {"mixHash": _QBFT_MIX_HASH}


def qbft_extra_data(signers: Sequence[Address]) -> bytes:
    """Return the RLP of vanity, validators in ascending order, no vote, round 0, no seals."""
    return rlp.encode([_VANITY, sorted(map(address_bytes, signers)), [], rlp.from_integer(0), []])


def _genesis(config: dict[str, Any], extra_data: bytes, timestamp: int) -> dict[str, Any]:
    return {
        "config": config,
        "nonce": "0x0",
        "timestamp": hex(timestamp),
        "extraData": "0x" + extra_data.hex(),
        "gasLimit": hex(BLOCK_GAS_LIMIT),
        "difficulty": "0x1",
        "alloc": {},
    }
