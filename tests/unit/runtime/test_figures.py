"""What a service shows beside the common figures: refused frames, what the DSO decided, how full its feeder is."""

from collections import Counter

import pytest

from petra.grid import ReactivePower
from petra.roles.dso.grid_book import GridBook, Unenrolled
from petra.roles.effects import Note
from petra.runtime.figures import DsoFigures, link_figures
from petra.runtime.observation import Pulse, registry_of
from petra.runtime.records import Round
from tests.unit.grid.made_up import FEEDER
from tests.unit.roles.desk import NOW, Desk
from tests.unit.roles.test_dso_joining import consume, enrolled, newcomer
from tests.unit.runtime.toy_service import ToyService


class Door:
    """A link that has refused something."""

    def __init__(self) -> None:
        """Count."""
        self.refusals = Counter({"signature": 2})


def test_frames_that_a_link_refused_are_shown_by_reason() -> None:
    """The exposition has a line for each reason; a link that does not count shows nothing."""
    service = ToyService(figures=lambda: link_figures(Door()))
    registry = registry_of(Pulse(role="meter", service=service, started=True))
    assert registry.get_sample_value("petra_frames_refused_total", {"reason": "signature"}) == 2.0
    assert link_figures(object()) == ()


@pytest.fixture
def desk() -> Desk:
    """A DSO with a feeder and one home."""
    desk = Desk(homes="", grid_rule="feeder")
    desk.state.grid = GridBook(FEEDER, {}, ReactivePower(absorbed_per_import=0.0), Unenrolled(0, 0))
    enrolled(desk, newcomer(desk, "new"))
    return desk


def test_dso_shows_what_it_decided_and_how_full_its_feeder_is(desk: Desk) -> None:
    """Refusals by reason, grants, and the worst use of each kind of limit; no home and no line is named."""
    figures, service = DsoFigures(desk.state), ToyService()
    service.figures = figures.shown
    registry = registry_of(Pulse(role="dso", service=service, started=True))
    first = desk.terms.timeline.first_tradeable(NOW)
    effects = [*consume(desk, "new", 111_000, first, first + 1), *consume(desk, "new", 200_000, first, first)]
    notes = [(1, effect) for effect in effects if isinstance(effect, Note)]
    figures.follow(Round(now=NOW, notes=notes))
    shown = registry.get_sample_value
    assert shown("petra_withdrawals_granted_total") == 1.0
    assert shown("petra_withdrawals_refused_total", {"reason": "Network"}) == 1.0
    used = {kind: shown("petra_feeder_used_ratio", {"limit": kind}) for kind in ("line", "transformer", "voltage rise")}
    assert used["line"] == pytest.approx(0.5, abs=0.01) and 0.1 < (used["transformer"] or 0) < 0.3
    assert shown("petra_feeder_timesteps") == 3.0  # two with grants, and one in which nobody was a member yet
    labels = {value for family in registry.collect() for sample in family.samples for value in sample.labels.values()}
    assert labels.isdisjoint({"new", "l3", desk.members["new"].address})


def test_dso_without_a_feeder_shows_none() -> None:
    """Only what it decided."""
    names = [figure.name for figure in DsoFigures(Desk().state).shown()]
    assert names == ["petra_withdrawals_granted", "petra_withdrawals_refused"]
