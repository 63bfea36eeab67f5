"""The page about the database says what the tables are."""

import re

import sqlalchemy as sql

from petra.store.tables import METADATA
from tests.project.sources import CHECKOUT

PAGE = (CHECKOUT / "docs" / "reference" / "database.md").read_text(encoding="utf-8")
_SECTION = re.compile(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| (yes|no) \| ([^|]+) \|$", re.MULTILINE)
_TYPES: list[tuple[type, str]] = [
    (sql.Boolean, "true or false"),
    (sql.Integer, "integer"),
    (sql.Text, "text"),
    (sql.LargeBinary, "bytes"),
]


def _described(column: sql.Column[object]) -> tuple[str, str, str]:
    kind = next(word for kind, word in _TYPES if isinstance(column.type, kind))
    return column.name, kind, "yes" if column.nullable else "no"


def test_every_table_and_column_is_described_as_it_is() -> None:
    """Tables in the order of the code, each column with its type, and whether it may be NULL."""
    sections = {name: [row[:3] for row in _ROW.findall(text)] for name, text in _SECTION.findall(PAGE)}
    tables = {name: [_described(column) for column in table.columns] for name, table in METADATA.tables.items()}
    assert sections == tables
    assert list(sections) == list(METADATA.tables)
