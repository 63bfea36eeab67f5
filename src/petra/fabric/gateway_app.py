"""The gateway's web interface: the same signed envelopes over HTTPS, for clients without ZeroMQ (DESIGN 5).

Decides: addresses, sizes and forms of requests; `gateway.py` decides the rest. It reads no envelope.
Invariant: no request holds more memory than its limit, nor waits for ever.
"""

import asyncio
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from petra.fabric.gateway_jobs import NOT_NOW, Answer, Deliver, Fetch, Jobs, Prices, Question, Settle
from petra.fabric.refusals import LinkReason

OCTETS: Final = "application/octet-stream"
MAILBOX_WAIT_MAX: Final = 30.0
_PATIENCE_SECONDS: Final = 30.0
_READING_SECONDS: Final = 10.0

Proof = Annotated[
    str,
    Header(alias="Authorization", max_length=256, description="PETra <account> <unix second> <signature>"),
]


class Stored(BaseModel):
    """The envelope of this hash is stored."""

    hash: str


class Refusal(BaseModel):
    """Why a request was refused: one of the fabric's words."""

    reason: str
    hash: str | None = None


class Mail(BaseModel):
    """Envelopes in base64, oldest first; they stay until they are acknowledged."""

    envelopes: list[str]


class Published(BaseModel):
    """The newest price schedule, an envelope in base64."""

    envelope: str


_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Refusal, "description": "not a message, or not one that is taken here"},
    401: {"model": Refusal, "description": "the signature does not fit"},
    403: {"model": Refusal, "description": "this account may not speak here, or not to this recipient"},
    409: {"model": Refusal, "description": "the message id was used for other bytes"},
    410: {"model": Refusal, "description": "long past its deadline"},
    413: {"model": Refusal, "description": "too long"},
    429: {"model": Refusal, "description": "too many messages"},
    503: {"model": Refusal, "description": "try again after Retry-After"},
}


def gateway_app(jobs: Jobs, bytes_max: int) -> FastAPI:
    """Return the web application that asks `jobs` everything; an envelope has at most `bytes_max` bytes."""
    app = FastAPI(
        title="PETra gateway",
        version="1",
        description="Signed envelopes over HTTPS; docs/reference/messages.md says what stands in them.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these pages load scripts of others
        redoc_url=None,
    )

    async def ask(question: Question, seconds: float = _PATIENCE_SECONDS, late: Answer = NOT_NOW) -> Response:
        return _response(await jobs.ask(question, seconds, late))

    @app.post(
        "/v1/envelopes",
        status_code=202,
        response_model=Stored,
        responses=_REFUSED,
        openapi_extra={"requestBody": {"required": True, "content": {OCTETS: {"schema": {"format": "binary"}}}}},
    )
    async def deliver(request: Request) -> Response:
        """Hand over a signed envelope; 202 says that it is stored."""
        raw = await _body(request, bytes_max)
        if isinstance(raw, LinkReason):
            return _response(refusal(raw))
        return await ask(Deliver(raw=raw, place=request.client.host if request.client else ""))

    @app.get("/v1/mailbox", response_model=Mail, responses=_REFUSED)
    async def mailbox(
        proof: Proof, wait: Annotated[float, Query(ge=0, le=MAILBOX_WAIT_MAX, description="seconds")] = 0.0
    ) -> Response:
        """Fetch the account's mail; waits for some if there is none."""
        question = Fetch(proof=proof, waits=wait > 0)
        return await ask(question, wait or _PATIENCE_SECONDS, Answer(status=200, fields={"envelopes": []}))

    @app.delete("/v1/mailbox/{hash}", status_code=204, responses=_REFUSED)
    async def settle(
        proof: Proof,
        digest: Annotated[str, Path(alias="hash", pattern="^[0-9a-f]{64}$", description="keccak256 of the envelope")],
        refusal: Annotated[str | None, Query(pattern="^[a-z-]{1,32}$", description="a word, if it is refused")] = None,
    ) -> Response:
        """Say that an envelope from the mailbox is stored, or why it is refused; it is offered no more."""
        return await ask(Settle(proof=proof, hash=bytes.fromhex(digest), refusal=refusal))

    @app.get("/v1/prices", response_model=Published, responses={404: {"model": Refusal}})
    async def prices() -> Response:
        """Fetch the newest price schedule; anyone may."""
        return await ask(Prices())

    return app


_STATUS: Final = {
    LinkReason.SIGNATURE: 401,
    LinkReason.SENDER_KEY: 403,
    LinkReason.RECIPIENT: 403,
    LinkReason.UNKNOWN: 403,
    LinkReason.REVOKED: 403,
    LinkReason.REPLAYED: 409,
    LinkReason.EXPIRED: 410,
    LinkReason.TOO_LONG: 413,
    LinkReason.RATE: 429,
    LinkReason.BUSY: 503,
}


def refusal(reason: LinkReason, digest: bytes | None = None) -> Answer:
    """Return the answer for a refused request."""
    named: dict[str, object] = {} if digest is None else {"hash": digest.hex()}
    return Answer(status=_STATUS.get(reason, 400), fields={"reason": reason, **named})


def _response(answer: Answer) -> Response:
    if answer.status == 204:
        return Response(status_code=204)
    # Seconds in the header, as the standard wants; the exact time in the body.
    waits = {} if answer.retry_ms is None else {"Retry-After": str(-(-answer.retry_ms // 1000))}
    retry = {} if answer.retry_ms is None else {"retry_ms": answer.retry_ms}
    return JSONResponse({**answer.fields, **retry}, answer.status, headers=waits)


async def _body(request: Request, bytes_max: int) -> bytes | LinkReason:
    """Read a body that may not be longer, nor take longer, than we allow; whoever leaves has sent a part."""
    parts: list[bytes] = []
    length, more = 0, True
    try:
        async with asyncio.timeout(_READING_SECONDS):
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    return LinkReason.TRUNCATED
                part, more = message.get("body", b""), message.get("more_body", False)
                length += len(part)
                if length > bytes_max:
                    return LinkReason.TOO_LONG
                parts.append(part)
    except TimeoutError:
        return LinkReason.TRUNCATED
    return b"".join(parts)
