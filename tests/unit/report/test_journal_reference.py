"""The journal's page in the manual says what the code reads."""

import re
from pathlib import Path

from petra.report.kinds import KINDS, LEDGER_EVENTS

PAGE = Path(__file__).parents[3].joinpath("docs", "reference", "journal.md").read_text(encoding="utf-8")


def test_every_kind_is_documented_field_by_field() -> None:
    """Kinds, fields, their order and their types are those of `kinds`."""
    parts = re.split(r"^### `([\w-]+)`$", PAGE, flags=re.MULTILINE)[1:]
    documented = {
        kind: dict(re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", text, re.MULTILINE))
        for kind, text in zip(parts[::2], parts[1::2], strict=True)
    }
    assert documented == KINDS


def test_every_ledger_event_is_documented() -> None:
    """The events' table names every field that the report reads."""
    table = re.findall(r"^\| `([A-Z]\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert {event: re.findall(r"\w+", fields) for event, fields in table} == {
        event: list(fields) for event, fields in LEDGER_EVENTS.items()
    }
