"""A service whose disk fails: from some second on the kernel answers every fsync with an I/O error.

The answer comes from a seccomp filter that the process puts on all its own threads, so SQLite meets what a dying disk
gives it, at a commit of a running service. Linux on x86-64 and ARM64 only.
"""

import ctypes
import errno
import platform
import struct
import threading
from collections.abc import Callable
from typing import Any

from petra.runtime.testbed_tasks import serve

# By machine: the numbers of seccomp, fsync and fdatasync.
_NUMBERS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000

IS_POSSIBLE = platform.system() == "Linux" and platform.machine() in _NUMBERS


def serve_until_the_disk_fails(arguments: dict[str, Any], ready: Callable[[], None]) -> int:
    """Run a service as ever; as soon as it is ready, no fsync works any more."""

    def ready_and_doomed() -> None:
        ready()
        fail_every_fsync()

    return serve(arguments, ready_and_doomed)


def fail_every_fsync() -> None:
    """Let fsync and fdatasync fail with EIO in every thread of this process, for ever."""
    seccomp, fsync, fdatasync = _NUMBERS[platform.machine()]
    instructions = (
        (_LOAD_NUMBER, 0, 0, 0),
        (_JUMP_IF_EQUAL, 1, 0, fsync),
        (_JUMP_IF_EQUAL, 0, 1, fdatasync),
        (_RETURN, 0, 0, _ERRNO | errno.EIO),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    program = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or library.syscall(
        seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.create_string_buffer(program)
    ):
        raise OSError(ctypes.get_errno(), f"no filter for {threading.current_thread().name}")
