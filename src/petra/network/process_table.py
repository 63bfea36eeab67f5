"""Processes that outlive the command that started them: start, find, end.

Decides: how they are found again: by a marking argument in the command line that the operating system shows. There are
no files with process ids, so none can be stale, name a stranger, or be missing after a crash.
Invariant: only processes of this user whose arguments carry the mark are ever ended.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from petra.errors import WorldError

_POLL_SECONDS = 0.05
_LOOKS_MAX = 50
# The shell goes away at once, so the process belongs to nobody who would have to wait for it.
_DETACH = '"$@" >>"$0" 2>&1 </dev/null &'


def start_detached(command: Sequence[str], log: Path) -> None:
    """Start a process that lives on without us, in a session of its own; what it says is appended to a file."""
    try:
        subprocess.run(["/bin/sh", "-c", _DETACH, str(log), *command], start_new_session=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise WorldError(f"{command[0]} cannot be started: {error}") from error


def find_processes(is_marked: Callable[[str], bool]) -> list[int]:
    """Return the ids of this user's processes of which an argument is marked."""
    return [process for process, arguments in _arguments() if any(map(is_marked, arguments))]


def end_processes(is_marked: Callable[[str], bool], *, timeout_seconds: float = 15) -> int:
    """Ask marked processes to end, then make them; return how many there were. None is left."""
    found = find_processes(is_marked)
    remaining = found
    for number, seconds in ((signal.SIGTERM, timeout_seconds), (signal.SIGKILL, timeout_seconds)):
        for process in remaining:
            _signal(process, number)
        deadline = time.monotonic() + seconds
        while (remaining := find_processes(is_marked)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not remaining:
            return len(found)
    raise WorldError(f"the processes {remaining} do not end")


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass  # it ended meanwhile


def _arguments() -> list[tuple[int, list[str]]]:
    return _from_proc() if sys.platform == "linux" else _from_ps()


def _from_proc() -> list[tuple[int, list[str]]]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and folder.stat().st_uid == os.getuid():
                found.append((int(folder.name), _words_of(folder)))
        except OSError:
            continue  # it ended while we looked
    return found


def _words_of(folder: Path) -> list[str]:
    """Return a process's arguments; one that is just being executed has none for a moment, a dead one for ever."""
    for _ in range(_LOOKS_MAX):
        words = (folder / "cmdline").read_bytes()
        if words or not (folder / "exe").exists():
            break
        time.sleep(_POLL_SECONDS / 10)
    return words.decode(errors="replace").split("\0")


def _from_ps() -> list[tuple[int, list[str]]]:
    command = ["ps", "-ww", "-U", str(os.getuid()), "-o", "pid=,command="]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    # Arguments are parted by blanks here: a marked path that holds a blank would not be recognised.
    return [(int(line.split()[0]), line.split()[1:]) for line in lines]
