"""The importer: every line of bad input first, then conventions, then the original case study's own data."""

import os
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from petra.data import CsvSpec, HomeColumns, ProfileSet, csv_spec_from_values, read_profiles_csv
from petra.errors import InputError

CHECKOUT = Path(__file__).parents[3]
SIEMENS = Path(os.environ.get("PETRA_SIEMENS_DATA", CHECKOUT.parent / "shared" / "data" / "siemens-microgrid"))
NET = (HomeColumns(name="a", net="a"), HomeColumns(name="b", net="b"))
GOOD = "time,a,b\n2016-05-26 10:00,1,-2\n2016-05-26 10:15,1.5,0\n2016-05-26 10:30,-1,3\n"
Read = Callable[..., ProfileSet]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a text to a file and read it with a spec of these settings."""

    def write_and_read(text: str | bytes, **settings: Any) -> ProfileSet:
        path = tmp_path / "site.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_profiles_csv(path, CsvSpec(**{"homes": NET, "unit": "kW", "time_column": "time", **settings}))

    return write_and_read


def changed(old: str, new: str) -> str:
    """Return the good file with one change."""
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (changed("1.5", ""), 'row 3, column "a" (number 2)', "is empty"),
        (changed(",1.5,0", ""), 'row 3, column "b" (number 3)', "is empty"),
        (changed("1.5", "n/a"), 'row 3, column "a" (number 2)', "'n/a' is no number"),
        (changed("1.5", "1_5"), 'row 3, column "a" (number 2)', "is no number"),
        (changed("1.5", "nan"), 'row 3, column "a" (number 2)', "is no number"),
        (changed("1.5", "1e999999999"), 'row 3, column "a" (number 2)', "is no number"),
        (changed("1.5", '"1,5"'), 'row 3, column "a" (number 2)', "set decimal_comma"),
        (changed("1.5", "2000000"), 'row 3, column "a" (number 2)', "more than a gigawatt"),
        (changed(",1.5,0", ",1,5,0"), "row 3", "4 cells under a header of 3"),
        (changed("10:15", "10:00"), 'row 3, column "time" (number 1)', "repeats row 2; remove"),
        (changed("10:15", "09:45"), 'row 3, column "time" (number 1)', "comes after"),
        (changed("10:30", "11:00"), 'row 4, column "time" (number 1)', "2 step(s) missing"),
        (changed("10:30", "10:20"), 'row 4, column "time" (number 1)', "is 300 s after"),
        (changed("10:15", "10:75"), 'row 3, column "time" (number 1)', "is no time of day"),
        (changed("10:15", "24:01"), 'row 3, column "time" (number 1)', "is no time of day"),
        (changed("05-26 10:15", "02-30 10:15"), 'row 3, column "time" (number 1)', "is no date"),
        (changed("2016-05-26 10:15", "05/26/2016 10:15"), 'row 3, column "time" (number 1)', "is no time; write"),
        (changed("2016-05-26 10:15", "10:15"), 'row 3, column "time" (number 1)', "has no date"),
        (changed("time,a,b", "time,a,a"), None, 'repeats "a" in columns 2 and 3; use the column number'),
        (changed("time,a,b", "time,a,c"), None, 'there is no column "b"; the header has "time", "a", "c"'),
        (changed("time,a,b", "when,a,b"), None, 'time_column: there is no column "time"'),
        (GOOD.replace(",", ";"), None, "is the delimiter right?"),
    ],
)
def test_file_is_refused_with_place_and_remedy(read: Read, text: str, place: str | None, what: str) -> None:
    """Each fault is named where it stands, with what is wrong and what to do."""
    with pytest.raises(InputError) as error:
        read(text, timestep_seconds=900)
    told = [problem.split("site.csv:", 1)[1] for problem in error.value.problems]
    assert [problem for problem in told if what in problem and problem.startswith(f"{place}: " if place else " ")], told
    assert all("; " in problem or problem.endswith("?") for problem in told)


def test_one_fault_gives_one_line(read: Read) -> None:
    """An unclear time does not make the rows around it look like a gap."""
    with pytest.raises(InputError) as error:
        read(changed("10:15", "later"))
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no data"),
        ("time,a,b\n\n,,\n", "has no data"),
        ("time,a,b\n2016-05-26 10:00,1,2\n", "set timestep_seconds"),
        (b"time,a,b\n\xff\xfe", "is not UTF-8"),
        ('time,a,b\n2016-05-26 10:00,"1,2\n', "is no CSV"),
    ],
)
def test_file_without_content_is_refused(read: Read, text: str | bytes, reason: str) -> None:
    """Nothing, a header alone, one row without a known step, and what is no text."""
    with pytest.raises(InputError, match=reason):
        read(text)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        read_profiles_csv(tmp_path / "none.csv", CsvSpec(homes=NET, unit="kW"))


def test_negative_values_are_refused_in_unsigned_columns(read: Read) -> None:
    """Production and consumption apart have no sign."""
    homes = (HomeColumns(name="x", production="a", consumption="b"),)
    with pytest.raises(InputError) as error:
        read(GOOD, homes=homes)
    assert ["row 2" in error.value.problems[0], "row 4" in error.value.problems[1]] == [True, True]
    assert len(error.value.problems) == 2


def test_plant_far_above_its_rating_is_refused(read: Read) -> None:
    """Watts read as kilowatts are noticed where the plant's rating is known."""
    homes = (HomeColumns(name="x", production="a", pv_rating_watts=700),)
    with pytest.raises(InputError, match=r"row 3: home 'x' produces 1500 W with a plant of 700 W; is the unit right\?"):
        read(changed("-1", "1"), homes=homes)


