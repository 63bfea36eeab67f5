from dataclasses import replace

import pytest

from petra.data import HomeProfile, ProfileSet
from petra.data.profiles import local_time
from petra.errors import InputError

START = 1_464_213_600


def home(
    name: str = "a", production: tuple[int, ...] = (5, 0, 0, 7), consumption: tuple[int, ...] = (1, 2, 3, 4)
) -> HomeProfile:
    """A home of four steps."""
    return HomeProfile(
        name=name,
        node=None,
        pv_rating_watts=0,
        production_watts=production,
        consumption_watts=consumption,
        consumption_var=(0,) * len(consumption),
    )


@pytest.fixture
def profiles() -> ProfileSet:
    """Two homes over one hour."""
    return ProfileSet(
        start_unix=START, timestep_seconds=900, timezone="Europe/Berlin", homes=(home("a"), home("b")), source="made up"
    )


@pytest.mark.parametrize("unix", [START - 1, START + 3600])
def test_index_is_refused_outside_the_data(profiles: ProfileSet, unix: int) -> None:
    """A second before or after the data has no step, and the message says what they cover."""
    with pytest.raises(InputError, match=r"they cover 2016-05-26 00:00\+02:00 \.\. 2016-05-26 01:00\+02:00"):
        profiles.index_of(unix)


@pytest.mark.parametrize(("first", "until"), [(-900, 900), (0, 4500), (900, 900), (1800, 900), (450, 900), (0, 1000)])
def test_window_is_refused_that_is_no_run_of_whole_steps_inside(profiles: ProfileSet, first: int, until: int) -> None:
    """Windows outside the data, empty, backward or off the grid of steps are refused."""
    with pytest.raises(InputError, match="they cover"):
        profiles.window(START + first, START + until)


def test_all_problems_of_a_set_are_reported_together(profiles: ProfileSet) -> None:
    """A doubled name, unequal lengths and negative power are told in one error."""
    homes = (home("a"), home("a", production=(-1, 0, 0, 0)), home("c", (1,), (1,)))
    with pytest.raises(InputError) as error:
        replace(profiles, homes=homes)
    assert len(error.value.problems) == 3


@pytest.mark.parametrize("name", ["", ".", "../../up", "house 1/2", "a\\b", "nul\x00", "a" * 65])
def test_name_that_cannot_name_a_file_is_refused(profiles: ProfileSet, name: str) -> None:
    """A home's bill is a file under its name: it must not lie elsewhere, or fail when the day has been played."""
    with pytest.raises(InputError, match="cannot name a home"):
        replace(profiles, homes=(home(name), home("Haus 1, EG (links) \u00e9")))


@pytest.mark.parametrize("unix", [-(10**11), 10**18])
def test_moment_outside_the_calendar_is_told_all_the_same(unix: int) -> None:
    """Whoever asks for it gets a message that says where it lies."""
    assert local_time(unix, "Europe/Berlin") == f"unix second {unix}"


def test_set_without_homes_or_steps_or_length_is_refused(profiles: ProfileSet) -> None:
    """Nothing is no site."""
    with pytest.raises(InputError, match="no homes"):
        replace(profiles, homes=())
    with pytest.raises(InputError, match="at least one"):
        replace(profiles, homes=(home("a", (), ()),))
    with pytest.raises(InputError, match="positive length"):
        replace(profiles, timestep_seconds=0)


def test_window_is_half_open(profiles: ProfileSet) -> None:
    """The first step is included, the end is not."""
    window = profiles.window(START + 900, START + 2700)
    assert window.start_unix == START + 900
    assert [one.consumption_watts for one in window.homes] == [(2, 3), (2, 3)]


def test_index_is_that_of_the_step_that_covers_the_second(profiles: ProfileSet) -> None:
    """The last second of a step still belongs to it."""
    assert [profiles.index_of(START + second) for second in (0, 899, 900, 3599)] == [0, 0, 1, 3]


def test_net_power_is_positive_for_production() -> None:
    """The paper's sign."""
    assert home().net_watts == (4, -2, -3, 3)
