"""A run directory made of the small journal, as the simulator would have written it."""

import json
from pathlib import Path
from typing import Any

from petra.domain.events import AssetAdded, FinancialAdded, OfferAccepted, OfferPosted
from petra.domain.terms import Address
from petra.wire.abi import encode_event
from petra.wire.secp256k1 import checksum_address
from tests.unit.report.journals import Line, begin, settled, small_journal

Event = AssetAdded | FinancialAdded | OfferPosted | OfferAccepted


def write_run(directory: Path, journal: list[Line] | None = None) -> Path:
    """Write a whole run directory and return it."""
    (directory / "bills").mkdir(parents=True)
    about = {
        "scenario": {"run": {"name": "small"}, "forecast": {"method": "perfect"}},
        "seed": 7,
        "ledger": "memory",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "versions": {"petra-tes": "0.1"},
        "wall_seconds": 1.5,
    }
    (directory / "run.json").write_text(json.dumps(about))
    lines = small_journal() if journal is None else journal
    (directory / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (directory / "ledger.jsonl").write_text("".join(json.dumps(block) + "\n" for block in small_ledger()))
    for home, document in small_bills().items():
        (directory / "bills" / f"{home}.json").write_text(json.dumps(document))
    return directory


def address(number: int) -> Address:
    """Return an address."""
    return checksum_address(number.to_bytes(20))


def small_ledger() -> list[Line]:
    """Return two blocks: sun gets 4 kW, den -3 kW and money; then an offer and its acceptance, and a refused one."""
    grants: list[Event] = [
        AssetAdded(anon_address=address(1), asset_id=1, power=4_000, start=4, end=4),
        AssetAdded(anon_address=address(2), asset_id=2, power=-3_000, start=4, end=4),
        FinancialAdded(anon_address=address(2), amount=225_000_000),
    ]
    trades: list[Event] = [
        OfferPosted(offer_id=1, asset_id=1, price=190_000_000, power=4_000, start=4, end=4),
        OfferAccepted(offer_id=1, asset_id=2, power=3_000, start=4, end=4, payment=142_500_000),
    ]
    return [_block(1, grants, refused=0), _block(2, trades, refused=1)]


def _block(number: int, events: list[Event], *, refused: int) -> Line:
    logs = []
    for index, event in enumerate(events):
        topics, data = encode_event(event)
        log = {"transaction": f"{index:064x}", "index": index, "topics": [topic.hex() for topic in topics]}
        logs.append(log | {"data": data.hex()})
    hashes = [f"{index:064x}" for index in range(len(events) + refused)]
    transactions = [
        {"hash": one, "raw": "00", "succeeded": place < len(events), "gas_used": 10} for place, one in enumerate(hashes)
    ]
    at = begin(3) + 5 * number
    return {"number": number, "hash": f"{number:064x}", "timestamp": at, "transactions": transactions, "logs": logs}


def small_bills() -> dict[str, Line]:
    """Return both bills, as settlement writes them."""
    sold = [(4, 750, 142_500_000), (5, 1_000, 190_000_000)]
    sun = [settled("sun", 4, (750, 1_000), 80_000_000, {"feed-in": (250, 20_000_000)})]
    sun.append(settled("sun", 5, (1_000, 1_000), 80_000_000, {}))
    retail = {"retail": (500, -150_000_000), "grid-fee": (1_500, -105_000_000)}
    den = [settled("den", 4, (-750, -750), -277_500_000, {"grid-fee": (750, -52_500_000)})]
    den.append(settled("den", 5, (-1_000, -1_500), -555_000_000, retail))
    return {"sun": _bill("sun", 1, sold, sun), "den": _bill("den", -1, sold, den)}


def _bill(home: str, sign: int, trades: list[tuple[int, int, int]], timesteps: list[Line]) -> dict[str, Any]:
    community = sign * sum(payment for _, _, payment in trades)
    settlement = sum(one["amount"] for one in timesteps)
    alone = sum(one["utility_only"] for one in timesteps)
    kinds: dict[str, dict[str, int]] = {}
    for one in timesteps:
        for kind, (joules, amount) in one["lines"].items():
            line = kinds.setdefault(kind, {"energy": 0, "amount": 0})
            kinds[kind] = {"energy": line["energy"] + joules, "amount": line["amount"] + amount}
    return {
        "home": home,
        "first_timestep": 4,
        "last_timestep": 5,
        "opening": 20 * 10**9,
        "withdrawn": 600_000_000,
        "deposited": 600_000_000 + community,
        "on_ledger": 0,
        "closing": 20 * 10**9 + community + settlement,
        "community": community,
        "settlement": settlement,
        "utility_only": alone,
        "savings": community + settlement - alone,
        "by_kind": kinds,
        "trades": [
            {
                "timestamp": begin(timestep - 1) + 20,
                "start": timestep,
                "end": timestep,
                "energy": sign * wh * 3_600,
                "payment": sign * payment,
                "offer_id": 1,
                "transaction": "ab" * 32,
            }
            for timestep, wh, payment in trades
        ],
        "timesteps": [
            one
            | {
                "deviation": one["metered"] - one["position"],
                "readings": ["cd" * 32],
                "lines": [
                    {"kind": kind, "energy": joules, "price": 1, "amount": amount}
                    for kind, (joules, amount) in one["lines"].items()
                ],
            }
            for one in timesteps
        ],
    }
