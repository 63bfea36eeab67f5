"""A run's records as JSON lines: the private journal and the public ledger (DESIGN 12).

Decides: how an event becomes a line. Knows no kind of event.
Invariant: the journal's keys are sorted and nothing comes from the wall clock, so equal runs give equal bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from petra.errors import StoreError


class JsonLines:
    """Writes one JSON object a line to a new file."""

    def __init__(self, path: Path) -> None:
        """Open a new file; StoreError where the disk refuses."""
        try:
            self._file = path.open("x", encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error

    def write(self, fields: Mapping[str, object]) -> None:
        """Write one line; StoreError where the disk refuses."""
        try:
            self._file.write(json.dumps(fields, separators=(",", ":")) + "\n")
        except OSError as error:
            raise StoreError(f"{self._file.name}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Write everything out; StoreError where the disk refuses."""
        try:
            self._file.close()
        except OSError as error:
            raise StoreError(f"{self._file.name}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


class JsonlJournal(JsonLines):
    """A run's journal: `at` and `kind` come first in each line."""

    def append(self, at: int, kind: str, fields: Mapping[str, object]) -> None:
        """Record one event at a unix second."""
        self.write({"at": at, "kind": kind, **dict(sorted(fields.items()))})
