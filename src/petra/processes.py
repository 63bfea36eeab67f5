"""Child processes: start one, wait until it listens, stop it with everything that it started.

Decides: how a child dies with us. It does not know what the child does.
Invariant: no child outlives this process. Each has a process group of its own, so that a Ctrl-C at the terminal reaches
only us and we stop it in order; it is stopped at exit, and on Linux the kernel tells it when we die without one
(SIGTERM, SIGKILL): the thread that starts a child must therefore live as long as the child shall.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from petra.errors import WorldError

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.01


class ChildProcess:
    """A running child; `stop` ends it and all that it started, and may be called twice."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the command, without input and output; WorldError where it cannot be started."""
        self._name = command[0]
        self._complaints = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 it makes two system calls and takes no lock
            )
        except OSError as error:
            self._complaints.close()
            raise WorldError(f"{self._name} cannot be started: {error}") from error
        atexit.register(self.stop)

    @property
    def process_id(self) -> int:
        """The child's id, also that of its group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Say whether the child has not ended."""
        return self._process.poll() is None

    def wait_for_port(self, port: int, *, timeout_seconds: float) -> None:
        """Return when the child listens at this port of 127.0.0.1.

        Raises:
            WorldError: the child ended (with what it said), or the time is over (then it is stopped).
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if not self.is_running:
                raise WorldError(f"{self._name} ended at once: {self._last_words() or 'without a word'}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(_POLL_SECONDS)
        self.stop()
        raise WorldError(f"{self._name} did not listen at port {port} within {timeout_seconds:g} s")

    def stop(self, *, timeout_seconds: float = 5) -> None:
        """Ask the whole group to end, then make it."""
        if self._complaints.closed:
            return  # stopped before: the group's number may be somebody else's by now
        atexit.unregister(self.stop)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._complaints.close()

    def _signal(self, number: signal.Signals) -> None:
        # The group may hold grandchildren after the child has ended; its number is not given away before they are gone.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()[-500:].decode(errors="replace").strip()


def free_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens now; somebody may before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    control = ctypes.CDLL(None).prctl  # looked up before the fork: afterwards nothing may be loaded
    parent = os.getpid()

    def ask_the_kernel() -> None:
        control(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGTERM)

    return ask_the_kernel
