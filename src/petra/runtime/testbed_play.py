"""A scenario played by a testbed's processes, and what they wrote down as one run directory (DESIGN 12).

Decides: when a play is over, and how the notes of many services become one journal, in the order of their time.
It knows what everybody wrote, and no role.
Invariant: nothing is taken from the services but what stands in their databases; the public record is the chain's.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain as joined
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from petra.chain.client import first_checkpoint, read_records
from petra.chain.rpc import RpcChain
from petra.domain.messages import BillStatement, Kind, MeterReading
from petra.errors import ChainError, WorldError
from petra.network.deployment import Deployment, read_deployment
from petra.play.records import as_fields
from petra.play.world import World, local_day
from petra.roles.dso.state import Member
from petra.runtime.config import DsoConfig
from petra.runtime.public import PublicRecord
from petra.runtime.testbed_consistency import consistency, dso_rests
from petra.runtime.testbed_layout import Place, Testbed, holder
from petra.store.books import NoteStore
from petra.store.codec import decode
from petra.store.database import Database
from petra.store.journal import JsonLines, JsonlJournal
from petra.store.messages import EvidenceRow, MessageStore
from petra.store.registry import MemberStore
from petra.store.tables import outbox
from petra.store.transactions import TransactionStore
from petra.wire.envelope import open_envelope, signature_domain

QUIET_SECONDS = 10
_MARGIN_SECONDS = 5
_REST_SECONDS = 60.0
_POLL_SECONDS = 0.5
Line = tuple[int, str, dict[str, Any]]  # unix second, kind, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a play tells its caller; `alarms` are broken promises."""

    transactions: int
    alarms: tuple[str, ...]


def ends_at(world: World) -> int:
    """Return the unix second at which a played world is settled and billed."""
    dso, seconds = world.scenario.dso, world.timestep_seconds
    over = world.genesis + (world.last_timestep + 1) * seconds
    return over + dso.deposit_window_seconds + dso.dispute_window_seconds + _MARGIN_SECONDS


def play_out(testbed: Testbed, world: World, directory: Path, on_progress: Callable[[float], None]) -> Played:
    """Wait until a world is played, end its services, and write journal, public record and bills.

    Args:
        testbed: was made to play this world.
        world: in the testbed's own time.
        directory: gets journal.jsonl, ledger.jsonl and bills/.
        on_progress: called with the share of the play that is over, 0 .. 1.

    Raises:
        WorldError: a service died meanwhile.
    """
    begins, ends = world.genesis, ends_at(world)
    while (now := time.time()) < ends:
        if dead := [place.name for place in testbed.places if holder(place) is None]:
            raise WorldError(f"{', '.join(dead)}: died; its log says why. `petra testbed down` ends the others")
        on_progress(max(0.0, min(1.0, (now - begins) / (ends - begins))))
        time.sleep(_POLL_SECONDS)
    come_to_rest(testbed)
    alarms = consistency(testbed, at_rest=True, quiet_since=ends - QUIET_SECONDS)
    transactions, told = write_run(testbed, world, directory)
    return Played(transactions=transactions, alarms=(*told, *alarms))


def come_to_rest(testbed: Testbed) -> None:
    """End homes and meters, let the DSO read what they did last, and end it too; WorldError where it does not rest."""
    _end(testbed.places[1:])
    deadline = time.monotonic() + _REST_SECONDS
    time.sleep(3 * testbed.block_seconds)
    while not dso_rests(testbed):
        if time.monotonic() > deadline:
            raise WorldError("the DSO's last transactions do not become final: does the chain make blocks?")
        time.sleep(_POLL_SECONDS)
    time.sleep(testbed.block_seconds)
    _end([testbed.dso])


def _end(places: Sequence[Place]) -> None:
    for place in places:
        if (process := holder(place)) is not None:
            os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + _REST_SECONDS
    while waiting := [place.name for place in places if holder(place) is not None]:
        if time.monotonic() > deadline:
            raise WorldError(f"{', '.join(waiting)}: does not end")
        time.sleep(0.05)


