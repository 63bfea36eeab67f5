"""Who broke its envelope is granted less for a while (R27, R84, DESIGN 7).

Decides: which settled timesteps count as broken, and how much less that means. What lies outside the envelope is not
bought and pays, whatever stands here: `settlement.lines`.
Invariants: a timestep counts once, as it was settled last, and only if a meter told of it; after so many good ones in a
row everything is as before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from petra.domain.messages import Direction
from petra.domain.refusals import GrantReason, Refusal
from petra.roles.dso.fine_rules import EVERYBODY, PERCENT, Scope
from petra.roles.dso.state import DsoState, Grant, Member, Request
from petra.roles.effects import Effect, Note
from petra.settlement.bills import SettledTimestep

BROKEN_MAX = PERCENT  # so many take everything away, at one percent each


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Each broken timestep lowers what an account may hold by a share of its plant's or connection's rating.

    Attributes:
        lowered_percent: the share. good_timesteps: after so many good ones in a row all is restored.
        ignored_watts: so much outside the envelope, on average, is no break.
    """

    scope: Scope = EVERYBODY
    lowered_percent: int
    good_timesteps: int
    ignored_watts: int = 0

    def __call__(self, state: DsoState, request: Request, now: int) -> Grant | Refusal:
        """Refuse more than what is left of the rating."""
        left = self.left_percent(state, request.member)

        def problem(direction: Direction, totals: dict[int, int]) -> Refusal | None:
            limit = rating(request.member, direction) * left // PERCENT
            highest = max(totals.values(), default=0)
            if left == PERCENT or highest <= limit:
                return None
            return Refusal(reason=GrantReason.STANDING, arguments=(highest, limit))

        return self.scope.first_refusal(state, request, problem)

    def left_percent(self, state: DsoState, member: Member) -> int:
        """Return how much of its rating an account may still hold."""
        broken = _broken(state.conduct.get(member.address, {}), self.good_timesteps)[0]
        return max(0, PERCENT - self.lowered_percent * broken)


def rating(member: Member, direction: Direction) -> int:
    """Return the rating of a home's plant or connection, watts."""
    if direction is Direction.EXPORT:
        return member.production_capacity_watts
    return member.consumption_capacity_watts


def judge(state: DsoState, member: Member, settled: SettledTimestep) -> None:
    """Remember whether a member kept its envelope in a timestep that was settled, if a rule asks."""
    rules = _rules(state, member)
    if not rules or settled.provisional:
        return
    ignored = min(rule.ignored_watts for rule in rules) * state.terms.timestep_seconds
    state.conduct.setdefault(member.address, {})[settled.timestep] = settled.delivery.excess <= ignored


def reports(state: DsoState, home: str, settled: SettledTimestep) -> list[Effect]:
    """Report a timestep outside the envelope, and what is left of the home's rating; nothing where no rule asks."""
    if not state.conduct:
        return []
    member = next(one for one in state.members.values() if one.name == home)
    if state.conduct.get(member.address, {}).get(settled.timestep, True):
        return []
    fields = {
        "home": home,
        "timestep": settled.timestep,
        "excess": settled.delivery.excess,
        "import_allowed": settled.delivery.import_allowed,
        "export_allowed": settled.delivery.export_allowed,
        "left_percent": min(rule.left_percent(state, member) for rule in _rules(state, member)),
    }
    return [Note(kind="envelope-broken", fields=fields)]


def forget_conduct(state: DsoState, through: int) -> None:
    """Drop what is billed and lies before everything that still counts."""
    for account, own in state.conduct.items():
        needed = max(_broken(own, rule.good_timesteps)[1] for rule in _rules(state, state.members[account]))
        counting = set(sorted(own, reverse=True)[:needed])
        state.conduct[account] = {
            timestep: kept for timestep, kept in own.items() if timestep > through or timestep in counting
        }


def _rules(state: DsoState, member: Member) -> list[Standing]:
    return [rule for rule in state.policy.rules if isinstance(rule, Standing) and rule.scope.covers(member)]


def _broken(conduct: Mapping[int, bool], good_timesteps: int) -> tuple[int, int]:
    """Count the broken timesteps since the last run of good ones, and the timesteps looked at, newest first."""
    broken = good = looked = 0
    for timestep in sorted(conduct, reverse=True):
        looked += 1
        broken, good = (broken, good + 1) if conduct[timestep] else (broken + 1, 0)
        if good == good_timesteps or broken == BROKEN_MAX:
            break
    return broken, looked
