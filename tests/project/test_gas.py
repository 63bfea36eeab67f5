"""What a transaction costs is written down, and may not grow past what was promised."""

import re
import subprocess
import sys

import pytest

from tests.project.sources import CHECKOUT


@pytest.mark.anvil
def test_the_gas_page_is_what_receipts_say_and_no_ceiling_is_exceeded() -> None:
    """scripts/gas_table.py measures every verb on a node of its own and finds the page fresh and every ceiling held."""
    command = [sys.executable, "scripts/gas_table.py", "--check"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PROMISED = {
    "`addEnergyAsset`, new address": 102_000,
    "`addAssets` of 100 energy grants, each": 75_000,
    "`addAssets` of 100 pairs of energy and money, each pair": 79_000,
    "`postOffer`, ask": 64_000,
    "`postOffer`, bid": 70_000,
    "`rescindOffer`, ask": 38_000,
    "`rescindOffer`, bid": 44_000,
    "`acceptOffer`, whole ask": 78_000,
    "`acceptOffer`, whole bid": 72_000,
    "`acceptOffer`, one piece on each side": 175_000,
    "`acceptOffer`, one piece on each side, of a bid": 175_000,
    "`depositEnergyAsset`": 30_000,
    "`depositFinancial`, a part": 35_000,
    "`depositFinancial`, the rest": 35_000,
    "runtime code, bytes": 20 * 1024,
}
ANY_ACCEPT = 330_000


def test_the_ceilings_on_the_page_are_those_that_were_promised() -> None:
    """No promise is dropped or raised, no figure exceeds its own, and no accept exceeds what any accept may cost."""
    page = (CHECKOUT / "docs" / "reference" / "gas.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]*) \|$", page, re.MULTILINE)
    figures = {what: int(gas.replace(",", "")) for what, gas, _ in rows}
    ceilings = {what: int(ceiling.replace(",", "")) for what, _, ceiling in rows if ceiling}
    assert {what: ceilings.get(what) for what in PROMISED} == PROMISED
    assert [what for what in ceilings if figures[what] > ceilings[what]] == []
    accepts = {what: gas for what, gas in figures.items() if what.startswith("`acceptOffer`")}
    assert len(accepts) >= 9
    assert max(accepts.values()) <= ANY_ACCEPT
    assert max(ceilings[what] for what in accepts) == ANY_ACCEPT
