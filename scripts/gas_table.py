"""Measure what each verb of the contract costs and write docs/reference/gas.md: `gas_table.py [--check]`.

Every figure is the gas of a receipt: one signed transaction from a random address on a local Ethereum node, with its
base cost and calldata. Some assets, an offer and money exist already, as in every deployment after its first minute.
With `--check` nothing is written; the exit code is 1 where the page is stale or a ceiling is exceeded.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petra.chain.anvil import AnvilChain
from petra.domain.calls import (
    AcceptOffer,
    AddAssets,
    AddEnergyAsset,
    AddFinancialBalance,
    Call,
    DepositEnergyAsset,
    DepositFinancial,
    EnergyGrant,
    FinancialGrant,
    Lock,
    PostOffer,
    Protest,
    RecordSchedule,
    RescindOffer,
    SetPrice,
    Settle,
    Unlock,
)
from petra.domain.terms import NO_ADDRESS, Address, Terms
from petra.errors import WorldError
from petra.wire import abi
from petra.wire.artifact import CREATION_CODE, RUNTIME_CODE
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey
from petra.wire.transaction import Transaction, contract_address, sign, transaction_hash

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "gas.md"
GENESIS = 1_700_000_000
TIMESTEP_SECONDS = 900
PRICE = 300_000_000  # what 4000 W cost in one timestep
FUNDS = 10**12
GAS = 20_000_000
RUNTIME_BYTES_MAX = 20 * 1024
START, END = 14, 19  # the interval of most assets here
WATTS = 4000


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        gas: per transaction, or per grant of a batch.
        ceiling: what it may never exceed; None where none was promised.
    """

    what: str
    gas: int
    ceiling: int | None = None


class World:
    """A deployment of its own, with keys that nobody has used."""

    _made = 0

    def __init__(self, chain: AnvilChain, *, has_market: bool = False, price_period: int = 0) -> None:
        """Deploy; the first asset, offer and money are the DSO's."""
        World._made += 1
        self._chain = chain
        self._nonces: dict[Address, int] = {}
        self._keys = 0
        self.dso, self.market = self.key(), self.key()
        terms = Terms(
            dso=self.dso.address,
            market=self.market.address if has_market else NO_ADDRESS,
            genesis=GENESIS,
            timestep_seconds=TIMESTEP_SECONDS,
            gate=1,
            max_length=96,
            max_price=10**12,
            price_period=price_period,
        )
        self._contract: Address | None = None
        self.deployment_gas = self._transact(self.dso, CREATION_CODE + abi.encode_constructor(terms))
        self._contract = contract_address(self.dso.address, 0)
        self.send(self.dso, AddFinancialBalance(anon_address=self.dso.address, amount=1))
        self.grant(self.dso, 1)
        if not has_market and not price_period:
            self.send(self.dso, PostOffer(asset_id=1, price=PRICE))

    def key(self) -> SecretKey:
        """Return a key whose address is as random as any."""
        self._keys += 1
        return SecretKey(keccak256(f"gas table {World._made} {self._keys}".encode()))

    def send(self, sender: SecretKey, call: Call) -> int:
        """Make a call in a block of its own and return its gas."""
        return self._transact(sender, abi.encode_call(call))

    def grant(self, holder: SecretKey, power: int, start: int = START, end: int = END) -> int:
        """Let the DSO grant an asset."""
        return self.send(self.dso, AddEnergyAsset(anon_address=holder.address, power=power, start=start, end=end))

    def fund(self, holder: SecretKey) -> int:
        """Let the DSO grant money."""
        return self.send(self.dso, AddFinancialBalance(anon_address=holder.address, amount=FUNDS))

    def accept(self, offered: int, permit: tuple[int, int, int]) -> int:
        """Offer power over START to END, and accept with an asset of this power, start and end; return its gas."""
        poster, acceptor = self.key(), self.key()
        self.fund(poster if offered < 0 else acceptor)
        self.grant(poster, offered)
        self.send(poster, PostOffer(asset_id=2, price=PRICE))
        self.grant(acceptor, *permit)
        return self.send(acceptor, AcceptOffer(offer_id=2, asset_id=3))

    def wait(self, timestep: int) -> None:
        """Make a block in this timestep."""
        self._chain.mine(GENESIS + timestep * TIMESTEP_SECONDS)

    def _transact(self, sender: SecretKey, data: bytes) -> int:
        nonce = self._nonces.get(sender.address, 0)
        self._nonces[sender.address] = nonce + 1
        transaction = Transaction(
            chain_id=self._chain.chain_id, nonce=nonce, gas_limit=GAS, to=self._contract, data=data
        )
        raw = sign(transaction, sender.sign)
        self._chain.send([raw])
        self._chain.mine(self._chain.head().timestamp + 1)
        receipt = self._chain.receipts([transaction_hash(raw)])[0]
        if receipt is None or not receipt.succeeded:
            raise WorldError(
                f"a transaction of the gas table was refused: {self._chain.refusal(transaction_hash(raw))}"
            )
        return receipt.gas_used


