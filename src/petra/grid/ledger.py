"""The safety ledger: grants only what no trade and no failed delivery can turn into an overload (R26, R39, R61).

Decides: whether an account's box may grow in every timestep of a request, all or nothing; and from which timestep on an
account may join. Knows no request's sender, no reason but its own answer (a reason would tell of the neighbours), no
clock.
Invariant: in every timestep every point of all accounts' boxes together keeps every limit of the feeder; what is kept
equals bit for bit what the integers alone give. DESIGN 7; the proof is in docs/explanation/safety.md.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from petra.errors import InputError
from petra.grid import tree
from petra.grid.coefficients import Coefficients, Derivation, ReactivePower, sound_coefficients
from petra.grid.components import Connection
from petra.grid.feeder import Feeder
from petra.grid.reservations import FOREVER, NOTHING, Box, Change, Envelope, Granted, Reservations, Step

DEFAULT_REACTIVE = ReactivePower()
Grants = Mapping[int, Mapping[str, Granted]]


def node_loads(reservations: Reservations, timestep: int, reactive: ReactivePower) -> dict[str, tree.Load]:
    """Return by node what all its accounts may do together under any rule's book: the box of outcomes."""
    boxes: dict[str, list[Box]] = {}
    for account, box in reservations.boxes(timestep).items():
        boxes.setdefault(reservations.envelopes[account].node, []).append(box)
    return {node: _sum(own, reactive) for node, own in boxes.items()}


def _sum(boxes: Iterable[Box], reactive: ReactivePower) -> tree.Load:
    totals = [0, 0, 0, 0]
    for box in boxes:
        totals[0] += box.import_watts
        totals[1] += box.export_watts
        totals[2] += reactive.absorbed(*box)
        totals[3] += reactive.supplied(*box)
    return tree.Load(*totals)


