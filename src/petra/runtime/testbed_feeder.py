"""Was everything on the ledger safe for the feeder? The grants played again from the outside (DESIGN 7, R79).

Decides: nothing; it asks a book of its own, made from the files, the members and the chain. It never sees the DSO's.
Invariant: in the chain's order less is booked at any moment than the DSO had booked when it decided, so that a DSO that
kept its rule has no problem here.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from petra.domain.blocks import LedgerRecord
from petra.domain.events import AssetAdded, AssetDeposited
from petra.domain.terms import Address, Terms
from petra.grid import Envelope
from petra.ledger.fold import LedgerView
from petra.network.deployment import read_deployment
from petra.roles.dso.grid_book import GridBook
from petra.roles.dso.state import Member
from petra.runtime.config import DsoConfig
from petra.runtime.feeders import feeder_book
from petra.store.codec import decode
from petra.store.database import Database
from petra.store.registry import MemberStore


def feeder_problems(
    directory: Path, database: Database, homes: Mapping[Address, str], records: Sequence[LedgerRecord]
) -> Iterator[str]:
    """Yield every grant on the ledger that some outcome could have turned into an overload; none without a feeder.

    Args:
        directory: the DSO's.
        database: the DSO's.
        homes: names by pseudonym.
        records: all of the ledger, in order.
    """
    config = DsoConfig.load(directory)
    book = feeder_book(config)
    if book is None:
        return
    terms = read_deployment(config.path(config.dso.deployment)).terms
    accounts = _join(book, database, homes, records, terms)
    view = LedgerView(terms)
    for record in records:
        for event in record.events:
            match event:
                case AssetAdded(anon_address=address):
                    name = homes.get(address, "")
                    if name not in accounts or not book.allows(accounts[name], [event]):
                        yield f"feeder: {name or address} was issued {event} though it was not safe"
                    else:
                        book.book(accounts[name], [event])
                case AssetDeposited(anon_address=address, asset_id=asset_id):
                    asset, name = view.assets[asset_id], homes.get(address, "")
                    if name == homes.get(view.granted_to(asset_id)) and name in accounts and not asset.spent:
                        book.give_back(accounts[name], asset, terms.timeline.current(record.timestamp) + 1)
                case _:
                    pass
        view.observe(record.events)


def _join(
    book: GridBook,
    database: Database,
    homes: Mapping[Address, str],
    records: Sequence[LedgerRecord],
    terms: Terms,
) -> dict[str, Address]:
    """Let everybody join who ever did, and leave who was revoked; return the accounts by name."""
    added = [event for record in records for event in record.events if isinstance(event, AssetAdded)]
    accounts = {}
    for row in MemberStore(database).all():
        member: Member = decode(Member, row.document)
        assert member.node is not None, "the DSO enrols nobody without a node"
        envelope = Envelope(
            node=member.node,
            import_watts=member.firm_import_watts,
            export_watts=member.firm_export_watts,
            first=member.first_timestep,
        )
        book.join(member.address, envelope)
        accounts[member.name] = member.address
        if row.revoked_at is not None:
            ends = [event.end for event in added if homes.get(event.anon_address) == member.name]
            book.leave(member.address, max([terms.timeline.current(row.revoked_at), *ends]))
    return accounts