@pytest.mark.parametrize("number", [0, -1, 4])
def test_column_numbers_outside_the_header_are_refused(read: Read, number: int) -> None:
    """Numbers count from 1."""
    with pytest.raises(InputError, match=f"there is no column number {number}; the header has 3"):
        read(GOOD, homes=(HomeColumns(name="x", net=number),))


def test_column_that_is_read_twice_is_refused(read: Read) -> None:
    """Two homes cannot be one."""
    with pytest.raises(InputError, match=r"home 'y' and home 'x' read the same column"):
        read(GOOD, homes=(HomeColumns(name="x", net="a"), HomeColumns(name="y", net=2)))


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        (("10:00", "11:00"), r"lies outside the data, which cover 2016-05-26 10:00\+00:00 .. 2016-05-26 10:45\+00:00"),
        (("09:45", "10:30"), "lies outside the data"),
        (("10:30", "10:15"), "is empty"),
        (("10:05", "10:30"), "does not begin and end with steps of the file"),
        (("10:00", "10:20"), "does not begin and end with steps of the file"),
        (("10:16", "10:17"), "does not begin and end with steps of the file"),
        (("ten", "11:00"), "window_from: 'ten' is no time"),
    ],
)
def test_window_is_refused_that_the_data_do_not_fill(read: Read, window: tuple[str, str], reason: str) -> None:
    """A window outside, empty, backward, off the steps or no time at all."""
    with pytest.raises(InputError, match=reason):
        read(GOOD, date=date(2016, 5, 26), window_from=window[0], window_until=window[1])


def test_all_problems_are_reported_together_and_in_order_of_rows(read: Read) -> None:
    """Whole-file problems first, then rows from the top."""
    with pytest.raises(InputError) as error:
        read("time,a,b\n2016-05-26 10:00,x,-2\n2016-05-26 10:15,1,y\n2016-05-26 10:45,1,1\n", window_from="noon")
    places = [problem.split("site.csv:", 1)[1].split(",")[0].split(":")[0].strip() for problem in error.value.problems]
    assert places == ["window_from", "row 2", "row 3", "row 4"]


def test_long_listings_are_cut_and_counted(read: Read) -> None:
    """Fifty problems are enough to begin with."""
    rows = "".join(f"2016-05-26 {hour:02}:{minute:02},x,y\n" for hour in range(10) for minute in (0, 15, 30, 45))
    with pytest.raises(InputError) as error:
        read("time,a,b\n" + rows)
    assert len(error.value.problems) == 51
    assert error.value.problems[-1].endswith("and 30 more problems; mend these first")


def test_rows_outside_the_window_are_not_judged(read: Read) -> None:
    """A file with a gap and a hole may hold a good part."""
    text = "time,a,b\n2016-05-25 09:00,,\n2016-05-26 08:00,x,1\n" + GOOD.split("\n", 1)[1]
    profiles = read(text, window_from="2016-05-26 10:00", window_until="2016-05-26 10:45")
    assert profiles.steps == 3


def quarter_hours(stamps: list[str]) -> str:
    """Return a file of these local times, its values counting up."""
    return "time,a,b\n" + "".join(f"{stamp},{count},0\n" for count, stamp in enumerate(stamps))


def local_day(day: str, hours: list[int]) -> list[str]:
    """Return the quarter hours of these clock hours."""
    return [f"{day} {hour:02}:{minute:02}" for hour in hours for minute in (0, 15, 30, 45)]


@pytest.mark.parametrize(
    ("day", "hours", "steps"),
    [
        ("2016-03-27", [0, 1, *range(3, 24)], 92),
        ("2016-10-30", [0, 1, 2, 2, *range(3, 24)], 100),
        ("2016-05-26", [*range(24)], 96),
    ],
)
def test_days_of_23_24_and_25_hours_are_right(read: Read, day: str, hours: list[int], steps: int) -> None:
    """Where clocks change, the rows follow one another without gap or repetition."""
    profiles = read(quarter_hours(local_day(day, hours)), timezone="Europe/Berlin")
    assert profiles.steps == steps
    assert profiles.homes[0].production_watts == tuple(1000 * count for count in range(steps))


