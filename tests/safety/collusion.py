"""Homes that work together, and trade with the DSO, to produce or consume more than they were granted (DESIGN 7).

A history is a few dozen random moves on the ledger twin: withdraw to a fresh address, post, accept, rescind, split by
partial acceptance, resell, deposit early and withdraw again, let time pass. All homes know all keys. After every move,
as if the cut-off were now, for every home and timestep: the production that it must make for others stays within what
it was granted (G), the bought energy that it keeps within its permits (C), and its net position within [-C, G].

At full length, with a record: `python -m tests.safety.collusion --histories 100000 --record FILE`
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from time import perf_counter
from unittest.mock import patch

from petra.domain import calls, events
from petra.domain.refusals import Refusal
from petra.domain.terms import Address, Terms
from petra.grid import Box, Change, Envelope, Granted, prosumer_limits
from petra.ledger import transition
from petra.ledger.checks import not_free
from petra.ledger.fold import LedgerView
from petra.ledger.state import NOT_ON_OFFER, Asset, LedgerState

HOMES = ("anna", "ben", "carla")
DSO = "dso"
TERMS = Terms(dso=Address(f"0x{0xD0:040x}"), genesis=0, timestep_seconds=900, gate=0, max_length=96, max_price=10)
FIRST, LAST = 2, 4  # the timesteps that are traded
MOVES = 60
NOTHING = Granted(0, 0)


@contextmanager
def spent_rule_switched_off() -> Iterator[None]:
    """Let the twin trade received permits again, as if the rule had never been written."""

    def lenient(asset: Asset, asset_id: int, owner: Address) -> Refusal | None:
        return not_free(replace(asset, spent=False), asset_id, owner)

    with patch.object(transition, "not_free", lenient):
        yield


class History:
    """One random history.

    Attributes:
        moves: how often which call succeeded or was refused. addresses: whose they are.
        withdrawn: production in watts, by account and timestep. rule: what each home was granted and gave back.
    """

    def __init__(self, rng: Random, *, frees_by_lineage: bool = True) -> None:
        """Deploy a ledger, and a DSO that limits each home in each timestep.

        Headroom is given back as DESIGN 7 says; frees_by_lineage = False: for whatever permit a home deposits.
        """
        self.rng, self.frees_by_lineage = rng, frees_by_lineage
        self.now = 0  # the current timestep
        self.addresses = {TERMS.dso: DSO}
        self.withdrawn: dict[str, Counter[int]] = defaultdict(Counter)
        self.moves = Counter[str]()
        state = transition.deploy(TERMS)
        assert isinstance(state, LedgerState)
        self.state, self.view = state, LedgerView(TERMS)
        limits = {home: Box(rng.randrange(1, 9), rng.randrange(1, 9)) for home in HOMES}
        self.rule = prosumer_limits({h: Envelope(node="n", import_watts=0, export_watts=0) for h in HOMES}, limits)

    def play(self) -> str | None:
        """Play all moves; return what is wrong after the first that breaks a bound."""
        kinds = (self.withdraw, self.post, self.accept, self.rescind, self.deposit, self.wait)
        for _ in range(MOVES):
            (move,) = self.rng.choices(kinds, (6, 6, 12, 0.5, 1.5, 0.2))
            if move() and (problem := self.problem()):
                return problem
        return None

    def withdraw(self) -> bool:
        """Ask for production or consumption at a fresh address; the DSO gets what it wants, at its own address."""
        account = self.rng.choice((*HOMES, *HOMES, DSO))
        start = self.rng.randrange(max(FIRST, self.now + 1), LAST + 2)
        if start > LAST:
            return False
        end = min(LAST, start + self.rng.choice((0, 0, 1, 3)))
        power = self.rng.choice((1, -1)) * self.rng.randrange(1, 4)
        change = Change(start=start, end=end, production_watts=max(0, power), consumption_watts=max(0, -power))
        if account != DSO and not self.rule.grant(account, [change]):
            return False
        address = TERMS.dso if account == DSO else Address(f"0x{0xA000 + len(self.addresses):040x}")
        self.addresses[address] = account
        issue = calls.AddEnergyAsset(anon_address=address, power=power, start=start, end=end)
        assert self.call(issue, TERMS.dso)
        if power > 0:
            self.withdrawn[account].update(dict.fromkeys(range(start, end + 1), power))
        return True

    def post(self) -> bool:
        """Offer an asset at no price, so that money stops nobody."""
        asset_id = self.an_asset(self.is_free)
        return asset_id is not None and self.call(calls.PostOffer(asset_id=asset_id, price=0), self.owner(asset_id))

    def accept(self) -> bool:
        """Accept an offer with an asset of the other side, whoever owns it."""
        if not self.view.open_offers:
            return False
        offer_id = self.rng.choice(list(self.view.open_offers))
        offered = self.state.assets[self.view.open_offers[offer_id].asset_id]
        asset_id = self.an_asset(
            lambda asset: (
                self.is_free(asset)
                and asset.is_production != offered.is_production
                and asset.owner != offered.owner
                and asset.start <= offered.end
                and asset.end >= offered.start
            )
        )
        if asset_id is None:
            return False
        return self.call(calls.AcceptOffer(offer_id=offer_id, asset_id=asset_id), self.owner(asset_id))

    def rescind(self) -> bool:
        """Take an offer back."""
        if not self.view.open_offers:
            return False
        offer_id = self.rng.choice(list(self.view.open_offers))
        owner = self.owner(self.view.open_offers[offer_id].asset_id)
        return self.call(calls.RescindOffer(offer_id=offer_id), owner)

    def deposit(self) -> bool:
        """Deposit an asset early; the DSO gives headroom back where its rule says so."""
        asset_id = self.an_asset(self.is_free)
        if asset_id is None:
            return False
        asset, account = self.state.assets[asset_id], self.addresses[self.owner(asset_id)]
        if not self.call(calls.DepositEnergyAsset(asset_id=asset_id), asset.owner):
            return False
        start = max(asset.start, self.now + 1)  # a timestep that has begun is never freed
        own = self.addresses[self.view.granted_to(asset_id)] == account and not asset.spent
        if not self.frees_by_lineage:
            own = not asset.is_production and self.could_release(account, asset, start)
        if own and account != DSO and start <= asset.end:
            change = Change(
                start=start,
                end=asset.end,
                production_watts=max(0, asset.power),
                consumption_watts=max(0, -asset.power),
            )
            self.rule.release(account, [change])
            self.moves["headroom given back"] += 1
        return True

    def wait(self) -> bool:
        """Let a timestep begin."""
        self.now = min(self.now + 1, LAST)
        return True

    def call(self, call: calls.Call, sender: Address) -> bool:
        """Apply a call; the view of the logs follows."""
        told = transition.apply(self.state, call, sender, self.now * TERMS.timestep_seconds)
        if isinstance(told, Refusal):
            self.moves[f"refused: {told.reason.name}"] += 1
            return False
        self.view.observe(told)
        self.moves[type(call).__name__] += 1
        self.moves["pieces split off"] += sum(isinstance(event, events.AssetSplit) for event in told)
        return True

    def an_asset(self, condition: Callable[[Asset], bool]) -> int | None:
        """Return any live asset, of any home, that meets the condition; spent ones do."""
        found = [asset_id for asset_id, asset in self.state.assets.items() if condition(asset)]
        return self.rng.choice(found) if found else None

    def is_free(self, asset: Asset) -> bool:
        """Say whether an asset is not on offer; received permits are tried less often, for the ledger refuses them."""
        return asset.offer_id == NOT_ON_OFFER and (not asset.spent or self.rng.random() < 0.3)

    def owner(self, asset_id: int) -> Address:
        """Return an asset's owner."""
        return self.state.assets[asset_id].owner

    def could_release(self, account: str, asset: Asset, start: int) -> bool:
        """Say whether the account has so much consumption granted in every timestep."""
        granted = self.rule.reservations.granted
        return account != DSO and all(
            granted.get(timestep, {}).get(account, NOTHING).consumption >= -asset.power
            for timestep in range(start, asset.end + 1)
        )

    def problem(self) -> str | None:
        """Return the first bound that is broken."""
        made, kept, held = (defaultdict[str, Counter[int]](Counter) for _ in range(3))
        for assets in (self.view.assets, self.view.deposited):
            for asset_id, asset in assets.items():
                if not asset.is_production:
                    continue
                maker = self.addresses[self.view.granted_to(asset_id)]
                holder = self.addresses[asset.owner]
                for timestep in range(asset.start, asset.end + 1):
                    held[holder][timestep] += asset.power
                    if maker != holder:
                        made[maker][timestep] += asset.power
                        kept[holder][timestep] += asset.power
        for timestep in range(FIRST, LAST + 1):
            positions = {a: self.withdrawn[a][timestep] - held[a][timestep] for a in (*HOMES, DSO)}
            if sum(positions.values()):
                return f"timestep {timestep}: the positions {positions} do not sum to zero"
            for home in HOMES:
                most = self.rule.reservations.granted.get(timestep, {}).get(home, NOTHING)
                where = f"{home} in timestep {timestep}"
                if made[home][timestep] > most.production:
                    return f"{where} must make {made[home][timestep]} W, granted {most.production}"
                if kept[home][timestep] > most.consumption:
                    return f"{where} keeps {kept[home][timestep]} W that it bought, granted {most.consumption}"
                if not -most.consumption <= positions[home] <= most.production:
                    return f"{where} has the position {positions[home]}, granted {most}"
        return None


