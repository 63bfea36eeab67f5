"""What can be wrong with a chain beyond "try again": each has a name, so that a driver can tell them apart.

ChainError (petra.errors)
├── NodeUnavailable   nothing usable came back in time: what was kept stays kept, the same call later goes on
├── WrongChain        the node serves another chain than before, or one without our contract
├── NonceTaken        a transaction that is not ours has the nonce of one of ours
└── NonceUnresolved   a pseudonym was to sign although its last transactions are still under way
WorldError (petra.errors)
└── Reorganised       blocks that were final are gone: no ChainError, because trying again does not undo their effects
"""

from petra.domain.blocks import Checkpoint
from petra.errors import ChainError, WorldError


class NodeUnavailable(ChainError):
    """No answer came, or none that can be used. A request that was sent may have been carried out.

    Attributes:
        pause_seconds: how long the node asked us to wait.
    """

    pause_seconds: float = 0


class WrongChain(ChainError):
    """The node serves another chain, or one on which our contract does not stand; nothing that it says is taken."""


class NonceTaken(ChainError):
    """Another transaction stands where one of ours was to stand: its key signs in another process too."""


class NonceUnresolved(ChainError):
    """A pseudonym has transactions under way and signs nothing new until they have ended; nothing was kept or sent."""


class Reorganised(WorldError):
    """Blocks that counted as final are gone.

    Attributes:
        ancestor: the newest block that was read and is still on the chain; reading goes on after it.
        undone: hashes of the transactions whose records were handed out and whose blocks are gone, oldest first. Their
            effects must be undone; what is mined again is handed out again.
    """

    def __init__(self, ancestor: Checkpoint, undone: tuple[bytes, ...]) -> None:
        """Say how far back it goes."""
        self.ancestor = ancestor
        self.undone = undone
        super().__init__(
            f"the chain has other blocks after block {ancestor.block_number} than when they were read as final: "
            f"{len(undone)} transactions are undone; set more confirmations"
        )
