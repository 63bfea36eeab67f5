"""What a testbed is made of: a contract on its chain, a DSO, invitations, and the homes' profiles.

Decides: how the homes of a scenario become the homes of a testbed of any size. It forks and ends nothing.
Invariant: everything that is made is what `petra deploy`, `petra dso init` and `petra dso enrol` make.
"""

import csv
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from petra.chain.client import deploy
from petra.chain.rpc import RpcChain
from petra.data import HomeProfile
from petra.domain.blocks import Outcome, Receipt
from petra.domain.terms import Address, Terms
from petra.errors import ChainError
from petra.network.deployment import Deployment, write_deployment
from petra.network.secret_files import KeyFile
from petra.play.world import HomeSetup, World
from petra.roles.dso.grid_book import GridBook, Unenrolled
from petra.roles.effects import EnrolmentOpened, MemberTerms, Order
from petra.runtime.config import DsoConfig, Operation
from petra.runtime.creation import CURVE_KEY, OUTBOX_FILE, NewDso, create_dso
from petra.runtime.invitation import Invitation
from petra.runtime.testbed_layout import LOG_FILE, Testbed
from petra.runtime.testbed_tasks import WORK, rewrite
from petra.store.codec import encode
from petra.store.database import Database
from petra.store.outbox import SqlOutbox
from petra.store.registry import OrderStore, Settings
from petra.wire.keccak import keccak256

KEY_FILE = "dso.key"
_MINED_SECONDS = 30
_POLL_SECONDS = 0.05
_INVITATION_SECONDS = 86_400
_ENROLMENTS_PER_MINUTE = 100_000  # all homes come from one address here