def play(seeds: range, *, frees_by_lineage: bool = True) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Play a history for each seed; return what happened how often, and the broken ones with their seeds."""
    moves, broken = Counter[str](), []
    for seed in seeds:
        history = History(Random(seed), frees_by_lineage=frees_by_lineage)
        if problem := history.play():
            broken.append((seed, problem))
        moves += history.moves
    return moves, broken


def main() -> int:
    """Play, print and record; 1 if a bound broke, or if nothing broke without the spent rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    started = perf_counter()
    moves, broken = play(range(arguments.histories))
    seconds = round(perf_counter() - started)
    fewer = range(arguments.histories // 20)
    with spent_rule_switched_off():
        _, without_rule = play(fewer)
    _, without_lineage = play(fewer, frees_by_lineage=False)
    record = {
        "histories": arguments.histories,
        "broken": len(broken),
        "first_broken": broken[:1],
        "moves": dict(sorted(moves.items())),
        "seconds": seconds,
        "without_the_spent_rule": {"histories": len(fewer), "broken": len(without_rule), "first": without_rule[:1]},
        "headroom_for_any_permit": {
            "histories": len(fewer),
            "broken": len(without_lineage),
            "first": without_lineage[:1],
        },
    }
    sys.stdout.write(json.dumps(record, indent=1) + "\n")
    if arguments.record:
        arguments.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if not broken and without_rule and without_lineage else 1


if __name__ == "__main__":
    raise SystemExit(main())
