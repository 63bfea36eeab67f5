"""Energy and money of a run by timestep, by home and in total, with the utility-only baseline beside them.

Decides: what demanded, servable, traded, own use and community use mean (docs/how-to/read-a-report.md).
Invariant: exact integers (joules, watts, nano-units); demanded = traded + residual in every timestep.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from petra.domain.quantities import energy_of
from petra.report.facts import Facts, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestepEnergy:
    """One delivery timestep, in joules.

    Attributes:
        asked_production, demanded: what homes asked to sell and to buy. granted_*: what the DSO issued.
        produced, consumed: behind the meters. own_use: produced and used in the same home.
        net_export, net_import: the homes' metered surpluses and needs, each summed over its own side.
        imbalance_over, imbalance_under: metered beyond, and short of, the homes' positions.
    """

    timestep: int
    asked_production: int
    demanded: int
    granted_production: int
    granted_consumption: int
    traded: int
    produced: int
    consumed: int
    own_use: int
    net_export: int
    net_import: int
    imbalance_over: int
    imbalance_under: int

    @property
    def servable(self) -> int:
        """The smaller of granted production and granted consumption: what trading can serve at most."""
        return min(self.granted_production, self.granted_consumption)

    @property
    def residual(self) -> int:
        """What was demanded and not traded: the utility's part."""
        return self.demanded - self.traded

    @property
    def community_use(self) -> int:
        """Traded energy that one home delivered and another used in this timestep."""
        return min(self.traded, self.net_export, self.net_import)

    @property
    def exchange(self) -> int:
        """What flows in through the transformer, negative = out; losses are not counted."""
        return self.consumed - self.produced


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeTotals:
    """One home over the run; joules and nano-units, amounts positive = received. `lines`: kind to (energy, amount)."""

    home: str
    sold: int
    bought: int
    received: int
    paid: int
    produced: int
    consumed: int
    own_use: int
    lines: dict[str, tuple[int, int]]
    settlement: int
    utility_only: int
    trades: int

    @property
    def result(self) -> int:
        """What the home earned, or paid if negative, with the community."""
        return self.received - self.paid + self.settlement

    @property
    def savings(self) -> int:
        """What the community was worth to it."""
        return self.result - self.utility_only

    def line(self, kind: str) -> tuple[int, int]:
        """Return energy and amount of a kind of line; zeros where there is none."""
        return self.lines.get(kind, (0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The community over the run, with or without trading, joules.

    Attributes:
        local: energy that was produced and used inside the community. local_trades: how many trades carried it.
    """

    produced: int
    consumed: int
    local: int
    local_trades: int
    bulk: int

    @property
    def self_consumption(self) -> float | None:
        """The share of production that was used locally; None where nothing was produced."""
        return share(self.local, self.produced)

    @property
    def self_sufficiency(self) -> float | None:
        """The share of consumption that was produced locally; None where nothing was consumed."""
        return share(self.local, self.consumed)

    @property
    def bulk_share(self) -> float | None:
        """The share of consumption that a bulk supplier met (R15)."""
        return share(self.bulk, self.consumed)


def share(part: int, whole: int) -> float | None:
    """Return part / whole, None where the whole is 0."""
    return part / whole if whole else None


def by_timestep(facts: Facts) -> list[TimestepEnergy]:
    """Return every delivery timestep's energies, in order."""
    seconds = facts.seconds
    asked = _asked(facts)
    granted = [(g.start, g.end, g.power) for g in facts.grants]
    sums = {
        "asked_production": _spread(_side(asked, seconds, production=True)),
        "demanded": _spread(_side(asked, seconds, production=False)),
        "granted_production": _spread(_side(granted, seconds, production=True)),
        "granted_consumption": _spread(_side(granted, seconds, production=False)),
        "traded": _spread((t.start, t.end, t.energy // (t.end - t.start + 1)) for t in facts.trades),
        "produced": _metered(facts, lambda produced, consumed: produced),
        "consumed": _metered(facts, lambda produced, consumed: consumed),
        "own_use": _metered(facts, min),
        "net_export": _metered(facts, lambda produced, consumed: max(0, produced - consumed)),
        "net_import": _metered(facts, lambda produced, consumed: max(0, consumed - produced)),
        "imbalance_over": _deviations(facts, 1),
        "imbalance_under": _deviations(facts, -1),
    }
    return [
        TimestepEnergy(timestep=timestep, **{name: values.get(timestep, 0) for name, values in sums.items()})
        for timestep in facts.timesteps
    ]


def by_home(facts: Facts) -> list[HomeTotals]:
    """Return every member's totals, in the order of the journal."""
    return [_totals(facts, home) for home in facts.members]


def with_community(timesteps: Iterable[TimestepEnergy], trades: int) -> Balance:
    """Return the community's balance as it was traded."""
    steps = list(timesteps)
    local = sum(step.own_use + step.community_use for step in steps)
    return _balance(steps, local, trades)


def utility_only(timesteps: Iterable[TimestepEnergy]) -> Balance:
    """Return the balance of the same meters where every home deals with the utility alone."""
    steps = list(timesteps)
    return _balance(steps, sum(step.own_use for step in steps), 0)


def peak_watts(timesteps: Iterable[TimestepEnergy], seconds: int) -> tuple[int, int]:
    """Return the highest import and export through the transformer, in watts, averages over a timestep, never < 0."""
    flows = [step.exchange for step in timesteps]
    return max([0, *flows]) // seconds, max([0, *(-flow for flow in flows)]) // seconds


def _balance(steps: list[TimestepEnergy], local: int, trades: int) -> Balance:
    consumed = sum(step.consumed for step in steps)
    return Balance(
        produced=sum(step.produced for step in steps),
        consumed=consumed,
        local=local,
        local_trades=trades,
        bulk=consumed - local,
    )


def _asked(facts: Facts) -> list[tuple[int, int, int]]:
    """Return what each home wanted in each timestep and direction: (timestep, timestep, watts).

    Who is refused asks again, for less: that is the same want. What was granted already adds to what is asked for next.
    """
    granted: dict[tuple[str, int, bool], int] = {}
    wanted: dict[tuple[str, int, bool], int] = {}
    for one in facts.withdrawals.values():
        key = one.home, one.timestep, one.power > 0
        total = granted.get(key, 0) + one.power
        wanted[key] = max(wanted.get(key, 0), total, key=abs)
        if one.answer == "granted":
            granted[key] = total
    return [(timestep, timestep, power) for (_, timestep, _), power in wanted.items()]


def _side(parts: list[tuple[int, int, int]], seconds: int, *, production: bool) -> Iterator[tuple[int, int, int]]:
    return ((start, end, energy_of(power, 1, seconds)) for start, end, power in parts if (power > 0) is production)


def _spread(parts: Iterable[tuple[int, int, int]]) -> dict[int, int]:
    """Sum energies per timestep by timestep: each part stands as (start, end, joules in each timestep)."""
    total: dict[int, int] = {}
    for start, end, energy in parts:
        for timestep in range(start, end + 1):
            total[timestep] = total.get(timestep, 0) + energy
    return total


def _metered(facts: Facts, count: Callable[[int, int], int]) -> dict[int, int]:
    return _spread(
        (timestep, timestep, count(note["produced"], note["consumed"]))
        for (_, timestep), note in facts.measured.items()
    )


def _deviations(facts: Facts, sign: int) -> dict[int, int]:
    return _spread(
        (timestep, timestep, max(0, sign * (note["metered"] - note["position"])))
        for (_, timestep), note in facts.settled.items()
    )


def _totals(facts: Facts, home: str) -> HomeTotals:
    sold = [trade for trade in facts.trades if trade.seller == home]
    bought = [trade for trade in facts.trades if trade.buyer == home]
    settled = [note for (name, _), note in facts.settled.items() if name == home]
    measured = [note for (name, _), note in facts.measured.items() if name == home]
    lines: dict[str, tuple[int, int]] = {}
    for note in settled:
        for kind, (energy, amount) in note["lines"].items():
            before = lines.get(kind, (0, 0))
            lines[kind] = (before[0] + energy, before[1] + amount)
    return HomeTotals(
        home=home,
        sold=_energy(sold),
        bought=_energy(bought),
        received=sum(trade.payment for trade in sold),
        paid=sum(trade.payment for trade in bought),
        produced=sum(note["produced"] for note in measured),
        consumed=sum(note["consumed"] for note in measured),
        own_use=sum(min(note["produced"], note["consumed"]) for note in measured),
        lines=lines,
        settlement=sum(note["amount"] for note in settled),
        utility_only=sum(note["utility_only"] for note in settled),
        trades=len({(trade.transaction, trade.offer_id) for trade in (*sold, *bought)}),
    )


def _energy(trades: list[Trade]) -> int:
    return sum(trade.energy for trade in trades)