def choose_homes(world: World, count: int | None, seed: int) -> World:
    """Return the world with so many homes: the scenario's, spread over all kinds, or again with shifted profiles.

    Args:
        world: whose homes are the patterns.
        count: None = exactly the scenario's.
        seed: of the shifts.
    """
    patterns = world.homes
    if count is None or count == len(patterns):
        return world
    if count < len(patterns):
        return replace(world, homes=tuple(patterns[place * len(patterns) // count] for place in range(count)))
    rng = Random(seed)
    more = (_shifted(world, patterns[place % len(patterns)], place, rng) for place in range(len(patterns), count))
    return replace(world, homes=(*patterns, *more))


def require_room(world: World) -> None:
    """Raise InputError where the world's feeder could not carry what its homes are promised without a grant."""
    if world.feeder is not None and world.scenario.grid.rule == "feeder":
        envelopes = {Address(home.profile.name): home.envelope for home in world.homes}
        GridBook(world.feeder, envelopes, world.scenario.grid.reactive, Unenrolled(0, 0))


def _shifted(world: World, pattern: HomeSetup, place: int, rng: Random) -> HomeSetup:
    """Return a home whose window of the data begins elsewhere in the same window."""
    first, until = world.index_of(world.first_timestep), world.index_of(world.last_timestep) + 1
    by = rng.randrange(until - first)

    def turned(watts: Sequence[int]) -> tuple[int, ...]:
        window = watts[first:until]
        return (*watts[:first], *window[by:], *window[:by], *watts[until:])

    profile = replace(
        pattern.profile,
        name=f"{pattern.profile.name}-{place + 1}",
        production_watts=turned(pattern.profile.production_watts),
        consumption_watts=turned(pattern.profile.consumption_watts),
    )
    return replace(pattern, profile=profile)


def write_profile(world: World, profile: HomeProfile, path: Path, *, silent_timesteps: int = 0) -> None:
    """Write what a home's meter will measure: timesteps 0 to the scenario's last, then some in which nothing flows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("timestep", "produced_watts", "consumed_watts"))
        for timestep in range(world.last_timestep + 1):
            index = max(0, world.index_of(timestep))
            rows.writerow((timestep, profile.production_watts[index], profile.consumption_watts[index]))
        for timestep in range(world.last_timestep + 1, world.last_timestep + 1 + silent_timesteps):
            rows.writerow((timestep, 0, 0))


def deploy_contract(testbed: Testbed, key: Path, terms: Terms) -> Deployment:
    """Put the contract on the chain, and write the deployment file and, beside it, the outbox that signed it.

    Raises:
        ChainError: it is not mined in time, or the chain does not carry it.
    """
    chain, keys = RpcChain(testbed.rpc[0], patience_seconds=0), KeyFile(key)
    outbox = SqlOutbox(testbed.directory / OUTBOX_FILE)
    try:
        signed, contract = deploy(chain, keys, outbox, keys.address, terms)
        receipt = _mined(chain, signed.transaction_hash)
        if not receipt.succeeded:
            raise ChainError("the node refused the contract: its EVM or its gas limit does not carry it")
        outcome = Outcome(
            intent_id=signed.intent_id,
            done=True,
            transaction_hash=signed.transaction_hash,
            block_number=receipt.block_number,
            gas_used=receipt.gas_used,
        )
        outbox.settle([outcome])
        deployment = Deployment(
            chain_id=chain.chain_id,
            genesis_hash=chain.block(0).hash,
            contract=contract,
            code_hash=keccak256(chain.code(contract)),
            deployed_block=receipt.block_number,
            terms=terms,
            rpc=testbed.rpc,
        )
    finally:
        outbox.close()
        chain.close()
    write_deployment(deployment, testbed.deployment)
    return deployment


def _mined(chain: RpcChain, transaction_hash: bytes) -> Receipt:
    deadline = time.monotonic() + _MINED_SECONDS
    while time.monotonic() < deadline:
        (receipt,) = chain.receipts([transaction_hash])
        if receipt is not None:
            return receipt
        time.sleep(_POLL_SECONDS)
    raise ChainError(f"the contract was not mined within {_MINED_SECONDS} s: does the chain make blocks?")


def make_dso(testbed: Testbed, world: World, *, confirmations: int, database: str = "") -> DsoConfig:
    """Make the DSO's directory; its prices, policy and feeder are the scenario's, and nobody but its homes is there."""
    scenario = world.scenario
    new = NewDso(
        deployment=testbed.deployment,
        key=testbed.directory / KEY_FILE,
        scenario=scenario,
        feeder=world.feeder if scenario.grid.rule == "feeder" else None,
        unenrolled=(0, 0),
        database=database,
        work=WORK,
    )
    config = create_dso(testbed.dso.directory, new, testbed.password)
    count = world.last_timestep - world.first_timestep + 1
    policy = {
        "billing_timesteps": count,
        "import_limit_watts": world.import_limit_watts,
        "export_limit_watts": world.export_limit_watts,
    }
    changed = {
        "dso": config.dso.model_copy(
            update={"confirmations": confirmations, "first_timestep": world.first_timestep}
        ),
        "fabric": config.fabric.model_copy(update={"enrolments_per_minute": _ENROLMENTS_PER_MINUTE}),
        "policy": config.policy.model_copy(update=policy),
        "operation": Operation(log_file=LOG_FILE),
    }
    rewrite(config, changed)
    return DsoConfig.load(testbed.dso.directory)


def invite(testbed: Testbed, config: DsoConfig, homes: Sequence[HomeSetup]) -> Iterator[Path]:
    """Let the DSO know of a token for each home, and yield the files of the invitations."""
    document = json.loads(testbed.deployment.read_text(encoding="utf-8"))
    fabric = config.fabric
    endpoints: dict[str, Any] = {
        f"{name}_endpoint": f"tcp://{fabric.told_host}:{port}"
        for name, port in (("dso", fabric.port), ("enrol", fabric.enrol_port), ("publish", fabric.publish_port))
    }
    expires = int(time.time()) + _INVITATION_SECONDS
    database = Database.open(config.database)
    try:
        orders, curve_key = OrderStore(database), Settings(database).get(CURVE_KEY)
        assert curve_key is not None, "the DSO's directory was made whole"
        for home in homes:
            token = secrets.token_bytes(32)
            opened = EnrolmentOpened(token_hash=hashlib.sha256(token).digest(), terms=_terms(home), expires=expires)
            orders.add(int(time.time()), EnrolmentOpened.__name__, encode(Order, opened))
            path = testbed.directory / "invitations" / f"{home.profile.name}.json"
            Invitation(
                name=home.profile.name,
                dso=document["terms"]["dso"],
                dso_key=curve_key,
                deployment=document,
                token=token.hex(),
                expires=expires,
                block_seconds=testbed.block_seconds,
                **endpoints,
            ).write(path)
            yield path
    finally:
        database.close()


def _terms(home: HomeSetup) -> MemberTerms:
    return MemberTerms(
        name=home.profile.name,
        node=home.profile.node,
        firm_import_watts=home.firm_import_watts,
        firm_export_watts=home.firm_export_watts,
        production_capacity_watts=home.production_capacity_watts,
        consumption_capacity_watts=home.consumption_capacity_watts,
        opening_balance=home.opening_balance,
        credit_limit=home.credit_limit,
    )
