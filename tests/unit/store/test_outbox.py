"""The outbox keeps one transaction for each intent and one owner for each nonce."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from petra.domain.blocks import Outcome
from petra.domain.terms import NO_ADDRESS, Address
from petra.errors import StoreError
from petra.store.outbox import SqlOutbox
from petra.wire.transaction import SignedIntent

OTHER = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


def _signed(intent_id: str, nonce: int, sender: Address = NO_ADDRESS) -> SignedIntent:
    return SignedIntent(
        intent_id=intent_id, sender=sender, nonce=nonce, transaction_hash=bytes(32), raw=intent_id.encode()
    )


def _outcome(intent_id: str, *, done: bool) -> Outcome:
    return Outcome(intent_id=intent_id, done=done, transaction_hash=bytes(32), block_number=3, gas_used=0)


@pytest.mark.parametrize("twin", [_signed("a", 9), _signed("z", 0)], ids=["intent", "nonce"])
def test_a_batch_with_something_taken_is_refused_whole(twin: SignedIntent) -> None:
    """Neither an intent nor a sender's nonce has two transactions, and nothing of the batch is kept."""
    outbox = SqlOutbox()
    outbox.put([_signed("a", 0)])
    with pytest.raises(StoreError, match="already"):
        outbox.put([_signed("b", 1), twin])
    assert [signed.intent_id for signed in outbox.pending()] == ["a"]


def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "outbox.db"
    path.write_text("no database, but long enough to be taken for one" * 10, encoding="utf-8")
    with pytest.raises(StoreError, match=r"outbox\.db"):
        SqlOutbox(path)


def test_what_was_put_outlives_the_process_in_its_order(tmp_path: Path) -> None:
    """A second outbox on the same file finds the same bytes."""
    signed = [_signed("b", 0), _signed("a", 1), _signed("c", 0, OTHER)]
    first = SqlOutbox(tmp_path / "outbox.db")
    first.put(signed)
    first.close()
    second = SqlOutbox(tmp_path / "outbox.db")
    assert second.pending() == signed
    assert second.find(["a", "z"]) == {"a": signed[1]}
    second.close()


def test_an_outbox_of_an_older_petra_goes_on(tmp_path: Path) -> None:
    """Its table knows no lease, and needs none."""
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.db")) as connection:
        connection.execute(
            "CREATE TABLE outbox (position INTEGER NOT NULL PRIMARY KEY, intent_id TEXT NOT NULL UNIQUE, "
            "sender TEXT NOT NULL, nonce BIGINT NOT NULL, transaction_hash BLOB NOT NULL, raw BLOB NOT NULL, "
            "state TEXT DEFAULT 'pending' NOT NULL, block_number BIGINT, UNIQUE (sender, nonce))"
        )
        row = (NO_ADDRESS, bytes(32), b"a")
        connection.execute("INSERT INTO outbox VALUES (1, 'a', ?, 0, ?, ?, 'pending', NULL)", row)
        connection.commit()
    outbox = SqlOutbox(tmp_path / "outbox.db")
    outbox.put([_signed("b", 1)])
    outbox.settle([_outcome("a", done=True)])
    assert outbox.pending() == [_signed("b", 1)]
    outbox.close()


def test_nonces_go_on_after_the_highest_of_each_sender() -> None:
    """A sender never heard of begins at 0; settled transactions keep their nonces."""
    outbox = SqlOutbox()
    outbox.put([_signed("a", 0), _signed("b", 1)])
    outbox.settle([_outcome("b", done=False)])
    assert outbox.next_nonces([NO_ADDRESS, OTHER]) == {NO_ADDRESS: 2, OTHER: 0}


def test_what_is_settled_is_no_longer_pending_but_known() -> None:
    """Done and void are for ever, and the intent keeps its transaction."""
    outbox = SqlOutbox()
    outbox.put([_signed("a", 0), _signed("b", 1), _signed("c", 2)])
    outbox.settle([_outcome("a", done=True), _outcome("b", done=False)])
    assert [signed.intent_id for signed in outbox.pending()] == ["c"]
    assert set(outbox.find(["a", "b", "c"])) == {"a", "b", "c"}


def test_nothing_to_do_is_done() -> None:
    """Empty batches change nothing."""
    outbox = SqlOutbox()
    outbox.put([])
    outbox.settle([])
    assert (outbox.pending(), outbox.find([]), outbox.next_nonces([])) == ([], {}, {})


def test_what_a_vanished_block_settled_is_pending_again() -> None:
    """Only what a later block settled, in the order of putting; it can be settled again, and otherwise."""
    outbox = SqlOutbox()
    outbox.put([_signed("a", 0), _signed("b", 1), _signed("c", 2)])
    outbox.settle([_outcome("b", done=False), _outcome("a", done=True)])
    assert outbox.reopen(3) == []
    assert outbox.reopen(2) == ["a", "b"]
    assert [signed.intent_id for signed in outbox.pending()] == ["a", "b", "c"]
    outbox.settle([_outcome("a", done=False)])
    assert [signed.intent_id for signed in outbox.pending()] == ["b", "c"]
