from collections.abc import Callable
from dataclasses import replace
from math import sqrt

import pytest

from petra.errors import InputError
from petra.grid import Change, Envelope, Granted, ReactivePower, SafetyLedger
from tests.unit.grid.made_up import FEEDER, TRANSFORMER

NO_VAR = ReactivePower(absorbed_per_import=0.0)
# A line's rating in watts at the lowest allowed voltage: 357 A at 0.9 of 400 V.
LINE_WATTS = sqrt(3) * 400 * 0.9 * 357


def production(watts: int, start: int = 1, end: int = 1) -> list[Change]:
    """A request for production."""
    return [Change(start=start, end=end, production_watts=watts)]


def consumption(watts: int, start: int = 1, end: int = 1) -> list[Change]:
    """A request for consumption."""
    return [Change(start=start, end=end, consumption_watts=watts)]


def ledger(**watts: tuple[int, int]) -> SafetyLedger:
    """Return a ledger of accounts at the nodes of their first letter, with firm imports and exports."""
    envelopes = {
        name: Envelope(node=name[0], import_watts=own[0], export_watts=own[1]) for name, own in watts.items()
    }
    return SafetyLedger(FEEDER, envelopes, reactive=NO_VAR)


def test_envelope_at_an_unknown_node_is_refused() -> None:
    """Nobody can keep a home safe that is not on the feeder."""
    with pytest.raises(InputError, match="x1 is at node 'x'"):
        ledger(x1=(0, 0))


def test_envelopes_that_overload_the_feeder_by_themselves_are_refused() -> None:
    """Every limit that the firm parts alone could exceed is named, before anything is granted."""
    with pytest.raises(InputError) as error:
        ledger(c1=(200_000, 0), c2=(50_000, 300_000), d1=(500_000, 0))
    text = str(error.value)
    assert "made up: envelopes alone: l3 may carry 134.8% of what it can" in text
    assert "l1 may carry" in text
    assert "T1 may carry" in text
    assert "l2" not in text


def test_envelopes_that_are_too_large_are_told_how_much_would_be_safe() -> None:
    """The share in the message is accepted, and one percent more is not."""
    with pytest.raises(InputError, match=r"made up: 89 % of each envelope would be safe") as error:
        ledger(c1=(125_000, 0), c2=(125_000, 0))
    assert len(error.value.problems) == 2
    assert ledger(c1=(111_250, 0), c2=(111_250, 0)).loads(0)["c"].import_watts == 222_500
    with pytest.raises(InputError):
        ledger(c1=(112_500, 0), c2=(112_500, 0))


def test_first_request_is_checked_like_any_other() -> None:
    """The original never checked an account's first request of a timestep."""
    book = ledger(c1=(0, 0))
    assert not book.grant("c1", production(800_000))
    assert book.reservations.granted == {}


@pytest.mark.parametrize("ask", [production, consumption])
def test_line_is_filled_up_to_its_current_at_the_lowest_voltage_and_no_further(
    ask: Callable[[int], list[Change]],
) -> None:
    """The last 100 W that fit are granted and the next are not, in both directions; charging takes about a watt."""
    book = ledger(c1=(0, 0))
    assert not book.grant("c1", ask(round(LINE_WATTS) + 1))
    assert book.grant("c1", ask(round(LINE_WATTS) - 100))
    assert not book.grant("c1", ask(101))
    assert book.grant("c1", ask(90))


def test_voltage_rise_is_the_limit_where_it_comes_first() -> None:
    """With the band's top close above the source, the squared voltage's rise 2 R P decides; by hand."""
    feeder = replace(FEEDER, voltage_max=1.01)
    book = SafetyLedger(feeder, {"e": Envelope(node="e", import_watts=0, export_watts=0)}, reactive=NO_VAR)
    per_watt = 2 * (6900 / 630e3**2 + 2 * 0.0063 / 400**2)  # transformer and two lines lie above e
    most = (1.01**2 - 1) / per_watt
    assert not book.grant("e", production(round(most + 100)))
    assert book.grant("e", production(round(most - 100)))


def test_tap_and_source_interval_take_from_the_headroom() -> None:
    """A source that may be higher leaves less room for export, a lower tap step likewise."""
    feeder = replace(FEEDER, voltage_max=1.03)
    envelopes = {"e": Envelope(node="e", import_watts=0, export_watts=0)}
    tapped = replace(TRANSFORMER, tap_position=-1)
    assert SafetyLedger(feeder, envelopes).check("e", production(100_000))
    for changed in (replace(feeder, source_voltage_deviation=0.025), replace(feeder, transformer=tapped)):
        assert not SafetyLedger(changed, envelopes).check("e", production(100_000))


def test_reactive_power_takes_from_the_headroom() -> None:
    """Homes that may absorb or supply var leave less room for watts on the same line, whoever imports or exports."""
    envelopes = {"c": Envelope(node="c", import_watts=0, export_watts=0)}
    watts = round(LINE_WATTS * 0.97)
    for ask, reactive in (
        (consumption, ReactivePower(absorbed_per_import=0.33)),
        (consumption, ReactivePower(absorbed_per_import=0.0, supplied_per_import=0.33)),
        (production, ReactivePower(absorbed_per_import=0.0, absorbed_per_export=0.33)),
        (production, ReactivePower(absorbed_per_import=0.0, supplied_per_export=0.33)),
    ):
        assert SafetyLedger(FEEDER, envelopes, reactive=NO_VAR).check("c", ask(watts))
        assert not SafetyLedger(FEEDER, envelopes, reactive=reactive).check("c", ask(watts))


