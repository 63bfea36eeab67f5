"""A journal small enough to check by hand: one seller, one buyer, two timesteps of 900 s.

sun withdraws 4 kW for timesteps 4 and 5, den withdraws 3 kW for 4 and 5 kW for 5; in 4 den buys 3 kW (750 Wh), in 5 it
buys 4 kW (1,000 Wh) in two trades. Both meters do as forecast, except that den consumes 1 kW more in timestep 5.
"""

from typing import Any

GENESIS = 1_464_261_300  # so that timestep 4 begins at 14:15 in Berlin
WH = 3_600
ACCOUNTS = {"sun": "0x" + 40 * "1", "den": "0x" + 40 * "2"}
METERS = {"sun": "0x" + 40 * "3", "den": "0x" + 40 * "4"}

Line = dict[str, Any]


def small_journal() -> list[Line]:
    """Return the journal's lines."""
    return [*_opening(), *_first_timestep(), *_second_timestep(), *_closing()]


def pseudonym(home: str, timestep: int) -> str:
    """Return the address that a home uses for a timestep."""
    return f"0x{home.encode().hex()}{timestep:034d}"


def request(home: str, timestep: int) -> str:
    """Return a withdrawal's message id."""
    return f"{home.encode().hex()}{timestep:026d}"


def begin(timestep: int) -> int:
    """Return the unix second at which a timestep begins."""
    return GENESIS + 900 * timestep


def ledger(at: int, event: str, transaction: str, **fields: Any) -> Line:
    """Return a ledger line."""
    line: Line = {"at": at, "kind": "ledger", "event": event, "block": at % 1_000, "transaction": transaction}
    return line | fields


def _opening() -> list[Line]:
    at = GENESIS - 60
    run = {
        "scenario": "small",
        "title": "A small day",
        "seed": 7,
        "source": "made by hand",
        "timezone": "Europe/Berlin",
        "genesis": GENESIS,
        "timestep_seconds": 900,
        "gate": 0,
        "horizon": 1,
        "first_timestep": 4,
        "last_timestep": 5,
        "block_seconds": 5,
        "chain_id": 31_337,
        "contract": "0x" + 40 * "c",
        "dso": "0x" + 40 * "d",
        "privacy_profile": "literal",
        "deposit_window_seconds": 900,
    }
    prices = {
        "from_timestep": 4,
        "retail": 300_000_000,
        "feed_in": 80_000_000,
        "local": 190_000_000,
        "grid_fee": 70_000_000,
        "imbalance": 450_000_000,
        "bulk": 90_000_000,
    }
    lines: list[Line] = [{"at": at, "kind": "run"} | run, {"at": at, "kind": "prices"} | prices]
    for home, peak in (("sun", 4_000), ("den", 0)):
        member = {
            "home": home,
            "account": ACCOUNTS[home],
            "meter": METERS[home],
            "node": None,
            "pv_rating_watts": peak,
            "firm_import_watts": 14_500,
            "firm_export_watts": peak,
            "production_capacity_watts": peak,
            "consumption_capacity_watts": 43_000,
            "opening_balance": 20 * 10**9,
        }
        day = {
            "home": home,
            "start_unix": begin(2),
            "production_watts": [peak, peak, peak, peak, peak, peak],
            "consumption_watts": [1_000, 1_000, 3_000, 6_000, 1_000, 1_000] if home == "den" else 6 * [0],
        }
        lines += [{"at": at, "kind": "member"} | member, {"at": at, "kind": "day"} | day]
    return lines


def _asked(home: str, timestep: int, power: int, amount: int, asset_id: int) -> list[Line]:
    at, address = begin(timestep - 1), pseudonym(home, timestep)
    noted = {"home": home, "timestep": timestep, "low": power, "median": power, "high": power}
    withdraw = {
        "home": home,
        "timestep": timestep,
        "request": request(home, timestep),
        "pseudonym": address,
        "power": power,
        "amount": amount,
        "deadline": begin(timestep) - 15,
    }
    granted = {"home": home, "request": request(home, timestep), "assets": 1}
    added = {"anon_address": address, "asset_id": asset_id, "power": power, "start": timestep, "end": timestep}
    lines: list[Line] = [
        {"at": at, "kind": "forecast"} | noted,
        {"at": at, "kind": "withdraw"} | withdraw,
        {"at": at + 1, "kind": "granted"} | granted,
        ledger(at + 5, "AssetAdded", f"add{asset_id}", **added),
    ]
    if amount:
        lines.append(ledger(at + 5, "FinancialAdded", f"money{asset_id}", anon_address=address, amount=amount))
    return lines


