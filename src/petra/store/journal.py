"""A run's journal as JSON lines: what happened, in order (DESIGN 12).

Decides: how an event becomes a line. Knows no kind of event.
Invariant: keys are sorted and nothing comes from the wall clock, so equal runs give equal bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from petra.errors import StoreError


class JsonlJournal:
    """Appends one JSON object a line to a file; `at` and `kind` come first."""

    def __init__(self, path: Path) -> None:
        """Open a new file; StoreError where the disk refuses."""
        try:
            self._file = path.open("x", encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error

    def append(self, at: int, kind: str, fields: Mapping[str, object]) -> None:
        """Record one event at a unix second."""
        line = json.dumps({"at": at, "kind": kind, **dict(sorted(fields.items()))}, separators=(",", ":"))
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise StoreError(f"{self._file.name}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Write everything out."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
