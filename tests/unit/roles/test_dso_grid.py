"""The DSO's rule about the feeder: refusals that tell nothing, room that comes back, books that agree."""

from dataclasses import replace

import pytest

from petra.data import load_grid
from petra.domain.calls import AcceptOffer, DepositEnergyAsset, PostOffer
from petra.domain.messages import FailedWithdrawal
from petra.domain.refusals import GrantReason
from petra.errors import InputError
from petra.grid import Envelope, ReactivePower
from petra.roles.dso.grid_book import GridBook
from petra.roles.dso.rules import rules_of
from petra.roles.effects import Effect, Note, Phase, Send, Woken
from petra.wire.bodies import encode_body
from tests.unit.roles.desk import EUR, Desk, begin, reason

FEEDER = load_grid("rural1")
NODES = [node.node for node in FEEDER.nodes if node.connected]
HOMES = "abcdefghijklm"


def desk_on_the_feeder(firm_watts: int = 1_000) -> Desk:
    """Return a desk with a home at each node; each may ask for more than the feeder carries."""
    rich = {"production_capacity_watts": 10**6, "consumption_capacity_watts": 10**6, "credit_limit": 10**15}
    desk = Desk(homes=HOMES, member=rich, grid_rule="feeder")
    envelopes = {
        member.address: Envelope(node=node, import_watts=firm_watts, export_watts=500)
        for member, node in zip(desk.members.values(), NODES, strict=True)
    }
    desk.state.grid = GridBook(FEEDER, envelopes, ReactivePower())
    return desk


def filled(desk: Desk, power: int = 1_000) -> list[Effect]:
    """Let the first home ask for a kilowatt more again and again; return the first refusal's effects."""
    while reason(effects := desk.ask("a", desk.asset(power=power))) is None:
        pass
    return effects


def test_very_first_request_that_could_overload_the_feeder_is_refused() -> None:
    """A megawatt is refused though nothing was granted before, and nothing is counted."""
    desk = desk_on_the_feeder()
    assert reason(desk.ask("a", desk.asset(power=10**6))) is GrantReason.NETWORK
    assert desk.state.granted == {} and desk.state.grid is not None
    assert desk.state.grid.ledger.reservations.granted == {}


def test_request_is_refused_whole_where_one_timestep_has_no_room() -> None:
    """What fits into timestep 6 is not granted if timestep 5 is full: all or nothing."""
    desk = desk_on_the_feeder()
    filled(desk)
    assert reason(desk.ask("b", desk.asset(power=150_000, start=5, end=6))) is GrantReason.NETWORK
    assert desk.state.of(desk.members["b"].address, 6).production == 0
    assert reason(desk.ask("a", desk.asset(power=1_000, start=6))) is None


def test_home_without_an_envelope_is_granted_nothing() -> None:
    """An account that the feeder's book does not know has no place in the proof."""
    desk = desk_on_the_feeder()
    stranger = replace(desk.members["a"], name="z", address=desk.keys.new("z"), meter=desk.keys.new("meter z"))
    desk.members["z"] = desk.state.members[stranger.address] = stranger
    desk.state.open_accounts(0)
    assert reason(desk.ask("z", desk.asset(power=1))) is GrantReason.NETWORK


def test_envelopes_that_are_unsafe_by_themselves_are_refused() -> None:
    """43 kW for each of 13 homes without any grant cannot be promised on 160 kVA."""
    with pytest.raises(InputError, match="of each envelope would be safe"):
        desk_on_the_feeder(firm_watts=43_000)


def test_refusals_of_the_grid_are_alike() -> None:
    """Whatever is full, and whoever asks for how much, word and size are the same, without a figure."""
    desk = desk_on_the_feeder()
    several = [filled(desk), desk.ask("m", desk.asset(power=-(10**6))), desk.ask("b", desk.asset(power=200_000, end=8))]
    bodies = [one.body for effects in several for one in effects if isinstance(one, Send)]
    assert [body.reason for body in bodies if isinstance(body, FailedWithdrawal)] == ["Network"] * 3
    assert len({len(encode_body(body)) for body in bodies}) == 1
    details = {one.fields["detail"] for effects in several for one in effects if isinstance(one, Note)}
    assert details == {"Network()"}


