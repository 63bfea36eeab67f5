"""Nodes that lag, restart, forget, or turn out to be others; nonces that are stuck, taken or unresolved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from petra.chain.anvil import AnvilChain
from petra.chain.client import LedgerClient, check_chain
from petra.chain.errors import NodeUnavailable, NonceTaken, NonceUnresolved, WrongChain
from petra.chain.reader import DEEPEST_REORGANISATION
from petra.domain.blocks import Intent
from petra.domain.calls import Protest
from petra.domain.terms import Address
from petra.errors import ChainError, InputError, ReceiptDeadline
from petra.store.outbox import SqlOutbox
from tests.faults import proxy
from tests.faults.world import CHAIN_ID, GENESIS, Player, World, intent, new_world, playing, two_done_and_one_void

pytestmark = pytest.mark.anvil


@pytest.fixture
def world() -> Iterator[World]:
    """A node of its own for each test."""
    with new_world() as made:
        yield made


@pytest.fixture
def empty() -> Iterator[AnvilChain]:
    """A node with the same chain id and block 0, and nothing after it."""
    node = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    yield node
    node.close()


def _protest(number: int, sender: Address) -> Intent:
    return intent(f"protest {number}", sender, Protest(digest=number.to_bytes(32)))


def _assert_ended_once(driver: Player, intents: list[Intent]) -> None:
    assert driver.verdicts() == {
        one.intent_id: [verdict] for one, verdict in zip(intents, ("done", "void", "done"), strict=True)
    }
    assert len(driver.protests()) == 2


def test_a_node_that_lags_delays_outcomes_and_changes_none(world: World) -> None:
    """While it is behind nothing is told and nothing is read twice; when it has caught up everything is told once."""
    intents = two_done_and_one_void(world)
    with playing(world, confirmations=2) as driver:
        world.mine(3)
        driver.step()
        world.proxy.plant(proxy.lag(world.node.head().number), times=30)
        driver.client.submit(intents)
        for _ in range(4):
            world.mine()
            driver.step()
        assert driver.ended == {}
        world.proxy.rules.clear()
        driver.go_on()
        _assert_ended_once(driver, intents)


def test_a_reader_waits_for_a_node_that_is_behind_what_it_has_read(world: World) -> None:
    """A node that comes back with fewer blocks is not taken for another chain."""
    with playing(world) as driver:
        driver.play(two_done_and_one_void(world))
        read = list(driver.records)
        world.proxy.plant(proxy.lag(1), times=50)
        assert driver.reader.advance() == []
        assert driver.records == read
        world.proxy.rules.clear()
        world.mine(2)
        assert driver.reader.advance() == []


def test_a_node_that_restarts_without_what_was_not_mined_gets_it_again(world: World) -> None:
    """The pool is gone: the same bytes are sent, and mined once."""
    intents = two_done_and_one_void(world)
    with playing(world) as driver:
        driver.client.submit(intents)
        world.lose_pool()
        world.mine()
        assert driver.client.outcomes() == []
        driver.go_on()
        _assert_ended_once(driver, intents)


def test_a_node_that_is_away_and_back_with_its_chain_changes_nothing(world: World) -> None:
    """While it is away each call fails by name; then everything ends as if it had stayed."""
    intents = two_done_and_one_void(world)
    with playing(world, patience_seconds=0) as driver:
        world.proxy.plant(proxy.drop, times=4)
        driver.play(intents)
        assert set(driver.troubles) == {"NodeUnavailable"}
        _assert_ended_once(driver, intents)


def test_a_node_that_restarts_empty_is_not_believed(world: World, empty: AnvilChain) -> None:
    """Calls to an address without code succeed there: "done" would be a lie. With the right node all ends once."""
    intents = two_done_and_one_void(world)
    with playing(world, confirmations=0) as driver:
        right, world.proxy.target = world.proxy.target, empty.url
        driver.client.submit(intents)
        empty.mine(GENESIS + 10)
        with pytest.raises(WrongChain, match="does not stand"):
            driver.client.outcomes()
        world.proxy.target = right
        driver.go_on()
        _assert_ended_once(driver, intents)


def test_another_chain_with_the_same_id_is_not_read(world: World, empty: AnvilChain) -> None:
    """None of the blocks that were read is there: the reader says so instead of taking everything back."""
    with playing(world, confirmations=0) as driver:
        for _ in range(DEEPEST_REORGANISATION + 2):
            world.mine()
            driver.step()
        right, world.proxy.target = world.proxy.target, empty.url
        for number in range(DEEPEST_REORGANISATION + 5):
            empty.mine(GENESIS + 100 + number)
        with pytest.raises(WrongChain, match="another chain"):
            driver.reader.advance()
        world.proxy.target = right
        world.mine()
        assert driver.reader.advance() == []


def test_a_client_does_not_start_on_another_chain(world: World, empty: AnvilChain) -> None:
    """Chain id, block 0 and code are compared with the deployment's; every difference is named."""
    other = AnvilChain.start(chain_id=7, genesis=GENESIS + 1)
    try:
        with pytest.raises(InputError) as raised:
            check_chain(
                other, chain_id=CHAIN_ID, genesis_hash=world.node.block(0).hash, contract=world.contract
            )
    finally:
        other.close()
    assert [problem.partition(":")[0] for problem in raised.value.problems] == ["chain id", "genesis", "contract"]
    with pytest.raises(InputError, match=r"^contract: "):
        check_chain(empty, chain_id=CHAIN_ID, genesis_hash=world.node.block(0).hash, contract=world.contract)


