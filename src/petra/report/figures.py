"""The figures of the page, each from the run's facts.

Decides: what is drawn and what its alternative text says. `charts` decides how a mark looks.
Invariant: every axis carries its quantity and unit; every figure can be read from the table that stands with it.
"""

from collections import Counter
from collections.abc import Sequence

from petra.domain.quantities import JOULES_PER_KWH, MONEY_PER_UNIT
from petra.report import charts, original, words
from petra.report.charts import Figure, Frame
from petra.report.energy import HomeTotals, TimestepEnergy, peak_watts
from petra.report.facts import Facts
from petra.report.summary import service_times, spread_of, waiting_times
from petra.report.words import LocalTime

LOCAL_TIME = "local time"
# Seconds between the marks of a time axis: the first of them that leaves room for the text.
MARK_SECONDS = (4, 20, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
HOMES_MOST = 40


def day(facts: Facts, time: LocalTime) -> Figure | None:
    """Return production and consumption of all homes over the day, the trading window marked (Fig. 3)."""
    if not facts.days or not facts.days[0]["production_watts"]:
        return None
    produced, consumed = (
        [sum(column) / 1_000 for column in zip(*(one[name] for one in facts.days), strict=True)]
        for name in ("production_watts", "consumption_watts")
    )
    start = facts.days[0]["start_unix"]
    edges = [start + index * facts.seconds for index in range(len(produced) + 1)]
    window = (facts.begin(facts.timesteps.start), facts.begin(facts.timesteps.stop))
    alt = (
        f"Power over the day {time.date(start)}: production peaks at {max(produced):.1f} kW, consumption at"
        f" {max(consumed):.1f} kW; the trading window, {time.clock(window[0])} to {time.clock(window[1])}, is shaded."
    )

    def draw(width: int) -> str:
        high = charts.room_above(max([*produced, *consumed]))
        height = 300 if width > charts.NARROW else 250
        frame = Frame(width=width, height=height, x_range=(edges[0], edges[-1]), y_range=(0, high))
        marks = [(float(unix), text) for unix, text in clock_marks((start, edges[-1]), time, frame.marks_most)]
        parts = [
            charts.bar(frame, window, (0, high), "window", f"{time.clock(window[0])} to {time.clock(window[1])}"),
            charts.vertical_axis(frame, "power in kW"),
            charts.steps(frame, edges, produced, "area produce", filled=True),
            charts.steps(frame, edges, produced, "stroke produce"),
            charts.steps(frame, edges, consumed, "stroke consume"),
            charts.horizontal_axis(frame, marks, LOCAL_TIME),
        ]
        return charts.drawing(frame, alt, parts)

    legend = (("produce", "production"), ("consume", "consumption"), ("window", "trading window"))
    return charts.figure("day", "Production and consumption over the day", alt, legend, draw)


def energy(facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> Figure:
    """Return what was demanded, servable, traded and left over, per delivery timestep."""
    high = charts.room_above(max([0.0, *(_kwh(max(step.demanded, step.traded)) for step in timesteps)]))
    alt = (
        f"Energy in each of {len(timesteps)} timesteps: of {words.energy(sum(s.demanded for s in timesteps))} demanded,"
        f" {words.energy(sum(s.servable for s in timesteps))} could be served"
        f" and {words.energy(sum(s.traded for s in timesteps))} were traded."
    )

    def draw(width: int) -> str:
        frame = timestep_frame(width, timesteps, (0, high))
        gap = 0.12 if len(timesteps) <= 40 else 0.0
        parts = [charts.vertical_axis(frame, "energy in kWh")]
        for step in timesteps:
            begin, end = step.timestep + gap, step.timestep + 1 - gap
            told = (
                f"{time.clock(facts.begin(step.timestep))}: {words.energy(step.demanded)} demanded,"
                f" {words.energy(step.servable)} servable, {words.energy(step.traded)} traded"
            )
            traded, demanded, servable = _kwh(step.traded), _kwh(step.demanded), _kwh(step.servable)
            parts.append(charts.bar(frame, (begin, end), (0, traded), "community", told))
            parts.append(charts.bar(frame, (begin, end), (traded, max(traded, demanded)), "utility", told))
            y = frame.y(servable)
            parts.append(charts.line((frame.x(step.timestep), y), (frame.x(step.timestep + 1), y), "servable"))
        parts.append(timestep_axis(frame, facts, time))
        return charts.drawing(frame, alt, parts)

    legend = (
        ("community", "traded in the community"),
        ("utility", "residual, from the utility"),
        ("servable", "servable"),
    )
    return charts.figure("energy", "Energy per timestep", alt, legend, draw)


def waiting(facts: Facts) -> Figure:
    """Return the histogram from posted offer to accepted trade, the paper's figures above it (Fig. 4)."""
    times = waiting_times(facts)
    spread = spread_of(times)
    longest = max([original.PAPER.most, *times])
    width_of_bin = max(2, int(facts.run["block_seconds"]), -(-longest // 40))
    # Times are multiples of the block time, so each bar stands around its value, not between two of them.
    counted = Counter((2 * waited + width_of_bin) // (2 * width_of_bin) for waited in times)
    count = (2 * int(longest) + width_of_bin) // (2 * width_of_bin) + 1
    alt = (
        f"Histogram of {len(times)} trades by the seconds of block time from posted offer to accepted trade: mean"
        f" {words.duration(spread['mean'])}, 90 % within {words.duration(spread['p90'])}, at most"
        f" {words.duration(spread['max'])}. The paper: mean 11.79 s, 90 % within 23 s, at most 38 s."
    )
    rows = [("this run", "community", (spread["min"], spread["median"], spread["mean"], spread["p90"], spread["max"]))]
    for label, one in (("paper", original.PAPER), ("log", original.RECOMPUTED)):
        rows.append((label, "reference", (one.least, one.median, one.mean, one.p90, one.most)))

    def draw(width: int) -> str:
        frame = Frame(
            width=width,
            height=340 if width > charts.NARROW else 300,
            x_range=(-0.5 * width_of_bin, (count - 0.5) * width_of_bin),
            y_range=(0, charts.room_above(max([0, *counted.values()]))),
            left=58,
            top=86,
        )
        parts = [charts.vertical_axis(frame, "trades")]
        for index, trades in sorted(counted.items()):
            middle, half = index * width_of_bin, 0.38 * width_of_bin
            told = f"about {middle} s: {trades} trades"
            parts.append(charts.bar(frame, (middle - half, middle + half), (0, trades), "community", told))
        for value in (original.PAPER.mean, original.PAPER.p90):
            parts.append(charts.line((frame.x(value), 40), (frame.x(value), frame.y(0)), "dashed"))
        for row, (label, style, values) in enumerate(rows):
            parts += _spread_row(frame, 16 + 22 * row, label, style, values)
        marks = [(value, f"{value:g}") for value in charts.round_steps(*frame.x_range, most=frame.marks_most)]
        parts.append(charts.horizontal_axis(frame, marks, "seconds of block time from posted offer to accepted trade"))
        return charts.drawing(frame, alt, parts)

    legend = (
        ("community", "trades of this run"),
        ("reference", "bars above: least to most; thick to the 90th percentile; line median, dot mean"),
        ("dashed", "the paper's mean and 90th percentile"),
    )
    return charts.figure("waiting", "From posted offer to accepted trade", alt, legend, draw)


def service(facts: Facts, time: LocalTime) -> Figure:
    """Return how long each timestep took from its first asset to its last trade, beside the original's range."""
    times = service_times(facts)
    spread = spread_of(list(times.values()))
    alt = (
        f"Seconds from a timestep's first asset to its last trade: mean {words.duration(spread['mean'])}, at most"
        f" {words.duration(spread['max'])}; the original's lie between {original.SERVICE_LEAST} and"
        f" {original.SERVICE_MOST} s, mean {original.SERVICE_MEAN} s."
    )

    def draw(width: int) -> str:
        high = charts.room_above(max([original.SERVICE_MOST, *times.values()]))
        frame = Frame(
            width=width,
            height=240,
            x_range=(facts.timesteps.start, facts.timesteps.stop),
            y_range=(0, high),
        )
        gap = 0.2 if len(facts.timesteps) <= 40 else 0.05
        parts = [
            charts.bar(frame, frame.x_range, (original.SERVICE_LEAST, original.SERVICE_MOST), "band"),
            charts.vertical_axis(frame, "seconds of block time"),
        ]
        for timestep, waited in times.items():
            told = f"{time.clock(facts.begin(timestep))}: {waited} s"
            parts.append(charts.bar(frame, (timestep + gap, timestep + 1 - gap), (0, waited), "community", told))
        y = frame.y(original.SERVICE_MEAN)
        parts.append(charts.line((frame.left, y), (frame.width - frame.right, y), "dashed"))
        parts.append(timestep_axis(frame, facts, time))
        return charts.drawing(frame, alt, parts)

    legend = (
        ("community", "this run"),
        ("band", "the original's range, 65 to 132 s"),
        ("dashed", "the original's mean, 96 s"),
    )
    return charts.figure("service", "How long it took to serve a timestep", alt, legend, draw)


def homes(totals: Sequence[HomeTotals]) -> Figure:
    """Return the cost of the homes that gain or lose most, with the community and with the utility alone."""
    most = {home.home for home in sorted(totals, key=lambda home: -abs(home.savings))[:HOMES_MOST]}
    costs = [(home.home, _eur(-home.result), _eur(-home.utility_only)) for home in totals if home.home in most]
    values = [0.0, *(value for _, *pair in costs for value in pair)]
    margin = max(max(values) - min(values), 0.01) * 0.05
    low, high = min(values) - margin, max(values) + margin
    better = sum(1 for home in totals if home.savings >= 0)
    alt = (
        f"Cost of each of {len(costs)} homes with the community and with the utility alone;"
        f" {better} are no worse off with it."
    )

    def draw(width: int) -> str:
        names = max([4, *(len(name) for name, *_ in costs)])
        frame = Frame(
            width=width,
            height=24 * len(costs) + 60,
            x_range=(low, high),
            y_range=(0, max(1, len(costs))),
            left=min(22 + 7 * names, width // 3),
            right=20,
        )
        parts = []
        marks = [(value, f"{value:g}".replace("-", words.MINUS)) for value in charts.round_steps(low, high)]
        base = frame.height - frame.bottom
        for value, _ in marks:
            style = "rule" if value else "axis"
            parts.append(charts.line((frame.x(value), frame.top), (frame.x(value), base), style))
        for row, (name, with_community, alone) in enumerate(costs):
            y = frame.y(len(costs) - row - 0.5)
            told = f"{name}: {with_community:.3f} EUR with the community, {alone:.3f} EUR without"
            parts.append(charts.words((frame.left - 10, y + 4), name, anchor="end"))
            parts.append(charts.line((frame.x(alone), y), (frame.x(with_community), y), "link"))
            parts.append(charts.dot((frame.x(alone), y), "utility", 5, told))
            parts.append(charts.dot((frame.x(with_community), y), "community", 5, told))
        parts.append(charts.horizontal_axis(frame, marks, "cost in EUR; below zero = earned"))
        return charts.drawing(frame, alt, parts)

    legend = (("community round", "with the community"), ("utility round", "with the utility alone"))
    return charts.figure("homes", "Cost of each home", alt, legend, draw)


def exchange(facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> Figure:
    """Return the power through the transformer, import above zero and export below."""
    flows = [step.exchange / facts.seconds / 1_000 for step in timesteps]
    peak_import, peak_export = peak_watts(timesteps, facts.seconds)
    alt = (
        f"Power through the transformer: at most {words.kilowatts(peak_import)} in and"
        f" {words.kilowatts(peak_export)} out, the same with and without trading."
    )

    def draw(width: int) -> str:
        low = 1.06 * min([0.0, *flows])
        high = 1.06 * max([0.0, *flows]) or -0.1 * low or 1.0
        frame = timestep_frame(width, timesteps, (low, high))
        edges = [*facts.timesteps, facts.timesteps.stop]
        parts = [
            charts.vertical_axis(frame, "power in kW"),
            charts.steps(frame, edges, [max(0.0, flow) for flow in flows], "area consume", filled=True),
            charts.steps(frame, edges, [min(0.0, flow) for flow in flows], "area produce", filled=True),
            charts.steps(frame, edges, flows, "stroke ink"),
            timestep_axis(frame, facts, time),
        ]
        return charts.drawing(frame, alt, parts)

    legend = (("consume", "import, above zero"), ("produce", "export, below zero"))
    return charts.figure("exchange", "Power through the transformer", alt, legend, draw)


def imbalance(facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> Figure | None:
    """Return what was metered beyond and short of the homes' positions; None where everybody kept to them."""
    if not any(step.imbalance_over or step.imbalance_under for step in timesteps):
        return None
    over, under = ([_kwh(getattr(step, name)) for step in timesteps] for name in ("imbalance_over", "imbalance_under"))
    alt = f"Imbalance per timestep: {sum(over):.2f} kWh beyond and {sum(under):.2f} kWh short of the positions in all."

    def draw(width: int) -> str:
        frame = timestep_frame(width, timesteps, (-charts.room_above(max(under)), charts.room_above(max(over))))
        gap = 0.12 if len(timesteps) <= 40 else 0.0
        parts = [charts.vertical_axis(frame, "energy in kWh")]
        for step, more, less in zip(timesteps, over, under, strict=True):
            told = f"{time.clock(facts.begin(step.timestep))}: {more:.2f} kWh beyond, {less:.2f} kWh short"
            x = (step.timestep + gap, step.timestep + 1 - gap)
            parts.append(charts.bar(frame, x, (0, more), "produce", told))
            parts.append(charts.bar(frame, x, (-less, 0), "utility", told))
        parts.append(timestep_axis(frame, facts, time))
        return charts.drawing(frame, alt, parts)

    legend = (("produce", "beyond the position"), ("utility", "short of it"))
    return charts.figure("imbalance", "Imbalance per timestep", alt, legend, draw)


def timestep_frame(width: int, timesteps: Sequence[TimestepEnergy], y_range: tuple[float, float]) -> Frame:
    """Return the plot of a quantity over the timesteps."""
    first, last = timesteps[0].timestep, timesteps[-1].timestep
    height = 280 if width > charts.NARROW else 240
    return Frame(width=width, height=height, x_range=(first, last + 1), y_range=y_range)


def timestep_axis(frame: Frame, facts: Facts, time: LocalTime) -> str:
    """Return the local time below such a plot."""
    begin, end = facts.begin(facts.timesteps.start), facts.begin(facts.timesteps.stop)
    marks = [
        ((unix - facts.run["genesis"]) / facts.seconds, text)
        for unix, text in clock_marks((begin, end), time, frame.marks_most)
    ]
    return charts.horizontal_axis(frame, marks, LOCAL_TIME)


def clock_marks(span: tuple[int, int], time: LocalTime, most: int) -> list[tuple[int, str]]:
    """Return round local times of a span of unix seconds, about as many as fit."""
    begin, end = span
    every = next((s for s in MARK_SECONDS if (end - begin) / s <= most), MARK_SECONDS[-1])
    first = begin + -time.seconds_of_day(begin) % every
    write = time.to_the_second if every < 60 else time.clock
    return [(unix, write(unix)) for unix in range(first, end + 1, every)]


def _spread_row(
    frame: Frame, y: float, label: str, style: str, values: tuple[float | None, ...]
) -> list[str]:
    """Return one row: thin from least to most, thick to the 90th percentile, stroke = median, dot = mean."""
    parts = [charts.words((4, y + 4), label)]
    least, median, mean, p90, most = values
    if least is None or median is None or mean is None or p90 is None or most is None:
        return parts
    x = frame.x
    return [
        *parts,
        charts.line((x(least), y), (x(most), y), f"thin {style}"),
        charts.line((x(least), y), (x(p90), y), f"thick {style}"),
        charts.line((x(median), y - 8), (x(median), y + 8), f"mark {style}"),
        charts.dot((x(mean), y), f"{style} ring", 4.5, f"{label}: mean {mean:.2f} s"),
    ]


def _kwh(joules: int) -> float:
    return joules / JOULES_PER_KWH


def _eur(nano: int) -> float:
    return nano / MONEY_PER_UNIT
