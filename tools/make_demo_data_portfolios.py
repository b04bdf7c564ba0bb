"""Write the demo's portfolios and trade ledgers: invented holdings at real historic closes.

python tools/make_demo_data_portfolios.py

Reads `configs/demo/market/`, so run `tools/make_demo_data.py` first. What it writes is committed.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "configs" / "demo"
AS_OF = "2022-12-28"
BASE = "USD"
FOREIGN = {"UNH": "EUR"}

INDUSTRY = {
    "technology": ("AAPL", "AMD", "MSFT"),
    "financials": ("BAC", "JPM"),
    "consumer": ("BBY", "HD", "WMT"),
    "staples": ("KO", "PEP", "PG"),
    "health_care": ("JNJ", "LLY", "MRK", "PFE", "UNH"),
    "energy": ("CVX", "RRC", "XOM"),
    "industrials": ("GE",),
}
NAMES = {
    "AAPL": "Apple",
    "AMD": "Advanced Micro Devices",
    "BAC": "Bank of America",
    "BBY": "Best Buy",
    "CVX": "Chevron",
    "GE": "General Electric",
    "HD": "Home Depot",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola",
    "LLY": "Eli Lilly",
    "MRK": "Merck & Co",
    "MSFT": "Microsoft",
    "PEP": "PepsiCo",
    "PFE": "Pfizer",
    "PG": "Procter & Gamble",
    "RRC": "Range Resources",
    "UNH": "UnitedHealth",
    "WMT": "Walmart",
    "XOM": "Exxon Mobil",
}


@dataclass(frozen=True)
class Holding:
    """One security of a bucket; a lot is (day, quantity) and costs the close of that day."""

    target: float | None
    quality: float | None
    lots: tuple[tuple[str, int], ...] = ()
    remark: str = ""
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bucket:
    """A demo portfolio.

    `sold` are past sells (day, security, quantity), `bought_once` the buys of what they sold.
    """

    title: str
    cash: str
    groups: tuple[str, ...]
    holdings: Mapping[str, Holding]
    cash_flows: tuple[str, ...] = ()
    bought_once: tuple[tuple[str, str, int], ...] = ()
    sold: tuple[tuple[str, str, int], ...] = ()


CORE = Bucket(
    title="The core: large, broad, patient.",
    cash="USD = { settled = 1180.40, unsettled = 1216.25 }  # unsettled: sold, not paid yet",
    groups=(
        "technology  = { target = 0.20, cap = 0.30 }",
        "financials  = { target = 0.07 }",
        "consumer    = { target = 0.14 }",
        "staples     = { target = 0.16 }",
        "health_care = { target = 0.27, cap = 0.40 }",
        "energy      = { target = 0.10, cap = 0.20 }  # held: near the cap",
        "industrials = { target = 0.03 }",
    ),
    cash_flows=(
        '{ date = 2022-11-01, amount = 2000.00, note = "monthly saving" },',
        '{ date = 2022-12-01, amount = 2000.00, note = "monthly saving" },',
        '{ date = 2023-01-17, amount = -3500.00, note = "a new boiler: raised in time" },',
    ),
    holdings={
        "AAPL": Holding(
            0.08,
            0.85,
            (("2016-08-16", 28), ("2019-06-05", 48)),
            "8 of them were sold on 2022-08-17: no further sell for 180 days",
        ),
        "AMD": Holding(0.02, 0.55, (("2022-02-15", 35),), "down by half: too deep to average down"),
        "BAC": Holding(None, 0.55, (), "sold on 2022-12-12; no target: no opinion"),
        "BBY": Holding(0.02, 0.60, (("2022-03-08", 26),)),
        "CVX": Holding(0.05, 0.65, (("2021-06-15", 45), ("2022-01-18", 25)), "a windfall"),
        "GE": Holding(0.03, 0.50, (("2022-06-22", 60), ("2022-07-20", 34)), "above its band"),
        "HD": Holding(
            0.07,
            0.80,
            (("2021-11-30", 18), ("2022-10-18", 8)),
            "the second lot is younger than 90 days and not sold yet",
        ),
        "JNJ": Holding(0.08, 0.85, (("2013-05-15", 50), ("2018-10-09", 24))),
        "JPM": Holding(
            0.07, 0.75, (("2021-10-20", 40), ("2022-05-18", 20)), "down, of good quality"
        ),
        "KO": Holding(0.04, 0.80, (), "wanted, not held yet"),
        "LLY": Holding(0.06, 0.80, (("2017-09-20", 30), ("2020-03-24", 18)), "a large windfall"),
        "MRK": Holding(0.05, 0.75, (("2021-09-14", 50), ("2022-02-25", 32))),
        "MSFT": Holding(0.10, 0.90, (("2021-08-02", 14), ("2022-04-12", 22)), "below its band"),
        "PEP": Holding(0.06, 0.80, (("2014-11-12", 40), ("2019-12-11", 20))),
        "PFE": Holding(0.03, 0.65, (("2020-10-20", 60), ("2022-11-15", 45)), "one young lot"),
        "PG": Holding(0.06, 0.80, (("2018-05-16", 45), ("2022-12-08", 15)), "just bought: cooling"),
        "RRC": Holding(None, 0.35, (), "watched only", ("allow_buy = false",)),
        "UNH": Holding(
            0.05, 0.80, (("2019-04-17", 10), ("2021-03-10", 6)), "quoted in EUR (synthetic)"
        ),
        "WMT": Holding(0.05, 0.75, (), "wanted, not held yet"),
        "XOM": Holding(0.05, 0.60, (("2020-11-04", 90), ("2021-08-20", 55)), "a large windfall"),
    },
    bought_once=(("2021-02-18", "BAC", 100), ("2019-06-05", "AAPL", 8)),
    sold=(("2022-08-17", "AAPL", 8), ("2022-12-12", "BAC", 100)),
)

SATELLITE_A = Bucket(
    title="A satellite: fewer names, larger bets, shorter memory.",
    cash="USD = { settled = 1850.00 }",
    groups=(
        "technology = { target = 0.30, cap = 0.50 }",
        "energy     = { target = 0.25, cap = 0.45 }",
        "financials = { target = 0.15 }",
        "consumer   = { target = 0.15 }",
        "industrials = { target = 0.10 }",
    ),
    holdings={
        "AAPL": Holding(0.15, 0.85, (("2021-12-10", 24),)),
        "AMD": Holding(0.15, 0.70, (("2020-03-20", 20), ("2022-07-01", 20))),
        "BAC": Holding(0.15, 0.60, (("2022-01-12", 80),), "down, yet not falling any more"),
        "BBY": Holding(0.15, 0.65, (("2022-06-15", 50),)),
        "GE": Holding(0.10, 0.50, (("2020-10-28", 40), ("2022-09-30", 20))),
        "RRC": Holding(0.10, 0.40, (("2020-12-15", 180),), "a very large windfall"),
        "XOM": Holding(0.15, 0.60, (("2021-03-02", 30),)),
        "LLY": Holding(None, 0.80, (), "watched"),
    },
)

HEAD = """\
#:schema ../schema/portfolio.json
# {title}
# Demo data: invented holdings at real historic (adjusted) closes, see ../PROVENANCE.md.
# Every quality score is SYNTHETIC.
#
# One [securities.ID] per security; ID is its column in ../market/prices.csv.
#   currency    what its price is quoted in (ISO 4217); a currency needs a column in market/fx.csv
#   price_unit  only if the price is in a minor unit: "GBX" (pence), "ILA" (agorot), "ZAC" (cents)
#   target      wanted weight, fraction of the bucket's value; none: no opinion; 0: should go
#   cap         upper bound of its weight, below the one in ../buckets/{bucket}.toml
#   quality     your judgement of the business, 0 to 1
#   lots        what you own, per purchase, in today's units: date, quantity, unit_cost (in the
#               price's unit), fx_rate (base units per 1 unit of the currency on that day)
# All keys: README.txt of this home. Buys and sells stand in {bucket}.trades.csv.
"""


class Closes:
    """The demo's prices and rates, by day."""

    def __init__(self) -> None:
        self._prices = self._read("prices")
        self._rates = self._read("fx")

    @staticmethod
    def _read(name: str) -> dict[str, dict[str, str]]:
        text = gzip.decompress((DEMO / "market" / f"{name}.csv.gz").read_bytes()).decode()
        lines = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
        return {row[0]: dict(zip(lines[0][1:], row[1:], strict=True)) for row in lines[1:]}

    def price(self, day: str, security: str) -> str:
        """The close, as short as it can be written."""
        decimals = 4 if security in FOREIGN else 3
        return f"{float(self._prices[day][security]):.{decimals}f}".rstrip("0").rstrip(".")

    def rate(self, day: str, security: str) -> str:
        """The rate of the security's currency, empty for the base currency."""
        currency = FOREIGN.get(security)
        return self._rates[day][currency] if currency else ""


