"""How figures are written for people: energy, money, times, identifiers.

Decides: units and digits. Knows no run but its time zone.
Invariant: rounds for display only; nothing is computed from what it returns. A minus sign is a real one.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from petra.domain.quantities import JOULES_PER_KWH, JOULES_PER_WH, MONEY_PER_UNIT

THIN = "\N{NARROW NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"
NEARLY_NOTHING = f"\N{ALMOST EQUAL TO}{THIN}0"  # something, but less than its last digit shows
MINUS = "\N{MINUS SIGN}"
SMALL_EUR = MONEY_PER_UNIT  # below one euro, tenths of a cent are shown
NANO_PER_CT = 10**7


def number(value: float, digits: int = 0) -> str:
    """Return a number with so many decimals, thousands set apart, and no negative zero."""
    text = f"{value:,.{digits}f}".replace(",", THIN)
    if float(f"{value:.{digits}f}") == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def kwh(joules: int, digits: int = 2) -> str:
    """Return an energy in kWh without its unit; exactly nothing is a dash."""
    return _written(joules / JOULES_PER_KWH, digits)


def _written(value: float, digits: int) -> str:
    if value == 0:
        return NOTHING
    return number(value, digits) if abs(value) * 10**digits >= 0.5 else NEARLY_NOTHING


def energy(joules: int) -> str:
    """Return an energy with its unit: Wh below one kWh."""
    if joules == 0:
        return f"0{THIN}Wh"
    if abs(joules) < JOULES_PER_KWH:
        return f"{number(joules / JOULES_PER_WH, 0 if abs(joules) >= 10 * JOULES_PER_WH else 1)}{THIN}Wh"
    return f"{number(joules / JOULES_PER_KWH, 2)}{THIN}kWh"


def kilowatts(watts: float) -> str:
    """Return a power with its unit: W below one kW."""
    if abs(watts) < 1_000:
        return f"{number(watts)}{THIN}W"
    return f"{number(watts / 1_000, 2)}{THIN}kW"


def eur(nano: int) -> str:
    """Return an amount in EUR without its unit: whole cents, tenths of a cent below one EUR; nothing is a dash."""
    return _written(nano / MONEY_PER_UNIT, 3 if abs(nano) < SMALL_EUR else 2)


def euros(nano: int, *, signed: bool = False) -> str:
    """Return an amount in EUR with its sign if wanted and its unit."""
    sign = "+" if signed and nano > 0 else ""
    return f"{sign}{number(nano / MONEY_PER_UNIT, 3 if 0 < abs(nano) < SMALL_EUR else 2)}{THIN}EUR"


def cents(nano_per_kwh: int) -> str:
    """Return a price in ct/kWh without its unit."""
    return number(nano_per_kwh / NANO_PER_CT, 2)


def percent(part: float | None, digits: int = 1) -> str:
    """Return a share as a percentage; None is a dash."""
    return NOTHING if part is None else f"{number(part * 100, digits)}{THIN}%"


def duration(value: float | None) -> str:
    """Return seconds, with one decimal where they are not whole; None is a dash."""
    if value is None:
        return NOTHING
    return f"{number(value, 0 if value == int(value) else 1)}{THIN}s"


def shortened(identifier: str, keep: int = 6) -> str:
    """Return the beginning and end of an address or hash."""
    if len(identifier) <= 2 * keep + 3:
        return identifier
    return f"{identifier[: keep + 2]}\N{HORIZONTAL ELLIPSIS}{identifier[-keep:]}"


def commit(text: str) -> str:
    """Return a commit's first digits, with its mark where files were changed since; a version as it stands."""
    digits, mark, changes = text.partition("+")
    return f"{digits[:12] if len(digits) == 40 else digits}{mark}{changes}"


class LocalTime:
    """Unix seconds as the run's local time."""

    def __init__(self, timezone: str) -> None:
        """Take an IANA name; the reader of the journal says when there is none of that name."""
        self._zone = ZoneInfo(timezone)

    def clock(self, unix: int) -> str:
        """Return hours and minutes."""
        return self._at(unix).strftime("%H:%M")

    def to_the_second(self, unix: int) -> str:
        """Return hours, minutes and seconds."""
        return self._at(unix).strftime("%H:%M:%S")

    def date(self, unix: int) -> str:
        """Return day, month and year."""
        return self._at(unix).strftime("%d.%m.%Y")

    def seconds_of_day(self, unix: int) -> int:
        """Return the seconds since local midnight as the clock shows them."""
        local = self._at(unix)
        return local.hour * 3_600 + local.minute * 60 + local.second

    def iso(self, unix: int) -> str:
        """Return date, time and UTC offset for a machine."""
        return self._at(unix).isoformat()

    def _at(self, unix: int) -> datetime:
        return datetime.fromtimestamp(unix, self._zone)
