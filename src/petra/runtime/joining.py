"""A home's first step: it joins its DSO once, before it lives as a service (DESIGN 5).

Decides: when there is nothing left to do. `petra.runtime.enrolment` does the talking.
Invariant: what the DSO agreed to is in the home's database before the invitation is thrown away.
"""

import json
from collections.abc import Callable
from pathlib import Path

from petra.errors import InputError
from petra.runtime.config import INVITATION_FILE, HomeConfig
from petra.runtime.creation import METER_CARD_FILE
from petra.runtime.enrolment import enrol
from petra.runtime.invitation import Invitation, MeterCard
from petra.store.database import Database
from petra.store.keystore import Keystore
from petra.store.registry import Settings
from petra.wire.envelope import signature_domain

ENROLLED = "enrolled"  # the setting that keeps the DSO's answer


def join(
    directory: Path, password: str, *, patience_seconds: float = 60, goes_on: Callable[[], bool] = lambda: True
) -> bool:
    """Enrol a home unless it is; say whether it was done now.

    Raises:
        InputError: the invitation cannot be used, or the DSO refuses it.
        WorldError: the DSO did not answer in time.
    """
    config = HomeConfig.load(directory)
    database = Database.open(config.database)
    try:
        settings = Settings(database)
        if settings.get(ENROLLED) is not None:
            return False
        path = directory / INVITATION_FILE
        if not path.is_file():
            raise InputError(f"{path}: is not there, and the home is not enrolled: ask the DSO for a new invitation")
        invitation, card = Invitation.read(path), MeterCard.read(directory / METER_CARD_FILE)
        deployment = invitation.read_deployment(str(path))
        keys = Keystore.open(config.keys, password)
        try:
            domain = signature_domain(deployment.chain_id, deployment.contract)
            agreed = enrol(
                *(keys, invitation, card, domain),
                patience_seconds=patience_seconds,
                goes_on=goes_on,
                gateway_url=config.home.gateway_url if config.home.transport == "https" else "",
            )
        finally:
            keys.close()
        with database.transaction() as connection:
            settings.put(connection, ENROLLED, json.dumps(agreed, sort_keys=True))
        path.unlink()
        return True
    finally:
        database.close()
