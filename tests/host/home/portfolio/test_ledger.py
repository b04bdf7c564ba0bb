"""The ledger fails closed: every wrong line is reported, and the plan is held."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.home.portfolio.ledger import Ledger, read_ledger
from planner_core.model.records import LedgerStatus, Side

AS_OF = date(2024, 1, 31)
HEADER = "date,security,side,quantity,price,fx_rate\n"


def rate_of_base_currency(security: str, _day: date) -> float | None:
    return 1.0 if security == "A" else None


def ledger_of(tmp_path: Path, text: str | bytes, as_of: date = AS_OF) -> Ledger:
    path = tmp_path / "core.trades.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_ledger(path, as_of, {"P": 100.0}, rate_of_base_currency)


def messages_of(ledger: Ledger) -> list[str]:
    assert ledger.status is LedgerStatus.INVALID
    assert ledger.trades == ()
    assert {finding.id for finding in ledger.findings} == {"ledger_invalid"}
    return [finding.message.split("core.trades.csv")[1] for finding in ledger.findings]


def test_trades_come_oldest_first_whatever_the_order_of_the_lines(tmp_path: Path) -> None:
    ledger = ledger_of(
        tmp_path,
        HEADER + "2024-01-05,A,sell,2,11,\n2024-01-02,A,BUY,5,10,\n2023-12-01,B,buy,1,7,1.1\n",
    )
    assert ledger.status is LedgerStatus.VALID
    assert [(t.on, t.security, t.side, t.quantity, t.price, t.fx_rate) for t in ledger.trades] == [
        (date(2023, 12, 1), "B", Side.BUY, 1, 7, 1.1),
        (date(2024, 1, 2), "A", Side.BUY, 5, 10, 1.0),
        (date(2024, 1, 5), "A", Side.SELL, 2, 11, 1.0),
    ]


def test_an_id_in_any_case_is_the_security_of_the_portfolio(tmp_path: Path) -> None:
    lines = "2024-01-02,P,buy,5,412.5,1.27\n2024-01-03,p,buy,1,412.5,1.27\n"
    trades = ledger_of(tmp_path, HEADER + lines).trades
    assert [(trade.security, trade.price) for trade in trades] == [("P", 4.125), ("P", 4.125)]


def test_a_header_alone_means_no_trades(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, HEADER)
    assert (ledger.status, ledger.trades, ledger.findings) == (LedgerStatus.VALID, (), ())


def test_the_column_of_rates_may_be_left_out(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, "date,security,side,quantity,price\n2024-01-02,A,buy,5,10\n")
    assert ledger.trades[0].fx_rate == 1.0


def test_prices_in_pence_become_pounds(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, HEADER + "2024-01-02,P,buy,5,412.5,1.27\n")
    assert ledger.trades[0].price == 4.125
    assert ledger.trades[0].value == pytest.approx(5 * 4.125 * 1.27)


def test_trades_after_as_of_are_left_out_with_a_finding(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, HEADER + "2024-01-02,A,buy,5,10,\n", as_of=date(2024, 1, 1))
    assert ledger.status is LedgerStatus.VALID
    assert ledger.trades == ()
    assert ledger.findings[0].id == "ledger_rows_after_as_of"


def test_a_missing_ledger_is_missing_rather_than_empty(tmp_path: Path) -> None:
    ledger = read_ledger(tmp_path / "core.trades.csv", AS_OF, {}, rate_of_base_currency)
    assert ledger.status is LedgerStatus.MISSING
    assert ledger.findings[0].id == "ledger_missing"
    assert "core.trades.csv: the trade ledger is missing" in ledger.findings[0].message


def test_every_wrong_cell_is_named(tmp_path: Path) -> None:
    text = HEADER + "2024-13-02,A,buy,5,10,\n2024-01-02,A B,hold,0,-3,x\n2024-01-03,A,buy,nan,1,\n"
    assert messages_of(ledger_of(tmp_path, text)) == [
        ":2:1: '2024-13-02' is not a date (write YYYY-MM-DD)",
        ":3:12: 'A B' is not a security id",
        ":3:16: 'hold' is neither buy nor sell",
        ":3:21: quantity: '0' is not a number above 0 and up to 1e+12",
        ":3:23: price: '-3' is not a number above 0 and up to 1e+12",
        ":3:26: fx_rate: 'x' is not a number above 0 and up to 1e+12",
        ":4:18: quantity: 'nan' is not a number above 0 and up to 1e+12",
    ]


def test_a_foreign_trade_without_a_known_rate_is_never_taken_as_one_to_one(tmp_path: Path) -> None:
    (line,) = messages_of(ledger_of(tmp_path, HEADER + "2024-01-02,B,buy,5,10,\n"))
    assert line == (":2:23: no exchange rate for B on 2024-01-02 (write it into fx_rate)")


@pytest.mark.parametrize(
    "text",
    [
        "Date,Security,Side,Quantity,Price\n01/02/2024,a,Bought,1500,10.5\n01/15/2024,a,S,2,11\n",
        "date;security;side;quantity;price\n02.01.2024;A;Kauf;1.500;10,5\n15.01.2024;A;sell;2;11\n",
        'date,security,side,quantity,price\n2024-01-02,a,b,"1,500",10.5\n20240115,a,SELL,2,11\n',
    ],
)
def test_a_ledger_is_read_as_brokers_and_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "core.trades.csv"
    path.write_text(text)
    ledger = read_ledger(path, AS_OF, {"A": 1.0}, rate_of_base_currency)
    assert [(t.on, t.security, t.side, t.quantity, t.price) for t in ledger.trades] == [
        (date(2024, 1, 2), "A", Side.BUY, 1500, 10.5),
        (date(2024, 1, 15), "A", Side.SELL, 2, 11),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("01/02/2024,A,buy,5,10,", ":2:1: '01/02/2024' can be 2024-02-01 or 2024-01-02, and no"),
        ("2024-01-02,A,buy,5,$10,", ":2:20: price: '$10' is not a number above 0 and up to 1e"),
        ('2024-01-02,A,buy,"1,500",10,', ":2:18: '1,500' has two meanings: write 1500 or 1.5 (in"),
    ],
)
def test_a_cell_with_two_meanings_has_both_in_its_message(
    tmp_path: Path, row: str, message: str
) -> None:
    assert messages_of(ledger_of(tmp_path, f"{HEADER}{row}\n"))[0].startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", ":1:1: the file is empty"),
        (b"\xff\xfe", ":1:1: byte 0 (0xff) is not UTF-8"),
        (HEADER + "2024-01-02,A,bu", ":2:14: 3 cells where the header has 6 (the file ends here"),
        ("date,security,side,amount,price\n", ":1:20: unknown column 'amount'"),
        ("date,security,side,side,price\n", ":1:20: the column 'side' is there twice"),
    ],
)
def test_a_damaged_ledger_is_invalid(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert messages_of(ledger_of(tmp_path, text))[0].startswith(message)


cells = st.one_of(
    st.sampled_from(["2024-01-02", "A", "buy", "sell", "1", "0", "", "nan", "1e400", "x"]),
    st.text(max_size=6),
)


@given(st.lists(st.lists(cells, min_size=5, max_size=7).map(",".join), max_size=5))
def test_any_lines_give_valid_trades_or_none(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    text = HEADER + "".join(f"{line}\n" for line in lines)
    folder = tmp_path_factory.mktemp("fuzz")
    ledger = ledger_of(folder, text.encode("utf-8", "surrogatepass"))
    if ledger.status is LedgerStatus.INVALID:
        assert ledger.findings
        assert not ledger.trades
    for trade in ledger.trades:
        assert trade.quantity > 0
        assert trade.price > 0
        assert trade.fx_rate > 0
