"""A run directory, read whole and checked before anything is made of it.

Decides: what is a run and what is none; every problem is told with file, line and remedy. Knows no figure.
Invariant: it returns a run that every other module of the report can use, or raises InputError; it writes nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from pydantic import BaseModel

from petra.errors import InputError
from petra.report.documents import About, Bill, GridDay, Unsolved, problems_of
from petra.report.kinds import Note, note_problems

FORMAT = 1  # of the run directory; a run.json that names none was written before there was a second one
PROBLEMS_MAX = 20
PARTIAL = ".partial"
AGAIN = "run `petra simulate` again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What stands in a run directory; `bills` by home; `grid`: grid.json, None where the run has none."""

    directory: Path
    about: dict[str, Any]
    journal: list[Note]
    ledger: list[Note]
    bills: dict[str, dict[str, Any]]
    grid: dict[str, Any] | None = None


def read_run(directory: Path) -> RunRecord:
    """Return the run that a directory holds; InputError with every problem that was found."""
    _require_run(directory)
    problems: list[str] = []
    about = _document(directory / "run.json", problems)
    if (written := about.get("format", FORMAT)) != FORMAT:
        raise InputError(
            f"{directory / 'run.json'}: format {written!r}, and this PETra reads {FORMAT};"
            " use the version of PETra that wrote the run"
        )
    problems += _wrong(directory / "run.json", About, about)
    journal = _lines(directory / "journal.jsonl", problems)
    problems += _journal_problems(directory / "journal.jsonl", journal)
    ledger = _lines(directory / "ledger.jsonl", problems)
    problems += _ledger_problems(directory / "ledger.jsonl", ledger)
    bills = {path.stem: _bill(path, problems) for path in sorted((directory / "bills").glob("*.json"))}
    grid = _grid(directory / "grid.json", problems)
    if problems:
        raise InputError(_shortened(problems))
    return RunRecord(
        directory=directory,
        about=about,
        journal=[note for _, note in journal],
        ledger=[block for _, block in ledger],
        bills=bills,
        grid=grid,
    )


def _require_run(directory: Path) -> None:
    if directory.name.endswith(PARTIAL):
        raise InputError(f"{directory}: a half-written run that was stopped or still goes on; wait for it, or {AGAIN}")
    partial = directory.with_name(directory.name + PARTIAL)
    if not directory.exists() and partial.exists():
        raise InputError(f"{directory}: only {partial.name} is there, a half-written run; wait for it, or {AGAIN}")
    if not directory.is_dir():
        raise InputError(f"{directory}: there is no such directory; name the --out of a `petra simulate`")
    missing = [name for name in ("run.json", "journal.jsonl", "ledger.jsonl") if not (directory / name).is_file()]
    if missing:
        raise InputError(
            f"{directory}: is no run directory ({', '.join(missing)} missing); name the --out of a `petra simulate`"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}; {AGAIN}") from error


def _document(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        document = json.loads(_text(path))
    except json.JSONDecodeError as error:
        problems.append(f"{path}:{error.lineno}: no JSON: {error.msg}; {AGAIN}")
        return {}
    if not isinstance(document, dict):
        problems.append(f"{path}:1: a JSON object must stand here; {AGAIN}")
        return {}
    return document


def _bill(path: Path, problems: list[str]) -> dict[str, Any]:
    bill = _document(path, problems)
    problems += _wrong(path, Bill, bill)
    return bill


def _grid(path: Path, problems: list[str]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    grid = _document(path, problems)
    problems += _wrong(path, Unsolved if "impossible" in grid else GridDay, grid)
    return grid


def _wrong(path: Path, model: type[BaseModel], document: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a document; one that is no JSON has been told of."""
    yield from (f"{path}: {problem}; {AGAIN}" for problem in problems_of(model, document) if document)


def _lines(path: Path, problems: list[str]) -> list[tuple[int, Any]]:
    """Return (line number, value) of every line that is JSON."""
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            found.append((number, json.loads(line)))
        except json.JSONDecodeError as error:
            problems.append(f"{path}:{number}: no JSON at column {error.colno}: {error.msg}; {AGAIN}")
    return found


def _journal_problems(path: Path, lines: list[tuple[int, Any]]) -> Iterator[str]:
    for number, note in lines:
        yield from (f"{path}:{number}: {problem}; {AGAIN}" for problem in note_problems(note))
    yield from _day_problems(path, lines)
    runs = [number for number, note in lines if isinstance(note, dict) and note.get("kind") == "run"]
    if runs != [1]:
        yield f"{path}:1: exactly the first line must be of kind `run`; {AGAIN}"
    elif str(zone := lines[0][1].get("timezone")) not in available_timezones():
        yield f"{path}:1: {zone!r} is no time zone that this machine knows; install tzdata (pip install tzdata)"


def _day_problems(path: Path, lines: list[tuple[int, Any]]) -> Iterator[str]:
    """Yield the homes whose day has other steps than the first home's."""
    steps: int | None = None
    for number, note in lines:
        if not isinstance(note, dict) or note.get("kind") != "day":
            continue
        days = [note.get(name) for name in ("production_watts", "consumption_watts")]
        lengths = {len(day) for day in days if isinstance(day, list)}
        steps = max(lengths, default=0) if steps is None else steps
        if lengths != {steps}:
            yield f"{path}:{number}: kind `day`: all homes' days have equally many steps; {AGAIN}"


def _ledger_problems(path: Path, lines: list[tuple[int, Any]]) -> Iterator[str]:
    needed = {"succeeded": bool, "gas_used": int}
    wanted = {"number": int, "hash": str, "timestamp": int, "transactions": list, "logs": list}
    for number, block in lines:
        wrong = [
            name
            for name, kind in wanted.items()
            if not isinstance(block, dict) or not isinstance(block.get(name), kind)
        ]
        if wrong:
            yield f"{path}:{number}: no block: {', '.join(wrong)} missing or of the wrong type; {AGAIN}"
        elif not all(isinstance(one, dict) for one in block["transactions"]) or not all(
            isinstance(one.get(name), kind) for one in block["transactions"] for name, kind in needed.items()
        ):
            yield f"{path}:{number}: a transaction without `succeeded` and `gas_used`; {AGAIN}"


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - PROBLEMS_MAX
    return problems if more <= 0 else [*problems[:PROBLEMS_MAX], f"... and {more} problems more"]
