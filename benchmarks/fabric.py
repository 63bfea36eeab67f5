"""How many signed withdrawals a second one DSO process takes, stores and answers (R20, R30).

A real DSO service (its database on this disk, every commit synced) on a real node; a second process keeps 64 signed
withdrawals in flight over CURVE, each with a fresh pseudonym and its proof. Timed is from sending a withdrawal to the
DSO's signed answer; the grants go to the chain meanwhile. Prints how many homes that serves at T = 900 s and 4 s.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from petra.cli.runs import read_world
from petra.domain.messages import FailedWithdrawal, RequestedAsset, WithdrawalGranted, WithdrawAssets
from petra.domain.terms import Address, Terms
from petra.fabric.intake import TO_HOME, Intake
from petra.fabric.postbox import Postbox
from petra.fabric.zmq_client import Server, ZmqClient
from petra.network.deployment import read_deployment
from petra.network.secret_files import KeyFile, new_secret, write_secret
from petra.roles.effects import EnrolmentOpened, MemberTerms, Order
from petra.runtime.building import build_dso
from petra.runtime.config import DsoConfig
from petra.runtime.creation import CURVE_KEY
from petra.runtime.enrolment import enrol
from petra.runtime.invitation import Invitation, MeterCard
from petra.runtime.local_chain import end_chain, start_chain
from petra.runtime.operation import collect_rarely
from petra.runtime.testbed_layout import PASSWORD_FILE, Testbed
from petra.runtime.testbed_making import KEY_FILE, deploy_contract, make_dso
from petra.runtime.testbed_tasks import rewrite
from petra.store.codec import encode
from petra.store.database import Database
from petra.store.keystore import Keystore
from petra.store.registry import OrderStore, Settings
from petra.wire.envelope import Header, address_proof_digest, meter_proof_digest, seal, signature_domain
from petra.wire.secp256k1 import SecretKey

PASSWORD = "benchmark"
_AT_ONCE = 8  # so many are signed before they are sent


def main() -> int:
    """Measure and print, run by run; keep every run, also the bad ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--in-flight", type=int, default=64, help="how many withdrawals wait for their answers")
    parser.add_argument("--step-ms", type=int, default=0, help="answers leave at multiples of so many milliseconds")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--record", type=Path, metavar="FILE", help="add the runs to this file")
    arguments = parser.parse_args()
    load = Load(seconds=arguments.seconds, in_flight=arguments.in_flight, step_ms=arguments.step_ms)
    runs = []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            try:
                runs.append(asdict(load) | measured(Path(folder), load))
            finally:
                end_chain(Path(folder))
        show(runs[-1])
    if arguments.record:
        before = json.loads(arguments.record.read_text(encoding="utf-8")) if arguments.record.is_file() else []
        lines = ",\n ".join(json.dumps(run) for run in [*before, *runs])
        arguments.record.write_text(f"[{lines}]\n", encoding="utf-8")
    return 0


