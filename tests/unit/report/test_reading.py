"""What is no run is refused, each problem with its place and a remedy."""

import json
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.report import write_report
from petra.report.reading import read_run
from tests.unit.report.directories import small_ledger, write_run
from tests.unit.report.journals import small_journal


def problems(directory: Path) -> list[str]:
    """Return the lines with which a directory is refused."""
    with pytest.raises(InputError) as refused:
        read_run(directory)
    return list(refused.value.problems)


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    """A name that leads nowhere is told as such."""
    assert "there is no such directory" in problems(tmp_path / "nowhere")[0]


def test_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """The message says which files are missing."""
    (tmp_path / "run.json").write_text("{}")
    assert "is no run directory (journal.jsonl, ledger.jsonl missing)" in problems(tmp_path)[0]


def test_half_written_run_is_refused(tmp_path: Path) -> None:
    """DIR.partial is refused by its own name, and by the name that it will have."""
    write_run(tmp_path / "day.partial")
    assert "half-written" in problems(tmp_path / "day.partial")[0]
    assert "only day.partial is there" in problems(tmp_path / "day")[0]


def test_every_broken_line_is_told_with_its_number(tmp_path: Path) -> None:
    """What is no JSON, no object or no block is found in all files at once."""
    directory = write_run(tmp_path / "day")
    journal, ledger = directory / "journal.jsonl", directory / "ledger.jsonl"
    count = len(small_journal())
    journal.write_text(journal.read_text() + '{"at": 1, "kind"\n[1]\n')
    ledger.write_text(ledger.read_text() + '{"number": 3}\n')
    (directory / "bills" / "sun.json").write_text("{\n,")
    found = problems(directory)
    assert found[0].startswith(f"{journal}:{count + 1}: no JSON at column")
    assert found[1].startswith(f"{journal}:{count + 2}: no JSON object")
    assert found[2].startswith(f"{ledger}:3: no block: hash, timestamp, transactions, logs")
    assert found[3].startswith(f"{directory / 'bills' / 'sun.json'}:2: no JSON")
    assert all("run `petra simulate` again" in problem for problem in found)


def test_bill_and_transaction_without_their_fields_are_told(tmp_path: Path) -> None:
    """What the page would show must be there."""
    directory = write_run(tmp_path / "day")
    blocks = small_ledger()
    del blocks[0]["transactions"][0]["gas_used"]
    (directory / "ledger.jsonl").write_text("".join(json.dumps(block) + "\n" for block in blocks))
    (directory / "bills" / "sun.json").write_text('{"home": "sun"}')
    found = problems(directory)
    assert "ledger.jsonl:1: a transaction without `succeeded` and `gas_used`" in found[0]
    assert f"{directory / 'bills' / 'sun.json'}: `first_timestep` is missing; run `petra simulate` again" in found


def test_missing_and_mistyped_fields_are_told(tmp_path: Path) -> None:
    """A line without a field that the report needs is refused before anything is counted."""
    journal = small_journal()
    del journal[1]["retail"]
    journal[2]["pv_rating_watts"] = True
    place = write_run(tmp_path / "day", journal) / "journal.jsonl"
    assert problems(tmp_path / "day") == [
        f"{place}:2: kind `prices`: the field `retail` is missing; run `petra simulate` again",
        f"{place}:3: kind `member`: the field `pv_rating_watts` must be integer, not True; run `petra simulate` again",
    ]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("day", "production_watts", [1, "2"]),
        ("day", "production_watts", [1]),
        ("settled", "lines", {"retail": [1]}),
        ("settled", "lines", {"retail": 7}),
        ("books", "balances", {"0x1": None}),
        ("books", "problems", [5]),
        ("prices", "retail", 10**30),
        ("run", "timezone", ["Europe/Berlin"]),
    ],
)
def test_values_that_nothing_can_be_counted_with_are_told(
    tmp_path: Path, line: str, field: str, value: object
) -> None:
    """Lists and maps are looked into, and numbers have an end."""
    journal = small_journal()
    number, note = next((place, one) for place, one in enumerate(journal, start=1) if one["kind"] == line)
    note[field] = value
    assert f"journal.jsonl:{number}: " in problems(write_run(tmp_path / "day", journal))[0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scenario": []}, "`scenario`: Input should be a valid dictionary, not []"),
        ({"scenario": {"forecast": {}}}, "scenario.forecast.method: missing"),
        ({"seed": "one"}, "`seed`: Input should be a valid integer, not 'one'"),
        ({"versions": {"python": 3}}, "`versions.python`"),
        ({"wall_seconds": 1e300}, "`wall_seconds`: is too large to be drawn"),
    ],
)
def test_what_a_run_says_of_itself_is_checked(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    """The page would show it."""
    place = write_run(tmp_path / "day") / "run.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | changed))
    (problem,) = problems(tmp_path / "day")
    assert problem.startswith(f"{place}: ") and told in problem


def test_run_line_stands_first_and_once(tmp_path: Path) -> None:
    """A journal without its first line was cut; one with two was glued."""
    write_run(tmp_path / "cut", small_journal()[1:])
    write_run(tmp_path / "glued", [*small_journal(), *small_journal()])
    for name in ("cut", "glued"):
        assert "exactly the first line must be of kind `run`" in problems(tmp_path / name)[0]


def test_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    """Local times need a zone that the machine knows; the remedy is named."""
    journal = small_journal()
    journal[0]["timezone"] = "Europe/Atlantis"
    assert "tzdata" in problems(write_run(tmp_path / "day", journal))[0]


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A directory that a later PETra wrote is not guessed at."""
    directory = write_run(tmp_path / "day")
    about = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(about | {"format": 2}))
    assert "format 2, and this PETra reads 1" in problems(directory)[0]


def test_long_list_of_problems_is_cut(tmp_path: Path) -> None:
    """A wrong file does not flood the terminal."""
    directory = write_run(tmp_path / "day")
    (directory / "journal.jsonl").write_text("x\n" * 500)
    found = problems(directory)
    assert len(found) == 21
    assert found[-1].startswith("... and 48")


def test_foreign_log_is_refused_with_its_block(tmp_path: Path) -> None:
    """A log that our contract cannot have written names the block's line."""
    directory = write_run(tmp_path / "day")
    blocks = small_ledger()
    blocks[1]["logs"][0]["topics"] = ["00" * 32]
    (directory / "ledger.jsonl").write_text("".join(json.dumps(block) + "\n" for block in blocks))
    with pytest.raises(InputError, match=r"ledger.jsonl:2: a log is not one of this contract"):
        write_report(directory)


def test_refused_run_is_left_as_it_was(tmp_path: Path) -> None:
    """Nothing is written before everything has been read."""
    directory = write_run(tmp_path / "day", [*small_journal(), {"at": 1}])
    before = sorted(directory.rglob("*"))
    with pytest.raises(InputError):
        write_report(directory)
    assert sorted(directory.rglob("*")) == before
