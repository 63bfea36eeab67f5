import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petra.data import CsvSpec, HomeColumns, HomeProfile, ProfileSet, read_profiles_csv
from petra.data.csv_spec import Sign, Unit
from petra.errors import InputError

# Local midnights before days of 24, 23 and 25 hours in Berlin.
STARTS = [
    datetime(2016, 5, 25, 22, tzinfo=UTC),
    datetime(2016, 3, 26, 23, tzinfo=UTC),
    datetime(2016, 10, 29, 22, tzinfo=UTC),
]
FORMS = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S%z"]


@st.composite
def profile_sets(draw: st.DrawFn) -> ProfileSet:
    """Draw some homes over up to a day and a bit."""
    steps = draw(st.integers(2, 60))
    powers = st.lists(st.integers(0, 10**6), min_size=steps, max_size=steps).map(tuple)

    def home(number: int) -> HomeProfile:
        production, consumption = draw(powers), draw(powers)
        if draw(st.booleans()):  # a home whose meter tells only the difference
            net = [p - c for p, c in zip(production, consumption, strict=True)]
            production, consumption = tuple(max(0, w) for w in net), tuple(max(0, -w) for w in net)
        return HomeProfile(
            name=f"home-{number}",
            node=draw(st.none() | st.just("n1")),
            pv_rating_watts=draw(st.sampled_from([0, 10**6])),
            production_watts=production,
            consumption_watts=consumption,
            consumption_var=(0,) * steps,
        )

    return ProfileSet(
        start_unix=int(draw(st.sampled_from(STARTS)).timestamp()),
        timestep_seconds=draw(st.sampled_from([300, 900, 1800, 3600])),
        timezone="Europe/Berlin",
        homes=tuple(home(number) for number in range(draw(st.integers(1, 3)))),
        source="made up",
    )


def columns_of(home: HomeProfile, sign: int) -> dict[str, tuple[int, ...]]:
    """Return the values to write under their kinds: a net column wherever it loses nothing."""
    if all(min(pair) == 0 for pair in zip(home.production_watts, home.consumption_watts, strict=True)):
        return {"net": tuple(sign * watts for watts in home.net_watts)}
    return {"production": home.production_watts, "consumption": home.consumption_watts}


def text_of(watts: int, unit: str, step: int, *, decimal_comma: bool) -> str:
    """Return a power as a file in this unit has it, with enough digits to tell watts apart."""
    value = Decimal(watts) / (1000 if unit.startswith("k") else 1)
    if unit.endswith("h"):
        value = value * step / 3600
    text = f"{value:.9f}"
    return text.replace(".", ",") if decimal_comma else text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), profiles=profile_sets())
def test_what_is_written_in_any_convention_is_read_back_equal(
    tmp_path: Path, data: st.DataObject, profiles: ProfileSet
) -> None:
    """Units, signs, delimiters, decimal commas, forms of time, headers and numbers, days of 23 and 25 hours."""
    unit: Unit = data.draw(st.sampled_from(get_args(Unit)))
    sign: Sign = data.draw(st.sampled_from(get_args(Sign)))
    decimal_comma = data.draw(st.booleans())
    delimiter = data.draw(st.sampled_from([",", ";", "\t"]))
    form = data.draw(st.sampled_from(FORMS))
    by_number = data.draw(st.booleans())
    header, columns, homes = ["time"], [], []
    for home in profiles.homes:
        references: dict[str, Any] = {}
        for kind, series in columns_of(home, 1 if sign == "production_positive" else -1).items():
            header.append("same" if by_number else f"{home.name} {kind}")
            columns.append(series)
            references[kind] = len(header) if by_number else header[-1]
        homes.append(HomeColumns(name=home.name, node=home.node, pv_rating_watts=home.pv_rating_watts, **references))
    text = io.StringIO()
    table = csv.writer(text, delimiter=delimiter)
    table.writerow(header)
    for index in range(profiles.steps):
        moment = datetime.fromtimestamp(profiles.start_unix, UTC) + timedelta(seconds=index * profiles.timestep_seconds)
        cells = [
            text_of(series[index], unit, profiles.timestep_seconds, decimal_comma=decimal_comma) for series in columns
        ]
        table.writerow([moment.astimezone(ZoneInfo(profiles.timezone)).strftime(form), *cells])
    path = tmp_path / "site.csv"
    path.write_text(text.getvalue(), encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig"])))
    spec = CsvSpec(
        homes=tuple(homes),
        unit=unit,
        sign=sign,
        timezone=profiles.timezone,
        delimiter=delimiter,
        decimal_comma=decimal_comma,
        source=profiles.source,
    )
    assert read_profiles_csv(path, spec) == profiles


CELLS = st.sampled_from(
    ["", "1", "-2.5", "1e9", "x", '"', "2016-10-30 02:30", "2016-05-26 10:00", "10:15", "\n", ",", "\x00"]
)
STAMPS = st.from_regex(
    r"[0-9]{1,4}[-.][0-9]{1,2}[-.][0-9]{1,4}[ T][0-9]{1,2}:[0-9]{2}(Z|[+-][0-9]{4})?", fullmatch=True
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(CELLS | STAMPS | st.text(max_size=8), max_size=12).map(",".join), comma=st.booleans())
def test_any_file_is_read_or_refused_in_words(tmp_path: Path, body: str, comma: bool) -> None:
    """No content whatever makes the importer fail in another way than by its list of problems."""
    path = tmp_path / "site.csv"
    path.write_bytes(("time,a\n2016-05-26 10:00,1\n" + body).encode("utf-8", "surrogatepass"))
    spec = CsvSpec(
        homes=(HomeColumns(name="a", net=2),),
        unit="kWh",
        timezone="Europe/Berlin",
        decimal_comma=comma,
        timestep_seconds=900,
    )
    try:
        assert read_profiles_csv(path, spec).steps > 0
    except InputError as error:
        assert all(problem.startswith(str(path)) for problem in error.problems)
