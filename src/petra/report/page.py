"""The page: one self-contained HTML file from a run (issue 2, part 7).

Decides: nothing about figures; puts cards, tables and drawings into the template, in the order of the issue.
Invariant: no script, no network, no clock: the same run directory gives the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from petra.report import feeder, figures, original, sections, words
from petra.report.charts import Figure
from petra.report.checks import Checks
from petra.report.energy import HomeTotals, TimestepEnergy, peak_watts
from petra.report.facts import Facts
from petra.report.outsider import Linking, Sight
from petra.report.reading import RunRecord
from petra.report.trail import Trail
from petra.report.words import LocalTime


def render(
    run: RunRecord,
    facts: Facts,
    timesteps: list[TimestepEnergy],
    homes: list[HomeTotals],
    *,
    checks: Checks,
    sight: Sight,
    linking: Linking,
    trail: Trail | None,
) -> str:
    """Return the page's HTML."""
    time = LocalTime(facts.run["timezone"])
    grid = run.grid if run.grid and "impossible" not in run.grid else None
    bill_home = trail.trade.buyer if trail and trail.trade.buyer in run.bills else next(iter(run.bills), None)
    return _environment(time).get_template("page.html").render(
        facts=facts,
        about=run.about,
        begins=facts.begin(facts.timesteps.start),
        ends=facts.begin(facts.timesteps.stop),
        timesteps=timesteps,
        figures=_figures(facts, timesteps, homes, time)
        | (feeder.drawings(grid, facts, timesteps, time) if grid else {}),
        tables=_tables(run.about, facts, timesteps, homes, time)
        | (feeder.views(grid) if grid else {}),
        feeder=grid,
        unsolved=run.grid["impossible"] if run.grid and not grid else None,
        impossible=feeder.impossible(grid) if grid else [],
        cards=sections.cards(facts, timesteps, homes, checks),
        checks=checks,
        sight=sight,
        linking=linking,
        trail=trail,
        bill=run.bills.get(bill_home) if bill_home else None,
        peaks=peak_watts(timesteps, facts.seconds),
        original=original,
    )


def _figures(
    facts: Facts, timesteps: list[TimestepEnergy], homes: list[HomeTotals], time: LocalTime
) -> dict[str, Figure]:
    drawn = (
        figures.day(facts, time),
        figures.energy(facts, timesteps, time),
        figures.waiting(facts),
        figures.service(facts, time),
        figures.homes(homes),
        figures.exchange(facts, timesteps, time),
        figures.imbalance(facts, timesteps, time),
    )
    return {figure.name: figure for figure in drawn if figure is not None}


def _tables(
    about: Mapping[str, Any],
    facts: Facts,
    timesteps: list[TimestepEnergy],
    homes: list[HomeTotals],
    time: LocalTime,
) -> dict[str, sections.View]:
    return {
        "energy": sections.energy(facts, timesteps, time),
        "waiting": sections.waiting(facts),
        "service": sections.service(facts),
        "homes": sections.homes(homes),
        "comparison": sections.comparison(facts, timesteps, homes),
        "withdrawals": sections.withdrawals(facts),
        "voids": sections.voids(facts),
        "imbalance": sections.imbalance(homes, facts),
        "books": sections.books(facts),
        "prices": sections.prices(facts, time),
        "settings": sections.settings(about["scenario"]),
    }


def _environment(time: LocalTime) -> Environment:
    environment = Environment(
        loader=PackageLoader("petra.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "kwh": words.kwh,
        "energy": words.energy,
        "kilowatts": words.kilowatts,
        "eur": words.eur,
        "euros": words.euros,
        "cents": words.cents,
        "percent": words.percent,
        "number": words.number,
        "shortened": words.shortened,
        "commit": words.commit,
        "clock": time.clock,
        "to_the_second": time.to_the_second,
        "date": time.date,
    }
    return environment
