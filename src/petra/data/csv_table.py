"""A CSV file as text: its header, its rows, and everything that is found wrong with it.

Decides: which column a reference means, and how problems are told. Knows no power and no time.
Invariant: problems are told together, in the order of rows, each with its place; a header that repeats names no column.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from petra.data.csv_spec import Column
from petra.errors import InputError

SHOWN_PROBLEMS = 50


@dataclass(slots=True)
class Problems:
    """What is wrong with one file."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)  # row (0: the whole file) and line to print

    def add(self, what: str, row: int = 0, column: str = "") -> None:
        """Note a problem and its place; `what` ends in the remedy."""
        place = [f"row {row}"] * bool(row) + [f"column {column}"] * bool(column)
        self.found.append((row, f"{self.file}:{', '.join(place)}: {what}" if place else f"{self.file}: {what}"))

    def stop(self, what: str) -> NoReturn:
        """Raise InputError with this and all that was noted before: nothing further can be told."""
        self.add(what)
        self.raise_any()
        raise AssertionError("one problem was added")

    def raise_any(self) -> None:
        """Raise InputError if anything was noted."""
        lines = [line for _, line in sorted(self.found, key=lambda problem: problem[0])]
        if len(lines) > SHOWN_PROBLEMS:
            rest = len(lines) - SHOWN_PROBLEMS
            lines = [*lines[:SHOWN_PROBLEMS], f"{self.file}: and {rest} more problems; mend these first"]
        if lines:
            raise InputError(lines)


@dataclass(frozen=True, slots=True)
class Line:
    """One data row; its number is the line in the file, where the header is 1."""

    number: int
    cells: list[str]

    def cell(self, index: int) -> str:
        """Return the cell's text without surrounding space; empty where the row is too short."""
        return self.cells[index].strip() if index < len(self.cells) else ""


@dataclass(slots=True)
class Table:
    """A file's header and rows; remembers which columns are in use."""

    header: list[str]
    lines: list[Line]
    used_by: dict[int, str] = field(default_factory=dict)

    def label(self, index: int) -> str:
        """Show a column by header and number."""
        return f'"{self.header[index]}" (number {index + 1})'

    def find(self, column: Column, user: str, problems: Problems) -> int | None:
        """Return the index of the column that `user` reads; None, with the problem noted, unless it is one column."""
        if isinstance(column, int):
            if not 1 <= column <= len(self.header):
                problems.add(f"{user}: there is no column number {column}; the header has {len(self.header)} columns")
                return None
            index = column - 1
        else:
            places = [place for place, header in enumerate(self.header) if header == column.strip()]
            if not places:
                problems.add(f'{user}: there is no column "{column}"; the header has {self._listing()}')
                return None
            if len(places) > 1:
                numbers = " and ".join(str(place + 1) for place in places)
                problems.add(f'{user}: the header repeats "{column}" in columns {numbers}; use the column number')
                return None
            index = places[0]
        if index in self.used_by:
            what = f"{user} and {self.used_by[index]} read the same column; give each its own"
            problems.add(what, column=self.label(index))
        self.used_by[index] = user
        return index

    def _listing(self) -> str:
        """Show the columns that there are, and what the delimiter may have done to them."""
        shown = ", ".join(f'"{header}"' for header in self.header[:12])
        more = f" .. ({len(self.header)} in all)" if len(self.header) > 12 else ""
        return shown + more + (": is the delimiter right?" if len(self.header) == 1 else "")


def read_table(path: Path, delimiter: str, problems: Problems) -> Table:
    """Read a UTF-8 file with a header row; rows without any cell are left out, rows with too many are noted."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            rows = [Line(reader.line_num, cells) for cells in reader]
    except OSError as error:
        problems.stop(f"cannot be read: {error.strerror}; check the path")
    except UnicodeDecodeError as error:
        problems.stop(f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
    except ValueError:
        problems.stop("cannot be a path; check it")
    except csv.Error as error:
        problems.stop(f"is no CSV: {error}; check quotes and delimiter")
    rows = [row for row in rows if any(cell.strip() for cell in row.cells)]
    if len(rows) < 2:
        problems.stop("has no data; give a header row and at least one row below it")
    table = Table([cell.strip() for cell in rows[0].cells], rows[1:])
    for line in table.lines:
        if len(line.cells) > len(table.header):
            what = f"{len(line.cells)} cells under a header of {len(table.header)}; remove some, or quote those that"
            problems.add(f"{what} contain the delimiter {delimiter!r}", line.number)
    return table