def portfolio_lines(name: str, bucket: Bucket, closes: Closes) -> Iterator[str]:
    """The portfolio as TOML, line by line."""
    yield HEAD.format(title=bucket.title, bucket=name)
    yield f'base_currency = "{BASE}"'
    yield f"as_of = {AS_OF}        # delete this line to plan as of today"
    if bucket.cash_flows:
        yield "\n# Money paid in (past) and to be paid out (negative, due), in the base currency."
        yield from ("cash_flows = [", *(f"  {flow}" for flow in bucket.cash_flows), "]")
    yield f"\n[cash]\n{bucket.cash}"
    yield "\n# Targets and caps of groups; a cap is a hard limit, a target a wish."
    yield "[groups.industry]"
    yield from bucket.groups
    industry = {security: group for group, members in INDUSTRY.items() for security in members}
    for security, holding in bucket.holdings.items():
        remark = f"  # {holding.remark}" if holding.remark else ""
        yield f"\n[securities.{security}]{remark}"
        yield f'name = "{NAMES[security]}"'
        yield f'currency = "{FOREIGN.get(security, BASE)}"'
        yield f'groups = {{ industry = "{industry[security]}" }}'
        if holding.target is not None:
            yield f"target = {holding.target:.2f}"
        if holding.quality is not None:
            yield f"quality = {holding.quality:.2f}"
        yield from holding.settings
        if holding.lots:
            yield "lots = ["
            for day, quantity in holding.lots:
                rate = closes.rate(day, security)
                fx = f", fx_rate = {rate}" if rate else ""
                cost = closes.price(day, security)
                yield f"  {{ date = {day}, quantity = {quantity}, unit_cost = {cost}{fx} }},"
            yield "]"


