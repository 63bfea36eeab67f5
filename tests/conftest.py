"""What all tests share: the settings of hypothesis, and what happens to a node's tests where there is no such node."""

import os
import signal

import pytest
from hypothesis import settings

from petra.tools import find_anvil, find_geth

# The machine may be busy with other tests, so a slow example says nothing about our code.
settings.register_profile("petra", deadline=None, print_blob=True)
settings.load_profile("petra")


def pytest_configure() -> None:
    """Let Ctrl-C work in the programs that tests start, also where the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a node where there is none; but never in CI, where a silent skip would pass for a success."""
    if os.environ.get("CI"):
        return
    missing = {
        name: reason
        for name, binary, reason in (
            ("anvil", find_anvil(), "no anvil here: `petra doctor` says why"),
            ("geth", find_geth(), "no geth 1.13 here: `make network-tools` builds it"),
        )
        if binary is None
    }
    for item in items:
        for name, reason in missing.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))
