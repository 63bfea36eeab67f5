"""The testbed that the crash tests share: what one leaves behind must be fit for the next."""

from collections.abc import Iterator

import pytest

from tests.crash.rig import Rig


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A running testbed; when all tests have hurt it, it is brought to rest, and nothing may be lost or doubled."""
    running = Rig(tmp_path_factory.mktemp("rig") / "testbed")
    try:
        yield running
        assert running.problems_at_rest() == []
    finally:
        running.close()
