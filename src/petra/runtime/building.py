"""From a service's directory to the service: keys, database, links, ledger, role (DESIGN 5, 6, 8).

Decides: who is wired to what. The parts decide everything else.
Invariant: what was opened is closed again where a later step fails, so that bad input leaves nothing behind.
"""

import time
from collections.abc import Callable, Collection, Set
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import sqlalchemy as sql

from petra.chain.client import LedgerClient
from petra.chain.reader import LedgerReader, first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.domain.messages import Kind
from petra.domain.terms import Address
from petra.errors import ChainError, InputError
from petra.fabric.intake import DSO_BYTES_MAX, TO_DSO, TO_HOME, Intake
from petra.fabric.limits import Limits
from petra.fabric.postbox import Postbox
from petra.fabric.zmq_client import Server, ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ledger.fold import LedgerView
from petra.network.deployment import Deployment, check_deployment, read_deployment
from petra.ports import Link
from petra.roles.dso.state import DsoState
from petra.roles.meter import MeterState
from petra.runtime.agenda import Boundaries
from petra.runtime.config import DsoConfig, HomeConfig, MeterConfig, Node, WayToDso
from petra.runtime.draws import Draws
from petra.runtime.dso_tables import DsoTables, Members
from petra.runtime.figures import DsoFigures, link_figures
from petra.runtime.ledger_worker import LedgerWorker
from petra.runtime.links import Links
from petra.runtime.parts import dso_part, home_part, meter_part
from petra.runtime.price_board import PriceBoard
from petra.runtime.records import Records, Round
from petra.runtime.sensors import read_series, sensor
from petra.runtime.service import Part, Service
from petra.runtime.states import dso_state, home_state
from petra.store.database import Database
from petra.store.diary import Diary
from petra.store.keystore import Keystore
from petra.store.lease import Lease
from petra.store.registry import OrderStore, Settings
from petra.store.restored import RestoredDatabase, check_place, ledger_problems
from petra.store.transactions import TransactionStore
from petra.wire.envelope import ENVELOPE_BYTES_MAX, signature_domain

BIRTH = "birth"  # the setting that keeps what the diary's replay depends on
NODE_SECONDS = 3.0


@dataclass(slots=True)
class _Base:
    """What every service has: its keys, its database, its contract."""

    keys: Keystore
    database: Database
    deployment: Deployment

    @property
    def domain(self) -> bytes:
        return signature_domain(self.deployment.chain_id, self.deployment.contract)

    def intake(self, kinds: Collection[Kind]) -> Intake:
        return Intake(
            domain=self.domain,
            addresses={self.keys.identity},
            kinds=frozenset(kinds),
            clock=time.time,
            bytes_max=ENVELOPE_BYTES_MAX if Kind.BILL in kinds else DSO_BYTES_MAX,
        )


def build_dso(directory: Path, password: str, *, standby: bool = False) -> Service:
    """Return the DSO's service, not started; a standby waits here until the lease is free.

    Raises:
        InputError: with what is wrong in the directory, its keys or the chain, or: another process has the lease.
        ChainError: no node answers.
        StoreError: the database cannot be used, or knows less than the chain.
    """
    config = DsoConfig.load(directory)
    with ExitStack() as opened:
        base = _open(config, config.dso.deployment, config.database, password, opened)
        identity, terms = base.keys.identity, base.deployment.terms
        if identity != terms.dso:
            raise InputError(f"{config.keys}: holds {identity}, but the deployment's DSO is {terms.dso}")
        if moved := check_place(base.database):  # a copy's lease says nothing about who works
            raise RestoredDatabase([moved])
        lease = Lease(base.database, str(directory.resolve()), config.dso.lease_seconds)
        _acquire(lease, base.database.name, standby=standby)
        chain = _chain(config.dso, base.deployment, opened)
        transactions = TransactionStore(base.database, lease)
        _refuse_restored(base, transactions, chain)
        state = dso_state(config, base.deployment, base.database)
        tables, figures = DsoTables(base.database, state), DsoFigures(state)

        def with_round(connection: sql.Connection, current: Round) -> None:
            tables.write(connection, current)
            figures.follow(current)

        seconds = config.dso.lease_seconds
        records = Records(
            base.database, transactions, lease=lease, lease_seconds=seconds, with_round=with_round
        )
        link, board = _doors(config, base, state, opened)
        ledger = _ledger(base, chain, config.dso, transactions=transactions, records=records, link=link)
        part = dso_part(state, OrderStore(base.database), partial(differences, state, tables), board.look)
        step = config.fabric.answer_step_ms
        service = _service(base, part, records, link, ledger=ledger, closing=opened.pop_all(), answer_step_ms=step)
        service.figures = lambda: (*figures.shown(), *link_figures(link))
        return service


