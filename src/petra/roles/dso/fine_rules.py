"""Withdrawal rules that an operator may add: when, how much, how fast, in which portions (R84, DESIGN 6).

Each is a value with bounds from the configuration and answers like the rules of `rules`: `rule(state, request, now)`.
Decides: what it refuses. Knows no file and no clock; local time follows from a timestep's own unix seconds.
Invariants: a rule counts what the account holds already, so the order of requests gains nobody anything; what a request
does not add to is no reason to refuse it; a refusal that could tell of neighbours says `Network` and carries no figure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from petra.domain.messages import Direction
from petra.domain.quantities import JOULES_PER_WH
from petra.domain.refusals import GrantReason, Refusal
from petra.roles.dso.requests import raised, watts
from petra.roles.dso.state import DsoState, Grant, Member, Request

BOTH = (Direction.EXPORT, Direction.IMPORT)
PERCENT = 100
_SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whom and which direction a rule is about.

    Attributes:
        homes: names of homes or of nodes; nobody named = everybody.
        directions: export = assets of production, import = assets of consumption.
    """

    homes: frozenset[str] = frozenset()
    directions: tuple[Direction, ...] = BOTH

    def covers(self, member: Member) -> bool:
        """Say whether the rule is about a home."""
        return not self.homes or member.name in self.homes or member.node in self.homes

    def first_refusal(
        self, state: DsoState, request: Request, problem: Callable[[Direction, dict[int, int]], Refusal | None]
    ) -> Grant | Refusal:
        """Ask about each direction that the request adds to, with the totals that it would make."""
        if self.covers(request.member):
            for direction in self.directions:
                if refusal := problem(direction, raised(state, request, direction)):
                    return refusal
        return Grant(request=request)


