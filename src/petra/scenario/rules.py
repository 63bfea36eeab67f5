"""Withdrawal rules as they are written: `[[dso.rule]]` of a scenario, `[[rule]]` of dso.toml, with the same keys (R84).

Decides: which bounds make sense, alone and together, and which rule of `petra.roles.dso` each table becomes.
Invariant: unknown keys and kinds are refused; windows that leave no time of a day to anybody are told as a pair.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import lcm
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from petra.domain.messages import Direction
from petra.roles.dso import fine_rules
from petra.roles.dso.standing import Standing
from petra.roles.dso.state import Rule
from petra.scenario.section import Section

MINUTES_PER_DAY = 1_440
_TIMES = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DIRECTIONS: Mapping[str, tuple[Direction, ...]] = {
    "export": (Direction.EXPORT,),
    "import": (Direction.IMPORT,),
    "both": fine_rules.BOTH,
}

Texts = Annotated[tuple[str, ...], Field(strict=False)]
Watts = Annotated[int, Field(ge=1, le=10**9)]
Percent = Annotated[int, Field(ge=1, le=100)]
Count = Annotated[int, Field(ge=1, le=100_000)]


def _minutes(text: str) -> tuple[int, int]:
    """Return what a text like 10:00-16:30 says in minutes of the day; ValueError where it says nothing."""
    found = _TIMES.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r}: write times of the day as HH:MM-HH:MM, until 24:00")
    hour, minute, last_hour, last_minute = map(int, found.groups())
    start, until = 60 * hour + minute, 60 * last_hour + last_minute
    if until > MINUTES_PER_DAY or start == until:
        raise ValueError(f"{text!r}: contradicts itself: it has no end after its begin")
    return start, until


def _times(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        _minutes(text)
    return texts


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no time zone of that name; write one like Europe/Berlin") from error
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the connection of the microgrid carries, watts; None = nobody said."""

    import_watts: int | None
    export_watts: int | None

    def of(self, direction: Direction) -> int | None:
        """Return it by direction."""
        return self.export_watts if direction is Direction.EXPORT else self.import_watts


class RuleSection(Section):
    """What all rules share: whom and which direction they are about.

    `homes`: names of homes or nodes; everybody if left out. `direction`: `export` are assets of production, `import`
    assets of consumption.
    """

    homes: Texts = ()
    direction: Literal["export", "import", "both"] = "both"

    @property
    def scope(self) -> fine_rules.Scope:
        """The same for the rule."""
        return fine_rules.Scope(homes=frozenset(self.homes), directions=_DIRECTIONS[self.direction])

    @abstractmethod
    def rule(self, capacity: Capacity) -> Rule:
        """Return the DSO's rule; what is a share is one of the connection's capacity."""

    def missing(self, capacity: Capacity) -> str | None:
        """Return what nobody said and this rule needs."""
        return None


class WindowRule(RuleSection):
    """kind = "window": assets only within, or never within, some local times.

    `times`: like 10:00-16:00, the whole day if left out; one that runs backwards crosses midnight. `first_date`,
    `last_date`: local dates, inclusive; no bound if left out. `mode` = "only": a timestep is granted if all of it lies
    within; "never": if nothing of it does. `timezone`: whose local time, like Europe/Berlin.
    """

    kind: Literal["window"]
    mode: Literal["only", "never"]
    timezone: Annotated[str, AfterValidator(_zone)]
    times: Annotated[Texts, AfterValidator(_times)] = ()
    first_date: date | None = None
    last_date: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_date and self.last_date and self.first_date > self.last_date:
            raise ValueError("first_date must not lie after last_date: the window contradicts itself")
        return self

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        minutes = tuple(map(_minutes, self.times)) or ((0, MINUTES_PER_DAY),)
        return fine_rules.Window(
            scope=self.scope,
            never=self.mode == "never",
            minutes=minutes,
            first=self.first_date,
            last=self.last_date,
            zone=ZoneInfo(self.timezone),
        )

    @property
    def minutes(self) -> frozenset[int]:
        """The minutes of the day within the times."""
        within: set[int] = set()
        for start, until in map(_minutes, self.times or ("00:00-24:00",)):
            within |= set(range(start, until)) if start < until else {*range(until), *range(start, MINUTES_PER_DAY)}
        return frozenset(within)


class EnergyRule(RuleSection):
    """kind = "energy": at most so much energy for each account and direction in each period.

    Periods of `period_timesteps` follow one another from timestep 0 of the deployment on.
    """

    kind: Literal["energy"]
    limit_wh: Annotated[int, Field(ge=0, le=10**12)]
    period_timesteps: Count

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return fine_rules.PeriodEnergy(
            scope=self.scope, limit_wh=self.limit_wh, period_timesteps=self.period_timesteps
        )


class RampRule(RuleSection):
    """kind = "ramp": what one account holds in neighbouring timesteps differs by at most `limit_watts`.

    A neighbour of which it holds nothing does not count.
    """

    kind: Literal["ramp"]
    limit_watts: Watts

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return fine_rules.Ramp(scope=self.scope, limit_watts=self.limit_watts)