def build_home(directory: Path, password: str) -> Service:
    """Return a home's service, not started; it must be enrolled.

    Raises:
        InputError: with what is wrong in the directory, its keys or the chain.
        ChainError: no node answers.
        StoreError: the database cannot be used, or knows less than the chain.
    """
    config = HomeConfig.load(directory)
    home = config.home
    with ExitStack() as opened:
        base = _open(config, home.deployment, config.database, password, opened)
        keys = base.keys
        keys.load(base.database)
        chain = _chain(home, base.deployment, opened)
        transactions = TransactionStore(base.database)
        records = Records(base.database, transactions, with_round=_pseudonyms(keys))
        to_dso = _way_to_dso(home, base, TO_HOME, prices=home.publish_endpoint)
        opened.callback(to_dso.close)
        own_meter = OneParty(Address(config.meter.address), bytes.fromhex(config.meter.curve_key))
        to_meter = ZmqServer(
            f"tcp://{home.listen_host}:{home.listen_port}",
            base.keys.curve,
            own_meter,
            base.intake({Kind.METER_READING}),
        )
        opened.callback(to_meter.close)
        link = Links(to_dso, to_meter)
        draws = Draws(base.keys, home.name)
        ledger = _ledger(base, chain, home, transactions=transactions, records=records, link=link)
        state = home_state(config, base.deployment, base.keys.identity, draws)
        part = home_part(
            state,
            own_meter.account,
            config.strategy.horizon_timesteps,
            OrderStore(base.database),
            from_zero=config.forecast.method == "profile",
        )
        return _service(base, part, records, link, ledger=ledger, draws=draws, closing=opened.pop_all())


def build_meter(directory: Path, password: str) -> Service:
    """Return a meter's service, not started.

    Raises:
        InputError: with what is wrong in the directory, its keys or its sensor.
        StoreError: the database cannot be used.
    """
    config = MeterConfig.load(directory)
    meter = config.meter
    with ExitStack() as opened:
        base = _open(config, meter.deployment, config.database, password, opened)
        timeline = base.deployment.terms.timeline
        series = read_series(config.path(meter.profile), timeline)
        to_dso = _way_to_dso(meter, base, {Kind.RECEIPT})
        opened.callback(to_dso.close)
        home = Server(
            endpoint=meter.home_endpoint, curve_public=bytes.fromhex(meter.home_key), account=Address(meter.home)
        )
        to_home = ZmqClient(home, base.keys.curve, base.intake({Kind.RECEIPT}))
        opened.callback(to_home.close)
        state = MeterState(
            address=base.keys.identity, dso=Address(meter.dso), patience_seconds=meter.patience_seconds
        )
        measure = sensor(series, timeline.timestep_seconds, repeats=meter.sensor == "profile")
        records = Records(base.database, TransactionStore(base.database))
        part = meter_part(state, Address(meter.home), measure)
        return _service(base, part, records, Links(to_dso, to_home), closing=opened.pop_all())


