"""Every refusal is a signed answer that both sides keep, as long as a grant; the page names every word."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from petra.domain.messages import Direction, Envelope, FailedWithdrawal, WithdrawAssets
from petra.domain.refusals import GrantReason
from petra.domain.terms import Address
from petra.roles.dso.fine_rules import Lots, PeriodEnergy, Quota, Ramp, Rate, Share, Window
from petra.roles.dso.standing import Standing
from petra.roles.dso.state import Rule
from petra.roles.effects import CurtailmentOrdered, Effect, Frozen, Revoked, Send
from petra.wire.envelope import Header, seal
from petra.wire.evidence import FIRST_LINK, Evidence, EvidenceLine, check, next_link
from petra.wire.evidence import Direction as Way
from tests.unit.roles.desk import DOMAIN, EUR, GENESIS, NOW, Desk
from tests.unit.roles.test_dso_grid import desk_on_the_feeder

Case = Callable[[], tuple[Desk, Envelope, int]]
CHAIN_ID, CONTRACT = 31_337, Address("0x" + 40 * "5")


def asks(power: int = 0, *, start: int = 5, amount: int = 0, at: int = NOW, until: int = 2**40, **limits: Any) -> Case:
    """Return a case: home a asks a DSO that is made like this."""

    def made() -> tuple[Desk, Envelope, int]:
        desk = Desk(member={"credit_limit": 0 if amount else 10**12}, **limits)
        return desk, desk.request("a", desk.asset(power=power, start=start, amount=amount), until=until), at

    return made


def after(prepare: Callable[[Desk], Any], power: int = 1, **limits: Any) -> Case:
    """Return a case in which something happened before."""

    def made() -> tuple[Desk, Envelope, int]:
        desk, envelope, at = asks(power, **limits)()
        prepare(desk)
        return desk, envelope, at

    return made


def ruled(rule: Rule, power: int = 100) -> Case:
    """Return a case in which one added rule refuses."""
    return asks(power, rules=(rule,))


def _stranger(desk: Desk) -> None:
    del desk.state.members[desk.members["a"].address]


def _forged() -> tuple[Desk, Envelope, int]:
    desk = Desk()
    asset = replace(desk.asset(power=1), proof=bytes(65))
    return desk, desk.request("a", asset), NOW


def _used() -> tuple[Desk, Envelope, int]:
    desk = Desk()
    to = desk.pseudonym()
    desk.ask("a", desk.asset(power=1, to=to))
    return desk, desk.request("a", desk.asset(power=1, to=to)), NOW


def _on_a_feeder() -> tuple[Desk, Envelope, int]:
    desk = desk_on_the_feeder()
    return desk, desk.request("a", desk.asset(power=10**6)), NOW


def _broke(desk: Desk) -> None:
    desk.state.conduct[desk.members["a"].address] = {2: False}


CURTAILED = CurtailmentOrdered(direction=Direction.EXPORT, limit_watts=0, start=5, end=5)
NODE_QUOTA = Quota(limits=((Direction.EXPORT, 99), (Direction.IMPORT, 99)), per=Share.NODE)

REFUSED: dict[GrantReason, Case] = {
    GrantReason.MALFORMED: asks(),
    GrantReason.NOT_ENROLLED: after(_stranger),
    GrantReason.ADDRESS_NOT_PROVEN: _forged,
    GrantReason.ADDRESS_ALREADY_USED: _used,
    GrantReason.EXPIRED: asks(1, until=NOW - 1),
    GrantReason.GATE_CLOSED: asks(1, start=4),
    GrantReason.OUTSIDE_HORIZON: asks(1, start=9),
    GrantReason.PRODUCTION_CAPACITY: asks(5_001),
    GrantReason.CONSUMPTION_CAPACITY: asks(-4_001),
    GrantReason.INSUFFICIENT_FUNDS: asks(amount=11 * EUR),
    GrantReason.COLLATERAL: asks(1_000, amount=10 * EUR),
    GrantReason.NETWORK: asks(-2_000, import_limit_watts=3_000),
    GrantReason.REVOKED: after(lambda desk: desk.give(Revoked(account=desk.members["a"].address))),
    GrantReason.BUSY: asks(1, queue_max=0),
    GrantReason.FROZEN: after(lambda desk: desk.give(Frozen())),
    GrantReason.OUTSIDE_WINDOW: ruled(Window(zone=ZoneInfo("UTC"), never=True)),
    GrantReason.PERIOD_ENERGY: ruled(PeriodEnergy(limit_wh=1, period_timesteps=2)),
    GrantReason.RAMP: after(lambda desk: desk.ask("a", desk.asset(power=300, start=6)), rules=(Ramp(limit_watts=9),)),
    GrantReason.QUOTA: ruled(Quota(limits=((Direction.EXPORT, 99), (Direction.IMPORT, 99)))),
    GrantReason.LOT_SIZE: ruled(Lots(lot_watts=7)),
    GrantReason.RATE_LIMIT: after(
        lambda desk: desk.ask("a", desk.asset(power=1)), rules=(Rate(requests=1, seconds=60),)
    ),
    GrantReason.STANDING: after(_broke, 5_000, rules=(Standing(lowered_percent=1, good_timesteps=9),)),
    GrantReason.CURTAILED: after(lambda desk: desk.give(CURTAILED)),
}
GRID: dict[str, Case] = {
    "a line or the transformer": _on_a_feeder,
    "the connection, import": REFUSED[GrantReason.NETWORK],
    "the connection, export": asks(2_000, export_limit_watts=2_000),
    "the share of a node": ruled(NODE_QUOTA),
}


def sealed(desk: Desk, effects: Sequence[Effect]) -> bytes:
    """Return the one answer as the DSO's driver signs it."""
    (answer,) = (one for one in effects if isinstance(one, Send))
    header = Header(
        message_id=answer.message_id,
        sender=answer.sender,
        recipient=answer.recipient,
        sequence=0,
        created=GENESIS,
        deadline=answer.deadline,
    )
    return seal(header, answer.body, partial(desk.keys.sign, desk.dso), DOMAIN).raw


