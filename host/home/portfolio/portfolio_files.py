"""`portfolios/<bucket>.toml`: what is owned and wanted, read with every problem at once.

The file is edited by hand over SSH. Whatever is wrong in it is said as `file:line:col`, and nothing
is planned until it is right: a guess about what somebody owns would be worse than no plan.
"""

from __future__ import annotations

import datetime
import difflib
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import ValidationError

from host import limits
from host.clock import utc_now
from host.home.portfolio.portfolio_model import MINOR_UNITS, PortfolioTables, SecurityTable
from host.home.storage.model_problems import model_problems
from host.home.storage.problems import ConfigFileError, PortfolioFileError
from host.home.storage.toml_file import TomlDocument, locate_problems, parse_toml, read_toml
from planner_core.errors import ConfigProblem

if TYPE_CHECKING:
    from pathlib import Path

WEIGHT_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class PortfolioFile:
    """A portfolio that was read and found right.

    `tables` is its content, `document` knows where everything stands, `as_of` is the day it is
    read for.
    """

    document: TomlDocument
    tables: PortfolioTables
    as_of: datetime.date

    def place(self, *path: str | int) -> str:
        """Return `file:line:col` of an entry, for messages of others."""
        line, column = self.document.position(path)
        return f"{self.document.source}:{line}:{column}"


def read_portfolio(
    path: Path, as_of: datetime.date | None = None, now: Callable[[], datetime.datetime] = utc_now
) -> PortfolioFile:
    """Read a portfolio.

    Parameters
    ----------
    path : Path
    as_of : date, optional
        None: the file's own `as_of`, else today in its time zone.
    now : callable returning an aware datetime

    Raises
    ------
    PortfolioFileError
        With all problems, by position.
    """
    try:
        document = read_toml(path, limits.PORTFOLIO_BYTES_MAX)
    except ConfigFileError as error:
        raise PortfolioFileError(error.problems) from None
    return check_portfolio(document, as_of, now)


def parse_portfolio(
    text: str,
    source: str,
    as_of: datetime.date | None = None,
    now: Callable[[], datetime.datetime] = utc_now,
) -> PortfolioFile:
    """Read a portfolio from a text; see `read_portfolio`."""
    try:
        document = parse_toml(text, source, limits.PORTFOLIO_BYTES_MAX)
    except ConfigFileError as error:
        raise PortfolioFileError(error.problems) from None
    return check_portfolio(document, as_of, now)


def check_portfolio(
    document: TomlDocument, as_of: datetime.date | None, now: Callable[[], datetime.datetime]
) -> PortfolioFile:
    """Validate a parsed portfolio; see `read_portfolio`."""
    mapping = document.mapping
    problems: list[ConfigProblem] = []
    tables: PortfolioTables | None = None
    try:
        tables = PortfolioTables.model_validate(mapping)
    except ValidationError as error:
        problems.extend(model_problems(error, PortfolioTables))
    day = _as_of(mapping, as_of, now, problems)
    problems.extend(_name_problems(mapping))
    problems.extend(_currency_problems(mapping))
    problems.extend(_target_problems(mapping))
    problems.extend(_reference_problems(mapping))
    if day is not None:
        problems.extend(_lot_date_problems(mapping, day))
    if problems or tables is None or day is None:
        shown = locate_problems(document, problems)
        raise PortfolioFileError(shown[: limits.PROBLEMS_SHOWN_MAX])
    return PortfolioFile(document, tables, day)


def _as_of(
    mapping: Mapping[str, Any],
    given: datetime.date | None,
    now: Callable[[], datetime.datetime],
    problems: list[ConfigProblem],
) -> datetime.date | None:
    if given is not None:
        return given
    own = mapping.get("as_of")
    if _is_day(own):
        return own
    name = mapping.get("timezone", "UTC")
    if not isinstance(name, str) or own is not None:
        return None
    try:
        zone: datetime.tzinfo = datetime.UTC if name == "UTC" else zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        message = f"no time zone {name!r} is known here (write one such as Europe/Berlin, or UTC)"
        problems.append(ConfigProblem(("timezone",), message, name))
        return None
    return now().astimezone(zone).date()


def _is_day(value: object) -> TypeGuard[datetime.date]:
    return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)


