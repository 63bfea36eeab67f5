"""Somebody who wants to become a prosumer: keys, a token, and what it says to the desk."""

import hashlib
from dataclasses import replace
from typing import Any

from petra.domain.messages import Enrol, Envelope
from petra.roles.effects import EnrolmentOpened, MemberTerms
from petra.wire.envelope import meter_proof_digest
from tests.unit.roles.desk import DOMAIN, EUR, NOW, Desk

TERMS = MemberTerms(
    name="new",
    node="N7",
    firm_import_watts=1_000,
    firm_export_watts=0,
    production_capacity_watts=3_000,
    consumption_capacity_watts=4_000,
    opening_balance=5 * EUR,
    credit_limit=EUR,
)


class Newcomer:
    """A household with an identity, a meter and a token for the desk."""

    def __init__(self, desk: Desk, key: str = "new", name: str = "") -> None:
        """Make the keys; nobody knows them yet."""
        self.desk = desk
        self.address, self.meter = desk.keys.new(key), desk.keys.new(f"meter {key}")
        self.token = hashlib.sha256(key.encode()).digest()
        self.curve_key, self.meter_curve_key = (hashlib.sha256(text + self.token).digest() for text in (b"1", b"2"))
        self.order = EnrolmentOpened(
            token_hash=hashlib.sha256(self.token).digest(), terms=replace(TERMS, name=name or key), expires=NOW + 600
        )

    def invite(self) -> None:
        """Let the operator hand out the token."""
        assert self.desk.give(self.order) == []

    def body(self, **fields: Any) -> Enrol:
        """Return the request, with a true proof by the meter unless another is given."""
        asked: dict[str, Any] = {"meter": self.meter, "meter_curve_key": self.meter_curve_key} | fields
        digest = meter_proof_digest(DOMAIN, self.address, asked["meter"], asked["meter_curve_key"])
        proof = self.desk.keys.sign(asked["meter"], digest)
        return Enrol(**({"token": self.token, "curve_key": self.curve_key, "meter_proof": proof} | asked))

    def request(self, **fields: Any) -> Envelope:
        """Seal a request."""
        return self.desk.say(self.address, self.body(**fields))
