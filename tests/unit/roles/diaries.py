"""A diary of what roles took, and its replay: what a live service does at its start, without its database."""

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from random import Random
from typing import Any

from petra.domain.terms import Address
from petra.ledger.fold import LedgerView
from petra.roles.effects import Effect, Event, LedgerAdvanced, MessageArrived
from petra.roles.prosumer.state import ProsumerState
from petra.wire.envelope import open_envelope

Step = Callable[[Any, Event, int, Random], list[Effect]]


@dataclass(slots=True)
class Entry:
    """One event with its unix second, the pseudonyms drawn meanwhile, and what the role then wanted."""

    event: Event
    now: int
    drawn: list[Address]
    effects: list[Effect]


@dataclass(slots=True)
class Diary:
    """What one role took, from a state that nobody else has."""

    step: Step
    birth: Any
    state: Any
    entries: list[Entry] = field(default_factory=list)

    def take(self, event: Event, now: int) -> list[Effect]:
        """Let the role take an event with the chance that belongs to its number, and write it down."""
        drawn: list[Address] = []
        draw = getattr(self.state, "new_pseudonym", None)

        def noted() -> Address:
            assert draw is not None
            drawn.append(draw())
            return drawn[-1]

        if draw is not None:
            self.state.new_pseudonym = noted
        effects = self.step(self.state, event, now, self._chance(len(self.entries)))
        if draw is not None:
            self.state.new_pseudonym = draw
        self.entries.append(Entry(_frozen(event), now, drawn, effects))
        return effects

    def replay(self, domain: bytes) -> Any:
        """Take all events again from the birth on; each must want the same. Return the state at the end."""
        state = copy.deepcopy(self.birth)
        read = [entry.event.view for entry in self.entries if isinstance(entry.event, LedgerAdvanced)]
        view = LedgerView(read[0].terms) if read else None
        for number, entry in enumerate(self.entries):
            pseudonyms = deque(entry.drawn)
            if isinstance(state, ProsumerState):
                state.new_pseudonym = pseudonyms.popleft
            effects = self.step(state, _again(entry.event, view, domain), entry.now, self._chance(number))
            assert effects == entry.effects, f"event {number}, {type(entry.event).__name__}, wants something else"
            assert not pseudonyms
        return state

    @staticmethod
    def _chance(number: int) -> Random:
        return Random(f"a diary:{number}")


def begin_diary(step: Step, state: Any) -> Diary:
    """Open the diary of a role; its birth is a copy that shares nothing with it."""
    draw = getattr(state, "new_pseudonym", None)
    if draw is not None:
        state.new_pseudonym = None
    birth = copy.deepcopy(state)
    if draw is not None:
        state.new_pseudonym = draw
    return Diary(step, birth, state)


def plain(value: Any) -> Any:
    """Return a value as nested tuples in which every order shows but that of a set; functions are left out."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, LedgerView):
        return tuple((name, plain(part)) for name, part in sorted(vars(value).items()))
    if is_dataclass(value) and not isinstance(value, type):
        return tuple((part.name, plain(getattr(value, part.name))) for part in fields(value))
    if isinstance(value, dict):
        return tuple((plain(key), plain(part)) for key, part in value.items())
    if isinstance(value, set | frozenset):
        return tuple(sorted(map(plain, value)))
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return None if callable(value) else value


def _frozen(event: Event) -> Event:
    """Return what a diary keeps of an event: the view of the ledger follows from the records."""
    return replace(event, view=LedgerView(event.view.terms)) if isinstance(event, LedgerAdvanced) else event


def _again(event: Event, view: LedgerView | None, domain: bytes) -> Event:
    """Return an event made anew, equal and nowhere the same object."""
    match event:
        case MessageArrived(envelope=envelope):
            return MessageArrived(envelope=open_envelope(bytes(bytearray(envelope.raw)), domain))
        case LedgerAdvanced():
            assert view is not None
            for record in event.records:
                view.observe(record.events)
            return replace(event, records=copy.deepcopy(event.records), view=view)
        case _:
            return copy.deepcopy(event)