# ---- the run directory


def write_run(testbed: Testbed, world: World, directory: Path) -> tuple[int, tuple[str, ...]]:
    """Write journal, public record and bills of a testbed at rest; return the transactions and the DSO's alarms."""
    deployment = read_deployment(testbed.deployment)
    with ExitStack() as opened:
        databases = {place.name: _database(place, opened) for place in testbed.places}
        chain = RpcChain(testbed.rpc[0], patience_seconds=0)
        opened.callback(chain.close)
        dso = databases[testbed.dso.name]
        enrolled: list[Member] = [decode(Member, row.document) for row in MemberStore(dso).all()]
        members = {member.name: member for member in enrolled}
        rows = {name: list(MessageStore(database).all()) for name, database in databases.items()}
        noted = {name: list(_notes(database)) for name, database in databases.items()}
        told = noted.pop(testbed.dso.name)
        # What happened in one second: who asks comes before who answers, and the ledger is last.
        lines = [*joined.from_iterable(noted.values()), *_measured(rows, world, deployment), *_messages(rows.values())]
        lines += [*told, *_ledger(chain, deployment), *_voids(databases, chain)]
        with JsonlJournal(directory / "journal.jsonl") as journal:
            opening = _introduction(world, deployment, members)
            for at, kind, fields in [*opening, *sorted(lines, key=lambda one: one[0])]:
                journal.append(at, kind, fields)
        _write_bills(directory / "bills", rows[testbed.dso.name], members, deployment)
        signed = {
            row.transaction_hash: row.raw
            for database in databases.values()
            for row in database.read(sql.select(outbox.c.transaction_hash, outbox.c.raw))
        }
        with JsonLines(directory / "ledger.jsonl") as public:
            first = deployment.deployed_block
            record = PublicRecord(chain, deployment.contract, signed, public, confirmations=0, first_block=first)
            record.write_on()
    return record.transactions, tuple(str(fields["problem"]) for _, kind, fields in told if kind == "alarm")


def _database(place: Place, opened: ExitStack) -> Database:
    names = {"prosumer": "home.db", "meter": "meter.db"}
    where = DsoConfig.load(place.directory).database if place.role == "dso" else place.directory / names[place.role]
    database = Database.open(where)
    opened.callback(database.close)
    return database


def _introduction(world: World, deployment: Deployment, members: dict[str, Member]) -> Iterator[Line]:
    """Yield what a reader needs to understand the rest, as in a simulation."""
    scenario, at = world.scenario, deployment.terms.genesis
    yield (
        at,
        "run",
        {
            "scenario": scenario.run.name,
            "title": scenario.run.title,
            "seed": 0,
            "source": world.profiles.source,
            "timezone": world.profiles.timezone,
            "genesis": world.genesis,
            "timestep_seconds": world.timestep_seconds,
            "gate": scenario.time.gate_timesteps,
            "horizon": scenario.time.horizon_timesteps,
            "first_timestep": world.first_timestep,
            "last_timestep": world.last_timestep,
            "block_seconds": scenario.chain.block_seconds,
            "chain_id": deployment.chain_id,
            "contract": deployment.contract,
            "dso": deployment.terms.dso,
            "privacy_profile": scenario.privacy.profile,
            "deposit_window_seconds": scenario.dso.deposit_window_seconds,
        },
    )
    for schedule in scenario.prices.schedule:
        yield at, "prices", asdict(schedule.starting_at(0))
    first, until = local_day(world)
    for home in world.homes:
        member, profile = members[home.profile.name], home.profile
        agreed = (
            *("node", "firm_import_watts", "firm_export_watts", "production_capacity_watts"),
            *("consumption_capacity_watts", "opening_balance"),
        )
        fields = {"home": member.name, "account": member.address, "meter": member.meter}
        fields |= {"pv_rating_watts": profile.pv_rating_watts} | {name: getattr(member, name) for name in agreed}
        yield at, "member", fields
        day = {
            "home": member.name,
            "start_unix": world.genesis + (first - world.index_of(0)) * world.timestep_seconds,
            "production_watts": list(profile.production_watts[first:until]),
            "consumption_watts": list(profile.consumption_watts[first:until]),
        }
        yield at, "day", day


