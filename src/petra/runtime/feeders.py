"""The feeder of a DSO's directory, as the book that its role keeps (docs/explanation/safety.md).

Decides: which feeder a diary was begun with. Everything else is decided by the file, by `[grid]` and by the role.
Invariant: a diary is only ever played again on the feeder with which it began.
"""

import hashlib
from collections.abc import Iterable

from petra.data import feeder_from_json, feeder_to_json, load_grid
from petra.data.feeder_grids import GRIDS
from petra.domain.terms import Address
from petra.errors import InputError
from petra.grid import Envelope
from petra.roles.dso.grid_book import GridBook, Unenrolled
from petra.roles.dso.state import Member
from petra.roles.effects import MemberTerms
from petra.runtime.config import DsoConfig
from petra.store.database import Database
from petra.store.diary import Diary
from petra.store.registry import Settings

FEEDER_FILE = "feeder.json"
FEEDER = "feeder_sha256"  # the setting that keeps which file it was


def feeder_book(config: DsoConfig) -> GridBook | None:
    """Return the book of a directory's feeder with nobody in it yet, None where the rule needs none.

    Raises:
        InputError: the file cannot be read or is no feeder, or homes without an account alone could overload it.
    """
    grid = config.grid
    if grid.rule != "feeder":
        return None
    assert grid.unenrolled_import_watts is not None and grid.unenrolled_export_watts is not None, "the file was checked"
    feeder = load_grid(grid.feeder) if grid.feeder in GRIDS else feeder_from_json(_text(config), _place(config))
    unenrolled = Unenrolled(grid.unenrolled_import_watts, grid.unenrolled_export_watts)
    return GridBook(feeder, {}, grid.reactive, unenrolled)


def born_book(config: DsoConfig, database: Database) -> GridBook | None:
    """Return the same for a service that starts; its file must be the one with which its diary began."""
    book = feeder_book(config)
    if book is None:
        return None
    text = _text(config) if config.grid.feeder not in GRIDS else feeder_to_json(book.ledger.feeder)
    digest, settings = hashlib.sha256(text.encode()).hexdigest(), Settings(database)
    if not Diary(database).last_number():
        with database.transaction() as connection:
            settings.put(connection, FEEDER, digest)
    elif settings.get(FEEDER) != digest:
        raise InputError(
            f"{_place(config)}: is not the feeder with which the diary began; put the file back whose sha256 is "
            f"{settings.get(FEEDER)}, or begin a new service for the changed grid"
        )
    return book


def room_problem(book: GridBook, promised: Iterable[Member | MemberTerms], terms: MemberTerms) -> str | None:
    """Say why a home could not be promised its envelope beside the others', with nothing granted to anybody."""
    for number, other in enumerate(promised):
        if (envelope := _envelope(book, other)) is not None and book.first_safe(envelope) is not None:
            book.join(Address(f"promised {number}"), envelope)
    envelope, feeder = _envelope(book, terms), book.ledger.feeder
    if envelope is None:
        known = ", ".join(one.node for one in feeder.nodes if one.node != feeder.source_node)
        return f"--node: {terms.name} is at {terms.node or 'no node'}, which is none of the feeder's: {known}"
    if book.first_safe(envelope) is not None:
        return None
    return (
        f"--firm-import-watts {envelope.import_watts}, --firm-export-watts {envelope.export_watts} at {terms.node}: "
        "with what all others are promised, invitations included, the feeder could be overloaded though nothing is "
        "granted; promise less"
    )


def _envelope(book: GridBook, terms: Member | MemberTerms) -> Envelope | None:
    """Return what a home is promised, None where it has no place on the feeder."""
    if terms.node is None or not book.has_node(terms.node):
        return None
    return Envelope(node=terms.node, import_watts=terms.firm_import_watts, export_watts=terms.firm_export_watts)


def _place(config: DsoConfig) -> str:
    return str(config.path(config.grid.feeder))


def _text(config: DsoConfig) -> str:
    try:
        return config.path(config.grid.feeder).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{_place(config)}: cannot be read: {error}; put the feeder file back") from error
