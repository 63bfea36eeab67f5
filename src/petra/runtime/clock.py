"""Whether the system's clock can be trusted: the kernel knows if somebody keeps it right (adjtimex).

Decides: what to tell the operator. It changes no clock. Why it matters: deadlines, gate and cut-off are unix seconds,
and a service whose clock is off refuses good messages, or trades when others know more (DESIGN 3).
"""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

_STA_UNSYNC, _TIME_ERROR = 0x0040, 5
ERROR_SECONDS_MAX = 2.0  # what the kernel may be wrong by before a deadline of seconds means nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What the kernel says: whether its clock is kept, and the largest error that it reckons with."""

    synchronised: bool
    error_seconds: float


class _Timex(ctypes.Structure):
    """The beginning of the kernel's `struct timex`; what follows is room for its other fields."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def read_clock() -> ClockState:
    """Ask the kernel; OSError where it may not be asked, or is none of Linux."""
    if not sys.platform.startswith("linux"):
        raise OSError("only Linux tells")
    timex = _Timex()  # modes 0: ask, change nothing
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    kept = state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return ClockState(synchronised=kept, error_seconds=timex.maximum_error / 1_000_000)


def clock_problem(read: Callable[[], ClockState] = read_clock) -> str | None:
    """Return one sentence with the remedy where the clock cannot be trusted, None where it can."""
    try:
        state = read()
    except OSError as error:
        return f"clock: whether it is synchronised cannot be told ({error.strerror or error}): check it by hand"
    remedy = "start chrony or systemd-timesyncd and wait for it, e.g. `timedatectl set-ntp true`"
    if not state.synchronised:
        return f"clock: it is not synchronised: {remedy}"
    if state.error_seconds > ERROR_SECONDS_MAX:
        return f"clock: it may be wrong by {state.error_seconds:.1f} s, {ERROR_SECONDS_MAX:g} s are too many: {remedy}"
    return None
