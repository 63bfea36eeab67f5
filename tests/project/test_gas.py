"""What a transaction costs is written down, and may not grow past what was promised."""

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
