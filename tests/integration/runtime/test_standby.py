"""A warm standby on the same database takes over by lease, and the one that slept through that can do no more (R79)."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.network.ports import choose_ports
from petra.network.secret_files import KeyFile, new_secret, write_secret
from petra.runtime.building import build_dso
from petra.runtime.config import DsoConfig
from petra.runtime.local_chain import end_chain, start_chain
from petra.runtime.service import Service
from petra.runtime.testbed_layout import PASSWORD_FILE, Testbed
from petra.runtime.testbed_making import KEY_FILE, deploy_contract, make_dso
from petra.runtime.testbed_tasks import rewrite
from petra.store.lease import Fenced
from tests.crash.rig import now, small_world

LEASE_SECONDS = 5
PASSWORD = "for a test"

pytestmark = [pytest.mark.slow, pytest.mark.anvil]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The directories of one DSO on two machines: the same keys and database, doors of their own."""
    url = start_chain(tmp_path, block_seconds=1)
    try:
        write_secret(tmp_path / KEY_FILE, new_secret().hex())
        write_secret(tmp_path / PASSWORD_FILE, PASSWORD)
        testbed = Testbed(
            directory=tmp_path,
            scenario="case-study",
            homes=(),
            timestep_seconds=900,
            block_seconds=1,
            network="",
            port=int(url.rsplit(":", 1)[1]),
            rpc=(url,),
        )
        world = small_world()
        terms = replace(world.terms(KeyFile(tmp_path / KEY_FILE).address), genesis=now())
        deploy_contract(testbed, tmp_path / KEY_FILE, terms)
        config = make_dso(testbed, world, confirmations=0)
        first, second = config.directory, tmp_path / "standby"
        shutil.copytree(first, second)
        (second / "dso.db").unlink()
        database = f"sqlite:///{first / 'dso.db'}"
        section = config.dso.model_copy(update={"database": database, "lease_seconds": LEASE_SECONDS})
        doors = dict(zip(("port", "enrol_port", "publish_port"), choose_ports(3), strict=True))
        rewrite(config, {"dso": section})
        rewrite(DsoConfig.load(second), {"dso": section, "fabric": config.fabric.model_copy(update=doors)})
        yield first, second
    finally:
        end_chain(tmp_path)


class Working:
    """A service that lives in a thread while the block lasts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._ends.is_set():
            self._service.turn()


def test_a_standby_takes_over_from_a_dso_that_fell_silent(two: tuple[Path, Path]) -> None:
    """It waits while the first one works, goes on with its diary, and the first one is fenced when it wakes up."""
    first = build_dso(two[0], PASSWORD)
    found: list[Service] = []
    waiting = threading.Thread(target=lambda: found.append(build_dso(two[1], PASSWORD, standby=True)))
    try:
        first.start()
        with Working(first):
            with pytest.raises(InputError, match="--standby"):
                build_dso(two[1], PASSWORD)
            waiting.start()
            waiting.join(LEASE_SECONDS + 2)
            assert not found, "the lease was taken from a DSO that works"
        waiting.join(10 * LEASE_SECONDS)
        (second,) = found
        second.start()
        assert second.number == first.number > 0
        with Working(second), pytest.raises(Fenced):
            while True:  # the first one wakes up, and comes no further than to its next round
                first.turn()
        assert second.ledger is not None
        assert second.ledger.failure is None
    finally:
        for service in (first, *found):
            service.close()
