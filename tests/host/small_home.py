"""A home of a few lines, to be made wrong in one place per test."""

from __future__ import annotations

from pathlib import Path

from host.home.home import Home

DEFAULTS = Path(__file__).parents[2] / "configs" / "default_bucket.toml"

PORTFOLIO = """\
base_currency = "USD"
as_of = 2024-01-05

[cash]
USD = { settled = 1000.0 }

[securities.AAA]
currency = "USD"
groups = { industry = "tools" }
target = 0.5
lots = [
  { date = 2023-06-01, quantity = 10, unit_cost = 90.0 },
]

[securities.BBB]
currency = "EUR"
target = 0.3
lots = [
  { date = 2024-01-03, quantity = 5, unit_cost = 40.0 },
]
"""
PRICES = """\
# closes
date,AAA,BBB
2024-01-02,100.0,50.0
2024-01-03,101.0,50.5
2024-01-04,102.0,51.0
2024-01-05,103.0,51.5
"""
FX = """\
date,EUR
2024-01-02,1.10
2024-01-03,1.11
2024-01-04,1.12
2024-01-05,1.13
"""
LEDGER = """\
date,security,side,quantity,price,fx_rate
2023-06-01,AAA,buy,10,90.0,
2024-01-03,BBB,buy,5,40.0,1.11
"""


def small_home(
    root: Path,
    *,
    portfolio: str = PORTFOLIO,
    prices: str = PRICES,
    fx: str | None = FX,
    ledger: str | None = LEDGER,
    actions: str | None = None,
) -> Home:
    """Write a home with the bucket `core`; None leaves a file out."""
    home = Home(root)
    files = {
        home.portfolio_file("core"): portfolio,
        home.prices_file: prices,
        home.fx_file: fx,
        home.ledger_file("core"): ledger,
        home.corporate_actions_file: actions,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text, encoding="utf-8")
    return home


def with_configuration(home: Home) -> Home:
    """Give the bucket `core` the shipped defaults, so that it can be planned."""
    home.buckets_dir.mkdir(exist_ok=True)
    home.bucket_file("core").write_text(DEFAULTS.read_text("utf-8"), encoding="utf-8")
    return home
