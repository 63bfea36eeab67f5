"""`petra report DIR`: read a run, write its page and its tables into it.

Decides: the files' names and their order. Invariant: nothing is written before everything has been read and made.
"""

from pathlib import Path

from petra.errors import StoreError
from petra.report.checks import check
from petra.report.energy import by_home, by_timestep
from petra.report.facts import read_facts
from petra.report.outsider import link_by_watts, look
from petra.report.page import render
from petra.report.reading import read_run
from petra.report.tables import readme, tables
from petra.report.trail import follow_one
from petra.report.words import LocalTime


def write_report(run_directory: Path) -> Path:
    """Write report.html and tables/*.csv into a run directory; return the page's path.

    InputError, a line for each problem, where the directory holds no whole run; StoreError where it cannot be written.
    """
    run = read_run(run_directory)
    facts = read_facts(run.journal)
    timesteps, homes = by_timestep(facts), by_home(facts)
    sight = look(run.ledger, facts.seconds)
    html = render(
        run,
        facts,
        timesteps,
        homes,
        checks=check(facts, run.bills),
        sight=sight,
        linking=link_by_watts(sight.grants, facts.home_of),
        trail=follow_one(facts),
    )
    made = tables(facts, timesteps, homes, LocalTime(facts.run["timezone"]))
    files = {f"tables/{name}.csv": table.as_csv() for name, table in made.items()}
    files |= {"tables/README.md": readme(made), "report.html": html}
    try:
        (run_directory / "tables").mkdir(exist_ok=True)
        for name, text in files.items():
            (run_directory / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StoreError(f"{run_directory}: the report cannot be written: {error.strerror}") from error
    return run_directory / "report.html"
