"""The DSO's price schedules (R13, R14, R41): which one holds, and which are refused.

Decides: what a price is for a timestep. Knows no home.
Invariant: feed-in <= local <= retail and imbalance >= retail + grid fee, for every schedule in force.
"""

from collections.abc import Sequence

from petra.domain.messages import PriceSchedule

PRICE_MAX = 10**12  # nano-units per kWh: no misprint may bring an amount that the books cannot hold


def schedule_problems(schedule: PriceSchedule) -> list[str]:
    """Return what is wrong with a schedule, a sentence each; empty if homes, DSO and audit may accept it."""
    problems = []
    if max(schedule.retail, schedule.feed_in, schedule.grid_fee, schedule.imbalance, schedule.bulk) > PRICE_MAX:
        problems.append(f"no price may be above {PRICE_MAX}")
    if min(schedule.feed_in, schedule.grid_fee, schedule.bulk) < 0:
        problems.append("feed-in, grid fee and bulk price must not be negative")
    if not schedule.feed_in <= schedule.local <= schedule.retail:
        problems.append(
            f"local {schedule.local} must lie between feed-in {schedule.feed_in} and retail {schedule.retail}"
        )
    if schedule.imbalance < schedule.retail + schedule.grid_fee:
        problems.append(
            f"imbalance {schedule.imbalance} must be at least retail + grid fee"
            f" {schedule.retail + schedule.grid_fee}, or failing to deliver would pay"
        )
    return problems


def schedule_in_force(schedules: Sequence[PriceSchedule], timestep: int) -> PriceSchedule:
    """Return the last schedule that begins at or before the timestep; the first one where none does."""
    in_force = [schedule for schedule in schedules if schedule.from_timestep <= timestep]
    return max(in_force, key=lambda schedule: schedule.from_timestep) if in_force else schedules[0]


def in_force_from(schedules: Sequence[PriceSchedule], timestep: int) -> tuple[PriceSchedule, ...]:
    """Return what holds at a timestep or begins later, in the order given."""
    first = schedule_in_force(schedules, timestep)
    return tuple(one for one in schedules if one == first or one.from_timestep > timestep)