def test_void_grant_gives_the_feeders_room_back() -> None:
    """What was granted by a transaction that failed can be granted again."""
    desk = desk_on_the_feeder()
    granted = desk.ask("a", desk.asset(power=60_000, end=6))
    assert desk.state.grid is not None and desk.state.grid.ledger.box(desk.members["a"].address, 6)[1] == 60_000
    desk.void(granted)
    assert desk.state.grid.ledger.reservations.granted == {} == desk.state.kept()


def test_early_deposit_frees_only_what_has_not_begun_and_was_the_homes_own() -> None:
    """During timestep 5 a permit for 5 to 7 comes back: 6 and 7 are free again, and the home may not use them."""
    desk = desk_on_the_feeder()
    account = desk.members["a"].address
    pseudonym = desk.pseudonym("a")
    (asset_id,) = desk.mine_grants(desk.ask("a", desk.asset(power=60_000, start=5, end=7, to=pseudonym)))
    desk.mine((DepositEnergyAsset(asset_id=asset_id), pseudonym), at=begin(5) + 10)
    assert [desk.state.of(account, timestep).kept.production for timestep in (5, 6, 7)] == [60_000, 0, 0]
    assert desk.state.grid is not None
    assert [desk.state.grid.ledger.box(account, timestep)[1] for timestep in (5, 6, 7)] == [60_000, 500, 500]
    assert desk.state.grid.agrees_with(desk.state.kept())


def test_deposit_of_what_was_traded_frees_nothing() -> None:
    """A buyer that returns what it bought frees no room: the seller may still make it; nor does the spent permit."""
    desk = desk_on_the_feeder()
    seller, buyer = desk.pseudonym("a"), desk.pseudonym("b")
    (sold,) = desk.mine_grants(desk.ask("a", desk.asset(power=3_000, start=6, to=seller)))
    (used, *_) = desk.mine_grants(desk.ask("b", desk.asset(power=-3_000, start=6, amount=EUR, to=buyer)))
    desk.mine((PostOffer(asset_id=sold, price=1), seller))
    (offer_id,) = desk.state.view.open_offers
    desk.mine((AcceptOffer(offer_id=offer_id, asset_id=used), buyer))
    desk.mine((DepositEnergyAsset(asset_id=sold), buyer), (DepositEnergyAsset(asset_id=used), seller))
    assert desk.state.view.assets == {}
    kept = [desk.state.of(desk.members[home].address, 6).kept for home in "ab"]
    assert kept == [(3_000, 0), (0, 3_000)]
    assert desk.state.grid is not None and desk.state.grid.agrees_with(desk.state.kept())


def test_passed_timesteps_are_forgotten() -> None:
    """After a cut-off the book holds no timestep that has passed, and still agrees with the grants."""
    desk = desk_on_the_feeder()
    desk.mine_grants(desk.ask("a", desk.asset(power=1_000, start=5, end=8)))
    desk.settle(6)
    assert desk.state.grid is not None
    assert sorted(desk.state.grid.ledger.reservations.granted) == [7, 8]
    assert desk.state.grid.agrees_with(desk.state.kept())


def test_books_that_disagree_raise_an_alarm_at_start() -> None:
    """At start the book is compared with the grants; another figure is told, the same is not."""
    desk = desk_on_the_feeder()
    desk.ask("a", desk.asset(power=1_000))
    desk.give(Woken(phase=Phase.OPEN, timestep=0))
    assert desk.state.alarms == []
    desk.state.change(desk.members["a"].address, 5).production += 1
    desk.give(Woken(phase=Phase.OPEN, timestep=0))
    assert ["disagree" in alarm for alarm in desk.state.alarms] == [True]


@pytest.mark.parametrize(("rule", "names"), [("limits", ["capacity"]), ("none", [])])
def test_other_rules_leave_the_feeder_unasked(rule: str, names: list[str]) -> None:
    """The paper's limit of each home, and no limit at all, stand there to be compared with."""
    desk = Desk(member={"credit_limit": 10**15}, grid_rule=rule, export_limit_watts=0)
    assert [getattr(one, "__name__", "") for one in rules_of(desk.state.policy)[4:-2]] == names
    assert reason(desk.ask("a", desk.asset(power=5_000))) is None
    beyond = reason(desk.ask("a", desk.asset(power=1)))
    assert beyond is (GrantReason.PRODUCTION_CAPACITY if names else None)
