"""How a home joins: it shows its token at the DSO's door for newcomers until it has a signed answer (DESIGN 5).

Decides: when to ask again. It does not know what was agreed.
Invariant: asking again is harmless: the DSO answers the same account, token and keys alike.
"""

import json
import secrets
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from petra.domain.messages import Enrol, Enrolled, Kind
from petra.domain.terms import Address
from petra.errors import InputError, WorldError
from petra.fabric.https import Https, NoAnswer
from petra.fabric.intake import Intake
from petra.fabric.postbox import Postbox
from petra.fabric.zmq_client import Server, ZmqClient
from petra.ports import Link
from petra.runtime.invitation import Invitation, MeterCard
from petra.store.keystore import Keystore
from petra.wire.envelope import Header, seal

_PATIENCE_SECONDS = 0.2
_OCTETS = {"Content-Type": "application/octet-stream"}


def enrol(
    keys: Keystore,
    invitation: Invitation,
    card: MeterCard,
    domain: bytes,
    *,
    patience_seconds: float,
    goes_on: Callable[[], bool] = lambda: True,
    gateway_url: str = "",
) -> dict[str, Any]:
    """Return what the DSO agreed to, after it has enrolled this keystore's account.

    With a `gateway_url` it asks there, by HTTPS, and not at the invitation's door.

    Raises:
        InputError: the DSO refuses: the token is unknown, used or too old.
        WorldError: no answer came in time, or `goes_on` said no.
    """
    begun, dso = time.time(), Address(invitation.dso)
    link = _link(keys, invitation, domain, gateway_url)
    try:
        postbox = Postbox(link=link, rng=Random(secrets.randbits(64)))
        header = Header(
            message_id=secrets.token_bytes(16),
            sender=keys.identity,
            recipient=dso,
            sequence=0,
            created=int(begun),
            deadline=int(begun + patience_seconds) + 60,
        )
        body = Enrol(
            token=bytes.fromhex(invitation.token),
            meter=Address(card.meter),
            curve_key=keys.curve[0],
            meter_curve_key=bytes.fromhex(card.curve_key),
            meter_proof=bytes.fromhex(card.proof),
        )
        raw = seal(header, body, partial(keys.sign, keys.identity), domain).raw
        postbox.add(dso, raw, header.deadline, begun)
        known = not gateway_url
        while time.time() < begun + patience_seconds and goes_on():
            known = known or _knock(gateway_url, raw)
            postbox.pump(time.time())
            link.wait(_PATIENCE_SECONDS)
            for arrival in link.receive(1):
                link.acknowledge([arrival])
                answer = arrival.envelope.body
                if isinstance(answer, Enrolled) and answer.request_id == header.message_id:
                    return _agreed(answer)
            if refused := postbox.refused():
                raise InputError(f"the DSO does not take the enrolment: {refused[0][1]}")
        why = link.trouble() or "the DSO may be away: start this again later"
        place = gateway_url or invitation.enrol_endpoint
        raise WorldError(f"no answer from {place} within {patience_seconds:.0f} s: {why}")
    finally:
        link.close()


def _link(keys: Keystore, invitation: Invitation, domain: bytes, gateway_url: str) -> Link:
    account = Address(invitation.dso)
    intake = Intake(domain=domain, addresses={keys.identity}, kinds={Kind.ENROLLED}, clock=time.time)
    if not gateway_url:
        curve_public = bytes.fromhex(invitation.dso_key)
        server = Server(endpoint=invitation.enrol_endpoint, curve_public=curve_public, account=account)
        return ZmqClient(server, keys.curve, intake)
    from petra.fabric.gateway_client import Gateway, GatewayClient  # noqa: PLC0415 a web server's forms, seldom needed

    gateway = Gateway(url=gateway_url, account=account)
    return GatewayClient(gateway, keys.identity, partial(keys.sign, keys.identity), intake)


def _knock(gateway_url: str, raw: bytes) -> bool:
    """Say whether the gateway took the enrolment: from then on it hands out mail to us, though we are nobody yet."""
    gateway = Https(gateway_url, None)
    try:
        reply = gateway.ask("POST", "/v1/envelopes", raw, _OCTETS)
    except NoAnswer:
        return False
    finally:
        gateway.close()
    if reply.status < 500 and reply.status not in {202, 429}:
        raise InputError(f"the DSO does not take the enrolment: {reply.fields.get('reason', reply.status)}")
    return reply.status == 202


def _agreed(answer: Enrolled) -> dict[str, Any]:
    try:
        document = json.loads(answer.document)
    except (ValueError, RecursionError) as error:
        raise WorldError("the DSO's answer to the enrolment cannot be read") from error
    if not isinstance(document, dict):
        raise WorldError("the DSO's answer to the enrolment cannot be read")
    if "refused" in document:
        raise InputError(f"the DSO does not enrol this home: {document['refused']}; ask it for a new invitation")
    return document