def _notes(database: Database) -> Iterator[Line]:
    for note in NoteStore(database).read():
        yield note.at, note.kind, json.loads(note.fields)


def _ledger(chain: RpcChain, deployment: Deployment) -> Iterator[Line]:
    records, _ = read_records(chain, deployment.contract, first_checkpoint(chain))
    for record in records:
        for event in record.events:
            named = {
                "event": type(event).__name__,
                "block": record.block_number,
                "transaction": record.transaction_hash.hex(),
            }
            yield record.timestamp, "ledger", as_fields(event) | named


def _voids(databases: dict[str, Database], chain: RpcChain) -> Iterator[Line]:
    """Yield the transactions that the contract refused: lost races are ordinary."""
    for name, database in databases.items():
        wanted = TransactionStore(database).all_wanted()
        for row in database.read(sql.select(outbox).where(outbox.c.state == "void")):
            try:
                reason = str(chain.refusal(row.transaction_hash) or "unknown")
            except ChainError:  # the node has forgotten the state of that block
                reason = "unknown"
            at = chain.block(row.block_number).timestamp
            called = type(wanted[row.intent_id].call).__name__
            yield at, "void", {"home": name, "intent": row.intent_id, "call": called, "reason": reason}


def _messages(stores: Iterable[list[EvidenceRow]]) -> Iterator[Line]:
    for rows in stores:
        for row in rows:
            if row.direction == "out":
                message = row.message
                fields = {
                    "message": message.message_id.hex(),
                    "message_kind": message.kind,
                    "sender": message.sender,
                    "recipient": message.recipient,
                    "hash": message.hash.hex(),
                    "bytes": len(message.raw),
                }
                yield message.at, "message", fields


def _measured(rows: dict[str, list[EvidenceRow]], world: World, deployment: Deployment) -> Iterator[Line]:
    """Yield what flowed in each timestep of the play, from the registers that the meters sent."""
    domain = signature_domain(deployment.chain_id, deployment.contract)
    for home in world.homes:
        name = home.profile.name
        readings = {}
        for row in rows[f"meter of {name}"]:
            if row.direction == "out" and row.message.kind == Kind.METER_READING.value:
                body = open_envelope(row.message.raw, domain).body
                assert isinstance(body, MeterReading), "its kind says so"
                readings[body.timestep] = body
        for timestep in range(world.first_timestep, world.last_timestep + 1):
            now, before = readings.get(timestep), readings.get(timestep - 1)
            if now is not None:
                fields = {
                    "home": name,
                    "timestep": timestep,
                    "produced": now.produced - (before.produced if before else 0),
                    "consumed": now.consumed - (before.consumed if before else 0),
                }
                yield deployment.terms.timeline.end(timestep), "measured", fields


def _write_bills(
    folder: Path, rows: Sequence[EvidenceRow], members: dict[str, Member], deployment: Deployment
) -> None:
    """Write each home's first bill, that of the play, exactly as the DSO signed it."""
    domain = signature_domain(deployment.chain_id, deployment.contract)
    names = {member.address: member.name for member in members.values()}
    folder.mkdir()
    for row in rows:
        path = folder / f"{names.get(row.message.recipient, 'nobody')}.json"
        if row.direction == "out" and row.message.kind == Kind.BILL.value and not path.exists():
            body = open_envelope(row.message.raw, domain).body
            assert isinstance(body, BillStatement), "its kind says so"
            path.write_bytes(body.document)
