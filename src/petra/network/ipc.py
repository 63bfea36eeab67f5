"""Orders to a node over its socket in the file system, where only this user gets in.

Decides: how a request travels. What changes a node (mining, links, the chain's head) is never open over HTTP.
Invariant: an answer is the node's result or a ChainError that names the socket.
"""

import json
import socket
from pathlib import Path
from typing import Any

from petra.errors import ChainError

# The kernel's bound on the path of a socket is 108 bytes on Linux and 104 on macOS, the end mark included.
PATH_BYTES_MAX = 103


def ask(path: Path, method: str, *parameters: Any, timeout_seconds: float = 10) -> Any:
    """Return the result of one request; ChainError where no node listens or it fails the request."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_seconds)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode())
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
    except (OSError, ValueError) as error:
        raise ChainError(f"no node answers at {path} ({error})") from error
    if "error" in answer:
        raise ChainError(f"the node at {path} failed {method}: {answer['error'].get('message')}")
    return answer.get("result")
