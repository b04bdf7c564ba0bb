"""Numbers and dates as other programs and other countries write them.

Numbers: `$1,234.56`, `1.234,56 EUR`, `1 234,56`, `1'234.56`. Dates: 05.06.2019, 06/05/2019,
2019/06/05, 20190605, 5 Jun 2019, 2019-06-05 00:00:00.

A text alone may have two meanings: `1,234` and 05/06/2019. A whole column mostly has one, and these
functions say which. Where they cannot, both readings are given, and the caller asks the owner.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

DecimalMark = Literal[".", ","]

GROUP_SEPARATORS = " '\u2019\u00a0\u2009\u202f"
"""Blanks (also the thin and the fixed ones) and apostrophes, which only ever separate thousands."""
TEXT_LENGTH_MAX = 40
"""A longer text is neither a number nor a date."""
VOTES_ENOUGH = 500
"""So many cells that agree on the decimal mark need no more of them."""
SPREADSHEET_EPOCH = datetime.date(1899, 12, 30)
SPREADSHEET_DAY_MIN = 25_569
SPREADSHEET_DAY_MAX = 73_415
EXACT_BELOW = 1e15
"""A double has no more than 15 digits that a person wrote."""

SIGNS = {
    "$": ("USD", "AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "TWD"),
    "US$": ("USD",),
    "A$": ("AUD",),
    "C$": ("CAD",),
    "HK$": ("HKD",),
    "NZ$": ("NZD",),
    "S$": ("SGD",),
    "R$": ("BRL",),
    "\u20ac": ("EUR",),
    "\u00a3": ("GBP",),
    "\u00a5": ("JPY", "CNY"),
    "\u20a9": ("KRW",),
    "\u20b9": ("INR",),
    "\u20bd": ("RUB",),
    "\u20ba": ("TRY",),
    "\u20aa": ("ILS",),
    "\u20ab": ("VND",),
    "\u0e3f": ("THB",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("DKK",),
    "z\u0142": ("PLN",),
    "K\u010d": ("CZK",),
    "Ft": ("HUF",),
    "Rp": ("IDR",),
    "Fr.": ("CHF",),
    "p": ("GBX",),
    "GBp": ("GBX",),
    "ZAc": ("ZAC",),
}
"""The signs of currencies and price units, each with what it can stand for."""
CODE = re.compile(r"[A-Z]{3}")

_MONEY = re.compile(
    r"(?P<before>(?:[^0-9\s.,+-]{1,4}\.?)?)\s*"
    rf"(?P<number>[+-]?[0-9.,][0-9.,{GROUP_SEPARATORS}]*)"
    r"(?P<after>[^0-9\s]{0,4})"
)
# Groups of thousands: three digits each, one separator throughout, no zero in front.
_NUMBER = (
    r"[+-]?(?:[1-9][0-9]{{0,2}}(?P<group>[{group}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    r"|[0-9]+)"
)
_POINT = re.compile(_NUMBER.format(group="," + GROUP_SEPARATORS) + r"(?:\.[0-9]*)?|[+-]?\.[0-9]+")
_COMMA = re.compile(_NUMBER.format(group="." + GROUP_SEPARATORS) + r"(?:,[0-9]*)?|[+-]?,[0-9]+")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}[\d:.]*\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})")
_DAY_NAME = re.compile(
    r"(?P<day>\d{1,2})[-. ]{1,2}(?P<month>[A-Za-z]{3,9})\.?[-, ]{1,2}(?P<year>\d{4})"
)
_NAME_DAY = re.compile(r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})")


# --- numbers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amount:
    """A number without its currency sign, not yet read.

    Parameters
    ----------
    digits : str
        With its marks and thousands separators.
    sign : str
        The sign or code of a currency; empty where there is none.
    """

    digits: str
    sign: str = ""

    def value(self, mark: DecimalMark) -> float | None:
        """Return the number with this decimal mark; None where it cannot be read so."""
        pattern = _POINT if mark == "." else _COMMA
        if not pattern.fullmatch(self.digits):
            return None
        other = "," if mark == "." else "."
        plain = "".join(c for c in self.digits if c != other and c not in GROUP_SEPARATORS)
        value = float(plain.replace(",", "."))
        return value if abs(value) != float("inf") else None

    def readings(self) -> tuple[float, ...]:
        """Return what the number can mean: one value, two, or none."""
        values = (self.value("."), self.value(","))
        return tuple(dict.fromkeys(value for value in values if value is not None))


def split_amount(text: str) -> Amount | None:
    """Split a number from the sign or the code of a currency; None for another text."""
    text = text.strip()
    if len(text) > TEXT_LENGTH_MAX:
        return None
    match = _MONEY.fullmatch(text)
    if match is None:
        return None
    signs = [sign for sign in (match["before"], match["after"]) if sign]
    if len(signs) > 1 or (signs and not units_of_sign(signs[0])):
        return None
    return Amount(match["number"].strip(), signs[0] if signs else "")


def units_of_sign(sign: str) -> tuple[str, ...]:
    """Return the currencies and price units that a sign can stand for."""
    return SIGNS.get(sign) or ((sign,) if CODE.fullmatch(sign) else ())


def decimal_mark(texts: Iterable[str], delimiter: str) -> DecimalMark | Amount:
    """Return the decimal mark of a column; where that is open, the number with two meanings.

    Parameters
    ----------
    texts : iterable of str
        Its cells. Those that are no number have no say.
    delimiter : str
        What separates the cells of the file. With a semicolon, a comma is the decimal mark.
    """
    votes: dict[DecimalMark, int] = {".": 0, ",": 0}
    open_marks: dict[str, Amount] = {}
    for text in texts:
        if max(votes.values()) >= VOTES_ENOUGH and not min(votes.values()):
            break
        amount = split_amount(text)
        if amount is None:
            continue
        point, comma = amount.value("."), amount.value(",")
        if point == comma:
            continue
        if comma is None:
            votes["."] += 1
        elif point is None:
            votes[","] += 1
        else:
            open_marks.setdefault("," if "," in amount.digits else ".", amount)
    if votes["."] or votes[","]:
        return "." if votes["."] >= votes[","] else ","
    usual = "," if delimiter == ";" else "."
    # Three digits behind every mark: thousands or decimals. The usual mark of the file decides.
    unusual = [amount for mark, amount in open_marks.items() if mark != usual]
    if unusual:
        return unusual[0]
    return "," if "," in open_marks else "."


def number_advice(text: str) -> str:
    """Return how to write a number in a file of ours, as `write 60.25`; empty where unclear."""
    if text.strip().endswith("%"):
        amount = split_amount(text.strip()[:-1])
        values = amount.readings() if amount else ()
        shown = [f"{_plain(value / 100)} for {_plain(value)} %" for value in values]
    else:
        amount = split_amount(text)
        shown = [_plain(value) for value in amount.readings()] if amount else []
    return f"write {' or '.join(shown)}" if shown else ""


def _plain(value: float) -> str:
    """Return a number without an exponent and without digits that rounding made."""
    text = f"{value:.12f}" if abs(value) < EXACT_BELOW else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- dates ---------------------------------------------------------------------------------


def date_readings(text: str) -> tuple[datetime.date, ...]:
    """Return what a date can mean: one day, two (day first, then month first), or none."""
    text = text.strip()
    if len(text) > TEXT_LENGTH_MAX or not text.isascii():
        return ()
    text = _without_time(text)
    if match := _YEAR_FIRST.fullmatch(text):
        return _days((match[1], match[3], match[4]))
    if match := _YEAR_LAST.fullmatch(text):
        day_first, month_first = (match[4], match[3], match[1]), (match[4], match[1], match[3])
        # Points are used where the day comes first; slashes and hyphens are used both ways.
        return _days(day_first) if match[2] == "." else _days(day_first, month_first)
    for pattern in (_COMPACT, _DAY_NAME, _NAME_DAY):
        if match := pattern.fullmatch(text):
            return _days((match["year"], _month(match["month"]), match["day"]))
    return ()


def date_column(texts: Sequence[str]) -> list[datetime.date | None] | None:
    """Return the days of a column, None for a text that is not one; None: two readings.

    Where the day may come first or the month, one text that has only one meaning decides. Else the
    order does, if the days are in order in one reading only.
    """
    readings = [date_readings(text) for text in texts]
    open_texts = [text for text, days in zip(texts, readings, strict=True) if len(days) > 1]
    if not open_texts:
        return [days[0] if days else None for days in readings]
    choice = _order_by_votes(texts, readings)
    if choice is None:
        in_order = [
            index
            for index in (0, 1)
            if _is_monotonic([days[min(index, len(days) - 1)] for days in readings if days])
        ]
        if len(in_order) != 1:
            return None
        choice = in_order[0]
    return [days[min(choice, len(days) - 1)] if days else None for days in readings]


def _order_by_votes(
    texts: Sequence[str], readings: Sequence[tuple[datetime.date, ...]]
) -> int | None:
    """Return 0 if a text shows that the day is first, 1 for the month; None without a majority."""
    votes = [0, 0]
    for text, days in zip(texts, readings, strict=True):
        match = _YEAR_LAST.fullmatch(_without_time(text.strip()))
        if match and len(days) == 1 and match[1] != match[3] and match[2] != ".":
            votes[0 if days[0].day == int(match[1]) else 1] += 1
    if votes[0] and votes[1]:
        return None
    return None if votes == [0, 0] else int(votes[1] > 0)


def _is_monotonic(days: Sequence[datetime.date]) -> bool:
    pairs = list(itertools.pairwise(days))
    return all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs)


def date_advice(text: str) -> str:
    """Return how to write a date in a file of ours, as `write 2019-06-05`; empty where unclear."""
    days = date_readings(text)
    return f"write {' or '.join(str(day) for day in days)}" if days else ""


def spreadsheet_day(number: float) -> datetime.date | None:
    """Return the day that a spreadsheet stores as a number; None outside of 1970 to 2100."""
    if not SPREADSHEET_DAY_MIN <= number <= SPREADSHEET_DAY_MAX:
        return None
    return SPREADSHEET_EPOCH + datetime.timedelta(days=int(number))


def _without_time(text: str) -> str:
    match = _TIME.search(text)
    return text[: match.start()] if match and match.end() == len(text) else text


def _month(text: str) -> str:
    """Return the number of a month, written as a number or as a name; 0 for another word."""
    if text.isdecimal():
        return text
    short = text[:3].lower()
    return str(_MONTHS.index(short) + 1) if short in _MONTHS else "0"


def _days(*parts: tuple[str, str, str]) -> tuple[datetime.date, ...]:
    """Return the days that exist, each once."""
    days: list[datetime.date] = []
    for year, month, day in parts:
        try:
            value = datetime.date(int(year), int(month), int(day))
        except ValueError:
            continue
        if value not in days:
            days.append(value)
    return tuple(days)