def _scaled(load: tree.Load, percent: int) -> tree.Load:
    return tree.Load(*(-(-part * percent // 100) for part in load))


def _settled_from(envelopes: Iterable[Envelope]) -> int:
    """Return the first timestep from which on none of the envelopes begins or ends any more."""
    return max((max(own.first, own.last + 1 if own.last < FOREVER else 0) for own in envelopes), default=0)


class _Plan(NamedTuple):
    """A request that may be granted: its steps, and by timestep what changes in the bounds."""

    steps: list[Step]
    updates: list[tuple[int, list[tree.Update]]]


class SafetyLedger:
    """The bounds of every timestep, and the rule that keeps them safe.

    Attributes:
        feeder: what is kept safe. reactive: what homes may do in var.
        reservations: the integers that everything is computed from.
    """

    def __init__(
        self,
        feeder: Feeder,
        envelopes: Mapping[str, Envelope],
        *,
        reactive: ReactivePower = DEFAULT_REACTIVE,
        granted: Grants | None = None,
        first: int = 0,
        derive: Derivation = sound_coefficients,
    ) -> None:
        """Start from the accounts' envelopes and, after a restart, from what the books say was granted.

        Timesteps before `first` have passed.

        Raises:
            InputError: an envelope's node is not there; or envelopes and grants alone could overload the feeder.
        """
        feeder.require_connections(Connection(account=name, node=own.node) for name, own in envelopes.items())
        self.feeder, self.reactive = feeder, reactive
        self.reservations = Reservations(envelopes)
        self._derive = derive
        self._coefficients = derive(feeder)
        self._index = {node: number for number, node in enumerate(self._coefficients.nodes)}
        self._nodes: dict[str, int] = {}
        self._accounts: dict[int, list[str]] = {}
        for account, envelope in envelopes.items():
            self._place(account, envelope)
        self._first = first
        self._firm = tree.build(self._coefficients, self._loads(FOREVER, {}))
        self._trees: dict[int, tree.Tree] = {}  # where anything is granted, or an envelope begins later
        self._restore(granted or {})

    @property
    def coefficients(self) -> Coefficients:
        """What the bounds are computed with."""
        return self._coefficients

    def check(self, account: str, changes: Iterable[Change]) -> bool:
        """Say whether all the changes together would be safe; nothing is changed."""
        return self._plan(account, changes) is not None

    def grant(self, account: str, changes: Iterable[Change]) -> bool:
        """Grant all the changes together if every outcome stays safe, or change nothing and return False."""
        plan = self._plan(account, changes)
        if plan is None:
            return False
        self.reservations.write(account, plan.steps)
        for timestep, updates in plan.updates:
            bounds = self._trees.get(timestep)
            if bounds is None:
                bounds = self._trees[timestep] = self._firm.copy()
            for node, changed in updates:
                bounds[node] = changed
        return True

    def release(self, account: str, changes: Iterable[Change]) -> None:
        """Take back what was granted: the account's own permits, deposited unspent, for timesteps not yet begun.

        Only the caller knows lineage and time (DESIGN 7). A smaller box holds fewer outcomes, so this is always safe.
        """
        steps = self.reservations.steps(account, changes, sign=-1)
        self.reservations.write(account, steps)
        for step in steps:
            if step.after == step.before:
                continue
            self._refresh(self._trees[step.timestep], step.timestep, self._nodes[account])

    def first_safe(self, envelope: Envelope, earliest: int, *, instead_of: str | None = None) -> int | None:
        """Return the first timestep, `earliest` or later, from which on an account with this envelope may join.

        Before it, what was granted to others leaves no room. None if it may never, not even with nothing granted.
        With `instead_of` it takes the place of an account that has no grants.
        """
        node = self._index[envelope.node]
        others = [account for account in self._accounts.get(node, ()) if account != instead_of]

        def is_safe(timestep: int, bounds: tree.Tree) -> bool:
            granted = self.reservations.granted.get(timestep, {})
            boxes = [self.reservations.box(one, timestep, granted.get(one, NOTHING)) for one in others]
            boxes.append(Box(envelope.import_watts, envelope.export_watts))
            changed = bounds.copy()
            self._refresh(changed, timestep, node, _sum(boxes, self.reactive))
            return next(tree.problems(self._coefficients, changed), None) is None

        if not is_safe(FOREVER, self._firm):
            return None
        unsafe = (one for one, bounds in self._trees.items() if one >= earliest and not is_safe(one, bounds))
        return max(unsafe, default=earliest - 1) + 1

    def set_envelopes(self, changed: Mapping[str, Envelope]) -> None:
        """Enter new envelopes of old or new accounts: smaller ones, or those that were found safe (`first_safe`).

        An account keeps its node. Takes O(depth) for each timestep that is kept.
        """
        nodes = {account: self._index[envelope.node] for account, envelope in changed.items()}
        assert all(self._nodes.get(account, node) == node for account, node in nodes.items()), changed
        for timestep in range(self._first, _settled_from(changed.values())):
            self._trees.setdefault(timestep, self._firm.copy())
        for account, envelope in changed.items():
            self._place(account, envelope)
        for timestep, bounds in (*self._trees.items(), (FOREVER, self._firm)):
            for node in set(nodes.values()):
                self._refresh(bounds, timestep, node)

    def expire(self, before: int) -> None:
        """Forget the timesteps that have passed: those below `before`, and the accounts that ended with them."""
        self._first = max(self._first, before)
        self.reservations.expire(before)
        for timestep in [timestep for timestep in self._trees if timestep < before]:
            del self._trees[timestep]
        for account in [account for account, own in self.reservations.envelopes.items() if own.last < before]:
            self._accounts[self._nodes.pop(account)].remove(account)
            del self.reservations.envelopes[account]

    def box(self, account: str, timestep: int) -> Box:
        """Return what an account may do in a timestep without breaking its promise."""
        return self.reservations.boxes(timestep)[account]

    def loads(self, timestep: int) -> dict[str, tree.Load]:
        """Return by node what all its accounts may do together: the box of which every point is safe."""
        return node_loads(self.reservations, timestep, self.reactive)

    def bounds(self, timestep: int) -> tree.Tree:
        """Return the bounds of a timestep by index of the node; `coefficients.nodes` has their names."""
        return self._trees.get(timestep, self._firm)

    def loading_bounds(self, timestep: int) -> dict[str, float]:
        """Return by line and transformer the most that may flow in a timestep, as a share of what is allowed."""
        shares = tree.loadings(self._coefficients, self.bounds(timestep))
        return dict(zip(self._coefficients.elements[1:], shares[1:], strict=True))

    def voltage_bounds(self, timestep: int) -> dict[str, tuple[float, float]]:
        """Return by node below the source the lowest and highest voltage of any outcome of a timestep."""
        voltages = tree.voltages(self._coefficients, self.bounds(timestep))
        return dict(zip(self._coefficients.nodes[1:], voltages[1:], strict=True))

    def used(self, timestep: int) -> dict[str, float]:
        """Return by kind of limit the largest share that any outcome of a timestep may use of it."""
        bounds, feeder = self.bounds(timestep), self._coefficients
        shares = tree.loadings(feeder, bounds)
        fall, rise = bounds[tree.SOURCE].fall / feeder.fall_limit, bounds[tree.SOURCE].rise / feeder.rise_limit
        lines = max(shares[tree.BUSBAR + 1 :], default=0.0)
        return {"line": lines, "transformer": shares[tree.BUSBAR], "voltage fall": fall, "voltage rise": rise}

    @property
    def timesteps(self) -> int:
        """How many timesteps have bounds of their own."""
        return len(self._trees)

    def rebuilt(self) -> "SafetyLedger":
        """Return a ledger computed anew from this one's integers."""
        return SafetyLedger(
            self.feeder,
            self.reservations.envelopes,
            reactive=self.reactive,
            granted=self.reservations.granted,
            first=self._first,
            derive=self._derive,
        )

    def equals(self, other: "SafetyLedger") -> bool:
        """Say whether grants and bounds are the same bit for bit; a timestep without grants has the firm bounds."""
        timesteps = self._trees.keys() | other._trees.keys()
        return (
            self.reservations.granted == other.reservations.granted
            and self._firm == other._firm
            and all(self.bounds(timestep) == other.bounds(timestep) for timestep in timesteps)
        )

    def _plan(self, account: str, changes: Iterable[Change]) -> _Plan | None:
        node, reactive = self._nodes[account], self.reactive
        plan, envelope = _Plan(self.reservations.steps(account, changes), []), self.reservations.envelopes[account]
        for step in plan.steps:
            before, after = step.before, step.after
            if before == after:  # within the firm part: no headroom is used
                if not envelope.holds(step.timestep):
                    return None
                continue
            more = tree.Load(
                after[0] - before[0],
                after[1] - before[1],
                reactive.absorbed(*after) - reactive.absorbed(*before),
                reactive.supplied(*after) - reactive.supplied(*before),
            )
            bounds = self._trees.get(step.timestep, self._firm)
            if (updates := tree.raised(self._coefficients, bounds, node, more)) is None:
                return None
            plan.updates.append((step.timestep, updates))
        return plan

    def _place(self, account: str, envelope: Envelope) -> None:
        self.reservations.envelopes[account] = envelope
        if account not in self._nodes:
            node = self._nodes[account] = self._index[envelope.node]
            self._accounts.setdefault(node, []).append(account)

    def _refresh(self, bounds: tree.Tree, timestep: int, node: int, load: tree.Load | None = None) -> None:
        """Compute a timestep's bounds anew at a node, whose box is `load` if given, and at every node above it."""
        granted = self.reservations.granted.get(timestep, {})
        while True:
            load = self._load(node, timestep, granted) if load is None else load
            bounds[node] = tree.node_bounds(self._coefficients, bounds, node, load)
            if not node:
                break
            node, load = self._coefficients.links[node].parent, None

    def _load(self, node: int, timestep: int, granted: Mapping[str, Granted]) -> tree.Load:
        box, accounts = self.reservations.box, self._accounts.get(node, ())
        return _sum((box(one, timestep, granted.get(one, NOTHING)) for one in accounts), self.reactive)

    def _loads(self, timestep: int, granted: Mapping[str, Granted]) -> list[tree.Load]:
        return [self._load(node, timestep, granted) for node in range(len(self._coefficients.nodes))]

    def _restore(self, granted: Grants) -> None:
        """Build every timestep from integers; refuse what this ledger would never have let happen."""
        name = self.feeder.name
        found = [f"{name}: envelopes alone: {problem}" for problem in tree.problems(self._coefficients, self._firm)]
        self.reservations.granted = {timestep: dict(row) for timestep, row in granted.items()}
        changing = range(self._first, _settled_from(self.reservations.envelopes.values()))
        for timestep in (*granted, *(one for one in changing if one not in granted)):
            bounds = tree.build(self._coefficients, self._loads(timestep, granted.get(timestep, {})))
            self._trees[timestep] = bounds
            if not found:
                problems = tree.problems(self._coefficients, bounds)
                found += [f"{name}: what was granted for timestep {timestep}: {problem}" for problem in problems]
        if found and not granted:
            found.append(f"{name}: {self._remedy()}")
        if found:
            raise InputError(found)

    def _remedy(self) -> str:
        """Say how much of the envelopes would be safe: homes rarely use their whole connection at once."""
        best = 0
        for percent in range(1, 100):
            loads = [_scaled(load, percent) for load in self._loads(FOREVER, {})]
            if next(tree.problems(self._coefficients, tree.build(self._coefficients, loads)), None) is not None:
                break
            best = percent
        return f"{best} % of each envelope would be safe; promise less without a grant, or set envelopes home by home"