def test_hour_that_clocks_skip_is_refused(read: Read) -> None:
    """A 96-row day at the beginning of summer time has four times that never were."""
    with pytest.raises(InputError) as error:
        read(quarter_hours(local_day("2016-03-27", [*range(24)])), timezone="Europe/Berlin")
    assert [("does not exist" in problem) for problem in error.value.problems] == [True] * 4


def test_missing_doubled_hour_is_refused(read: Read) -> None:
    """A 96-row day at the end of summer time lacks an hour: nobody can say which of the two is there."""
    with pytest.raises(InputError, match=r"row 14, .* 4 step\(s\) missing between 2016-10-30 02:45\+02:00 and"):
        read(quarter_hours(local_day("2016-10-30", [*range(24)])), timezone="Europe/Berlin")


def test_file_that_begins_in_the_doubled_hour_is_refused(read: Read) -> None:
    """Without anything before it, 02:30 has two meanings; with its offset it has one."""
    with pytest.raises(InputError, match="'2016-10-30 02:30' occurs twice"):
        read(quarter_hours(["2016-10-30 02:30", "2016-10-30 02:45"]), timezone="Europe/Berlin")
    stamps = ["2016-10-30 02:30+01:00", "2016-10-30 02:45+01:00"]
    assert read(quarter_hours(stamps), timezone="Europe/Berlin").start_unix == 1_477_791_000


@pytest.mark.parametrize(
    "stamps",
    [
        ["2016-05-26 10:00", "2016-05-26 10:15"],
        ["2016-05-26T10:00:00+00:00", "2016-05-26T12:15:00+0200"],
        ["2016-05-26 10:00Z", "2016-05-26 10:15 Z"],
        ["26.05.2016 10:00", "26.5.2016 10:15:00"],
        ["10:00", "10:15"],
        ["1464256800", "1464257700"],
    ],
)
def test_common_forms_of_time_mean_the_same(read: Read, stamps: list[str]) -> None:
    """Dates in both orders, with and without offset, times of a given day, unix seconds."""
    profiles = read(quarter_hours(stamps), date=date(2016, 5, 26))
    assert (profiles.start_unix, profiles.timestep_seconds, profiles.steps) == (1_464_256_800, 900, 2)


def test_watts_are_rounded_half_to_even(read: Read) -> None:
    """0.5, 1.5 and 2.5 W become 0, 2 and 2 W, on both sides of zero."""
    text = "time,a,b\n" + "".join(f"2016-05-26 10:0{n},{n}.5,-{n}.5\n" for n in range(3))
    profiles = read(text, unit="W")
    assert profiles.homes[0].production_watts == profiles.homes[1].consumption_watts == (0, 2, 2)


def test_decimal_comma_refuses_points(read: Read) -> None:
    """1.234 could be a thousand: it is not guessed."""
    with pytest.raises(InputError, match=r"'1\.5' is no number.*decimal_comma is set"):
        read(GOOD.replace(",", ";"), delimiter=";", decimal_comma=True)


def test_repeated_headers_are_read_by_number(read: Read) -> None:
    """The paper's own file has two homes under one header."""
    homes = (HomeColumns(name="x", net=2), HomeColumns(name="y", net=3))
    assert read(changed("time,a,b", "time,a,a"), homes=homes).homes[1].net_watts == (-2000, 0, 3000)


def test_shipped_example_is_read_as_documented() -> None:
    """The how-to page shows these figures."""
    folder = CHECKOUT / "examples" / "site-csv"
    spec = csv_spec_from_values(tomllib.loads((folder / "spec.toml").read_text(encoding="utf-8")), "spec.toml")
    profiles = read_profiles_csv(folder / "site.csv", spec)
    assert (profiles.steps, profiles.homes[0].net_watts) == (4, (1740, -128, 1168, 1880))
    page = (CHECKOUT / "docs" / "how-to" / "import-your-own-data.md").read_text(encoding="utf-8")
    assert f"# {profiles.steps} {profiles.homes[0].net_watts}" in page


@pytest.mark.skipif(
    not (SIEMENS / "casestudy_9_kw.csv").is_file(),
    reason=f"the original case study's data have no licence and are not shipped; not found in {SIEMENS} "
    "(set PETRA_SIEMENS_DATA to their folder)",
)
def test_original_case_study_demands_194_70_kwh() -> None:
    """The nine homes of the paper, two of them under one header, in its window of 14 timesteps."""
    spec = CsvSpec(
        homes=tuple(HomeColumns(name=f"home-{number}", net=number) for number in range(2, 11)),
        unit="kW",
        time_column="Time",
        date=date(2017, 8, 17),
        window_from="14:15",
        window_until="17:45",
    )
    profiles = read_profiles_csv(SIEMENS / "casestudy_9_kw.csv", spec)
    demand_watt_seconds = sum(sum(home.consumption_watts) for home in profiles.homes) * profiles.timestep_seconds
    assert profiles.steps == 14
    assert demand_watt_seconds == 194_700 * 3600
