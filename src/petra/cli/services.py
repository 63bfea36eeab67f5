"""What the verbs of live services share: passwords, running, and how a service stands.

Decides: where a password comes from (a file, PETRA_PASSWORD, or a terminal; never an argument), and what a supervisor
told us in the environment.
"""

import fcntl
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from petra.errors import InputError

if TYPE_CHECKING:
    from petra.runtime.config import ServiceConfig
    from petra.runtime.operation import Running, Supervisor
    from petra.store.database import Database

Directory = Annotated[Path, typer.Option("--dir", help="The service's directory.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the keystore's password; else PETRA_PASSWORD, or asked for."),
]
_TEMPORARY = Path("/run")  # where systemd and Docker put secrets, with permissions of their own


def read_password(password_file: Path | None, *, twice: bool = False) -> str:
    """Return the keystore's password; `twice` where a mistyped one would make keys that nobody can open."""
    if password_file is not None:
        return _password_of(password_file)
    if given := os.environ.pop("PETRA_PASSWORD", ""):  # no child of ours shall have it
        return given
    if not sys.stdin.isatty():
        raise InputError("the keystore's password is missing: name a --password-file, or set PETRA_PASSWORD")
    return str(typer.prompt("Password of the keystore", hide_input=True, confirmation_prompt=twice, err=True))


def run_service(config: "ServiceConfig", role: str, build: Callable[[], "Running"]) -> int:
    """Build a service and run it to its end; return the exit code.

    Args:
        config: checked.
        role: dso, prosumer or meter.
        build: opens keys, database, sockets and node; called when the clock was found good.
    """
    from petra.runtime.clock import clock_problem
    from petra.runtime.logs import opened_log
    from petra.runtime.operation import run

    operation = config.operation
    with opened_log(operation.log_level, config.path(operation.log_file) if operation.log_file else None) as log:
        if (problem := clock_problem()) is not None:
            if operation.clock == "refuse":
                raise InputError(f'{problem} (or set [operation] clock = "warn")')
            log.warning("clock", problem=problem)
        service = build()
        return run(service, role=role, log=log, metrics_port=operation.metrics_port, supervisor=_supervisor())


def is_running(config: "ServiceConfig") -> bool:
    """Say whether a process has the service's keys."""
    try:
        descriptor = os.open(config.keys / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def standing(config: "ServiceConfig", database: "Database") -> dict[str, Any]:
    """Return how any service stands, from its database, its lock and its door for probes."""
    from petra.store.diary import Diary
    from petra.store.messages import MessageStore
    from petra.store.registry import OrderStore

    running = is_running(config)
    return {
        "running": running,
        "ready": _ready(config.operation.metrics_port) if running else "it does not run",
        "events": Diary(database).last_number(),
        "messages_waiting": len(MessageStore(database).undelivered(int(time.time()))),
        "orders_waiting": len(OrderStore(database).waiting()),
        "journal": _journal(database),
    }


def _journal(database: "Database") -> dict[str, int]:
    """Return how often each kind of note stands in the service's journal."""
    import sqlalchemy as sql

    from petra.store.tables import notes

    count = sql.func.count().label("count")
    rows = database.read(sql.select(notes.c.kind, count).group_by(notes.c.kind).order_by(notes.c.kind))
    return {row.kind: int(row._mapping["count"]) for row in rows}


def told(facts: dict[str, Any]) -> str:
    """Return facts as lines of text."""
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name.replace('_', ' '):{width}}{_word(value)}" for name, value in facts.items())


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "nothing yet"
    return "not known" if value is None else str(value)


def _ready(port: int) -> str | None:
    """Return what the running service says of itself; None where it has no door for that."""
    import urllib.error
    import urllib.request

    if not port:
        return None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode().strip()
    except OSError as error:
        return f"no answer ({error})"


def _supervisor() -> "Supervisor":
    from petra.runtime.operation import Supervisor

    microseconds = os.environ.get("WATCHDOG_USEC", "0")
    return Supervisor(
        address=os.environ.get("NOTIFY_SOCKET", ""),
        watchdog_seconds=int(microseconds) / 1_000_000 if microseconds.isdigit() else 0.0,
    )


def _password_of(path: Path) -> str:
    try:
        everybody = path.stat().st_mode & 0o007
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no password can be read: {error}") from error
    if everybody and _TEMPORARY not in path.resolve().parents:
        raise InputError(f"{path}: everybody may read this password; `chmod 600 {path}`")
    if not lines or not lines[0]:
        raise InputError(f"{path}: its first line is empty, and shall be the password")
    return lines[0]