def differences(state: DsoState, tables: DsoTables) -> list[str]:
    """Return what disagrees with a rebuilt state: its tables, and its book of the feeder."""
    agrees = state.grid is None or state.grid.agrees_with(state.kept())
    return tables.differences() + ([] if agrees else ["the feeder's book holds other grants than the DSO's books"])


def _doors(config: DsoConfig, base: _Base, state: DsoState, opened: ExitStack) -> tuple[Link, PriceBoard]:
    """Open the DSO's doors: for members, for newcomers, for what is published, and the gateway where there is one."""
    fabric, members = config.fabric, Members(state)
    limits = Limits(enrolments_per_minute=fabric.enrolments_per_minute)
    endpoint = f"tcp://{fabric.host}:{fabric.port}"
    server = ZmqServer(endpoint, base.keys.curve, members, base.intake(TO_DSO), limits=limits)
    opened.callback(server.close)
    server.open_enrolment(f"tcp://{fabric.host}:{fabric.enrol_port}", base.intake({Kind.ENROL}))
    server.open_publisher(f"tcp://{fabric.host}:{fabric.publish_port}")
    board = PriceBoard(
        dso=base.keys.identity,
        keys=base.keys,
        domain=base.domain,
        timeline=base.deployment.terms.timeline,
        schedules=lambda: state.policy.schedules,
        publish=[server.publish],
    )
    if not fabric.gateway_port:
        return server, board
    from petra.fabric.gateway import GatewayServer  # noqa: PLC0415 a web server, which most services do not need
    from petra.fabric.gateway_thread import Tls  # noqa: PLC0415 as above

    gateway = GatewayServer(
        (fabric.host, fabric.gateway_port),
        members,
        base.intake({*TO_DSO, Kind.ENROL}),
        tls=Tls(certificate=config.path(fabric.gateway_certificate), key=config.path(fabric.gateway_key)),
        guests_say={Kind.ENROL},
        limits=limits,
    )
    opened.callback(gateway.close)
    board.publish.append(gateway.publish)
    return Links(server, gateway), board


def _way_to_dso(way: WayToDso, base: _Base, kinds: Set[Kind], *, prices: str | None = None) -> Link:
    """Connect a home or a meter to its DSO as its file says."""
    if way.transport == "https":
        from petra.fabric.gateway_client import Gateway, GatewayClient  # noqa: PLC0415 as in `_doors`

        sign = partial(base.keys.sign, base.keys.identity)
        gateway = Gateway(url=way.gateway_url, account=Address(way.dso))
        return GatewayClient(gateway, base.keys.identity, sign, base.intake(kinds))
    place, account = way.dso_endpoint, Address(way.dso)
    dso = Server(endpoint=place, curve_public=bytes.fromhex(way.dso_key), account=account, prices=prices)
    return ZmqClient(dso, base.keys.curve, base.intake(kinds))


class OneParty:
    """A directory with one entry: a home lets nobody in but its meter."""

    def __init__(self, account: Address, curve_public: bytes) -> None:
        """Let in the owner of this key, who speaks for this account."""
        self.account = account
        self._curve_public = curve_public

    def party(self, curve_public: bytes) -> frozenset[Address]:
        """Return the account for which the owner of a key speaks."""
        return frozenset({self.account}) if curve_public == self._curve_public else frozenset()

    def known(self, account: Address) -> bool:
        """Say whether this is the account."""
        return account == self.account


# ---- what they have in common


def _pseudonyms(keys: Keystore) -> Callable[[sql.Connection, Round], None]:
    """Return what writes the keys of fresh pseudonyms in the transaction of the round that drew them."""

    def write(connection: sql.Connection, current: Round) -> None:
        keys.keep(connection, [address for row in current.rows for address in row.drawn])

    return write