def ledger_lines(name: str, bucket: Bucket, closes: Closes) -> Iterator[str]:
    """The trades that led to the portfolio, oldest first."""
    yield f"# Every buy and sell of the bucket {name}; demo data, invented. Cool-downs and turnover"
    yield "# are counted from here, so without this file nothing is planned. Add a line per fill."
    yield "# price: per unit, as in ../market/prices.csv; fx_rate: base units per 1 unit of the"
    yield "# security's currency on that day, empty for the base currency."
    yield "date,security,side,quantity,price,fx_rate"
    trades: Counter[tuple[str, str, str]] = Counter()
    for security, holding in bucket.holdings.items():
        for day, quantity in holding.lots:
            trades[day, security, "buy"] += quantity
    for day, security, quantity in bucket.bought_once:
        trades[day, security, "buy"] += quantity
    for day, security, quantity in bucket.sold:
        trades[day, security, "sell"] += quantity
    for (day, security, side), quantity in sorted(trades.items()):
        price, rate = closes.price(day, security), closes.rate(day, security)
        yield f"{day},{security},{side},{quantity},{price},{rate}"


def main() -> int:
    """Write `configs/demo/portfolios/`."""
    closes = Closes()
    folder = DEMO / "portfolios"
    folder.mkdir(parents=True, exist_ok=True)
    for name, bucket in {"core": CORE, "satellite_a": SATELLITE_A}.items():
        for suffix, lines in (
            (".toml", portfolio_lines(name, bucket, closes)),
            (".trades.csv", ledger_lines(name, bucket, closes)),
        ):
            path = folder / f"{name}{suffix}"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
