"""The grants of a round go together: one transaction, and each of them has its own outcome."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from petra.chain.client import LedgerClient
from petra.chain.reader import LedgerReader
from petra.domain.batches import GRANTS_MAX, batches_of
from petra.domain.blocks import Intent, Outcome
from petra.domain.calls import AddAssets, AddEnergyAsset, AddFinancialBalance, Protest
from petra.domain.events import AssetAdded, FinancialAdded
from petra.domain.terms import Terms
from petra.errors import StoreError
from petra.runtime.ledger_worker import LedgerWorker, News
from petra.store.database import Database
from petra.store.transactions import TransactionStore
from tests.integration.chain.conftest import GENESIS, Market


class Dso:
    """A DSO's way to the ledger without its role: what it wants is stored as a round stores it."""

    def __init__(self, market: Market, database: Database) -> None:
        """Take up the market's contract."""
        self.market, self.database, self.store = market, database, TransactionStore(database)
        if not self.store.hashes():
            self.store.put(market.outbox.pending())  # the deployment has the first nonce
        terms = Terms(dso=market.dso, genesis=GENESIS, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
        queues = [market.dso]
        self.worker = LedgerWorker(
            market.chain,
            market.contract,
            LedgerClient(market.chain, market.keys, self.store, market.contract, queues=queues),
            LedgerReader(market.chain, market.contract, terms),
            self.store,
            queues=queues,
        )

    def want(self, intents: Sequence[Intent]) -> None:
        """Commit a round's intents."""
        with self.database.transaction() as connection:
            self.store.want(connection, intents, batches_of(intents))

    def play(self, turns: int = 4) -> list[News]:
        """Send, mine and read a few times; return what was new."""
        heard = []
        for _ in range(turns):
            self.worker.turn()
            self.market.mine()
            self.worker.turn()
            if (news := self.worker.news()) is not None:
                unsigned = [one.intent_id for one in news.outcomes if not one.transaction_hash]
                with self.database.transaction() as connection:
                    self.store.drop(connection, unsigned)
                self.worker.stored()
                heard.append(news)
        return heard


@pytest.fixture
def dso(market: Market, tmp_path: Path) -> Iterator[Dso]:
    """A DSO on each kind of chain."""
    with contextlib.closing(Database.open(tmp_path / "dso.db", create=True)) as database:
        yield Dso(market, database)


def _grants(market: Market, names: Sequence[str]) -> list[Intent]:
    """Return an energy asset and money for each name."""
    intents = []
    for number, name in enumerate(names, start=1):
        address = market.keys.new(name)
        energy = AddEnergyAsset(anon_address=address, power=number, start=number, end=number + 1)
        money = AddFinancialBalance(anon_address=address, amount=number)
        intents += [
            Intent(intent_id=f"grant:{name}:energy", sender=market.dso, call=energy),
            Intent(intent_id=f"grant:{name}:money", sender=market.dso, call=money),
        ]
    return intents


def _outcomes(heard: Sequence[News]) -> dict[str, Outcome]:
    return {one.intent_id: one for news in heard for one in news.outcomes}


def test_a_batch_that_holds_something_refused_comes_apart(dso: Dso) -> None:
    """Each part is then tried alone: the one that the contract refuses is void, the others are done."""
    energy, money, *others = _grants(dso.market, ["ana", "ben"])
    too_long = Intent(
        intent_id=energy.intent_id,
        sender=energy.sender,
        call=AddEnergyAsset(anon_address=dso.market.keys.new("cleo"), power=1, start=0, end=10**6),
    )
    dso.want([too_long, money, *others])
    ended = _outcomes(dso.play())
    assert {key: one.done for key, one in ended.items() if key != "deploy"} == {
        too_long.intent_id: False, money.intent_id: True, **{one.intent_id: True for one in others},
    }  # fmt: skip
    assert len({one.transaction_hash for one in ended.values() if one.done}) == 4  # and the deployment
    assert dso.store.wanted() == [] and dso.store.pending() == []


def test_a_grant_that_the_books_do_not_know_stops_a_batch_too(dso: Dso) -> None:
    """An old backup wants to grant again what stands on the ledger: nothing is signed, the alarm is named."""
    intents = _grants(dso.market, ["ana", "ben"])
    raw = dso.market.signed(dso.market.dso, 1, intents[0].call)
    dso.market.chain.send([raw])
    dso.market.mine()
    dso.want(intents)
    with pytest.raises(StoreError, match="older than the chain"):
        dso.play()
    assert [one.intent_id for one in dso.store.pending()] in ([], ["deploy"])


def test_grants_of_a_round_are_one_transaction_in_the_order_of_their_pseudonyms(dso: Dso) -> None:
    """Each has its outcome, with its share of the gas; the role's own list knows no batch."""
    intents = _grants(dso.market, ["ana", "ben", "cleo"])
    dso.want(intents)
    heard = dso.play()
    ended = _outcomes(heard)
    assert all(ended[one.intent_id].done for one in intents)
    assert len({ended[one.intent_id].transaction_hash for one in intents}) == 1
    events = [event for news in heard for record in news.records for event in record.events]
    addresses = [event.anon_address for event in events if isinstance(event, AssetAdded)]
    assert addresses == sorted(addresses) and len(addresses) == 3
    assert [event.anon_address for event in events if isinstance(event, FinancialAdded)] == addresses
    assert dso.store.all_wanted() == {one.intent_id: one for one in intents}


def test_what_is_no_grant_and_a_grant_that_is_alone_go_as_they_are(market: Market) -> None:
    """A batch needs two grants; more than fit into one transaction are several."""
    protest = Intent(intent_id="protest", sender=market.dso, call=Protest(digest=bytes(32)))
    one, *_ = _grants(market, ["ana"])
    assert batches_of([protest, one]) == []
    many = _grants(market, [f"home {number}" for number in range(GRANTS_MAX)])
    calls = [batch.intent.call for batch in batches_of([protest, *many])]
    assert [len(call.energy) + len(call.money) for call in calls if isinstance(call, AddAssets)] == [GRANTS_MAX] * 2


def test_a_restart_between_a_commit_and_its_transaction_signs_the_batch_once(dso: Dso, market: Market) -> None:
    """What waited waits on: the next worker on the same database sends it, and the one after finds nothing to do."""
    intents = _grants(market, ["ana", "ben"])
    dso.want(intents)
    ended = _outcomes(Dso(market, dso.database).play())
    assert all(ended[one.intent_id].done for one in intents)
    assert _outcomes(Dso(market, dso.database).play()) == {}
    assert market.chain.transaction_counts([market.dso]) == [2]  # the deployment and the batch
