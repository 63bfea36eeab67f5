"""The page about scenarios says what the schema says."""

import subprocess
import sys

from tests.project.sources import CHECKOUT


def test_scenario_page_is_what_the_schema_says() -> None:
    """docs/reference/scenario.md equals what scripts/scenario_reference.py would write now."""
    command = [sys.executable, "scripts/scenario_reference.py", "--check"]
    checked = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