def _open(
    config: DsoConfig | HomeConfig | MeterConfig,
    deployment: str,
    database: str | Path,
    password: str,
    opened: ExitStack,
) -> _Base:
    """Open keys, database and deployment; what is opened is closed with the stack."""
    keys = Keystore.open(config.keys, password)
    opened.callback(keys.close)
    found = Database.open(database)
    opened.callback(found.close)
    base = _Base(keys=keys, database=found, deployment=read_deployment(config.path(deployment)))
    _check_birth(config, found)
    return base


def _check_birth(config: DsoConfig | HomeConfig | MeterConfig, database: Database) -> None:
    """Refuse other settings than those with which the diary began: its replay would come out otherwise."""
    settings = Settings(database)
    born, now = settings.get(BIRTH), config.birth()
    if born is None or not Diary(database).last_number():
        with database.transaction() as connection:
            settings.put(connection, BIRTH, now)
    elif born != now:
        raise InputError(
            f"{config.directory / config.FILE}: settings that the diary depends on were changed since the first "
            f"start; put them back ({born}), or begin a new service"
        )


def _acquire(lease: Lease, name: str, *, standby: bool) -> None:
    while not lease.acquire():
        if not standby:
            raise InputError(f"{name}: another DSO process does the work; stop it, or start this one with --standby")
        time.sleep(0.5)


def _chain(node: Node, deployment: Deployment, opened: ExitStack) -> RpcChain:
    """Connect to the first node that answers, and check that it holds the deployment."""
    problems = []
    for url in node.rpc or deployment.rpc:
        try:
            chain = RpcChain(url, timeout_seconds=NODE_SECONDS, patience_seconds=0)
        except ChainError as error:
            problems.append(str(error))
            continue
        opened.callback(chain.close)
        check_deployment(chain, deployment)
        return chain
    # The world's fault and not the operator's: after a power cut a node may come up later than we do.
    raise ChainError("; ".join([*problems, "no node of the chain answers: start one, or name another under `rpc`"]))


def _refuse_restored(base: _Base, transactions: TransactionStore, chain: RpcChain) -> None:
    """Raise RestoredDatabase where the chain knows more of the DSO's doings than the database does."""
    dso = base.keys.identity
    records, _ = read_records(chain, base.deployment.contract, first_checkpoint(chain))
    problems = ledger_problems(
        nonces=transactions.next_nonces([dso]),
        counts=dict(zip([dso], chain.transaction_counts([dso]), strict=True)),
        hashes=transactions.hashes(),
        records=records,
    )
    if moved := check_place(base.database):
        problems.append(moved)
    if problems:
        raise RestoredDatabase(problems)


def _ledger(
    base: _Base,
    chain: RpcChain,
    node: Node,
    *,
    transactions: TransactionStore,
    records: Records,
    link: Link,
) -> LedgerWorker:
    contract, terms = base.deployment.contract, base.deployment.terms
    queues = {terms.dso} & {base.keys.identity}
    return LedgerWorker(
        chain,
        contract,
        LedgerClient(chain, base.keys, transactions, contract, confirmations=node.confirmations, queues=queues),
        LedgerReader(chain, contract, terms, confirmations=node.confirmations, trail=records.trail()),
        transactions,
        queues=queues,
        wake=link.wake,
    )


def _service(
    base: _Base,
    part: Part,
    records: Records,
    link: Link,
    *,
    closing: ExitStack,
    ledger: LedgerWorker | None = None,
    draws: Draws | None = None,
    answer_step_ms: int = 0,
) -> Service:
    return Service(
        figures=partial(link_figures, link),
        part=part,
        records=records,
        link=link,
        postbox=Postbox(link=link, rng=Random(records.seed)),
        ledger=ledger,
        keys=base.keys,
        domain=base.domain,
        draws=draws or Draws(base.keys, base.keys.identity),
        closing=closing,
        boundaries=Boundaries(base.deployment.terms.timeline),
        view=LedgerView(base.deployment.terms),
        answer_step_ms=answer_step_ms,
    )
