"""The exceptions of PETra: what the world did wrong.

PetraError
├── InputError          what was given cannot be used: arguments, scenario, data (exit 2, nothing changed)
│   └── MissingTool     a program that was asked for is not installed
└── WorldError          the world failed while we ran (exit 3)
    ├── ChainError      the node is unreachable, answers nonsense, or is another chain; petra.chain.errors has its kinds
    │   └── ReceiptDeadline   a transaction was not mined in time
    ├── Reorganised     final blocks are gone (petra.chain.errors)
    ├── MessageError    bytes that are no message of a known sender; petra.wire.envelope has its kinds
    └── StoreError      the disk or database refused

Expected outcomes are no exceptions: they are `petra.domain.Refusal` values. A broken assertion means that we are wrong.
"""

from collections.abc import Sequence


class PetraError(Exception):
    """Anything that PETra reports to its user in one clear message."""


class InputError(PetraError):
    """What was given cannot be used; carries every problem that was found, a line each with place and remedy."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        """Keep the problems; a single string is one problem."""
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class MissingTool(InputError):
    """A program that was asked for is not installed; the message says how to get it."""


class WorldError(PetraError):
    """The world failed while we ran; what was written can be resumed or removed."""


class ChainError(WorldError):
    """The node is unreachable, answers nonsense, or serves another chain."""


class ReceiptDeadline(ChainError):
    """A transaction was not mined before its deadline."""


class MessageError(WorldError):
    """Bytes from the fabric that are not a valid message of a known sender."""


class StoreError(WorldError):
    """The disk or the database refused."""
