"""The manual's page of messages says what the code sends and takes."""

import re
from pathlib import Path

from petra.domain.messages import Kind
from petra.fabric import intake
from petra.fabric.frames import Busy, Frame, Hello, Message, Refused, Stored, encode
from petra.fabric.gateway_app import refusal
from petra.fabric.limits import Limits
from petra.fabric.refusals import PASSING, LinkReason
from petra.wire import bodies, envelope

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "reference", "messages.md").read_text(encoding="utf-8")
SCHEMA = ROOT.joinpath("src", "petra", "wire", "petra.capnp").read_text(encoding="utf-8")
FIXED = re.compile(r"(\d+) bytes")


def section(title: str) -> str:
    """Return the text under a heading of the second level."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_body_is_documented_field_by_field() -> None:
    """Structs, fields, their order, numbers and types are the schema's, and so are lengths of bytes."""
    written = {
        name: re.findall(r"^\| `(\w+)` \| (\d+) \| ([\w()]+) \| (.*) \|$", text, re.MULTILINE)
        for name, text in re.findall(r"### `(\w+)`\n(.*?)(?=\n##|\Z)", section("Kinds and bodies"), re.DOTALL)
    }
    schema = {
        name: re.findall(r"^  (\w+) @(\d+) :([\w()]+);(?: *# (.*))?$", text, re.MULTILINE)
        for name, text in re.findall(r"^struct (\w+) {\n(.*?)^}", SCHEMA, re.DOTALL | re.MULTILINE)
    }
    assert {name: [row[:3] for row in rows] for name, rows in written.items()} == {
        name: [row[:3] for row in rows] for name, rows in schema.items()
    }
    for name, rows in schema.items():
        for (field, _, _, comment), (_, _, _, meaning) in zip(rows, written[name], strict=True):
            assert FIXED.findall(meaning) == FIXED.findall(comment), f"{name}.{field}"
            assert meaning not in {"", "None"}, f"{name}.{field} has no meaning"


def test_every_kind_is_documented_with_its_number_and_length() -> None:
    """Numbers stand in evidence for ever."""
    written = re.findall(r"### `(\w+)`\n\nKind (\d+), `(\w+)`, at most ([\d,]+) bytes", PAGE)
    assert sorted(written) == sorted(
        (bodies._TYPES[kind].__name__, str(number), kind.value, f"{bodies.body_bytes_max(kind):,}")
        for kind, number in envelope._NUMBERS.items()
    )
    assert set(envelope._NUMBERS) == set(Kind)


def test_the_envelope_is_documented_byte_by_byte() -> None:
    """Places and lengths are those of the layout."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([\w ]+) \|", section("Envelope"), re.MULTILINE)
    at = 0
    for place, length, _ in rows:
        assert int(place) == at
        at += int(length)
    assert at == envelope._LAYOUT.size == 86
    assert f"| | {envelope.SIGNATURE_BYTES} | signature |" in PAGE


def test_every_frame_is_documented() -> None:
    """Letters and the number of parts after them."""
    rows = re.findall(r"^\| `([A-Z])` \|(.*?)\|", section("Frames over ZeroMQ"), re.MULTILINE)
    frames: list[Frame] = [Message(b""), Stored(bytes(32)), Busy(bytes(32), 1), Refused(bytes(32), "busy"), Hello()]
    assert {letter: len([part for part in parts.split(",") if part.strip()]) for letter, parts in rows} == {
        parts[0].decode(): len(parts) - 1 for parts in map(encode, frames)
    }


def test_every_refusal_is_documented_with_its_status() -> None:
    """Words and HTTP statuses; those that pass are named."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", section("Refusals by a link"), re.MULTILINE)
    statuses = {reason.value: refusal(reason).status for reason in LinkReason}
    assert {word: int(status) for word, status in rows} == statuses
    passing = PAGE.split(" pass by themselves")[0].rpartition("\n")[2]
    assert set(re.findall(r"`([a-z-]+)`", passing)) == PASSING


def test_limits_and_directions_are_documented() -> None:
    """The figures of the table, and who takes what."""
    limits, frames = Limits(), section("Frames over ZeroMQ")
    figures = dict(re.findall(r"^\| ([\w `]+) \| (\d[^|]*) \|$", frames, re.MULTILINE))
    assert figures == {
        "envelope to the DSO": f"{intake.DSO_BYTES_MAX // 1024} KiB",
        "envelope to a home": f"{envelope.ENVELOPE_BYTES_MAX // 1024 // 1024} MiB",
        "messages that wait for one connection": f"{limits.queue_max:,}",
        "messages of one key": f"{limits.messages_per_second:,.0f} a second, {limits.burst:,} at once",
        "`enrol` from one network address": f"{limits.enrolments_per_minute:.0f} a minute",
        "handshake": f"{limits.handshake_ms // 1000} s",
        "heartbeat": f"{limits.heartbeat_ms // 1000} s; gone after {3 * limits.heartbeat_ms // 1000} s",
    }
    taken = section("Kinds and bodies").split("from anybody")[0]
    assert set(re.findall(r"`(\w+)`", taken)) == intake.TO_DSO | intake.FROM_GUESTS
    assert set(Kind) == intake.TO_DSO | intake.FROM_GUESTS | intake.TO_HOME
