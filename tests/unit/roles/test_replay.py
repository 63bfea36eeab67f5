"""A role's state follows from the events that it took: a service rebuilds it from its diary, effect for effect."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from petra.domain.calls import DepositEnergyAsset, DepositFinancial, PostOffer, Protest
from petra.domain.messages import Direction, RequestedAsset
from petra.domain.terms import Address
from petra.roles import meter
from petra.roles.dso import agent as dso_agent
from petra.roles.dso.fine_rules import PeriodEnergy, Quota, Ramp, Rate, Window
from petra.roles.dso.standing import Standing
from petra.roles.dso.state import Rule
from petra.roles.effects import (
    CurtailmentOrdered,
    Effect,
    Event,
    Frozen,
    Phase,
    Revoked,
    ScheduleAdded,
    Submit,
    Unfrozen,
    WakeAt,
    Woken,
)
from petra.roles.prosumer import agent as prosumer_agent
from petra.settlement.prices import schedule_in_force
from petra.wire.envelope import envelope_hash
from tests.simulation.community import draw_world, play
from tests.unit.roles.desk import DOMAIN, EUR, FIRST, NOW, Desk, T, begin
from tests.unit.roles.diaries import Diary, begin_diary, plain
from tests.unit.roles.newcomer import Newcomer

ENDLESS = 2**40
PERIOD = 3


class Listener:
    """Keeps a diary of every role that is played."""

    def __init__(self) -> None:
        """Start with no role."""
        self.diaries: dict[int, Diary] = {}

    def around(self, step: Any) -> Callable[[Any, Event, int, Random], list[Effect]]:
        """Return a step that does the same and writes it down."""

        def listening(state: Any, event: Event, now: int, rng: Random) -> list[Effect]:
            diary = self.diaries.setdefault(id(state), begin_diary(step, state))
            return diary.take(event, now)

        return listening


@pytest.mark.parametrize("seed", [3, pytest.param(9, marks=pytest.mark.slow), pytest.param(14, marks=pytest.mark.slow)])
def test_a_community_is_rebuilt_from_its_diaries(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DSO, homes and meters, over a fabric that loses and doubles: same effects, same states, whatever they were."""
    listener = Listener()
    for role in (dso_agent, prosumer_agent, meter):
        monkeypatch.setattr(role, "step", listener.around(role.step))
    world = draw_world(seed)
    play(world, seed, tmp_path / "run")
    assert len(listener.diaries) == 2 * len(world.homes) + 1
    domain = next(diary.state.signature_domain for diary in listener.diaries.values() if hasattr(diary.state, "policy"))
    for diary in listener.diaries.values():
        assert len(diary.entries) > 5
        assert plain(diary.replay(domain)) == plain(diary.state)


