"""Named places at which a test may kill this process: before and after every commit, send, receive and signature.

Decides: nothing, unless the environment variable PETRA_CRASH_AT says `name` or `name:n`: then the n-th (first) arrival
at that place ends the process as `kill -9` would. Invariant: without the variable a place costs one comparison.
"""

import os
import signal

_LEFT: dict[str, int] = {}


def arm(text: str) -> None:
    """Choose the place and its n-th arrival at which this process dies: `name`, `name:n`, or nothing."""
    _LEFT.clear()
    name, _, count = text.partition(":")
    if name:
        _LEFT[name] = int(count or 1)


def reach(place: str) -> None:
    """Pass a named place, or die there."""
    if not _LEFT or place not in _LEFT:
        return
    _LEFT[place] -= 1
    if _LEFT[place] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("PETRA_CRASH_AT", ""))
