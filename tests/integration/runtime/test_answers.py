"""The moment of an answer does not tell how long its decision took, or which rule made it (DESIGN 7)."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from petra.domain.terms import Address
from petra.errors import InputError
from petra.network.deployment import read_deployment
from petra.network.secret_files import KeyFile, new_secret, write_secret
from petra.runtime.building import build_dso
from petra.runtime.config import DsoConfig
from petra.runtime.creation import CURVE_KEY
from petra.runtime.enrolment import enrol
from petra.runtime.invitation import Invitation, MeterCard
from petra.runtime.local_chain import end_chain, start_chain
from petra.runtime.testbed_layout import PASSWORD_FILE, Testbed
from petra.runtime.testbed_making import KEY_FILE, deploy_contract, make_dso
from petra.runtime.testbed_tasks import rewrite
from petra.store.keystore import Keystore
from petra.wire.envelope import meter_proof_digest, signature_domain
from petra.wire.secp256k1 import SecretKey
from tests.crash.rig import now, small_world

STEP_MS = 700
PASSWORD = "for a test"

pytestmark = [pytest.mark.slow, pytest.mark.anvil]


@pytest.fixture
def config(tmp_path: Path) -> Iterator[DsoConfig]:
    """A DSO whose answers leave at steps, on a chain of its own."""
    url = start_chain(tmp_path, block_seconds=1)
    try:
        write_secret(tmp_path / KEY_FILE, new_secret().hex())
        write_secret(tmp_path / PASSWORD_FILE, PASSWORD)
        port = int(url.rsplit(":", 1)[1])
        testbed = Testbed(
            directory=tmp_path, scenario="case-study", homes=(), timestep_seconds=900, block_seconds=1, network="",
            port=port, rpc=(url,),
        )  # fmt: skip
        world = small_world()
        terms = replace(world.terms(KeyFile(tmp_path / KEY_FILE).address), genesis=now())
        deploy_contract(testbed, tmp_path / KEY_FILE, terms)
        made = make_dso(testbed, world, confirmations=0)
        rewrite(made, {"fabric": made.fabric.model_copy(update={"answer_step_ms": STEP_MS})})
        yield DsoConfig.load(made.directory)
    finally:
        end_chain(tmp_path)


@contextmanager
def newcomer(config: DsoConfig, dso_key: str, directory: Path, clock: Callable[[], float]) -> Iterator[list[float]]:
    """Let somebody ask in with a token that nobody gave; yields when the DSO's answer was there, once it is."""
    path = config.directory / config.dso.deployment
    deployment = read_deployment(path)
    domain = signature_domain(deployment.chain_id, deployment.contract)
    keys, meter = Keystore.create(directory, PASSWORD, work=2), SecretKey(secrets.token_bytes(32))
    proof = meter.sign(meter_proof_digest(domain, keys.identity, meter.address, bytes(32)))
    invitation = Invitation(
        name="stranger", dso=Address(deployment.terms.dso), dso_key=dso_key, token=bytes(32).hex(),
        deployment=json.loads(path.read_text(encoding="utf-8")),
        dso_endpoint=f"tcp://127.0.0.1:{config.fabric.port}", expires=now() + 60, block_seconds=1,
        enrol_endpoint=f"tcp://127.0.0.1:{config.fabric.enrol_port}",
        publish_endpoint=f"tcp://127.0.0.1:{config.fabric.publish_port}",
    )  # fmt: skip
    card = MeterCard(meter=meter.address, curve_key=bytes(32).hex(), proof=proof.hex())
    heard: list[float] = []

    def ask() -> None:
        with suppress(InputError):
            enrol(keys, invitation, card, domain, patience_seconds=20)
        heard.append(clock())

    thread = threading.Thread(target=ask)
    thread.start()
    yield heard
    thread.join()


def test_an_answer_leaves_at_the_next_step_and_not_before(config: DsoConfig, tmp_path: Path) -> None:
    """It is stored at once, and planned for a whole multiple of the step; then it comes."""
    service = build_dso(config.directory, PASSWORD)
    try:
        service.start()
        key = service.records.setting(CURVE_KEY)
        assert key is not None
        with newcomer(config, key, tmp_path / "stranger", service.clock) as heard:
            while not len(service.postbox):
                service.turn()
            due = service.postbox.next_due()
            assert due is not None and not heard
            assert round(due * 1000) % STEP_MS == 0
            while not heard:
                service.turn()
        assert heard[0] >= due
    finally:
        service.close()
