"""A portfolio file: all problems are reported at once, each with its place."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from host import limits
from host.home.portfolio.portfolio_file import PortfolioFile, check_portfolio, read_portfolio
from host.home.storage.problems import ConfigFileError, PortfolioFileError
from host.home.storage.toml_file import parse_toml
from tests.host.small_home import PORTFOLIO

BASE = 'base_currency = "USD"\n'
SECURITY = '[securities.A]\ncurrency = "USD"\n'


def clock() -> datetime:
    return datetime(2024, 1, 5, 23, 30, tzinfo=UTC)


def read(text: str, as_of: date | None = None) -> PortfolioFile:
    try:
        document = parse_toml(text, "core.toml", limits.PORTFOLIO_BYTES_MAX)
    except ConfigFileError as error:
        raise PortfolioFileError(error.problems) from None
    return check_portfolio(document, as_of, clock)


def refusal_of(text: str, as_of: date | None = None) -> tuple[str, ...]:
    with pytest.raises(PortfolioFileError) as caught:
        read(text, as_of)
    return caught.value.lines


def test_a_good_portfolio_is_read_with_its_places() -> None:
    portfolio = read(PORTFOLIO)
    assert portfolio.as_of == date(2024, 1, 5)
    assert portfolio.tables.securities["AAA"].lots[0].unit_cost == 90.0
    assert portfolio.place("securities", "BBB", "target") == "core.toml:17:1"


def test_as_of_is_the_given_day_then_the_files_own_then_today() -> None:
    assert read(BASE + "as_of = 2024-01-02\n", date(2024, 1, 3)).as_of == date(2024, 1, 3)
    assert read(BASE + "as_of = 2024-01-02\n").as_of == date(2024, 1, 2)
    assert read(BASE).as_of == date(2024, 1, 5)


def test_today_is_told_in_the_portfolios_time_zone() -> None:
    assert read(BASE + 'timezone = "Asia/Tokyo"\n').as_of == date(2024, 1, 6)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "/etc/passwd", "a\\u0000b"])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    (line,) = refusal_of(f'{BASE}timezone = "{zone}"\n')
    assert line.startswith("core.toml:2:1: timezone: no time zone")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('currency = "USD"\n', "core.toml:1:1: currency: unknown key"),
        (BASE + "as_of = 2024-01-02T10:00:00\n", "core.toml:2:1: as_of: is not a date"),
        (BASE + 'as_of = "2024-01-02"\n', "core.toml:2:1: as_of: is not a date"),
        (BASE + SECURITY + "quallity = 0.5\n", "- did you mean `quality`?"),
        (BASE + SECURITY + "target = 1.5\n", "securities.A.target: is out of bounds, found 1.5"),
        (BASE + SECURITY + 'target = "5%"\n', "securities.A.target: is not a number"),
        (BASE + SECURITY + "target = true\n", "securities.A.target: is not a number"),
        (BASE + SECURITY + 'allow_buy = "no"\n', "securities.A.allow_buy: is not a switch"),
        (BASE + SECURITY + "lots = 3\n", "securities.A.lots: is not a list"),
        (BASE + SECURITY + "target = 0.3\ncap = 0.2\n", "0.3 is above the cap of 0.2"),
        (BASE + SECURITY + "quality = nan\n", "securities.A.quality: nan is not a finite number"),
        (BASE + SECURITY + "lot_size = 0\n", "securities.A.lot_size: is out of bounds, found 0"),
        (BASE + "[securities.A]\n", "core.toml:2:13: securities.A.currency: is missing"),
        (
            BASE + '[securities.A]\ncurrency = "usd"\n',
            "must be three capital letters, such as USD, found 'usd'",
        ),
        (BASE + '[securities."A B"]\ncurrency = "USD"\n', "is not a security id"),
        (BASE + '[securities.BRK.B]\ncurrency = "USD"\n', 'quotes: [securities."BRK.B"]'),
        (BASE + "[cash]\nUS = { settled = 1 }\n", "cash.US: is not a currency"),
        (BASE + "[cash]\nUSD = 100\n", "cash.USD: is not a table"),
        (BASE + "[[cash_flows]]\namount = 1\n", "cash_flows.0.date: is missing"),
        (BASE + "[cash]\nUSD = {", "core.toml:3:8:"),
        (BASE + BASE, "core.toml:2:1:"),
        ("", "core.toml:1:1: the file is empty"),
    ],
)
def test_a_mistake_is_reported_with_its_place(text: str, complaint: str) -> None:
    lines = refusal_of(text)
    assert any(complaint in line for line in lines), lines
    assert all(line.startswith("core.toml:") for line in lines)


def test_all_mistakes_are_told_at_once_by_position() -> None:
    lines = refusal_of(
        BASE
        + "asof = 2024-01-02\n"
        + SECURITY
        + "target = 0.7\nlots = [{ date = 2030-01-01, quantity = -1, unit_cost = 1 }]\n"
        + '[securities.B]\ncurrency = "USD"\ntarget = 0.6\n'
        + '[[pending_orders]]\nsecurity = "C"\nside = "hold"\nquantity = 1\n'
    )
    assert [":".join(line.split(":")[1:4]) for line in lines] == [
        "2:1: asof",
        "6:11: securities.A.lots.0.date",
        "6:30: securities.A.lots.0.quantity",
        "9:1: securities.B.target",
        "11:1: pending_orders.0.security",
        "12:1: pending_orders.0.side",
    ]


def test_targets_above_one_are_refused_where_the_sum_passes_one() -> None:
    text = BASE + "".join(
        f'[securities.S{number}]\ncurrency = "USD"\ntarget = 0.4\n' for number in range(4)
    )
    (line,) = refusal_of(text)
    assert line == (
        "core.toml:10:1: securities.S2.target: the targets sum to 1.6000, above 1"
        " (lower some; the rest stays in cash)"
    )


def test_targets_that_sum_to_one_but_for_rounding_are_accepted() -> None:
    text = BASE + "".join(
        f'[securities.S{number}]\ncurrency = "USD"\ntarget = 0.1\n' for number in range(10)
    )
    assert len(read(text).tables.securities) == 10


def test_group_targets_above_one_are_refused() -> None:
    text = BASE + "[groups.industry]\na = { target = 0.7 }\nb = { target = 0.4 }\n"
    (line,) = refusal_of(text)
    assert "the targets of industry sum to 1.1000, above 1" in line


def test_a_lot_in_the_future_is_refused_with_both_dates() -> None:
    text = BASE + "as_of = 2024-01-02\n" + SECURITY
    text += "lots = [\n  { date = 2024-01-03, quantity = 1, unit_cost = 1 },\n]\n"
    (line,) = refusal_of(text)
    assert line == (
        "core.toml:6:5: securities.A.lots.0.date: the lot is dated 2024-01-03, after as_of"
        " 2024-01-02 (fix one of them)"
    )


def test_a_minor_unit_is_no_currency() -> None:
    (line,) = refusal_of(BASE + '[securities.A]\ncurrency = "GBX"\n')
    assert 'GBX is a part of GBP (write "GBP"; for prices in GBX set price_unit = "GBX"' in line


def test_a_price_unit_belongs_to_its_currency() -> None:
    (line,) = refusal_of(BASE + SECURITY + 'price_unit = "GBX"\n')
    assert "GBX is a part of GBP, found 'USD' (write GBP)" in line


def test_a_name_that_nothing_has_gets_a_suggestion() -> None:
    text = BASE + '[securities.AAPL]\ncurrency = "USD"\ngroups = { industry = "energy" }\n'
    text += "[groups.industry]\nenrgy = { cap = 0.5 }\n"
    text += '[[accepted_prices]]\nsecurity = "APPL"\ndate = 2024-01-02\n'
    lines = refusal_of(text)
    assert "no security has industry = 'enrgy' - did you mean `energy`?" in lines[0]
    assert "there is no [securities.APPL] - did you mean `AAPL`?" in lines[1]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("{ us = 0.62, eu = 0.48 }", "region: the parts sum to 1.1, above 1 (0.62 is 62 %)"),
        ("{ us = 62 }", "us: is out of bounds, found 62"),
        ("{ us = 0 }", "us: is out of bounds, found 0"),
        ('{ us = "0.5" }', "us: is not a number"),
        ("{ '{}' = 0.5 }", "region: '{}' is not a group name"),
        ("5", 'region: is neither a group such as "us" nor parts such as { us = 0.62, eu = 0.18 }'),
    ],
)
def test_parts_of_a_fund_that_cannot_be_are_refused(parts: str, message: str) -> None:
    lines = refusal_of(BASE + SECURITY + f"groups.region = {parts}\n")
    assert any(message in line for line in lines), lines


def test_a_group_of_which_a_fund_has_a_part_is_one_that_can_be_named() -> None:
    text = BASE + SECURITY + "groups.region = { usa = 0.62, eu = 0.18 }\n"
    portfolio = read(text + "[groups.region]\nusa = { cap = 0.5 }\n")
    assert portfolio.tables.securities["A"].groups == {"region": {"usa": 0.62, "eu": 0.18}}
    (line,) = refusal_of(text + "[groups.region]\nusb = { cap = 0.5 }\n")
    assert "did you mean `usa`?" in line


def test_an_unknown_kind_is_refused_with_the_kinds() -> None:
    (line,) = refusal_of(BASE + SECURITY + 'kind = "stock"\n')
    assert "kind: is not one of the allowed words, found 'stock'" in line
    assert "share, fund, bond, commodity, crypto, cash" in line


def test_very_many_mistakes_are_cut_short() -> None:
    text = BASE + "".join(f"x{number} = 1\n" for number in range(200))
    assert len(refusal_of(text)) == limits.PROBLEMS_SHOWN_MAX


def test_too_many_securities_are_refused() -> None:
    assert limits.SECURITIES_MAX == 2_000
    text = BASE + "".join(f'[securities.S{n}]\ncurrency = "USD"\n' for n in range(2_001))
    (line,) = refusal_of(text)
    assert "securities: has too many entries" in line


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "core.toml"
    with pytest.raises(PortfolioFileError, match="there is no such file"):
        read_portfolio(path)
    path.write_bytes(b'base_currency = "USD"\n# \xe9\n')
    with pytest.raises(PortfolioFileError, match=r"core\.toml:2:3: byte 24 \(0xe9\) is not UTF-8"):
        read_portfolio(path)


def test_an_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "core.toml"
    path.write_text(BASE + "#" * limits.PORTFOLIO_BYTES_MAX)
    with pytest.raises(PortfolioFileError, match=r"larger than 1,048,576 bytes"):
        read_portfolio(path)


junk = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(min_value=-(2**62), max_value=2**62),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
        st.dates(),
        st.datetimes(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["date", "lots", "A", "target", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)
PATHS: tuple[tuple[str | int, ...], ...] = (
    ("base_currency",),
    ("as_of",),
    ("timezone",),
    ("securities",),
    ("securities", "AAA"),
    ("securities", "AAA", "currency"),
    ("securities", "AAA", "price_unit"),
    ("securities", "AAA", "kind"),
    ("securities", "AAA", "groups"),
    ("securities", "AAA", "groups", "industry"),
    ("securities", "AAA", "target"),
    ("securities", "AAA", "lots"),
    ("securities", "AAA", "lots", 0, "date"),
    ("cash",),
    ("cash", "USD"),
    ("cash_flows",),
    ("pending_orders",),
    ("groups",),
    ("accepted_prices",),
)


@given(st.sampled_from(PATHS), junk)
def test_whatever_stands_at_a_key_the_answer_is_a_portfolio_or_its_problems(
    path: tuple[str | int, ...], value: object
) -> None:
    document: Any = copy.deepcopy(tomlkit.parse(PORTFOLIO).unwrap())
    at = document
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    assert all(line.startswith("core.toml:") for line in lines_for(tomlkit.dumps(document)))


@given(st.text(max_size=200))
def test_no_text_at_all_raises_anything_but_the_named_error(text: str) -> None:
    assert all(line.startswith("core.toml:") for line in lines_for(text))


def lines_for(text: str) -> tuple[str, ...]:
    try:
        read(text)
    except PortfolioFileError as error:
        return error.lines
    return ()
