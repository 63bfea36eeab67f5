"""A nursery: one process that imports everything once, and forks from itself each process of a testbed.

Decides: how a child comes into a session of its own, and how its parent hears of it. Knows no market.
Invariants: a child shares nothing with its siblings but pages of memory that nobody has written since: its keys, lock,
log, sockets and threads are made after the fork, and a signal hits it alone. Children live on when the nursery ends.

Forking saves the second of computing time that each interpreter needs for its imports: a testbed of twenty homes has
forty-one processes. The nursery takes orders as lines of JSON at its standard input, and tells at its standard output
who was born, who is ready and who has ended.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petra.errors import WorldError
from petra.network.process_table import end_processes, find_processes

LOG_FILE = "nursery.log"
_MARK = "--testbed="
_POLL_SECONDS = 0.05
Task = Callable[[dict[str, Any], Callable[[], None]], int]  # what an order says, and whom to tell that it is ready


@dataclass(slots=True, kw_only=True)
class Child:
    """A process that the nursery was asked for.

    Attributes:
        process_id: 0 = not born yet.
        ready_at: by the monotonic clock; None = not ready (yet).
        exit_code: None = alive; negative = minus the signal that killed it.
    """

    name: str
    born_at: float
    process_id: int = 0
    ready_at: float | None = None
    exit_code: int | None = None


class Nursery:
    """The side of who orders: start it, let it fork, wait; close it when enough are born."""

    def __init__(self, directory: Path) -> None:
        """Start the nursery of a testbed's directory; its children are found by that directory (`end_children`)."""
        self._children: dict[int, Child] = {}
        self._text = b""
        command = [sys.executable, "-m", "petra.runtime.nursery", _mark(directory)]
        # Threads of a library would not survive a fork.
        quiet = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with (directory / LOG_FILE).open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=quiet, start_new_session=True
            )

    def fork(self, task: str, name: str, arguments: dict[str, Any], *, crash_at: str = "") -> Child:
        """Order a child and return it, unborn.

        Args:
            task: `module:function` of a `Task`.
            name: of the process, for `ps` and for messages.
            arguments: plain JSON values.
            crash_at: what PETRA_CRASH_AT shall say to it.
        """
        number = len(self._children) + 1
        order = {"number": number, "task": task, "name": name, "arguments": arguments, "crash_at": crash_at}
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorldError(f"the nursery has ended; {LOG_FILE} says why") from error
        self._children[number] = Child(name=name, born_at=time.monotonic())
        return self._children[number]

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Hear what the children tell until a condition holds; False where it does not within so many seconds."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() >= deadline:
                return False
            self._hear(min(0.5, max(0.0, deadline - time.monotonic())))
        return True

    def hear(self) -> None:
        """Hear what the children have told by now."""
        while self._hear(0):
            pass

    def wait_ready(self, children: Iterable[Child], seconds: float) -> None:
        """Return when all are ready; WorldError where one ended, or the time is over."""
        waited = list(children)
        fine = self.wait(
            lambda: all(one.ready_at is not None or one.exit_code is not None for one in waited), seconds
        )
        if ended := [one for one in waited if one.ready_at is None and one.exit_code is not None]:
            raise WorldError(f"{ended[0].name} ended with exit code {ended[0].exit_code} before it was ready")
        if not fine:
            late = [one.name for one in waited if one.ready_at is None]
            raise WorldError(f"not ready within {seconds:.0f} s: {', '.join(late[:5])} ({len(late)} processes)")

    def wait_ended(self, children: Iterable[Child], seconds: float) -> bool:
        """Return when all have ended, True; False where the time is over."""
        waited = list(children)
        return self.wait(lambda: all(one.exit_code is not None for one in waited), seconds)

    def close(self) -> None:
        """End the nursery; its children live on."""
        assert self._process.stdin is not None and self._process.stdout is not None, "they were asked for"
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _hear(self, seconds: float) -> bool:
        assert self._process.stdout is not None, "it was asked for"
        place = self._process.stdout.fileno()
        if not select.select([place], [], [], seconds)[0]:
            return False
        read = os.read(place, 65_536)
        if not read:
            raise WorldError(f"the nursery has ended; {LOG_FILE} says why")
        *lines, self._text = (self._text + read).split(b"\n")
        for line in lines:
            news = json.loads(line)
            child = self._children[news["number"]]
            child.process_id = news.get("born", child.process_id)
            child.exit_code = news.get("ended", child.exit_code)
            child.ready_at = news.get("ready", child.ready_at)
        return True


def children_of(directory: Path) -> list[int]:
    """Return the ids of all processes that nurseries of a testbed's directory forked, and of these nurseries."""
    return find_processes(_mark(directory).__eq__)


def end_children(directory: Path) -> int:
    """End all of them, whatever state they are in; return how many there were."""
    return end_processes(_mark(directory).__eq__)


def _mark(directory: Path) -> str:
    return f"{_MARK}{directory.resolve()}"


# ---- the nursery itself


def main() -> None:
    """Fork what is ordered until the orders end."""
    from petra.runtime import testbed_tasks  # noqa: F401, PLC0415 all that children need is imported before they are

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who ordered; he ends us in order
    gc.collect()
    gc.freeze()  # the collector would write on pages that are shared
    born: dict[int, int] = {}
    text = b""
    while True:
        if select.select([0], [], [], _POLL_SECONDS if born else None)[0]:
            read = os.read(0, 65_536)
            if not read:
                return
            *lines, text = (text + read).split(b"\n")
            for line in lines:
                order = json.loads(line)
                process = os.fork()
                if process == 0:
                    _live(order)
                born[process] = order["number"]
                _tell(1, number=order["number"], born=process)
        _bury(born)


def _bury(born: dict[int, int]) -> None:
    """Tell of the children that have ended."""
    while born:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == 0:
            return
        _tell(1, number=born.pop(process), ended=os.waitstatus_to_exitcode(status))


def _tell(place: int, **news: object) -> None:
    # Less than PIPE_BUF bytes: lines of several writers do not mix.
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(place, json.dumps(news).encode() + b"\n")


def _live(order: dict[str, Any]) -> None:
    """Be a child: take leave of the nursery, do the task, end."""
    from petra import crash_points  # noqa: PLC0415 only a child needs it

    code = 70  # what failed stands in the log
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(order["name"][:15], encoding="utf-8")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        telling = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        gc.enable()
        crash_points.arm(order["crash_at"])
        module, _, function = order["task"].partition(":")
        task: Task = getattr(importlib.import_module(module), function)

        def ready() -> None:
            _tell(telling, number=order["number"], ready=time.monotonic())
            os.close(telling)

        code = task(order["arguments"], ready)
    except BaseException:  # noqa: BLE001 whatever it is, it must not go on as the nursery
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
