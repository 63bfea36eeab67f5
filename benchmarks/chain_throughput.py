"""How many signed transactions a second go through our client, beside a bare loop on the same node.

The client's figure counts everything from the intent to its outcome: nonce, signature, outbox commit in a file, send,
block, receipts, outcome in the outbox. The bare loop sends batches that were signed before, and makes blocks, without a
look at what became of them: what the node can do at all through JSON-RPC. Both take turns, batch by batch, so that a
busy machine slows both. Every sender is fresh and posts a bid on an asset that it was granted.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from petra.chain.anvil import AnvilChain
from petra.chain.client import LedgerClient, deploy
from petra.chain.jsonrpc import JsonRpc
from petra.chain.memory import MemoryChain
from petra.domain.blocks import Intent
from petra.domain.calls import AddAssets, EnergyGrant, FinancialGrant, PostOffer
from petra.domain.terms import Address, Terms
from petra.ports import VirtualChain
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire import abi
from petra.wire.transaction import PSEUDONYM_GAS, Transaction, sign

CHAIN_ID = 31_415
GENESIS = 1_464_271_200
PRICE = 200_000_000
GRANTS_PER_BATCH = 100


@dataclass(slots=True, kw_only=True)
class Market:
    """A contract in which every sender has one bid to post: asset ids follow the senders' order."""

    chain: VirtualChain
    keys: SimulatedKeys
    contract: Address
    senders: list[Address]
    now: int = GENESIS

    def mine(self) -> None:
        """Make the next block."""
        self.now += 1
        self.chain.mine(self.now)


def prepare(chain: VirtualChain, folder: Path, senders: int) -> Market:
    """Deploy, and grant every sender a consumption asset and money."""
    keys, outbox = SimulatedKeys(seed=1), SqlOutbox(folder / "dso.db")
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=GENESIS, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
    _, contract = deploy(chain, keys, outbox, dso, terms)
    addresses = [keys.new(f"home {number}") for number in range(senders)]
    market = Market(chain=chain, keys=keys, contract=contract, senders=addresses)
    market.mine()
    client = LedgerClient(chain, keys, outbox, contract, queues=[dso])
    for begin in range(0, senders, GRANTS_PER_BATCH):
        some = addresses[begin : begin + GRANTS_PER_BATCH]
        grants = AddAssets(
            energy=tuple(EnergyGrant(anon_address=one, power=-1_000, start=90, end=91) for one in some),
            money=tuple(FinancialGrant(anon_address=one, amount=10**9) for one in some),
        )
        client.submit([Intent(intent_id=f"grants {begin}", sender=dso, call=grants)])
        market.mine()
    assert all(outcome.done for outcome in client.outcomes())
    outbox.close()
    return market


def through_client(client: LedgerClient, market: Market, intents: Sequence[Intent]) -> float:
    """Return the seconds from a batch of intents to their outcomes."""
    begin = time.perf_counter()
    client.submit(intents)
    market.mine()
    outcomes = client.outcomes()
    seconds = time.perf_counter() - begin
    assert sum(outcome.done for outcome in outcomes) == len(intents)
    return seconds


def signed_before(market: Market, intent: Intent) -> bytes:
    """Return the transaction of an intent of a fresh sender."""
    transaction = Transaction(
        chain_id=CHAIN_ID, nonce=0, gas_limit=PSEUDONYM_GAS, to=market.contract, data=abi.encode_call(intent.call)
    )
    return sign(transaction, partial(market.keys.sign, intent.sender))


def bare(market: Market, raws: Sequence[bytes], rpc: JsonRpc | None) -> float:
    """Return the seconds to send and mine signed bytes and nothing else; without a node, into the chain itself."""
    requests = [("eth_sendRawTransaction", ("0x" + raw.hex(),)) for raw in raws]
    begin = time.perf_counter()
    if rpc is None:
        market.chain.send(raws)
    else:
        rpc.batch(requests, size=100)
    market.mine()
    seconds = time.perf_counter() - begin
    block = market.chain.head()
    assert len(block.transactions) == len(market.chain.logs(market.contract, block.number, block.number)) == len(raws)
    return seconds


def measure(chain: VirtualChain, senders: int, batch: int, rpc: JsonRpc | None) -> dict[str, float]:
    """Return transactions a second of both, each with its own fresh senders, batch by batch in turn, and the ratio."""
    client_seconds, bare_seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        market = prepare(chain, Path(folder), 2 * senders)
        outbox = SqlOutbox(Path(folder) / "outbox.db")
        client = LedgerClient(chain, market.keys, outbox, market.contract)
        offers = [
            Intent(intent_id=f"offer {asset_id}", sender=sender, call=PostOffer(asset_id=asset_id, price=PRICE))
            for asset_id, sender in enumerate(market.senders, start=1)
        ]
        for begin in range(0, 2 * senders, 2 * batch):
            ours, theirs = offers[begin : begin + batch], offers[begin + batch : begin + 2 * batch]
            bare_seconds.append(bare(market, [signed_before(market, offer) for offer in theirs], rpc))
            client_seconds.append(through_client(client, market, ours))
        outbox.close()
    return {
        "client_per_second": round(senders / sum(client_seconds)),
        "bare_per_second": round(senders / sum(bare_seconds)),
        "ratio": round(sum(bare_seconds) / sum(client_seconds), 3),
        "client_best_per_second": round(batch / min(client_seconds)),
        "bare_best_per_second": round(batch / min(bare_seconds)),
    }


def main() -> None:
    """Measure both chains and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senders", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=200, help="transactions for each submit and block")
    options = parser.parse_args()
    if options.senders % options.batch:
        parser.error("--senders must be a multiple of --batch")
    anvil = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    try:
        figures = {"anvil": measure(anvil, options.senders, options.batch, JsonRpc(anvil.url))}
    finally:
        anvil.close()
    memory = MemoryChain(chain_id=CHAIN_ID, genesis=GENESIS)
    figures["memory"] = measure(memory, options.senders, options.batch, None)
    print(json.dumps({"senders": options.senders, "batch": options.batch} | figures))


if __name__ == "__main__":
    main()
