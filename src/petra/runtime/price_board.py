"""The DSO's prices for everybody to read: signed once, published to whoever subscribes or asks the gateway (R41).

Decides: when there is something new to publish. The members get the same prices by messages of their own, with
receipts; this is the quick way, and the one for those who are no members.
Invariant: the same schedule is the same message, whenever it is published again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from petra.domain.messages import PriceSchedule
from petra.domain.terms import Address
from petra.domain.timeline import Timeline
from petra.fabric.intake import EVERYBODY
from petra.fabric.publisher import PRICES
from petra.ports import Keys
from petra.wire.bodies import encode_body
from petra.wire.envelope import Header, seal
from petra.wire.keccak import keccak256

_OF_USE_SECONDS = 10 * 366 * 86_400


@dataclass(slots=True, kw_only=True)
class PriceBoard:
    """What is published of a DSO's schedules: the newest.

    Attributes:
        dso: who signs. domain: of the deployment's envelopes.
        schedules: those that hold or will hold, in order.
        publish: where it is shown: topic and signed bytes.
    """

    dso: Address
    keys: Keys
    domain: bytes
    timeline: Timeline
    schedules: Callable[[], Sequence[PriceSchedule]]
    publish: list[Callable[[bytes, bytes], None]]
    _shown: PriceSchedule | None = field(default=None)

    def look(self) -> None:
        """Publish the newest schedule unless that was done."""
        schedules = self.schedules()
        if not schedules or schedules[-1] == self._shown:
            return
        self._shown = schedules[-1]
        header = Header(
            message_id=keccak256(b"PETra published 1" + encode_body(self._shown))[:16],
            sender=self.dso,
            recipient=EVERYBODY,
            sequence=0,
            created=0,
            deadline=self.timeline.begin(0) + _OF_USE_SECONDS,
        )
        raw = seal(header, self._shown, partial(self.keys.sign, self.dso), self.domain).raw
        for publish in self.publish:
            publish(PRICES, raw)
