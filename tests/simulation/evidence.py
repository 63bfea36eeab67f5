"""What a finished run left behind, read from its directory alone; the ledger is replayed from the raw transactions."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petra.domain.refusals import Refusal
from petra.ledger import transition
from petra.ledger.invariants import History
from petra.ledger.state import LedgerState
from petra.wire import abi
from petra.wire.artifact import CREATION_CODE
from petra.wire.transaction import decode

Note = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A run's journal by kind, its bills by home, and what is settled last for a home and timestep."""

    notes: dict[str, list[Note]]
    bills: dict[str, Note]
    settled: dict[tuple[str, int], Note]

    @property
    def homes(self) -> dict[str, Note]:
        """The members, by name."""
        return {note["home"]: note for note in self.notes["member"]}

    @property
    def balances(self) -> dict[str, int]:
        """The books' balances at the end."""
        (books,) = self.notes["books"]
        return dict(books["balances"])

    def ledger(self, event: str) -> list[Note]:
        """Return the ledger's events of a kind."""
        return [note for note in self.notes["ledger"] if note["event"] == event]


def read_evidence(directory: Path) -> Evidence:
    """Read a run directory."""
    notes: dict[str, list[Note]] = defaultdict(list)
    for line in (directory / "journal.jsonl").read_text().splitlines():
        note = json.loads(line)
        notes[note["kind"]].append(note)
    bills = {bill["home"]: bill for bill in map(_read, (directory / "bills").iterdir())}
    settled = {(note["home"], note["timestep"]): note for note in notes["settled"]}
    return Evidence(notes=notes, bills=bills, settled=settled)


def replay(directory: Path) -> tuple[LedgerState, History]:
    """Apply every transaction of the public record, the deployment first; each must end as the record says."""
    lines = (directory / "ledger.jsonl").read_text().splitlines()
    blocks = [json.loads(line) for line in lines]
    deployment = decode(bytes.fromhex(blocks[0]["transactions"].pop(0)["raw"]))
    terms = abi.decode_constructor(deployment.transaction.data[len(CREATION_CODE) :])
    state, history = transition.deploy(terms), History(terms)
    assert not isinstance(state, Refusal)
    for block in blocks:
        for one in block["transactions"]:
            signed = decode(bytes.fromhex(one["raw"]))
            call = abi.decode_call(signed.transaction.data)
            told = transition.apply(state, call, signed.sender, block["timestamp"])
            assert isinstance(told, Refusal) is not one["succeeded"], (call, told)
            if not isinstance(told, Refusal):
                history.observe(state, told, signed.sender, block["timestamp"])
    return state, history


def _read(path: Path) -> Note:
    return dict(json.loads(path.read_text()))