class BusyDesk(Desk):
    """A DSO without end to which everything happens that an open run knows, drawn by chance."""

    def __init__(self, seed: int, rules: tuple[Rule, ...] = ()) -> None:
        """Open it; with rules of its own it is frozen and curtails now and then, too."""
        super().__init__(
            homes="abc", delay_seconds_max=400, billing_timesteps=PERIOD, queue_max_per_member=6, rules=rules
        )
        self.kinds_of_order = 6 if rules else 3
        self.state.last_timestep = ENDLESS
        self.chance = Random(seed)
        self.diary = begin_diary(dso_agent.step, self.state)
        self.now = begin(FIRST)
        self.timers: list[WakeAt] = []
        self.said: list[Any] = []
        self.pending: list[Effect] = []
        self.held: list[tuple[int, Address]] = []
        self.give(Woken(phase=Phase.OPEN, timestep=FIRST))

    def give(self, event: Event, now: int = NOW) -> list[Effect]:
        """Let the DSO take an event, and keep what it wants done later."""
        effects = self.diary.take(event, self.now)
        self.timers += [effect for effect in effects if isinstance(effect, WakeAt)]
        self.pending += [effect for effect in effects if isinstance(effect, Submit)]
        return effects

    def live(self, seconds: int) -> None:
        """Let some time pass: timers come, late or not, and something happens."""
        self.now += seconds
        while due := [timer for timer in self.timers if timer.at <= self.now]:
            timer = min(due, key=lambda one: one.at)
            self.timers.remove(timer)
            self.give(Woken(phase=timer.phase, timestep=timer.timestep))
        self.chance.choice((self._ask, self._ask, self._tell, self._tell, self._mine, self._mine, self._order))()

    def _ask(self) -> None:
        home = self.chance.choice(sorted(self.members))
        first = self.terms.timeline.current(self.now) + 1
        power = self.chance.choice((-1, 1)) * self.chance.randint(1, 1_500)
        asset: RequestedAsset = self.asset(power=power, start=first, end=first + 1, amount=EUR // 100)
        request = self.request(home, asset, until=self.now + 600)
        self.said.append(request)
        self.hear(request)
        if self.chance.random() < 0.3:
            self.hear(self.chance.choice(self.said))

    def _tell(self) -> None:
        timestep = self.terms.timeline.current(self.now) - self.chance.randint(0, 2)
        for home in sorted(self.members):
            if timestep >= FIRST and self.chance.random() < 0.8:
                self.hear(self.reading(home, timestep, timestep * 100 * T, timestep * 80 * T))

    def _mine(self) -> None:
        intents, self.pending = [one for one in self.pending if isinstance(one, Submit)], []
        first = self.ledger.next_asset_id
        grants = [(one.intent.call, one.intent.sender) for one in intents]
        if self.said and self.chance.random() < 0.3:
            grants.append((Protest(digest=envelope_hash(self.chance.choice(self.said).raw)), self.dso))
        if self.chance.random() < 0.2:
            self.void(intents)
            return
        self.mine(*grants, at=self.now)
        self.held += [
            (asset_id, self.ledger.assets[asset_id].owner) for asset_id in range(first, self.ledger.next_asset_id)
        ]
        if self.held:
            asset_id, owner = self.held.pop(self.chance.randrange(len(self.held)))
            self.mine(
                (PostOffer(asset_id=asset_id, price=0), owner)
                if self.ledger.assets[asset_id].end > self.terms.timeline.current(self.now)
                else (DepositEnergyAsset(asset_id=asset_id), owner),
                (DepositFinancial(amount=EUR // 200), owner),
                at=self.now,
            )

    def _order(self) -> None:
        kind = self.chance.randrange(self.kinds_of_order)
        current = self.terms.timeline.current(self.now)
        if kind == 0:
            newcomer = Newcomer(self, f"new {len(self.state.tokens)}")
            self.give(newcomer.order)
            self.hear(newcomer.request())
        elif kind == 1:
            self.give(Revoked(account=self.chance.choice(sorted(self.state.members))))
        elif kind == 3:
            self.give(Frozen(until=self.now + 300))
        elif kind == 4:
            self.give(Unfrozen())
        elif kind == 5:
            start, direction = current + self.chance.randint(0, 2), self.chance.choice(list(Direction))
            limit = self.chance.choice((None, 0, 500))
            self.give(CurtailmentOrdered(direction=direction, limit_watts=limit, start=start, end=start + 1))
        else:
            prices = schedule_in_force(self.state.policy.schedules, current)
            self.give(ScheduleAdded(schedule=type(prices)(**{**_fields(prices), "from_timestep": current + 5})))


RULES: tuple[Rule, ...] = (
    Window(zone=ZoneInfo("Europe/Berlin"), minutes=((0, 20 * 60),)),
    PeriodEnergy(limit_wh=1_500, period_timesteps=7),
    Ramp(limit_watts=1_200),
    Quota(limits=((Direction.EXPORT, 1_200), (Direction.IMPORT, 1_300)), free_timesteps=1),
    Rate(requests=3, seconds=1_800),
    Standing(lowered_percent=40, good_timesteps=3),
)


@pytest.mark.parametrize("seed", range(3))
def test_a_dso_with_every_rule_is_rebuilt_from_its_diary(seed: int) -> None:
    """What rules remember, freezes and curtailments follow from events too, and what is billed is forgotten."""
    desk = BusyDesk(seed, RULES)
    for _ in range(150):
        desk.live(desk.chance.choice((1, 60, 300, 900)))
    assert desk.state.books.problems() == desk.state.alarms == []
    assert desk.state.requests and desk.state.conduct and desk.state.last_curtailment
    assert plain(desk.diary.replay(DOMAIN)) == plain(desk.state)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__slots__}


@pytest.mark.parametrize("seed", range(4))
def test_a_dso_without_end_is_rebuilt_from_its_diary(seed: int) -> None:
    """Enrolments, revocations, prices, protests, late timers, bills and what is forgotten: all follow from events."""
    desk = BusyDesk(seed)
    for _ in range(150):
        desk.live(desk.chance.choice((1, 60, 300, 900)))
    assert desk.state.billed_through > FIRST + PERIOD and desk.state.books.problems() == desk.state.alarms == []
    assert len({type(entry.event) for entry in desk.diary.entries}) == 6
    assert plain(desk.diary.replay(DOMAIN)) == plain(desk.state)
