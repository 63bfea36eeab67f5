"""`petra protest`: put the hash of an unanswered request on the ledger, where the DSO must answer (R85)."""

import time
from contextlib import closing
from typing import Annotated

import typer

from petra.cli.guard import guarded
from petra.cli.services import Directory
from petra.errors import InputError

_ID_BYTES = 16


def protest(
    message_id: Annotated[
        str, typer.Argument(help="32 hexadecimal digits; `petra evidence show` lists them.", show_default=False)
    ],
    *,
    directory: Directory,
) -> None:
    """Order the home to put the hash of a request without an answer on the ledger, for all to see.

    Example: petra protest --dir home 00112233445566778899aabbccddeeff
    """
    with guarded():
        from petra.domain.messages import Kind
        from petra.roles.effects import Order, ProtestWanted
        from petra.runtime.config import HomeConfig
        from petra.store.codec import encode
        from petra.store.database import Database
        from petra.store.messages import MessageStore
        from petra.store.registry import OrderStore

        name = _parsed(message_id)
        config = HomeConfig.load(directory)
        with closing(Database.open(config.database)) as database:
            asked = MessageStore(database).find("out", name)
            if asked is None:
                raise InputError(f"{message_id}: the home has sent no such message; see `petra evidence show`")
            if asked.kind != Kind.WITHDRAW_ASSETS.value:
                raise InputError(f"{message_id}: is a {asked.kind}; only a withdrawal can be protested")
            order = ProtestWanted(message_id=name)
            OrderStore(database).add(int(time.time()), type(order).__name__, encode(Order, order))
        typer.echo("The running home takes the order within a second; one that does not run, when it starts.")
        typer.echo("It protests only where the request has no answer and half of its time is over.")


def _parsed(text: str) -> bytes:
    try:
        name = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        name = b""
    if len(name) != _ID_BYTES:
        raise InputError(f"{text}: is no message id: 32 hexadecimal digits are needed")
    return name