def show(run: dict[str, Any]) -> None:
    """Print a run."""
    step = f", answers every {run['step_ms']} ms" if run["step_ms"] else ""
    print(
        f"{run['per_second']:.0f} withdrawals a second at {run['in_flight']} in flight{step}: "
        f"median {run['median_ms']:.0f} ms, p99 {run['p99_ms']:.0f} ms; "
        f"{run['granted']} of {run['answered']} granted"
    )
    print(f"  of a core the DSO took {run['dso_cpu_share']:.2f}, the other process {run['load_cpu_share']:.2f}")
    print(f"  homes served: {run['per_second'] * 900:,.0f} at T = 900 s, {run['per_second'] * 4:,.0f} at T = 4 s")
    print(f"  killed, and there again with its {run['restart_events']:,} events in {run['restart_seconds']} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the DSO is put under."""

    seconds: float
    in_flight: int
    step_ms: int


def measured(directory: Path, wanted: Load) -> dict[str, Any]:
    """Start a chain and a DSO, put it under load for so long, and return the figures."""
    world = read_world("case-study", None)
    url = start_chain(directory, block_seconds=1)
    testbed = Testbed(
        directory=directory, scenario="case-study", homes=(), timestep_seconds=900, block_seconds=1,
        network="", port=int(url.rsplit(":", 1)[1]), rpc=(url,),
    )  # fmt: skip
    write_secret(directory / KEY_FILE, new_secret().hex())
    write_secret(directory / PASSWORD_FILE, PASSWORD)
    key = KeyFile(directory / KEY_FILE)
    terms: Terms = replace(world.terms(key.address), genesis=int(time.time()) - 10, timestep_seconds=900)
    deploy_contract(testbed, directory / KEY_FILE, terms)
    scenario = world.scenario
    prompt = scenario.model_copy(update={"dso": scenario.dso.model_copy(update={"delay_seconds_max": 0})})
    free = replace(world, scenario=prompt, import_limit_watts=None, export_limit_watts=None)
    made = make_dso(testbed, free, confirmations=0)
    rewrite(made, {"fabric": made.fabric.model_copy(update={"answer_step_ms": wanted.step_ms})})
    config = DsoConfig.load(made.directory)
    invitation = invited(testbed, config)
    here, there = multiprocessing.Pipe()
    dso = multiprocessing.Process(target=serve, args=(testbed.dso.directory, testbed.password, there))
    dso.start()
    try:
        assert here.poll(60), "the DSO does not start"
        here.recv()
        figures = load(directory, testbed, config, invitation, wanted=wanted, dso=here)
    finally:
        dso.kill()
        dso.join()
    return figures | restarted(testbed)


def restarted(testbed: Testbed) -> dict[str, Any]:
    """Return how long the DSO that was killed needs to play its diary again."""
    begun = time.perf_counter()
    service = build_dso(testbed.dso.directory, testbed.password)
    service.start()
    seconds = time.perf_counter() - begun
    service.close()
    return {"restart_events": service.number, "restart_seconds": round(seconds, 2)}


def invited(testbed: Testbed, config: DsoConfig) -> Invitation:
    """Let the DSO know of a token for one home that may be granted as good as anything."""
    token, expires = secrets.token_bytes(32), int(time.time()) + 3600
    agreed = MemberTerms(
        name="load", node=None, firm_import_watts=1, firm_export_watts=1, production_capacity_watts=10**9,
        consumption_capacity_watts=10**9, opening_balance=10**15, credit_limit=10**15,
    )  # fmt: skip
    database = Database.open(config.database)
    order = EnrolmentOpened(token_hash=hashlib.sha256(token).digest(), terms=agreed, expires=expires)
    OrderStore(database).add(int(time.time()), "EnrolmentOpened", encode(Order, order))
    curve_key = Settings(database).get(CURVE_KEY)
    database.close()
    assert curve_key is not None
    fabric = config.fabric
    document = json.loads(testbed.deployment.read_text(encoding="utf-8"))
    return Invitation(
        name="load", dso=document["terms"]["dso"], dso_key=curve_key, deployment=document, token=token.hex(),
        dso_endpoint=f"tcp://127.0.0.1:{fabric.port}", enrol_endpoint=f"tcp://127.0.0.1:{fabric.enrol_port}",
        publish_endpoint=f"tcp://127.0.0.1:{fabric.publish_port}", expires=expires, block_seconds=1,
    )  # fmt: skip


def serve(directory: Path, password: str, pipe: Connection) -> None:
    """Be the DSO, and tell on demand how much processor time that took."""
    service = build_dso(directory, password)
    service.start()
    collect_rarely()
    pipe.send("ready")
    while True:
        service.turn()
        if pipe.poll():
            pipe.recv()
            pipe.send(time.process_time())


def load(
    directory: Path, testbed: Testbed, config: DsoConfig, invitation: Invitation, *, wanted: Load, dso: Connection
) -> dict[str, Any]:
    """Keep so many withdrawals in flight, and time their answers."""
    deployment = read_deployment(testbed.deployment)
    domain = signature_domain(deployment.chain_id, deployment.contract)
    keys = Keystore.create(directory / "load", PASSWORD, work=2)
    meter = SecretKey(secrets.token_bytes(32))
    proof = meter.sign(meter_proof_digest(domain, keys.identity, meter.address, bytes(32)))
    enrol(
        keys, invitation, MeterCard(meter=meter.address, curve_key=bytes(32).hex(), proof=proof.hex()), domain,
        patience_seconds=20,
    )  # fmt: skip
    dso_key, account = bytes.fromhex(invitation.dso_key), Address(invitation.dso)
    server = Server(endpoint=invitation.dso_endpoint, curve_public=dso_key, account=account)
    intake = Intake(domain=domain, addresses={keys.identity}, kinds=TO_HOME, clock=time.time)
    home = _Home(keys, ZmqClient(server, keys.curve, intake), server.account, domain, wanted.in_flight)
    home.timestep = deployment.terms.timeline.current(int(time.time())) + 2
    home.play(2.0)  # warm
    home.answered.clear()
    cpu_before = (_cpu(dso), time.process_time())
    begun = time.perf_counter()
    home.play(wanted.seconds)
    took = time.perf_counter() - begun
    cpu = (_cpu(dso) - cpu_before[0], time.process_time() - cpu_before[1])
    waits = sorted(wait for wait, _ in home.answered)
    return {
        "per_second": round(len(waits) / took, 1),
        "median_ms": round(statistics.median(waits) * 1000, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "answered": len(waits),
        "granted": sum(granted for _, granted in home.answered),
        "dso_cpu_share": round(cpu[0] / took, 2),
        "load_cpu_share": round(cpu[1] / took, 2),
        "machine_load_before": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
    }


def _cpu(dso: Connection) -> float:
    dso.send("cpu")
    return float(dso.recv())


class _Home:
    """One account that withdraws one watt at a time."""

    def __init__(self, keys: Keystore, link: ZmqClient, dso: Address, domain: bytes, in_flight: int) -> None:
        self.timestep = 0
        self._in_flight = in_flight
        self.answered: list[tuple[float, bool]] = []
        self._keys, self._link, self._dso, self._domain = keys, link, dso, domain
        self._postbox = Postbox(link=link, rng=Random(1))
        self._sent: dict[bytes, float] = {}
        self._count = 0

    def play(self, seconds: float) -> None:
        """Withdraw for so long; what is in flight at the end stays so."""
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            while len(self._sent) < self._in_flight:
                self._withdraw()
                if len(self._sent) % _AT_ONCE == 0:
                    self._postbox.pump(time.time())
            self._postbox.pump(time.time())
            self._link.wait(0.05)
            arrivals = self._link.receive(self._in_flight)
            now = time.perf_counter()
            for arrival in arrivals:
                body = arrival.envelope.body
                if isinstance(body, WithdrawalGranted | FailedWithdrawal) and body.request_id in self._sent:
                    self.answered.append((now - self._sent.pop(body.request_id), isinstance(body, WithdrawalGranted)))
            self._link.acknowledge(arrivals)

    def _withdraw(self) -> None:
        now, message_id, pseudonym = int(time.time()), secrets.token_bytes(16), SecretKey(secrets.token_bytes(32))
        account = self._keys.identity
        proof = pseudonym.sign(address_proof_digest(self._domain, message_id, account, pseudonym.address))
        asset = RequestedAsset(
            anon_address=pseudonym.address, power=1, start=self.timestep, end=self.timestep, amount=0, proof=proof
        )
        header = Header(
            message_id=message_id, sender=account, recipient=self._dso, sequence=self._count, created=now,
            deadline=now + 60,
        )  # fmt: skip
        self._count += 1
        raw = seal(header, WithdrawAssets(assets=(asset,)), partial(self._keys.sign, account), self._domain).raw
        self._sent[message_id] = time.perf_counter()
        self._postbox.add(self._dso, raw, header.deadline, time.time())


if __name__ == "__main__":
    sys.exit(main())