def _first_timestep() -> list[Line]:
    at, sold = begin(3), {"power": 3_000, "start": 4, "end": 4}
    return [
        *_asked("sun", 4, 4_000, 0, 1),
        *_asked("den", 4, -3_000, 225_000_000, 2),
        ledger(at + 10, "OfferPosted", "post1", offer_id=1, asset_id=1, price=190_000_000, power=4_000, start=4, end=4),
        ledger(at + 20, "OfferAccepted", "accept1", offer_id=1, asset_id=2, payment=142_500_000, **sold),
        ledger(at + 20, "AssetSplit", "accept1", parent_id=1, asset_id=3, owner=pseudonym("sun", 4), **sold),
        ledger(
            at + 20,
            "AssetTransferred",
            "accept1",
            asset_id=3,
            from_address=pseudonym("sun", 4),
            to_address=pseudonym("den", 4),
        ),
        ledger(
            at + 20,
            "AssetTransferred",
            "accept1",
            asset_id=2,
            from_address=pseudonym("den", 4),
            to_address=pseudonym("sun", 4),
        ),
        ledger(begin(4) + 5, "OfferRescinded", "rescind1", offer_id=1),
        _void(begin(4) + 5, "AcceptOffer", "GateClosed(4, 5)"),
    ]


def _void(at: int, call: str, reason: str) -> Line:
    return {"at": at, "kind": "void", "home": "den", "intent": "den:4:2", "call": call, "reason": reason}


def _second_timestep() -> list[Line]:
    at, where = begin(4), {"start": 5, "end": 5}
    part = {"offer_id": 2, "asset_id": 5} | where
    return [
        *_asked("sun", 5, 4_000, 0, 4),
        *_asked("den", 5, -5_000, 375_000_000, 5),
        ledger(at + 10, "OfferPosted", "post2", offer_id=2, asset_id=4, price=190_000_000, power=4_000, **where),
        ledger(at + 15, "OfferAccepted", "accept2", power=1_000, payment=47_500_000, **part),
        ledger(at + 25, "OfferAccepted", "accept3", power=3_000, payment=142_500_000, **part),
        ledger(begin(6) + 5, "AssetDeposited", "deposit1", anon_address=pseudonym("den", 5), asset_id=4),
        ledger(begin(6) + 5, "FinancialDeposited", "deposit2", anon_address=pseudonym("sun", 5), amount=190_000_000),
    ]


def settled(home: str, timestep: int, energies: tuple[int, int], utility_only: int, lines: Line) -> Line:
    """Return a settled line; energies = (position, metered) in Wh, lines as kind to (Wh, nano-units)."""
    position, metered = energies
    return {
        "at": begin(timestep + 2),
        "kind": "settled",
        "home": home,
        "timestep": timestep,
        "position": position * WH,
        "metered": metered * WH,
        "produced": max(0, metered) * WH,
        "consumed": max(0, -metered) * WH,
        "amount": sum(amount for _, amount in lines.values()),
        "utility_only": utility_only,
        "provisional": False,
        "lines": {kind: [wh * WH, amount] for kind, (wh, amount) in lines.items()},
    }


def _measured(home: str, timestep: int, produced: int, consumed: int) -> Line:
    at = begin(timestep + 1)
    energies = {"produced": produced * WH, "consumed": consumed * WH}
    return {"at": at, "kind": "measured", "home": home, "timestep": timestep} | energies


def _closing() -> list[Line]:
    at = begin(12)
    message = {"message": "b1", "message_kind": "bill", "hash": "e1", "bytes": 100}
    ends = {"sender": "0x" + 40 * "d", "recipient": ACCOUNTS["sun"]}
    balances = {ACCOUNTS["sun"]: 20_352_500_000, ACCOUNTS["den"]: 19_360_000_000, "rest": -39_712_500_000}
    retail = {"retail": (500, -150_000_000), "grid-fee": (1_500, -105_000_000)}
    return [
        _measured("sun", 4, 1_000, 0),
        _measured("den", 4, 0, 750),
        _measured("sun", 5, 1_000, 0),
        _measured("den", 5, 0, 1_500),
        settled("sun", 4, (750, 1_000), 80_000_000, {"feed-in": (250, 20_000_000)}),
        settled("den", 4, (-750, -750), -277_500_000, {"grid-fee": (750, -52_500_000)}),
        settled("sun", 5, (1_000, 1_000), 80_000_000, {}),
        settled("den", 5, (-1_000, -1_500), -555_000_000, retail),
        {"at": at, "kind": "message"} | message | ends,
        {"at": at, "kind": "books", "balances": balances, "problems": []},
    ]
