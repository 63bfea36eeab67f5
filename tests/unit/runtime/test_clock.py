"""Whether the system's clock can be trusted."""

import pytest

from petra.runtime.clock import ClockState, clock_problem, read_clock


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (ClockState(synchronised=False, error_seconds=0.01), "not synchronised"),
        (ClockState(synchronised=True, error_seconds=2.5), "wrong by 2.5 s"),
    ],
)
def test_clock_that_cannot_be_trusted_is_told_with_the_remedy(state: ClockState, told: str) -> None:
    """An unkept clock and one with a large error are told, each with what to start."""
    problem = clock_problem(lambda: state)
    assert problem is not None
    assert told in problem
    assert "chrony" in problem


def test_kernel_that_does_not_tell_is_told() -> None:
    """A system that may not be asked is no proof of a good clock."""

    def refused() -> ClockState:
        raise PermissionError(1, "Operation not permitted")

    assert "cannot be told (Operation not permitted)" in str(clock_problem(refused))


def test_kept_clock_is_no_problem() -> None:
    """Nothing is said of a clock that is synchronised and right within two seconds."""
    assert clock_problem(lambda: ClockState(synchronised=True, error_seconds=0.2)) is None


def test_kernel_can_be_asked() -> None:
    """The kernel's answer is whole: its largest error is neither negative nor more than its ceiling of 16 s."""
    assert 0 <= read_clock().error_seconds <= 16.5