def test_bytes_for_another_chain_are_not_sent(world: World, tmp_path: Path) -> None:
    """An outbox of one chain at a node of another: named, and the node never sees them."""
    outbox = SqlOutbox(tmp_path / "outbox.db")
    LedgerClient(world.node, world.keys, outbox, world.contract).submit([_protest(1, world.home())])
    other = AnvilChain.start(chain_id=7, genesis=GENESIS)
    try:
        moved = LedgerClient(other, world.keys, outbox, world.contract)
        with pytest.raises(ChainError, match="for chain 31415 was to be sent to chain 7"):
            moved.resend_pending()
    finally:
        other.close()
        outbox.close()


@pytest.mark.parametrize("lost", [0, 1])
def test_a_nonce_that_is_stuck_is_freed_by_sending_the_lowest_first(lost: int, world: World) -> None:
    """The node lost one of three: those behind the gap wait, until the same bytes are sent again."""
    intents = two_done_and_one_void(world)
    with playing(world) as driver:
        hashes = driver.client.submit(intents)
        world.node._rpc.call("anvil_dropTransaction", f"0x{hashes[lost].hex()}")
        world.mine(3)
        assert len(driver.client.outcomes()) == lost
        driver.client = LedgerClient(driver.chain, world.keys, driver.outbox, world.contract)  # as after a restart
        driver.go_on()
        _assert_ended_once(driver, intents)


def test_a_transaction_that_is_never_mined_raises_the_deadline(world: World) -> None:
    """The node takes and forgets it each time: after so many blocks the alarm names the intent."""
    with playing(world) as driver:
        world.proxy.plant(proxy.swallow, "eth_sendRawTransaction", times=100)
        driver.play([_protest(1, world.home())], rounds=3)
        driver.client.raise_overdue(10, 5)
        with pytest.raises(ReceiptDeadline, match="protest 1"):
            driver.client.raise_overdue(15, 5)


def test_a_nonce_that_another_process_took_is_named(world: World) -> None:
    """The key signs in two processes: the one that came late is told so each time, and never that it is done."""
    home = world.home()
    with playing(world) as first, playing(world) as second:
        first.play([_protest(1, home)])
        with pytest.raises(NonceTaken, match="nonce too low"):
            second.client.submit([_protest(2, home), _protest(3, world.home())])
        second.go_on(rounds=4)
        assert set(second.troubles) == {"NonceTaken"}
        assert second.verdicts() == {"protest 3": ["done"]}
        assert second.client.unresolved == {home}


def test_a_pseudonym_with_an_unresolved_nonce_signs_nothing_new(world: World) -> None:
    """Not even beside others' intents; when its transactions have ended it may. The DSO need not wait."""
    home, other = world.home(), world.home()
    with playing(world) as driver:
        driver.client.submit([_protest(1, home), _protest(2, home), _protest(3, world.dso)])
        with pytest.raises(NonceUnresolved, match=home):
            driver.client.submit([_protest(4, other), _protest(5, home)])
        assert [signed.intent_id for signed in driver.outbox.pending()] == ["protest 1", "protest 2", "protest 3"]
        driver.client.submit([_protest(6, world.dso), _protest(4, other)])
        driver.go_on()
        driver.play([_protest(5, home)])
        assert driver.verdicts() == {f"protest {number}": ["done"] for number in (1, 2, 3, 6, 4, 5)}


def test_a_long_range_of_logs_is_split_as_far_as_the_node_wants(world: World) -> None:
    """A node that gives three blocks of logs at a time is read to the end, each record once."""

    def at_most_three(exchange: proxy.Exchange) -> proxy.Answer:
        wanted = next(one["params"][0] for one in exchange.requests if one["method"] == "eth_getLogs")
        if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) < 3:
            return exchange.answer(exchange.forward())
        last, refused = exchange.requests
        error = {"jsonrpc": "2.0", "id": refused["id"], "error": {"code": -32005, "message": "limit exceeded"}}
        return exchange.answer([*exchange.forward([last]), error])

    with playing(world) as driver:
        for number in range(1, 21):
            LedgerClient(world.node, world.keys, driver.outbox, world.contract).submit([_protest(number, world.home())])
            world.mine()
        world.mine()
        world.proxy.plant(at_most_three, "eth_getLogs", times=1_000)
        driver.records += driver.reader.advance()
        assert driver.protests() == list(range(1, 21))


def test_no_request_asks_for_more_logs_than_public_nodes_give(world: World) -> None:
    """A reader that starts late asks in parts of at most 2,000 blocks, which together leave none out."""
    asked: list[tuple[int, int]] = []

    def noted(exchange: proxy.Exchange) -> proxy.Answer:
        wanted = next(one["params"][0] for one in exchange.requests if one["method"] == "eth_getLogs")
        asked.append((int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)))
        return exchange.answer(exchange.forward())

    with playing(world, confirmations=0) as driver:
        driver.reader.advance()
        begin = world.node.head().number + 1
        world.node._rpc.call("anvil_mine", hex(4_100))
        world.proxy.plant(noted, "eth_getLogs", times=100)
        driver.reader.advance()
    assert max(last - first + 1 for first, last in asked) <= 2_000
    assert [number for first, last in asked for number in range(first, last + 1)] == list(range(begin, begin + 4_100))


@pytest.mark.parametrize("fault", [proxy.drop, proxy.lose_answer], ids=["dropped", "answer-lost"])
def test_a_block_is_never_asked_for_twice(fault: proxy.Fault, world: World) -> None:
    """Making a block is the one request that may not be repeated: its fate is unknown, and says so."""
    guest = AnvilChain.attach(world.proxy.url)
    before = world.node.head().number
    world.proxy.plant(fault, "evm_mine")
    with pytest.raises(NodeUnavailable):
        guest.mine(world.node.head().timestamp + 1)
    assert world.node.head().number == before + (fault is proxy.lose_answer)
    guest.close()
