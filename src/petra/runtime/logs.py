"""A service's log: one JSON object a line, to stderr or a file (R79).

Decides: the form, and what is taken out. It does not know what happened.
Invariant: no line holds an address, a key, a signature or the password of a URL: whatever looks like one is replaced,
also in what libraries say. Names of homes are never handed to it.
"""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from io import FileIO
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from petra.errors import InputError

_DIGITS = re.compile(r"(0x)?[0-9a-fA-F]{40,}")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
Log = structlog.typing.FilteringBoundLogger


@contextlib.contextmanager
def opened_log(level: str = "info", path: Path | None = None) -> Iterator[Log]:
    """Make all of this process log alike for a while, and give its log.

    Args:
        level: debug, info, warning or error.
        path: the file that lines are added to, mode 0600; None = stderr.

    Raises:
        InputError: the file cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        file = sys.stderr if path is None else stack.enter_context(_opened(path))
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                without_secrets,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=structlog.WriteLoggerFactory(file=file),
            cache_logger_on_first_use=False,
        )
        stack.callback(structlog.reset_defaults)
        handler = _FromLibraries(logging.WARNING)
        logging.getLogger().addHandler(handler)
        stack.callback(logging.getLogger().removeHandler, handler)
        yield cast("Log", structlog.get_logger())


def without_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace in every value what looks like an address, a key, a signature or a password."""
    return {key: _cleaned(value) for key, value in event.items()}


def cleaned(text: str) -> str:
    """Return a text without what looks like an address, a key, a signature or the password of a URL."""
    return _PASSWORD.sub("", _DIGITS.sub("(digits)", text))


def _cleaned(value: object) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case dict():
            return {str(key): _cleaned(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_cleaned(inner) for inner in value]
        case _:
            return cleaned(str(value))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise InputError(f"{path}: no log can be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        yield cast("TextIO", _Patient(file))


class _Patient:
    """A file whose disk may be full: lines get lost then, and the service ends for the reason that it has."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text.encode())

    def flush(self) -> None:
        """Nothing is kept back."""


class _FromLibraries(logging.Handler):
    """Brings what libraries have to say into the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(record.levelno, "library", source=record.name, message=record.getMessage())
