"""The pages about scenarios and configuration say what the models say."""

import subprocess
import sys

from tests.project.sources import CHECKOUT


def test_pages_are_what_the_models_say() -> None:
    """Both equal what scripts/scenario_reference.py would write now."""
    command = [sys.executable, "scripts/scenario_reference.py", "--check"]
    checked = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
