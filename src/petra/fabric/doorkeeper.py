"""Answers libzmq's question whether a key may connect (ZAP, RFC 27).

Decides: at the main door, enrolled keys only; at the enrolment door any CURVE key. It does not know messages.
Invariant: what libzmq then notes on every message as User-Id is the key that was proven, in Z85.
"""

import contextlib
from typing import Final

import zmq
from zmq.utils import z85

from petra.fabric.directory import Directory
from petra.fabric.sockets import Raw

MEMBERS: Final = b"members"
ENROLMENT: Final = b"enrolment"


class Doorkeeper:
    """The ZAP handler of one context; must be made before its server sockets are bound."""

    def __init__(self, context: "zmq.Context[Raw]", directory: Directory) -> None:
        """Open the place where libzmq asks."""
        self._directory = directory
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")

    def answer(self) -> None:
        """Answer every question that has come."""
        with contextlib.suppress(zmq.Again):
            while True:
                question = self.socket.recv_multipart(zmq.NOBLOCK)
                self.socket.send_multipart(self._answer(question))

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()

    def _answer(self, question: list[bytes]) -> list[bytes]:
        version, request, domain, _, _, mechanism, *credentials = question
        key = credentials[0] if mechanism == b"CURVE" and credentials else b""
        # The key of zeros has no secret: anybody could show it.
        if len(key) == 32 and any(key) and (domain == ENROLMENT or self._directory.party(key)):
            return [version, request, b"200", b"OK", z85.encode(key), b""]
        return [version, request, b"400", b"unknown key", b"", b""]
