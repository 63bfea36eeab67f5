"""What meters told the DSO: which readings count, and how much energy flowed in a timestep (R28, R29, DESIGN 10).

Decides: whether a reading is taken, and what a gap between two readings means. Knows no price and no position.
Invariants: registers never fall from reading to reading; the energies of the timesteps of a gap come to the difference
of the registers at its ends. Registers stand at 0 when the run begins, unless a reading says otherwise; of a home that
was enrolled later nothing is known before its first reading.
"""

from petra.domain.messages import MeterReading
from petra.roles.dso.state import DsoState, Member
from petra.roles.meter import FIRST_LINK, link_of
from petra.settlement.lines import spread_evenly

POWER_WATTS_MAX = 10**7


def is_final(state: DsoState, timestep: int, now: int) -> bool:
    """Say whether the dispute window of a timestep is over: nothing changes its settlement any more.

    The window begins when the timestep is settled: a DSO that was away takes the readings that came meanwhile.
    """
    if timestep >= state.next_to_settle:
        return False
    settled_at = state.settled_at.get(timestep)
    return settled_at is None or now >= settled_at + state.policy.dispute_window_seconds


def reading_problem(state: DsoState, member: Member, reading: MeterReading, now: int) -> str | None:
    """Return why a reading is not taken, None if it is."""
    known, timestep = state.told_by(member), reading.timestep
    if not state.first_of(member) - 1 <= timestep <= min(state.last_timestep, state.terms.timeline.current(now)):
        return "it is about no timestep of this run that has begun"
    if timestep in known:
        same = known.reading(timestep) == reading
        return None if same else "the meter told something else about this timestep before"
    before, after = known.neighbours(timestep)
    for other in (before, after):
        if other is not None and not _in_order(reading, known.reading(other)):
            return f"a register runs backwards between timesteps {min(other, timestep)} and {max(other, timestep)}"
    if before is not None and _is_too_much(state, known.reading(before), reading):
        return "more energy than any home can use or make"
    if after is not None and _is_too_much(state, reading, known.reading(after)):
        return "more energy than any home can use or make"
    # A gap is divided whole or not at all: joules that were settled for good must not be settled twice.
    if after is not None and is_final(state, _first_of_gap(state, member, before), now):
        return "it divides a gap that is settled for good"
    return None


def keep_reading(state: DsoState, member: Member, reading: MeterReading, proof: str) -> range:
    """Keep a reading without a problem and the hash that proves it; return the timesteps of which it tells."""
    if reading.timestep in state.told_by(member):
        return range(0)
    state.readings[member.meter].add(reading, proof)
    before, after = state.told_by(member).neighbours(reading.timestep)
    return range(_first_of_gap(state, member, before), (reading.timestep if after is None else after) + 1)


def metered(state: DsoState, member: Member, timestep: int) -> tuple[int, int] | None:
    """Return joules produced and consumed in a timestep, None if no reading tells.

    What flowed between two readings that are not neighbours is spread evenly over the timesteps between them, with
    production no higher than the plant can make.
    """
    known = state.told_by(member)
    before, after = known.neighbours(timestep)
    until = timestep if timestep in known else after
    if until is None:
        return None
    first = _first_of_gap(state, member, before)
    length, index = until - first + 1, timestep - first
    if before is None and member.first_timestep > 0:
        return None  # it was enrolled while its meter ran: its first reading says only where the next one begins
    begin, end = (0, 0) if before is None else _registers(known.reading(before)), _registers(known.reading(until))
    produced, consumed = (spread_evenly(end[side] - begin[side], length)[index] for side in (0, 1))
    if length > 1:
        produced = min(produced, member.production_capacity_watts * state.terms.timestep_seconds)
    return produced, consumed


def proofs(state: DsoState, member: Member, timestep: int) -> tuple[str, ...]:
    """Return the envelope hashes of the two readings that tell what flowed in a timestep."""
    known = state.told_by(member)
    before, after = known.neighbours(timestep)
    until = timestep if timestep in known else after
    return tuple(known.proof(one) for one in (before, until) if one is not None)


def chain_breaks(state: DsoState, member: Member) -> list[int]:
    """Return the timesteps whose reading does not name the one known before it: something is missing or was changed.

    What came before the newest reading that is billed, or before a home's first timestep, is not looked at again.
    """
    breaks = []
    link: bytes | None = FIRST_LINK
    begins = max(state.first_of(member), state.billed_through + 1)
    for reading in state.told_by(member).in_order():
        if reading.timestep < begins:
            link = None
        if link is not None and reading.previous != link:
            breaks.append(reading.timestep)
        link = link_of(reading)
    return breaks


def _is_too_much(state: DsoState, earlier: MeterReading, later: MeterReading) -> bool:
    """Say whether no home could do that: one broken register must not spoil the books of all."""
    most = (later.timestep - earlier.timestep) * POWER_WATTS_MAX * state.terms.timestep_seconds
    return max(later.produced - earlier.produced, later.consumed - earlier.consumed) > most


def _first_of_gap(state: DsoState, member: Member, before: int | None) -> int:
    return state.first_of(member) if before is None else before + 1


def _in_order(one: MeterReading, other: MeterReading) -> bool:
    earlier, later = sorted((one, other), key=lambda reading: reading.timestep)
    return earlier.produced <= later.produced and earlier.consumed <= later.consumed


def _registers(reading: MeterReading) -> tuple[int, int]:
    return reading.produced, reading.consumed
