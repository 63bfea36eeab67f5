import pytest

from petra.domain.calls import Protest
from petra.domain.events import Protested
from tests.unit.ledger.scene import ALICE, Scene


def test_digest_of_another_length_is_our_mistake() -> None:
    """What the ABI cannot encode is not refused but asserted."""
    with pytest.raises(AssertionError, match="bytes32"):
        Scene().call(Protest(digest=bytes(31)), ALICE)


def test_anybody_may_protest_twice() -> None:
    """A protest needs no role, and the same one may be told again."""
    scene = Scene()
    for _ in range(2):
        assert scene.done(Protest(digest=bytes(range(32))), ALICE) == (Protested(digest=bytes(range(32))),)
