"""The journal's kinds of line and their fields (docs/reference/journal.md says what each means).

Decides: what a journal line must have to be understood. Knows no file and no meaning.
Invariant: further fields and further kinds are allowed, so that a newer journal can still be read where it only adds.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Note = Mapping[str, Any]
_LARGEST = 2**63 - 1  # of any number: nothing in a run is larger in any unit
OPTIONAL_TEXT = "text or null"
OPTIONAL_WHOLE = "integer or null"
WHOLE, TEXT, TRUTH = "integer", "text", "true or false"
WHOLES, TEXTS = "list of integers", "list of texts"
AMOUNTS, PAIRS = "map of integers", "map of pairs of integers"

# Kind, then each field with its type. `at` (unix second, virtual) and `kind` stand in every line.
KINDS: dict[str, dict[str, str]] = {
    "run": {
        "scenario": TEXT,
        "title": TEXT,
        "seed": WHOLE,
        "source": TEXT,
        "timezone": TEXT,
        "genesis": WHOLE,
        "timestep_seconds": WHOLE,
        "gate": WHOLE,
        "horizon": WHOLE,
        "first_timestep": WHOLE,
        "last_timestep": WHOLE,
        "block_seconds": WHOLE,
        "chain_id": WHOLE,
        "contract": TEXT,
        "dso": TEXT,
        "privacy_profile": TEXT,
        "deposit_window_seconds": WHOLE,
    },
    "prices": {
        "from_timestep": WHOLE,
        "retail": WHOLE,
        "feed_in": WHOLE,
        "local": WHOLE,
        "grid_fee": WHOLE,
        "imbalance": WHOLE,
        "bulk": WHOLE,
    },
    "member": {
        "home": TEXT,
        "account": TEXT,
        "meter": TEXT,
        "node": OPTIONAL_TEXT,
        "pv_rating_watts": WHOLE,
        "firm_import_watts": WHOLE,
        "firm_export_watts": WHOLE,
        "production_capacity_watts": WHOLE,
        "consumption_capacity_watts": WHOLE,
        "opening_balance": WHOLE,
    },
    "day": {"home": TEXT, "start_unix": WHOLE, "production_watts": WHOLES, "consumption_watts": WHOLES},
    "forecast": {"home": TEXT, "timestep": WHOLE, "low": WHOLE, "median": WHOLE, "high": WHOLE},
    "withdraw": {
        "home": TEXT,
        "timestep": WHOLE,
        "request": TEXT,
        "pseudonym": TEXT,
        "power": WHOLE,
        "amount": WHOLE,
        "deadline": WHOLE,
    },
    "granted": {"home": TEXT, "request": TEXT, "assets": WHOLE},
    "refused": {"home": TEXT, "request": TEXT, "reason": TEXT, "detail": TEXT},
    "frozen": {"until": OPTIONAL_WHOLE},
    "unfrozen": {},
    "curtailment": {
        "number": WHOLE,
        "direction": TEXT,
        "limit_watts": OPTIONAL_WHOLE,
        "start": WHOLE,
        "end": WHOLE,
        "homes": TEXTS,
    },
    "curtailment-refused": {"problems": TEXTS},
    "curtailed": {
        "home": TEXT,
        "number": WHOLE,
        "direction": TEXT,
        "limit_watts": WHOLE,
        "start": WHOLE,
        "end": WHOLE,
    },
    "void-grant": {"home": TEXT, "intent": TEXT},
    "message": {
        "message": TEXT,
        "message_kind": TEXT,
        "sender": TEXT,
        "recipient": TEXT,
        "hash": TEXT,
        "bytes": WHOLE,
    },
    "ledger": {"event": TEXT, "block": WHOLE, "transaction": TEXT},
    "void": {"home": TEXT, "intent": TEXT, "call": TEXT, "reason": TEXT},
    "measured": {"home": TEXT, "timestep": WHOLE, "produced": WHOLE, "consumed": WHOLE},
    "settled": {
        "home": TEXT,
        "timestep": WHOLE,
        "position": WHOLE,
        "metered": WHOLE,
        "produced": WHOLE,
        "consumed": WHOLE,
        "amount": WHOLE,
        "utility_only": WHOLE,
        "provisional": TRUTH,
        "lines": PAIRS,
    },
    "envelope-broken": {
        "home": TEXT,
        "timestep": WHOLE,
        "excess": WHOLE,
        "import_allowed": WHOLE,
        "export_allowed": WHOLE,
        "left_percent": WHOLE,
    },
    "reading-refused": {"home": TEXT, "timestep": WHOLE, "problem": TEXT},
    "readings-missing": {"home": TEXT, "before": WHOLES},
    "books": {"balances": AMOUNTS, "problems": TEXTS},
}

# The fields of a `ledger` line beyond its kind's, by the class in `petra.domain.events`.
LEDGER_EVENTS: dict[str, dict[str, str]] = {
    "AssetAdded": {"anon_address": TEXT, "asset_id": WHOLE, "power": WHOLE, "start": WHOLE, "end": WHOLE},
    "FinancialAdded": {"anon_address": TEXT, "amount": WHOLE},
    "OfferPosted": {
        "offer_id": WHOLE,
        "asset_id": WHOLE,
        "price": WHOLE,
        "power": WHOLE,
        "start": WHOLE,
        "end": WHOLE,
    },
    "OfferRescinded": {"offer_id": WHOLE},
    "OfferAccepted": {
        "offer_id": WHOLE,
        "asset_id": WHOLE,
        "power": WHOLE,
        "start": WHOLE,
        "end": WHOLE,
        "payment": WHOLE,
    },
    "AssetSplit": {
        "parent_id": WHOLE,
        "asset_id": WHOLE,
        "owner": TEXT,
        "power": WHOLE,
        "start": WHOLE,
        "end": WHOLE,
    },
    "AssetTransferred": {"asset_id": WHOLE, "from_address": TEXT, "to_address": TEXT},
    "EscrowReleased": {"offer_id": WHOLE, "amount": WHOLE},
    "AssetDeposited": {"anon_address": TEXT, "asset_id": WHOLE},
    "FinancialDeposited": {"anon_address": TEXT, "amount": WHOLE},
    "ScheduleRecorded": {"from_timestep": WHOLE, "digest": TEXT},
}


def note_problems(note: object) -> Iterator[str]:
    """Yield what is wrong with one journal line, a clause each; nothing if it can be read."""
    if not isinstance(note, dict):
        yield "no JSON object"
        return
    kind = note.get("kind")
    if not isinstance(kind, str):
        yield "the field `kind` is missing"
        return
    fields = {"at": WHOLE} | KINDS.get(kind, {})
    if kind == "ledger":
        fields |= LEDGER_EVENTS.get(str(note.get("event")), {})
    for name, wanted in fields.items():
        if name not in note:
            yield f"kind `{kind}`: the field `{name}` is missing"
        elif not _is(note[name], wanted):
            yield f"kind `{kind}`: the field `{name}` must be {wanted}, not {note[name]!r:.40}"


def _is(value: object, wanted: str) -> bool:
    match wanted:
        case "integer":
            return type(value) is int and abs(value) <= _LARGEST
        case "text":
            return isinstance(value, str)
        case "integer or null":
            return value is None or _is(value, WHOLE)
        case "text or null":
            return value is None or isinstance(value, str)
        case "true or false":
            return isinstance(value, bool)
        case "list of integers":
            return isinstance(value, list) and all(_is(one, WHOLE) for one in value)
        case "list of texts":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "map of integers":
            return isinstance(value, dict) and all(_is(one, WHOLE) for one in value.values())
        case _:
            return isinstance(value, dict) and all(_is(one, WHOLES) and len(one) == 2 for one in value.values())
