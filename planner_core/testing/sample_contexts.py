"""Contexts that every module must handle: an ordinary one and many unusual ones.

All are small, invented and the same on every machine. Every default is round: securities worth
100 EUR each on the last day, 100 units of each bought long ago at 80, and 10,000 EUR.
"""

# ruff: noqa: ANN401 - overrides are fields of any type

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

import numpy as np

from planner_core.model.arrays import DateArray, FloatArray
from planner_core.model.context import PlanningContext
from planner_core.model.records import (
    CashBalance,
    CashFlow,
    GroupRule,
    PendingOrder,
    Security,
    Side,
    TaxLot,
    Trade,
)

AS_OF: Final = date(2024, 6, 28)
"""A Friday."""
LONG_AGO: Final = date(2022, 1, 3)
"""Old enough for every rule about the age of lots."""
MANY: Final = 60
"""Securities: as many as a large private portfolio."""
MANY_DAYS: Final = 800
"""Over three years, so that every estimate has its full history."""


def weekdays(n_days: int, last: date = AS_OF) -> DateArray:
    """Return the `n_days` weekdays up to and including `last`, oldest first."""
    end = np.busday_offset(np.datetime64(last, "D"), 0, roll="backward")
    days: DateArray = np.busday_offset(end, np.arange(1 - n_days, 1))
    return days


def days_ago(days: int) -> date:
    """Return a calendar day before AS_OF."""
    return AS_OF - timedelta(days=days)


def price_paths(
    n_days: int,
    last_prices: Sequence[float],
    *,
    seed: int = 1,
    drift: float = 0.0003,
    volatility: float = 0.01,
    common: float = 0.3,
) -> FloatArray:
    """Return random walks that end exactly at `last_prices`; shape (n_days, n_securities).

    `common` is the share of each return's variance that all of them have in common.
    """
    generator = np.random.default_rng(seed)
    own = generator.standard_normal((n_days, len(last_prices)))
    shared = generator.standard_normal((n_days, 1))
    returns = drift + volatility * (np.sqrt(common) * shared + np.sqrt(1 - common) * own)
    logs = np.cumsum(returns, axis=0)
    paths: FloatArray = np.asarray(last_prices, dtype=np.float64) * np.exp(logs - logs[-1])
    return paths


def make_security(name: str = "AAA", **overrides: Any) -> Security:
    """Make a security in EUR, whole units, nothing else said about it."""
    return Security(**{"id": name, "name": name, "currency": "EUR", **overrides})


def make_securities(n: int, **overrides: Any) -> tuple[Security, ...]:
    """Make securities AAA, BBB ... (S026 and so on after the alphabet), all alike."""
    letters = string.ascii_uppercase
    names = [letters[i] * 3 if i < len(letters) else f"S{i:03d}" for i in range(n)]
    return tuple(make_security(name, **overrides) for name in names)


def make_lot(security: str = "AAA", quantity: float = 100.0, **overrides: Any) -> TaxLot:
    """Make a lot that was bought long ago at 80."""
    return TaxLot(
        **{
            "security": security,
            "quantity": quantity,
            "unit_cost": 80.0,
            "acquired": LONG_AGO,
            **overrides,
        }
    )


def make_context(
    *,
    n_securities: int = 4,
    n_days: int = 400,
    last_prices: Sequence[float] | None = None,
    seed: int = 1,
    cash: float | tuple[CashBalance, ...] = 10_000.0,
    **overrides: Any,
) -> PlanningContext:
    """Make a context; `overrides` are its own fields.

    Without `lots`, 100 units of every security are held since LONG_AGO. `cash` may be an amount in
    EUR. Prices are seeded random walks ending at `last_prices` (100 each).
    """
    securities: tuple[Security, ...] = overrides.pop("securities", make_securities(n_securities))
    if last_prices is None:
        last_prices = [100.0] * len(securities)
    as_of: date = overrides.pop("as_of", AS_OF)
    prices = overrides.pop("prices", None)
    if prices is None:
        prices = price_paths(n_days, last_prices, seed=seed)
    fields: dict[str, Any] = {
        "bucket_id": "core",
        "as_of": as_of,
        "base_currency": "EUR",
        "securities": securities,
        "dates": weekdays(len(prices), as_of),
        "prices": np.array(prices, dtype=np.float64),
        "lots": tuple(make_lot(security.id) for security in securities),
        "cash": (CashBalance("EUR", cash),) if isinstance(cash, int | float) else cash,
    }
    return PlanningContext(**{**fields, **overrides})


def constant_rate(rate: float, n_days: int = 400) -> FloatArray:
    """Return an fx series that never moves."""
    return np.full(n_days, rate)


def rich_securities() -> tuple[Security, ...]:
    """Make eight securities in two industries: targets, quality scores, one foreign currency."""
    rows: list[tuple[str, float | None, float | None]] = [
        ("AAA", 0.05, 0.9),
        ("BBB", 0.20, 0.8),
        ("CCC", 0.10, 0.7),
        ("DDD", 0.25, 0.5),
        ("EEE", 0.10, None),
        ("FFF", None, 0.95),
        ("GGG", 0.15, 0.75),
        ("HHH", 0.0, 0.3),
    ]
    return tuple(
        make_security(
            name,
            target=target,
            quality=quality,
            currency="USD" if name == "GGG" else "EUR",
            groups={"industry": "energy" if place % 2 else "health"},
        )
        for place, (name, target, quality) in enumerate(rows)
    )


