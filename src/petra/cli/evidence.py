"""`petra evidence`: the signed messages that a service got and sent, chained by hashes (R80, R85).

Decides: what is printed. Anybody who holds the deployment file can verify an export without us.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.cli.guard import BROKEN_PROMISE, guarded
from petra.cli.services import AsJson, Directory
from petra.errors import InputError

if TYPE_CHECKING:
    from petra.runtime.config import ServiceConfig
    from petra.store.database import Database
    from petra.store.messages import EvidenceRow

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
def verify(*, directory: Directory, json_output: AsJson = False) -> None:
    """Check every hash and every signature; exit code 1 where one is wrong.

    Example: petra evidence verify --dir home
    """
    with guarded():
        with _opened(directory) as (config, database):
            from petra.store.messages import MessageStore

            store = MessageStore(database)
            problems = store.verify() + _bad_signatures(config, store.all())
            count = sum(1 for _ in store.all())
        if json_output:
            typer.echo(json.dumps({"messages": count, "problems": problems}))
        else:
            for problem in problems:
                typer.echo(f"petra: {problem}", err=True)
            typer.echo(f"{count} messages, {len(problems) or 'no'} problems")
    raise typer.Exit(BROKEN_PROMISE if problems else 0)


@app.command()
def export(
    *,
    directory: Directory,
    out: Annotated[Path, typer.Option(help="A new file: a message a line, as JSON.", show_default=False)],
) -> None:
    """Write all messages into a file that others can verify; it says who you are, so hand it out with care.

    Example: petra evidence export --dir home --out evidence.jsonl
    """
    with guarded(), _opened(directory) as (_, database):
        from petra.store.messages import MessageStore

        count = _write(out, (_line(row) for row in MessageStore(database).all()))
        typer.echo(f"{out}: {count} messages")


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


def _line(row: "EvidenceRow") -> str:
    return json.dumps({"direction": row.direction, "raw": row.message.raw.hex(), "link": row.link.hex()})


def _bad_signatures(config: "ServiceConfig", rows: "Iterator[EvidenceRow]") -> list[str]:
    from petra.errors import MessageError
    from petra.network.deployment import read_deployment
    from petra.runtime.config import DEPLOYMENT_FILE
    from petra.wire.envelope import open_envelope, signature_domain

    deployment = read_deployment(config.path(DEPLOYMENT_FILE))
    domain, problems = signature_domain(deployment.chain_id, deployment.contract), []
    for row in rows:
        try:
            open_envelope(row.message.raw, domain)
        except MessageError as error:
            problems.append(f"message {row.position}: {error}")
    return problems


def _write(out: Path, lines: Iterator[str]) -> int:
    import os

    count = 0
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
    except FileExistsError as error:
        raise InputError(f"{out}: is there already; name another --out") from error
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    return count