def measured() -> Iterator[Row]:
    """Yield every row, each group on deployments of its own."""
    for group in (issue, offers, accepts, worst_accept, deposits, other):
        chain = AnvilChain.start(chain_id=31_337, genesis=GENESIS)
        try:
            yield from group(chain)
        finally:
            chain.close()


def issue(chain: AnvilChain) -> Iterator[Row]:
    """Yield what grants cost."""
    world = World(chain)
    yield Row("deployment", world.deployment_gas)
    holder, funded = world.key(), world.key()
    yield Row("`addEnergyAsset`, new address", world.grant(holder, WATTS), 102_000)
    yield Row("`addFinancialBalance`, new address", world.fund(funded))
    yield Row("`addEnergyAsset`, after money", world.grant(funded, -WATTS))
    addresses = [world.key().address for _ in range(200)]
    energy = tuple(EnergyGrant(anon_address=one, power=-WATTS, start=START, end=END) for one in addresses)
    money = tuple(FinancialGrant(anon_address=one, amount=FUNDS) for one in addresses[100:])
    alone = world.send(world.dso, AddAssets(energy=energy[:100]))
    yield Row("`addAssets` of 100 energy grants, each", alone // 100, 75_000)
    pairs = world.send(world.dso, AddAssets(energy=energy[100:], money=money))
    yield Row("`addAssets` of 100 pairs of energy and money, each pair", pairs // 100, 79_000)


def offers(chain: AnvilChain) -> Iterator[Row]:
    """Yield what it costs to post and to rescind."""
    world = World(chain)
    seller, buyer = world.key(), world.key()
    world.grant(seller, WATTS)
    world.fund(buyer)
    world.grant(buyer, -WATTS)
    yield Row("`postOffer`, ask", world.send(seller, PostOffer(asset_id=2, price=PRICE)), 64_000)
    yield Row("`postOffer`, bid", world.send(buyer, PostOffer(asset_id=3, price=PRICE)), 70_000)
    yield Row("`rescindOffer`, ask", world.send(seller, RescindOffer(offer_id=2)), 38_000)
    yield Row("`rescindOffer`, bid", world.send(buyer, RescindOffer(offer_id=3)), 44_000)


def accepts(chain: AnvilChain) -> Iterator[Row]:
    """Yield what trades cost, by the pieces that remain of the offered asset and of the acceptor's."""
    whole = (WATTS, START, END)
    cases: list[tuple[str, int, tuple[int, int, int], int]] = [
        ("whole ask", WATTS, (-WATTS, START, END), 78_000),
        ("whole bid", -WATTS, whole, 72_000),
        ("part of an ask, whole permit", WATTS, (-1000, START, END), 330_000),
        ("one piece on each side", WATTS, (-WATTS, START - 3, END - 2), 175_000),
        ("one piece on each side, of a bid", -WATTS, (WATTS, START - 3, END - 2), 175_000),
        ("three pieces of an ask", WATTS, (-1000, START + 2, END - 2), 330_000),
        ("three pieces of a bid", -WATTS, (1000, START + 2, END - 2), 330_000),
        ("three pieces of the acceptor's asset", 1000, (-WATTS, START - 2, END + 2), 330_000),
    ]
    for what, offered, permit, ceiling in cases:
        yield Row(f"`acceptOffer`, {what}", World(chain).accept(offered, permit), ceiling)


def worst_accept(chain: AnvilChain) -> Iterator[Row]:
    """Yield the most that an accept can cost: four pieces, two of them dead, and a new offer, paid from an escrow."""
    world = World(chain)
    poster, acceptor = world.key(), world.key()
    world.fund(poster)
    world.grant(poster, -WATTS, START, END + 3)
    world.send(poster, PostOffer(asset_id=2, price=PRICE))
    world.grant(acceptor, 1000)
    world.wait(START)
    gas = world.send(acceptor, AcceptOffer(offer_id=2, asset_id=3))
    yield Row("`acceptOffer`, four pieces, two of them past the gate (the worst)", gas, 330_000)


def deposits(chain: AnvilChain) -> Iterator[Row]:
    """Yield what it costs to give back."""
    world = World(chain)
    holder = world.key()
    world.fund(holder)
    world.grant(holder, WATTS)
    yield Row("`depositEnergyAsset`", world.send(holder, DepositEnergyAsset(asset_id=2)), 30_000)
    yield Row("`depositFinancial`, a part", world.send(holder, DepositFinancial(amount=FUNDS // 2)), 35_000)
    yield Row("`depositFinancial`, the rest", world.send(holder, DepositFinancial(amount=FUNDS // 2)), 35_000)


def other(chain: AnvilChain) -> Iterator[Row]:
    """Yield what the DSO's prices, the market's verbs and a protest cost."""
    world = World(chain, price_period=4)
    yield Row("`setPrice`", world.send(world.dso, SetPrice(period=1, price=PRICE)))
    yield Row("`recordSchedule`", world.send(world.dso, RecordSchedule(from_timestep=4, digest=keccak256(b"schedule"))))
    yield Row("`protest`", world.send(world.key(), Protest(digest=keccak256(b"request"))))
    world = World(chain, has_market=True)
    buyer, seller = world.key(), world.key()
    world.fund(buyer)
    world.grant(buyer, -WATTS)
    world.grant(seller, WATTS)
    yield Row("`lock` of a bid, with money", world.send(world.market, _lock(buyer, 2, FUNDS)))
    yield Row("`unlock` of a bid", world.send(world.market, Unlock(asset_id=2)))
    world.send(world.market, _lock(buyer, 2, FUNDS))
    yield Row("`lock` of an ask", world.send(world.market, _lock(seller, 3, 0)))
    whole = Settle(bid_asset=2, ask_asset=3, power=WATTS, start=START, end=END, payment=PRICE)
    yield Row("`settle` of two whole assets", world.send(world.market, whole))


def _lock(owner: SecretKey, asset_id: int, money: int) -> Lock:
    return Lock(owner=owner.address, asset_id=asset_id, money=money)


def page(rows: list[Row]) -> str:
    """Return the page with a fresh table between its two marks; the text around it is written by hand."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of the table -->\n")
    lines = ["| transaction | gas | ceiling |", "|---|---:|---:|"]
    lines += [f"| {row.what} | {row.gas:,} | {f'{row.ceiling:,}' if row.ceiling else ''} |" for row in rows]
    lines.append(f"| runtime code, bytes | {len(RUNTIME_CODE):,} | {RUNTIME_BYTES_MAX:,} |")
    table = "\n".join(lines)
    return f"{before}<!-- table -->\n{table}\n<!-- end of the table -->\n{after}"


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description="Measure what each verb of the contract costs.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the page is stale")
    arguments = parser.parse_args()
    rows = list(measured())
    dear = [row for row in rows if row.ceiling is not None and row.gas > row.ceiling]
    for row in dear:
        print(f"{row.what}: {row.gas:,} gas, allowed are {row.ceiling:,}", file=sys.stderr)
    if len(RUNTIME_CODE) > RUNTIME_BYTES_MAX:
        print(f"The runtime code has {len(RUNTIME_CODE):,} bytes, allowed are {RUNTIME_BYTES_MAX:,}", file=sys.stderr)
    is_fresh = PAGE.read_text(encoding="utf-8") == page(rows)
    if not arguments.check:
        PAGE.write_text(page(rows), encoding="utf-8")
    elif not is_fresh:
        print("docs/reference/gas.md is stale: run `python scripts/gas_table.py`.", file=sys.stderr)
    failed = bool(dear) or len(RUNTIME_CODE) > RUNTIME_BYTES_MAX or (arguments.check and not is_fresh)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