def rich_context(**overrides: Any) -> PlanningContext:
    """Make a context with gains, losses, drift, groups, and cash below the reserve."""
    lots = (
        make_lot("AAA", 120, unit_cost=40.0),
        make_lot("BBB", 90, unit_cost=115.0),
        make_lot("CCC", 60, unit_cost=112.0),
        make_lot("CCC", 30, unit_cost=90.0, acquired=days_ago(200)),
        make_lot("DDD", 20, unit_cost=100.0),
        make_lot("EEE", 110, unit_cost=60.0, acquired=None),
        make_lot("GGG", 40, unit_cost=100.0, fx_rate=0.9),
        make_lot("HHH", 70, unit_cost=130.0),
    )
    fields: dict[str, Any] = {
        "securities": rich_securities(),
        "lots": lots,
        "cash": 50.0,
        "fx_rates": {"USD": constant_rate(0.9)},
        "group_rules": (
            GroupRule("industry", "energy", target=0.30, cap=0.45),
            GroupRule("industry", "health", target=0.60),
        ),
        "trades": (Trade(days_ago(10), "FFF", Side.SELL, 5, 100.0),),
        "cash_flows": (CashFlow(days_ago(5), 1_000.0),),
    }
    return make_context(**{**fields, **overrides})


@cache
def sample_contexts() -> Mapping[str, PlanningContext]:
    """Return every context by its name."""
    four = make_securities(4)
    quiet = price_paths(400, [100.0] * 4)
    jumped = quiet.copy()
    jumped[-3:, 0] *= 0.5
    unknown = quiet.copy()
    unknown[:, 1] = np.nan
    stale = quiet.copy()
    stale[-30:, 2] = np.nan
    return {
        "rich": rich_context(),
        "rich with cash": rich_context(cash=9_000.0),
        "plain": make_context(),
        "all cash": make_context(lots=()),
        "all cash and targets": make_context(
            securities=make_securities(4, target=0.25, quality=0.9), lots=()
        ),
        "no cash": make_context(cash=0.0),
        "negative cash": make_context(cash=-3_000.0),
        "everything should go": make_context(securities=make_securities(4, target=0.0)),
        "one security": make_context(n_securities=1),
        "one security, not held": make_context(n_securities=1, lots=()),
        "never touch": make_context(
            securities=make_securities(4, target=0.1, allow_buy=False, allow_sell=False)
        ),
        "dates unknown": make_context(lots=tuple(make_lot(s.id, acquired=None) for s in four)),
        "too little history": make_context(n_days=100),
        "two days": make_context(n_days=2),
        "one day": make_context(n_days=1),
        "no cost basis": make_context(lots=tuple(make_lot(s.id, unit_cost=0.0) for s in four)),
        "a halved price": make_context(prices=jumped),
        "no price, not held": make_context(prices=unknown, lots=(make_lot("AAA"), make_lot("CCC"))),
        "a stale price": make_context(prices=stale),
        "all orders pending": make_context(
            pending_orders=tuple(PendingOrder(s.id, Side.BUY, 1.0) for s in four)
        ),
        "tiny": make_context(
            lots=(make_lot("AAA", 0.001),),
            cash=1.0,
            securities=make_securities(4, fractional=True, target=0.2, quality=1.0),
        ),
        "huge": make_context(lots=(make_lot("AAA", 1e9),), cash=1e12),
        "foreign cash only": make_context(
            lots=(), cash=(CashBalance("USD", 5_000.0),), fx_rates={"USD": constant_rate(0.9)}
        ),
        "three currencies": _three_currencies(),
        "many securities": _many_securities(),
    }


def _three_currencies() -> PlanningContext:
    """Make holdings and cash in EUR, USD and JPY; the yen is worth less than a cent."""
    currencies = ("EUR", "USD", "JPY", "USD", "EUR")
    prices = price_paths(400, [100.0, 100.0, 12_000.0, 50.0, 20.0], seed=3)
    rates = price_paths(400, [0.9, 0.006], seed=4, volatility=0.004)
    names = [security.id for security in make_securities(len(currencies))]
    return make_context(
        securities=tuple(
            make_security(name, currency=currency, quality=0.8, target=0.2 if name < "D" else None)
            for name, currency in zip(names, currencies, strict=True)
        ),
        prices=prices,
        fx_rates={"USD": rates[:, 0], "JPY": rates[:, 1]},
        cash=(
            CashBalance("EUR", 4_000.0),
            CashBalance("USD", 2_000.0),
            CashBalance("JPY", 300_000.0),
        ),
    )


def _many_securities() -> PlanningContext:
    """Make MANY securities with quality scores, of which every second is held, bought at 80."""
    quality = np.linspace(0.2, 1.0, MANY)
    securities = tuple(
        make_security(
            plain.id, quality=float(quality[column]), groups={"industry": f"g{column % 6}"}
        )
        for column, plain in enumerate(make_securities(MANY))
    )
    lots = tuple(make_lot(security.id) for security in securities[::2])
    return make_context(securities=securities, lots=lots, n_days=MANY_DAYS, cash=40_000.0, seed=5)
