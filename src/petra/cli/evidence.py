"""`petra evidence`: the signed messages that a service got and sent, chained by hashes (R80, R85).

Decides: what is printed. Anybody who holds the deployment file can verify an export without us.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import BROKEN_PROMISE, DONE, guarded
from petra.cli.services import AsJson, Directory
from petra.domain.terms import Address
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.runtime.config import ServiceConfig
    from petra.store.database import Database
    from petra.store.messages import EvidenceRow
    from petra.wire.evidence import Evidence

app = typer.Typer(no_args_is_help=True, help="Look at, verify and hand out the signed messages of a service.")


@app.command()
def show(
    *,
    directory: Directory,
    kind: Annotated[str | None, typer.Option(help="Only messages of this kind, such as withdrawAssets.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only messages after this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    json_output: AsJson = False,
) -> None:
    """List messages, oldest first: position, direction, time, kind, id, the other side, when it was acknowledged.

    Example: petra evidence show --dir home --kind withdrawAssets
    """
    with guarded():
        from itertools import islice

        from petra.domain.messages import Kind

        if kind not in {None, *(one.value for one in Kind)}:
            raise InputError(f"--kind {kind}: is none of {', '.join(one.value for one in Kind)}")
        with _opened(directory) as (_, database):
            from petra.store.messages import MessageStore

            rows = (row for row in MessageStore(database).all(after) if kind in {None, row.message.kind})
            facts = [_facts(row) for row in islice(rows, limit)]
        if json_output:
            typer.echo(json.dumps({"messages": facts}))
            return
        for one in facts:
            done = "waiting" if one["delivered_at"] is None else str(one["delivered_at"])
            typer.echo(
                f"{one['position']:>6} {one['direction']:3} {one['at']} {one['kind']:18} {one['message_id']} "
                f"{one['other']} {done}"
            )


@app.command()
def verify(
    exported: Annotated[
        Path | None, typer.Argument(help="A file of `petra evidence export`, instead of --dir.", metavar="FILE")
    ] = None,
    *,
    directory: Annotated[Path | None, typer.Option("--dir", help="A service's directory.")] = None,
    json_output: AsJson = False,
) -> None:
    """Check every link and signature, and that requests have one answer; exit code 1 where anything is wrong.

    Example: petra evidence verify --dir home
    """
    with guarded():
        from petra.wire.evidence import check

        found = _exported(exported) if exported is not None and directory is None else _kept(exported, directory)
        findings = check(found)
        if json_output:
            unanswered = [
                {"position": one.position, "kind": one.kind, "message_id": one.message_id.hex(), "until": one.deadline}
                for one in findings.unanswered
            ]
            typer.echo(
                json.dumps(
                    {"messages": len(found.lines), "problems": list(findings.problems), "unanswered": unanswered}
                )
            )
        else:
            for problem in findings.problems:
                typer.echo(f"petra: {problem}", err=True)
            for one in findings.unanswered:
                typer.echo(f"{one.position:>6} {one.kind:18} {one.message_id.hex()} has no answer yet")
            typer.echo(f"{len(found.lines)} messages, {len(findings.problems) or 'no'} problems")
    raise typer.Exit(BROKEN_PROMISE if findings.problems else DONE)


@app.command()
def export(
    *,
    directory: Directory,
    out: Annotated[Path, typer.Option(help="A new file: a message a line, as JSON.", show_default=False)],
) -> None:
    """Write all messages into a file that others can verify; it says who you are, so hand it out with care.

    Example: petra evidence export --dir home --out evidence.jsonl
    """
    with guarded():
        from petra.wire.evidence import to_lines

        found = _kept(None, directory)
        _write(out, to_lines(found))
        typer.echo(f"{out}: {len(found.lines)} messages")


def _exported(path: Path) -> "Evidence":
    from petra.errors import MessageError
    from petra.wire.evidence import from_lines

    try:
        return from_lines(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError, MessageError) as error:
        raise InputError(f"{path}: no evidence can be read: {error}") from error


def _kept(exported: Path | None, directory: Path | None) -> "Evidence":
    """Return the evidence that a service keeps."""
    if directory is None or exported is not None:
        raise InputError("name one of the two: a FILE of `petra evidence export`, or the --dir of a service")
    from petra.network.deployment import read_deployment
    from petra.runtime.config import DEPLOYMENT_FILE
    from petra.runtime.creation import ACCOUNT
    from petra.store.messages import MessageStore
    from petra.store.registry import Settings
    from petra.wire.evidence import FIRST_LINK, Evidence, EvidenceLine

    with _opened(directory) as (config, database):
        deployment = read_deployment(config.path(DEPLOYMENT_FILE))
        lines = [
            EvidenceLine(
                position=row.position,
                direction=row.direction,
                at=row.message.at,
                raw=row.message.raw,
                link=row.link,
            )
            for row in MessageStore(database).all()
        ]
        account = Settings(database).get(ACCOUNT)
    if account is None:
        raise InputError(f"{directory}: its database was not made by `init`")
    return Evidence(
        chain_id=deployment.chain_id,
        contract=deployment.contract,
        dso=deployment.terms.dso,
        account=Address(account),
        before=FIRST_LINK,
        lines=tuple(lines),
    )


@contextmanager
def _opened(directory: Path) -> "Iterator[tuple[ServiceConfig, Database]]":
    """Open the database of whichever service lies in a directory."""
    from petra.runtime.config import load_any
    from petra.store.database import Database

    config = load_any(directory)
    with closing(Database.open(config.database)) as database:
        yield config, database


def _facts(row: "EvidenceRow") -> dict[str, Any]:
    message = row.message
    return {
        "position": row.position,
        "direction": row.direction,
        "at": message.at,
        "kind": message.kind,
        "message_id": message.message_id.hex(),
        "other": message.sender if row.direction == "in" else message.recipient,
        "delivered_at": row.delivered_at,
    }


def _write(out: Path, lines: Iterator[str]) -> None:
    import os

    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except FileExistsError as error:
        raise InputError(f"{out}: is there already; name another --out") from error
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