def test_one_full_timestep_refuses_the_whole_request_and_changes_nothing() -> None:
    """All or nothing over the timesteps of an asset."""
    book = ledger(c1=(0, 0), c2=(0, 0))
    assert book.grant("c1", production(200_000, 5, 5))
    before = book.rebuilt()
    assert not book.grant("c2", production(50_000, 1, 9))
    assert not book.grant("c2", [*production(50_000, 1, 4), *production(25_000, 4, 6)])
    assert book.equals(before)
    assert book.grant("c2", [*production(50_000, 1, 4), *production(50_000, 6, 9)])


def test_changes_of_one_request_that_overlap_are_counted_together() -> None:
    """Two assets of 150 kW in one withdrawal are 300 kW where they overlap."""
    book = ledger(c1=(0, 0))
    assert not book.grant("c1", [*production(150_000, 1, 4), *production(150_000, 4, 6)])
    assert book.grant("c1", [*production(150_000, 1, 3), *production(150_000, 4, 6)])


def test_accounts_at_one_node_and_below_it_share_the_line() -> None:
    """The line to d carries what d and e may do together, whoever comes first."""
    book = ledger(d1=(0, 0), e1=(0, 0), c1=(0, 0))
    assert book.grant("d1", consumption(150_000))
    assert not book.grant("e1", consumption(100_000))
    assert book.grant("c1", consumption(100_000))


def test_import_does_not_make_room_for_export() -> None:
    """Nobody is sure to consume, so a promise to consume carries no production."""
    book = ledger(c1=(0, 0), c2=(0, 0))
    assert book.grant("c1", consumption(200_000))
    assert not book.grant("c2", production(250_000))


def test_firm_part_of_a_grant_costs_no_headroom() -> None:
    """Grants are totals that contain the firm part: on a full line a home still gets what it may use anyway."""
    book = ledger(c1=(20_000, 5_000), c2=(0, 0))
    while book.grant("c2", consumption(1000)) | book.grant("c2", production(1000)):
        pass
    assert book.grant("c1", consumption(20_000))
    assert book.grant("c1", production(5_000))
    assert not book.check("c1", consumption(2_000))
    assert book.box("c1", 1) == (20_000, 5_000)


def test_release_gives_exactly_the_headroom_back() -> None:
    """What was released can be granted again, and no watt more; the bounds equal those that were before."""
    book = ledger(c1=(0, 0), c2=(0, 0))
    assert book.grant("c1", production(200_000, 1, 2))
    before = book.rebuilt()
    assert book.grant("c2", [*production(20_000, 2, 3), *consumption(100_000, 2, 3)])
    assert not book.check("c1", production(20_000, 2, 2))
    book.release("c2", [*production(20_000, 2, 3), *consumption(100_000, 2, 3)])
    assert book.equals(before)
    assert book.check("c1", production(20_000, 2, 2))


def test_release_of_more_than_was_granted_is_our_mistake() -> None:
    """Lineage is the caller's business; the integers never go below zero."""
    book = ledger(c1=(0, 0))
    assert book.grant("c1", production(1000))
    with pytest.raises(AssertionError, match="gives back more"):
        book.release("c1", production(1001))
    assert book.reservations.granted == {1: {"c1": Granted(production=1000, consumption=0)}}


def test_passed_timesteps_are_forgotten() -> None:
    """Only timesteps below the given one go."""
    book = ledger(c1=(0, 0))
    assert book.grant("c1", production(200_000, 1, 3))
    book.expire(3)
    assert book.reservations.granted.keys() == {3}
    assert book.equals(book.rebuilt())


def test_ledger_is_restored_from_the_integers_of_the_books() -> None:
    """After a restart it decides as before."""
    book = ledger(c1=(0, 0), c2=(1000, 0))
    assert book.grant("c1", production(200_000, 1, 3))
    granted = {timestep: {"c1": Granted(production=200_000, consumption=0)} for timestep in (1, 2, 3)}
    restored = SafetyLedger(FEEDER, book.reservations.envelopes, reactive=NO_VAR, granted=granted)
    assert restored.equals(book)
    assert not restored.check("c2", production(50_000, 3, 3))


def test_books_that_hold_what_was_never_safe_are_refused_at_start() -> None:
    """A restored or edited database cannot make the ledger promise what the feeder cannot carry."""
    envelopes = {"c1": Envelope(node="c", import_watts=0, export_watts=0)}
    with pytest.raises(InputError, match="what was granted for timestep 7: l3 may carry"):
        SafetyLedger(FEEDER, envelopes, granted={7: {"c1": Granted(production=300_000, consumption=0)}})


def test_loads_name_the_box_of_each_node() -> None:
    """Evidence after the fact starts from these corners."""
    book = ledger(c1=(1000, 0), c2=(0, 500), d1=(0, 0))
    assert book.grant("c2", production(700))
    assert {node: load[:2] for node, load in book.loads(1).items()} == {"c": (1000, 700), "d": (0, 0)}
    assert {node: load[:2] for node, load in book.loads(2).items()} == {"c": (1000, 500), "d": (0, 0)}
