"""Enrolment and revocation where there is a feeder: nobody comes in whom it could not carry."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from petra.domain.refusals import EnrolmentReason, GrantReason
from petra.grid import ReactivePower
from petra.roles.dso.grid_book import GridBook, Unenrolled
from petra.roles.effects import Effect, Note, Phase, Revoked, Woken
from tests.unit.grid.made_up import FEEDER
from tests.unit.roles.desk import Desk, begin, reason
from tests.unit.roles.newcomer import Newcomer
from tests.unit.roles.test_dso_membership import refusal, told

FULL_WATTS = 222_000  # what the line to c carries at the lowest allowed voltage, less a little


@pytest.fixture
def desk() -> Desk:
    """A DSO with a feeder and nobody yet; rich homes may ask for what they like."""
    desk = Desk(homes="", grid_rule="feeder")
    desk.state.grid = GridBook(FEEDER, {}, ReactivePower(absorbed_per_import=0.0), Unenrolled(0, 0))
    return desk


def newcomer(desk: Desk, name: str, node: str | None = "c", firm_watts: int = 1_000) -> Newcomer:
    """Invite somebody."""
    somebody = Newcomer(desk, name)
    terms = replace(
        somebody.order.terms,
        node=node,
        firm_import_watts=firm_watts,
        consumption_capacity_watts=10**6,
        credit_limit=10**15,
    )
    somebody.order = replace(somebody.order, terms=terms)
    somebody.invite()
    return somebody


def enrolled(desk: Desk, somebody: Newcomer) -> int:
    """Let somebody in; return from which timestep on."""
    first: int = told(desk.hear(somebody.request()))["first_timestep"]
    member = desk.state.members[somebody.address]
    desk.members[member.name] = member
    return first


def consume(desk: Desk, home: str, watts: int, start: int = 5, end: int = 5) -> list[Effect]:
    """Let a home ask for a permit to draw."""
    return desk.ask(home, desk.asset(power=-watts, start=start, end=end, to=desk.pseudonym(home)))


def kinds(effects: Sequence[Effect]) -> list[str]:
    """Return the kinds of the notes."""
    return [effect.kind for effect in effects if isinstance(effect, Note)]


@pytest.mark.parametrize("node", [None, "nowhere", "mv"])
def test_node_that_is_none_of_the_feeder_is_refused(desk: Desk, node: str | None) -> None:
    """A home without a place could not be kept safe; nothing of it is kept, and the token stays good."""
    somebody = newcomer(desk, "new", node)
    effects = desk.hear(somebody.request())
    assert refusal(effects) is EnrolmentReason.NODE_UNKNOWN
    assert kinds(effects) == ["enrolment-refused"]
    assert somebody.address not in desk.state.members
    assert [one.used_by for one in desk.state.tokens.values()] == [None]


def test_envelope_that_the_feeder_cannot_carry_is_refused(desk: Desk) -> None:
    """Envelopes alone would overload the line: refused by name, whoever was granted what."""
    enrolled(desk, newcomer(desk, "first", firm_watts=FULL_WATTS))
    second = newcomer(desk, "second")
    assert refusal(desk.hear(second.request())) is EnrolmentReason.NO_ROOM
    elsewhere = newcomer(desk, "elsewhere", node="d")
    assert enrolled(desk, elsewhere) == enrolled(desk, newcomer(desk, "fourth", node="e"))


def test_a_newcomer_has_its_envelope_at_once(desk: Desk) -> None:
    """The feeder's book counts it from its first timestep on, and agrees with the grants."""
    first = enrolled(desk, newcomer(desk, "new", firm_watts=3_000))
    assert desk.state.grid is not None
    account = desk.members["new"].address
    assert [desk.state.grid.ledger.box(account, timestep)[0] for timestep in (first - 1, first)] == [0, 3_000]
    assert reason(consume(desk, "new", FULL_WATTS + 5_000)) is GrantReason.NETWORK
    assert reason(consume(desk, "new", FULL_WATTS)) is None
    assert desk.state.grid.agrees_with(desk.state.kept())


def test_a_newcomer_begins_after_what_others_were_granted(desk: Desk) -> None:
    """Grants stand: it is told from when on it is settled, and is granted nothing before."""
    enrolled(desk, newcomer(desk, "old", firm_watts=0))
    assert reason(consume(desk, "old", FULL_WATTS, 5, 6)) is None
    assert enrolled(desk, newcomer(desk, "new")) == 7
    assert reason(consume(desk, "new", 10, 6, 7)) is GrantReason.NETWORK
    assert reason(consume(desk, "new", 10, 7, 7)) is None


def test_revoked_home_keeps_its_room_until_its_grants_have_passed(desk: Desk) -> None:
    """Then another home may come in its place."""
    old, new = newcomer(desk, "old", firm_watts=100_000), newcomer(desk, "new", firm_watts=FULL_WATTS)
    enrolled(desk, old)
    assert reason(consume(desk, "old", 150_000, 5, 6)) is None
    assert refusal(desk.hear(new.request())) is EnrolmentReason.NO_ROOM
    desk.give(Revoked(account=old.address))
    assert enrolled(desk, new) == 7
    desk.give(Woken(phase=Phase.SETTLE, timestep=6), begin(7) + 900)
    assert desk.state.grid is not None
    assert old.address not in desk.state.grid.ledger.reservations.envelopes
    assert desk.state.grid.agrees_with(desk.state.kept())
    assert desk.state.alarms == []


def test_book_stays_small_however_long_the_dso_runs(desk: Desk) -> None:
    """After 60 timesteps it holds those that are to come and the few whose cut-off has not passed, and still agrees."""
    desk.state.last_timestep = 2**40
    enrolled(desk, newcomer(desk, "new"))
    assert desk.state.grid is not None
    for timestep in range(5, 65):
        now = begin(timestep - 2)
        asset = desk.asset(power=-5_000, start=timestep, end=timestep + 2, to=desk.pseudonym("new"))
        assert reason(desk.ask("new", asset, now=now)) is None
        desk.give(Woken(phase=Phase.SETTLE, timestep=timestep - 3), begin(timestep - 2) + 1)
        assert desk.state.grid.ledger.timesteps <= 7
        assert len(desk.state.grid.ledger.reservations.granted) <= 7
    assert desk.state.grid.agrees_with(desk.state.kept())
    assert desk.state.alarms == []
