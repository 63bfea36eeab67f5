"""Shares of what a link takes, and what it remembers of answers."""

from petra.domain.terms import Address
from petra.fabric.frames import Busy, Refused, Stored
from petra.fabric.limits import RateLimit
from petra.fabric.outcomes import Outcomes

HOME, OTHER = Address("0x" + 40 * "1"), Address("0x" + 40 * "2")


def test_an_origin_gets_its_burst_and_then_its_rate() -> None:
    """Three at once, then two a second, never more than three saved up; others have their own share."""
    rate = RateLimit(2.0, 3)
    assert [rate.allows(b"a", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert rate.allows(b"b", 0.0)
    assert [rate.allows(b"a", 0.5), rate.allows(b"a", 0.5)] == [True, False]
    assert [rate.allows(b"a", 1_000.0) for _ in range(4)] == [True, True, True, False]
    assert not rate.allows(b"a", 0.0)  # a clock that goes back fills nothing


def test_a_rate_of_zero_is_no_limit() -> None:
    """Everything is allowed, and nothing remembered."""
    rate = RateLimit(0.0, 0)
    assert all(rate.allows(b"a", 0.0) for _ in range(100))


def test_only_the_latest_origins_are_remembered() -> None:
    """Whoever comes from many places at once does not fill the memory."""
    rate = RateLimit(0.001, 1, origins_max=10)
    assert all(rate.allows(bytes((number,)), 0.0) for number in range(100))
    assert not rate.allows(bytes((99,)), 0.0)
    assert len(rate._buckets) == 10


def test_only_the_recipient_answers_and_the_last_word_is_the_last() -> None:
    """Strangers and answers to nothing are passed over; put off may become stored; stored stays stored."""
    outcomes, digest = Outcomes(), bytes(32)
    outcomes.answered(Stored(digest), lambda: {HOME})
    outcomes.sent(digest, HOME)
    outcomes.answered(Stored(digest), lambda: {OTHER})
    outcomes.answered(Refused(digest, "kind"), frozenset)
    assert (outcomes.delivered(), outcomes.refused()) == ([], [])
    outcomes.answered(Busy(digest, 5), lambda: {HOME})
    outcomes.answered(Stored(digest), lambda: {OTHER, HOME})
    outcomes.answered(Refused(digest, "kind"), lambda: {HOME})
    assert (outcomes.delivered(), outcomes.refused()) == ([digest], [(digest, "busy 5")])
    assert (outcomes.delivered(), outcomes.refused()) == ([], [])