def kept(account: Any, dso: Any, *messages: tuple[Way, bytes]) -> Evidence:
    """Return what one side kept."""
    lines, link = [], FIRST_LINK
    for position, (way, raw) in enumerate(messages, start=1):
        link = next_link(link, way, raw)
        lines.append(EvidenceLine(position=position, direction=way, at=GENESIS, raw=raw, link=link))
    return Evidence(
        chain_id=CHAIN_ID, contract=CONTRACT, dso=dso, account=account, before=FIRST_LINK, lines=tuple(lines)
    )


def test_every_word_has_a_case() -> None:
    """No reason is left out here."""
    assert set(REFUSED) == set(GrantReason)


@pytest.mark.parametrize("word", list(GrantReason))
def test_every_refusal_is_signed_evidence_for_both_sides(word: GrantReason, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor that has either side's messages finds the request answered, by whom, and with which word."""
    monkeypatch.setattr("petra.wire.evidence.signature_domain", lambda chain_id, contract: DOMAIN)
    desk, request, at = REFUSED[word]()
    raw = sealed(desk, desk.hear(request, at))
    assert isinstance(request.body, WithdrawAssets)
    for account, ways in ((request.sender, ("out", "in")), (desk.dso, ("in", "out"))):
        evidence = kept(account, desk.dso, (ways[0], request.raw), (ways[1], raw))  # type: ignore[arg-type]
        found = check(evidence)
        assert (found.problems, found.unanswered) == ((), ())
        alone = check(replace(evidence, lines=evidence.lines[:1]))
        assert [one.message_id for one in alone.unanswered] == [request.message_id]


def test_answers_have_one_size_whatever_they_say() -> None:
    """A grant, and a refusal by each of the words: whoever sees the bytes pass learns nothing from their number."""
    desk = Desk()
    sizes = {len(sealed(desk, desk.ask("a", desk.asset(power=1))))}
    for made in (*REFUSED.values(), *GRID.values()):
        other, request, at = made()
        sizes.add(len(sealed(other, other.hear(request, at))))
    assert sizes == {86 + 256 + 65}


@pytest.mark.parametrize("cause", GRID)
def test_every_grid_reason_has_the_same_word(cause: str) -> None:
    """Which of the neighbours, lines or limits has no room is nobody's business."""
    desk, request, at = GRID[cause]()
    bodies = [one.body for one in desk.hear(request, at) if isinstance(one, Send)]
    assert isinstance(request.body, WithdrawAssets)
    assert bodies == [
        FailedWithdrawal(
            request_id=request.message_id,
            anon_address=request.body.assets[0].anon_address,
            reason=GrantReason.NETWORK.value,
        )
    ]


def test_page_of_messages_names_every_word() -> None:
    """In the order of the words, each with its meaning."""
    page = Path(__file__).parents[3].joinpath("docs", "reference", "messages.md").read_text(encoding="utf-8")
    table = page.split("\n## Refusals by the DSO\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE)
    assert [word for word, meaning in rows if meaning] == [word.value for word in GrantReason]