EVERYBODY = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Assets are granted only within some local times, or never within them.

    A timestep lies within if all of it does; one that touches a time of `never` is refused.

    Attributes:
        never: refuse what touches the times, instead of what leaves them.
        minutes: pairs [from, until) of minutes of the local day; a pair that runs backwards crosses midnight.
        first, last: local dates, inclusive; None = no bound. Times past midnight belong to the date that they are on.
        zone: whose local time; changes of the clock are its own.
    """

    scope: Scope = EVERYBODY
    never: bool = False
    minutes: tuple[tuple[int, int], ...] = ((0, 1_440),)
    first: date | None = None
    last: date | None = None
    zone: ZoneInfo

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse assets of timesteps outside their local times."""

        def problem(direction: Direction, totals: dict[int, int]) -> Refusal | None:
            wrong = (timestep for timestep in totals if self._refuses(state, timestep))
            first = next(wrong, None)
            return None if first is None else Refusal(reason=GrantReason.OUTSIDE_WINDOW, arguments=(first,))

        return self.scope.first_refusal(state, request, problem)

    def _refuses(self, state: DsoState, timestep: int) -> bool:
        timeline = state.terms.timeline
        begin, end = timeline.begin(timestep), timeline.end(timestep)
        # Bounds are whole minutes, so a look a minute and one at the last second see each of them.
        seconds = (*range(begin, end, _SECONDS_PER_MINUTE), end - 1)
        within = (self._is_within(datetime.fromtimestamp(second, self.zone)) for second in seconds)
        return any(within) if self.never else not all(within)

    def _is_within(self, local: datetime) -> bool:
        if (self.first and local.date() < self.first) or (self.last and local.date() > self.last):
            return False
        minute = local.hour * 60 + local.minute
        return any(
            start <= minute < until if start < until else minute >= start or minute < until
            for start, until in self.minutes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodEnergy:
    """At most so much energy for each account and direction in each period of so many timesteps.

    Periods follow one another from timestep 0 on.
    """

    scope: Scope = EVERYBODY
    limit_wh: int
    period_timesteps: int

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse what would exceed the energy of a period."""
        return self.scope.first_refusal(state, request, lambda *asked: self._problem(state, request, *asked))

    def _problem(
        self, state: DsoState, request: Request, direction: Direction, totals: dict[int, int]
    ) -> Refusal | None:
        account, limit = request.member.address, self.limit_wh * JOULES_PER_WH
        for period in sorted({timestep // self.period_timesteps for timestep in totals}):
            first = period * self.period_timesteps
            held = {
                timestep: watts(own.kept, direction)
                for timestep, own in state.granted.get(account, {}).items()
                if first <= timestep < first + self.period_timesteps
            }
            asked = {k: total for k, total in totals.items() if k // self.period_timesteps == period}
            energy = sum((held | asked).values()) * state.terms.timestep_seconds
            if energy > limit:
                return Refusal(reason=GrantReason.PERIOD_ENERGY, arguments=(energy, limit))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """An account's totals of neighbouring timesteps differ by at most so many watts.

    A neighbour of which nothing is granted does not count: it may still be asked for, and until then the home keeps to
    its firm envelope there.
    """

    scope: Scope = EVERYBODY
    limit_watts: int

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse a step from one timestep to the next that is too high."""

        def problem(direction: Direction, totals: dict[int, int]) -> Refusal | None:
            for timestep, total in totals.items():
                for neighbour in (timestep - 1, timestep + 1):
                    held = watts(state.of(request.member.address, neighbour).kept, direction)
                    other = totals.get(neighbour, held)
                    if other and abs(total - other) > self.limit_watts:
                        figures = (timestep, abs(total - other), self.limit_watts)
                        return Refusal(reason=GrantReason.RAMP, arguments=figures)
            return None

        return self.scope.first_refusal(state, request, problem)


class Share(StrEnum):
    """Who has a quota of its own."""

    ACCOUNT = "account"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """No account, or no node, is granted more than its share of what the connection carries, until shortly before.

    Attributes:
        limits: watts by direction: the share of the connection. per: whose share it is.
        free_timesteps: use it or lose it: from so many timesteps before delivery on, everybody may have what is left.
    """

    scope: Scope = EVERYBODY
    limits: tuple[tuple[Direction, int], ...]
    per: Share = Share.ACCOUNT
    free_timesteps: int = 0

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse what is beyond the share."""
        limits = dict(self.limits)
        current = state.terms.timeline.current(now)

        def problem(direction: Direction, totals: dict[int, int]) -> Refusal | None:
            for timestep, total in totals.items():
                others = self._others(state, request.member, timestep, direction)
                if timestep - current <= self.free_timesteps or total + others <= limits[direction]:
                    continue
                if self.per is Share.NODE:  # a figure, or this very word, would tell of the neighbours
                    return Refusal(reason=GrantReason.NETWORK)
                return Refusal(reason=GrantReason.QUOTA, arguments=(total, limits[direction]))
            return None

        return self.scope.first_refusal(state, request, problem)

    def _others(self, state: DsoState, own: Member, timestep: int, direction: Direction) -> int:
        if self.per is Share.ACCOUNT or own.node is None:
            return 0
        return sum(
            watts(state.of(member.address, timestep).kept, direction)
            for member in state.members.values()
            if member.node == own.node and member.address != own.address
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lots:
    """All powers are multiples of so many watts, so that no trade leaves dust."""

    scope: Scope = EVERYBODY
    lot_watts: int

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse powers that are no multiples."""
        if self.scope.covers(request.member):
            for asset in request.assets:
                if asset.power % self.lot_watts:
                    return Refusal(reason=GrantReason.LOT_SIZE, arguments=(asset.power, self.lot_watts))
        return Grant(request=request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Each account may ask so often in so many seconds; what this rule refuses does not count."""

    scope: Scope = EVERYBODY
    requests: int
    seconds: int

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse a request that comes too soon after others."""
        recent = [at for at in state.requests.get(request.member.address, ()) if at > now - self.seconds]
        if self.scope.covers(request.member) and len(recent) >= self.requests:
            return Refusal(reason=GrantReason.RATE_LIMIT, arguments=(len(recent), self.seconds))
        return Grant(request=request)


def count_request(state: DsoState, request: Request, decision: Grant | Refusal, now: int) -> None:
    """Remember when an account asked, as far back as a rule of rate looks."""
    longest = max((rule.seconds for rule in state.policy.rules if isinstance(rule, Rate)), default=0)
    if not longest or (isinstance(decision, Refusal) and decision.reason is GrantReason.RATE_LIMIT):
        return
    account = request.member.address
    state.requests[account] = [*(at for at in state.requests.get(account, ()) if at > now - longest), now]


def timesteps_remembered(state: DsoState) -> int:
    """Return how many timesteps before the first unbilled one a rule still counts."""
    return max((rule.period_timesteps for rule in state.policy.rules if isinstance(rule, PeriodEnergy)), default=0)