class QuotaRule(RuleSection):
    """kind = "quota": nobody takes more than a share, until shortly before delivery.

    `share_percent` of `of_watts`; of what the connection carries if that is left out. `per` = "node": all accounts of
    a node together. `free_timesteps`: from so many timesteps before delivery on everybody may have what is left.
    """

    kind: Literal["quota"]
    share_percent: Percent
    of_watts: Watts | None = None
    per: Literal["account", "node"] = "account"
    free_timesteps: Annotated[int, Field(ge=0, le=100_000)] = 0

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return fine_rules.Quota(
            scope=self.scope,
            limits=tuple(
                (direction, (self.of_watts or capacity.of(direction) or 0) * self.share_percent // fine_rules.PERCENT)
                for direction in self.scope.directions
            ),
            per=fine_rules.Share(self.per),
            free_timesteps=self.free_timesteps,
        )

    def missing(self, capacity: Capacity) -> str | None:
        """Say that nobody said of what the share is."""
        unknown = [one.value for one in self.scope.directions if capacity.of(one) is None and not self.of_watts]
        names = " and ".join(f"{one}_limit_watts" for one in unknown)
        return f"share_percent: of what? say of_watts here, or {names}" if unknown else None


class LotRule(RuleSection):
    """kind = "lot": powers are multiples of `lot_watts`, in both directions."""

    kind: Literal["lot"]
    direction: Literal["both"] = "both"
    lot_watts: Watts

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return fine_rules.Lots(scope=self.scope, lot_watts=self.lot_watts)


class RateRule(RuleSection):
    """kind = "rate": each account asks at most `requests` times in `seconds`."""

    kind: Literal["rate"]
    direction: Literal["both"] = "both"
    requests: Count
    seconds: Annotated[int, Field(ge=1, le=86_400)]

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return fine_rules.Rate(scope=self.scope, requests=self.requests, seconds=self.seconds)


class StandingRule(RuleSection):
    """kind = "standing": who broke its envelope may hold less.

    Each settled timestep in which a meter told of more than the envelope, and more than `ignored_watts` on average,
    lowers what the account may hold by `lowered_percent` of its plant's or connection's rating; after
    `good_timesteps` good ones in a row all is restored.
    """

    kind: Literal["standing"]
    lowered_percent: Percent
    good_timesteps: Count
    ignored_watts: Annotated[int, Field(ge=0, le=10**9)] = 0

    def rule(self, capacity: Capacity) -> Rule:
        """Return the rule."""
        return Standing(
            scope=self.scope,
            lowered_percent=self.lowered_percent,
            good_timesteps=self.good_timesteps,
            ignored_watts=self.ignored_watts,
        )


WithdrawalRule = Annotated[
    WindowRule | EnergyRule | RampRule | QuotaRule | LotRule | RateRule | StandingRule, Field(discriminator="kind")
]
Rules = Annotated[tuple[WithdrawalRule, ...], Field(strict=False)]


def built(rules: Iterable[RuleSection], capacity: Capacity) -> tuple[Rule, ...]:
    """Return the DSO's rules in the order in which they are written."""
    return tuple(one.rule(capacity) for one in rules)


def contradictions(rules: Sequence[RuleSection]) -> list[str]:
    """Return which windows together leave no time of a day, or no day, to anybody; those of some homes are left out."""
    problems = []
    windows = [
        (number, one) for number, one in enumerate(rules, start=1) if isinstance(one, WindowRule) and not one.homes
    ]
    for direction in Direction:
        own = [(number, one) for number, one in windows if direction in one.scope.directions]
        only = [(number, one) for number, one in own if one.mode == "only"]
        first = max((one.first_date for _, one in only if one.first_date), default=date.min)
        if first > min((one.last_date for _, one in only if one.last_date), default=date.max):
            numbers = " and ".join(str(number) for number, _ in only)
            problems.append(f"rule {numbers}: contradictory windows leave no day for {direction.value}")
        own = [(number, one) for number, one in own if not (one.first_date or one.last_date)]
        for zone in {one.timezone for _, one in own}:
            left = set(range(MINUTES_PER_DAY))
            same = [(number, one) for number, one in own if one.timezone == zone]
            for _, one in same:
                left = left & one.minutes if one.mode == "only" else left - one.minutes
            if not left:
                numbers = " and ".join(str(number) for number, _ in same)
                problems.append(f"rule {numbers}: contradictory windows leave no time of a day for {direction.value}")
    return problems


def rule_problems(rules: Sequence[RuleSection], capacity: Capacity) -> list[str]:
    """Return what is wrong with rules together, and with each for want of a capacity."""
    missing = [(number, one.missing(capacity)) for number, one in enumerate(rules, start=1)]
    return [*contradictions(rules), *(f"rule {number} {problem}" for number, problem in missing if problem)]


def lot_of(rules: Iterable[RuleSection], *names: str | None) -> int:
    """Return the portion that a home of one of these names should ask in: one that keeps every rule of lots."""
    lot = 1
    for one in rules:
        if isinstance(one, LotRule) and (not one.homes or set(one.homes) & set(names)):
            lot = lcm(lot, one.lot_watts)
    return lot