def _tables_at(mapping: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    section = mapping.get(key)
    if isinstance(section, Mapping):
        for name, table in section.items():
            if isinstance(table, Mapping):
                yield name, table


def _entries_at(mapping: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = mapping.get(key)
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping):
                yield index, entry


def _name_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    for security, table in _tables_at(mapping, "securities"):
        if not limits.SECURITY_ID.fullmatch(security):
            message = "is no security id (letters, digits and . _ -, at most 64)"
            yield ConfigProblem(("securities", security), message, security)
        for key, value in table.items():
            if isinstance(value, Mapping) and key not in SecurityTable.model_fields:
                message = f'an id with a dot needs quotes: [securities."{security}.{key}"]'
                yield ConfigProblem(("securities", security, key), message, key)
        groups = table.get("groups")
        for classification, group in groups.items() if isinstance(groups, Mapping) else ():
            for name in (classification, group):
                if isinstance(name, str) and not limits.GROUP_NAME.fullmatch(name):
                    path = ("securities", security, "groups", classification)
                    yield ConfigProblem(path, f"{name!r:.80} is no name of a group", name)
    for account, _table in _tables_at(mapping, "cash"):
        if not limits.CURRENCY.fullmatch(account):
            message = "is no currency (three capitals such as USD)"
            yield ConfigProblem(("cash", account), message, account)


def _currency_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    places: list[tuple[tuple[str, ...], object]] = [
        (("base_currency",), mapping.get("base_currency"))
    ]
    places += [(("cash", account), account) for account, _ in _tables_at(mapping, "cash")]
    for security, table in _tables_at(mapping, "securities"):
        path = ("securities", security, "currency")
        currency, unit = table.get("currency"), table.get("price_unit")
        major = MINOR_UNITS[unit][0] if isinstance(unit, str) and unit in MINOR_UNITS else None
        if major and isinstance(currency, str) and currency not in (major, *MINOR_UNITS):
            message = f"{unit} is a part of {major}, found {currency!r} (write {major})"
            yield ConfigProblem(path, message, currency)
        places.append((path, currency))
    for place, found in places:
        if isinstance(found, str) and found in MINOR_UNITS:
            major = MINOR_UNITS[found][0]
            message = f'{found} is a part of {major} (write "{major}"; for prices in {found} set'
            yield ConfigProblem(place, f'{message} price_unit = "{found}" of the security)', found)


def _target_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    total, is_told = 0.0, False
    for security, table in _tables_at(mapping, "securities"):
        path = ("securities", security)
        target, cap = table.get("target"), table.get("cap")
        if _is_number(target) and _is_number(cap) and target > cap:
            yield ConfigProblem((*path, "target"), f"{target} lies above the cap of {cap}", target)
        total += target if _is_number(target) else 0.0
        if total > 1 + WEIGHT_SUM_TOLERANCE and not is_told:
            is_told = True
            yield ConfigProblem((*path, "target"), _sum_message(mapping), target)
    for classification, groups in _tables_at(mapping, "groups"):
        targets = [
            (group, table["target"])
            for group, table in groups.items()
            if isinstance(table, Mapping) and _is_number(table.get("target"))
        ]
        total = sum(target for _, target in targets)
        if total > 1 + WEIGHT_SUM_TOLERANCE:
            message = f"the targets of {classification} sum to {total:.4f}, above 1 (lower some)"
            yield ConfigProblem(("groups", classification, targets[-1][0]), message, total)


def _sum_message(mapping: Mapping[str, Any]) -> str:
    targets = [table.get("target") for _, table in _tables_at(mapping, "securities")]
    total = sum(target for target in targets if _is_number(target))
    return f"the targets sum to {total:.4f}, above 1 (lower some; what is left stays in cash)"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reference_problems(mapping: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Yield every entry that names a security or a group which is not there."""
    securities = dict(_tables_at(mapping, "securities"))
    for key in ("pending_orders", "accepted_prices"):
        for index, entry in _entries_at(mapping, key):
            name = entry.get("security")
            if isinstance(name, str) and name not in securities:
                message = f"there is no [securities.{name}]"
                yield ConfigProblem(
                    (key, index, "security"), message, name, None, _closest(name, securities)
                )
    used: dict[str, set[str]] = {}
    for table in securities.values():
        groups = table.get("groups")
        for classification, group in groups.items() if isinstance(groups, Mapping) else ():
            if isinstance(group, str):
                used.setdefault(classification, set()).add(group)
    for classification, groups in _tables_at(mapping, "groups"):
        known = used.get(classification, set())
        for group in groups:
            close = _closest(group, known)
            if group not in known and close:
                message = f"no security has {classification} = {group!r}"
                path = ("groups", classification, group)
                yield ConfigProblem(path, message, group, None, close)


def _closest(name: str, known: Mapping[str, Any] | set[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _lot_date_problems(mapping: Mapping[str, Any], as_of: datetime.date) -> Iterator[ConfigProblem]:
    for security, table in _tables_at(mapping, "securities"):
        for index, lot in _entries_at(table, "lots"):
            day = lot.get("date")
            if _is_day(day) and day > as_of:
                message = f"the lot is dated {day}, after as_of {as_of} (correct one of them)"
                yield ConfigProblem(("securities", security, "lots", index, "date"), message, day)
