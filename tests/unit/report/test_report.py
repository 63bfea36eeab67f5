"""The page and its tables, made of the small run."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from petra.report import write_report
from tests.unit.report.directories import write_run
from tests.unit.report.journals import small_journal

VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """Collects what a test asks: sections' headings, links, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.identifiers: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag that opens."""
        named = dict(attrs)
        self.identifiers |= {named["id"] or ""} if "id" in named else set()
        self.links += [named[key] or "" for key in ("href", "src") if key in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass over a tag that closes itself."""

    def handle_endtag(self, tag: str) -> None:
        """Check that tags close in order."""
        assert self.open and self.open.pop() == tag, tag


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory."""
    return write_run(tmp_path / "day")


def rows(directory: Path, name: str) -> list[dict[str, str]]:
    """Return a table's rows."""
    with (directory / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_names_are_escaped(tmp_path: Path) -> None:
    """A home's name or a scenario's title is text, whatever it holds."""
    journal = small_journal()
    journal[0]["title"] = "<script>alert(1)</script>"
    html = write_report(write_run(tmp_path / "day", journal)).read_text()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_page_needs_nothing_from_outside(run: Path) -> None:
    """No script, no address of a network: its links are anchors and files beside it."""
    html = write_report(run).read_text()
    page = Page(html)
    assert not page.open
    assert "<script" not in html
    assert "://" not in html
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= page.identifiers
    assert all((run / link).is_file() for link in page.links if not link.startswith("#"))


def test_same_run_gives_the_same_bytes(run: Path) -> None:
    """Nothing of the page or a table comes from the clock or from chance, and the report may be made again."""
    first = {path.name: path.read_bytes() for path in [write_report(run), *(run / "tables").iterdir()]}
    again = {path.name: path.read_bytes() for path in [write_report(run), *(run / "tables").iterdir()]}
    assert first == again
    assert len(first) == 9


def test_page_shows_everything_that_it_promises(run: Path) -> None:
    """Each part of the report is there, in order, and each figure tells its numbers in words."""
    html = write_report(run).read_text()
    sections = re.findall(r'<section id="([\w-]+)"', html)
    assert sections == [
        "day",
        "energy",
        "waiting",
        "homes",
        "grid",
        "asked",
        "imbalance",
        "books",
        "bill",
        "trail",
        "outsider",
        "settings",
        "open",
    ]
    figures = re.findall(r'id="fig-([\w-]+)"', html)
    assert figures == ["day", "energy", "waiting", "service", "homes", "exchange", "imbalance"]
    assert html.count("0123456789ab") >= len(figures)
    assert "Seed 7, commit 0123456789ab." in html
    assert "The paper, Fig. 4 (2017)" in html
    assert "105 accepted of 119 posted" in html
    assert "gives little privacy" in html
    assert "The books close." in html


def test_drawings_are_well_formed_and_tell_themselves(run: Path) -> None:
    """Every drawing is XML with an alternative text, once wide and once for a phone."""
    html = write_report(run).read_text()
    drawings = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    assert [one.get("class") for one in drawings] == ["wide", "narrow"] * 7
    assert all(len(one.get("aria-label") or "") > 20 for one in drawings)
    values = [value for one in drawings for node in one.iter() for value in node.attrib.values()]
    assert not [value for value in values if "nan" in value or "inf" in value.split()]


def test_broken_promise_is_told_on_top(tmp_path: Path) -> None:
    """Books that do not close are the first thing that a reader sees, and the problem is named."""
    journal = small_journal()
    journal[-1]["problems"] = ["timestep 4: the positions of all accounts sum to 9 J, not 0"]
    html = write_report(write_run(tmp_path / "day", journal)).read_text()
    assert "do not close" in html
    assert "A promise is broken." in html
    assert "sum to 9 J, not 0" in html
    assert "The books close." not in html


def test_run_without_trades_has_a_page(tmp_path: Path) -> None:
    """Where nothing was traded, nothing is followed, and no figure is divided by zero."""
    journal = [line for line in small_journal() if not str(line.get("transaction", "")).startswith("accept")]
    html = write_report(write_run(tmp_path / "day", journal)).read_text()
    assert "Nothing was traded in this run." in html
    assert write_report(write_run(tmp_path / "empty", small_journal()[:1])).is_file()


def test_tables_name_their_units(run: Path) -> None:
    """Each column of a quantity ends in its unit, and the exact figures stand there."""
    write_report(run)
    trades = rows(run, "trades")
    assert [trade["energy_wh"] for trade in trades] == ["750", "250", "750"]
    assert trades[0]["payment_eur"] == "0.142500000"
    assert (trades[0]["seller"], trades[0]["buyer"], trades[0]["waited_seconds"]) == ("sun", "den", "10")
    assert trades[0]["time_local"].endswith("+02:00")
    homes = {home["home"]: home for home in rows(run, "homes")}
    assert homes["den"]["retail_wh"] == "500"
    assert homes["den"]["result_eur"] == "-0.640000000"
    assert [row["traded_wh"] for row in rows(run, "energy")] == ["750", "1000"]
    assert rows(run, "offers")[0]["rescinded_local"].startswith("2016-05-26T14:15:05")
    assert sum(float(row["balance_eur"]) for row in rows(run, "books")) == pytest.approx(0)
    assert {row["answer"] for row in rows(run, "withdrawals")} == {"granted"}
    assert len(rows(run, "settlement")) == 4
    readme = (run / "tables" / "README.md").read_text()
    assert all(f"`{path.name}`" in readme for path in (run / "tables").glob("*.csv"))


def test_bill_stands_there_whole(run: Path) -> None:
    """The buyer's bill has its balances, its lines, its trades and its proofs."""
    html = write_report(run).read_text()
    bill = html[html.index('<section id="bill">') : html.index('<section id="trail">')]
    for text in ("den, 14:15 to 14:45", "19.36", "bought from the community", "1.750", "0.193", "abababab", "cdcdcd"):
        assert text in bill, text


def test_trade_is_followed_from_forecast_to_bill(run: Path) -> None:
    """The trail has every step in the order of time, with the identifiers of the journal."""
    html = write_report(run).read_text()
    trail = html[html.index('<section id="trail">') : html.index('<section id="outsider">')]
    steps = re.findall(r"<b>([\w ]+)</b> · ", trail)
    order = ["Forecast", "Withdrawal asked", "Granted", "AssetAdded", "OfferPosted", "OfferAccepted"]
    assert [step for step in dict.fromkeys(steps)][:6] == order
    assert {"Metered", "Settled"} <= set(steps)
    assert "accept1" in trail or "accept3" in trail
