"""Whatever happens on the wire: each intent ends once, and stands once on the chain."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.table import DOCUMENT, RECORD, TABLE, Planted, written
from tests.faults.world import World, new_world, playing, two_done_and_one_void

pytestmark = pytest.mark.anvil
WRITING = {"eth_sendRawTransaction", "eth_getTransactionReceipt"}  # faults of reading are played by `make test-marked`
PLANTED = [
    pytest.param(planted, id=planted.id, marks=[] if planted.where in WRITING else [pytest.mark.slow])
    for planted in TABLE
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One node for all: each test has a home, an outbox and a reader of its own."""
    with new_world() as made:
        yield made


@pytest.mark.parametrize("planted", PLANTED)
def test_each_intent_ends_once_under(planted: Planted, world: World) -> None:
    """Done, void, done, as without the fault; the caller sees the errors that the table names and no others."""
    intents = two_done_and_one_void(world)
    begin = world.node.head().number
    world.proxy.rules.clear()
    with playing(
        world, patience_seconds=planted.patience_seconds, timeout_seconds=planted.timeout_seconds
    ) as driver:
        driver.go_on(rounds=1)  # so that the reader stands near the head, as in a process that has run for a while
        world.proxy.plant(planted.fault, planted.where, times=planted.times)
        driver.play(intents)

    assert [rule for rule in world.proxy.rules if rule.times < planted.times], "the fault was not met"
    assert list(driver.verdicts().items()) == [
        (one.intent_id, [verdict]) for one, verdict in zip(intents, ("done", "void", "done"), strict=True)
    ]
    numbers = [2 * world.homes, 2 * world.homes + 1]
    assert [number for number in driver.protests() if number in numbers] == numbers
    blocks = [world.node.block(number) for number in range(begin, world.node.head().number + 1)]
    mined = Counter(digest for block in blocks for digest in block.transactions)
    assert [mined[told[0].transaction_hash] for told in driver.ended.values()] == [1, 1, 1]
    assert set(driver.troubles) <= set(planted.errors)
    assert bool(driver.troubles) == bool(planted.errors)


def test_the_manual_shows_this_table() -> None:
    """The page lists every planted fault and how it ends; at least 60 of them."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == written(document), "run `python -m tests.faults.table`"
    assert len({planted.id for planted in TABLE}) == len(TABLE) >= 60


def test_the_manual_names_tests_that_exist_and_a_run_without_loss() -> None:
    """Every test that the page names is in this folder; the recorded run made 2,000 kills, lost and doubled nothing."""
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in sources] == []
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert (record["kills"] >= 2_000, record["lost"], record["doubled"]) == (True, 0, 0)
