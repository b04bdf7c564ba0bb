"""All cross-checks of one bucket, in one call."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from host.errors import StorageError
from host.home.plan_store import PlanRecord, PlanStore
from host.home.portfolio.bond_quotes import held_quotes
from host.home.portfolio.contradictions.contradiction import (
    Contradiction,
    held_back,
    hold_reason,
    value_factors,
)
from host.home.portfolio.contradictions.ledger import (
    Holdings,
    LedgerLines,
    StoredUnits,
    check_ledger,
)
from host.home.portfolio.contradictions.lots import LotReferences, PlacedLot, review_lots
from host.home.portfolio.contradictions.minor_units import check_minor_units
from host.home.portfolio.contradictions.paid_prices import (
    check_columns,
    check_fill_prices,
    paid_prices,
)
from host.home.portfolio.contradictions.rates import OwnRate, check_rates
from host.home.portfolio.contradictions.splits import check_split_closes, check_split_names
from host.home.portfolio.contradictions.targets import WrittenCap, check_targets

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from host.home.home import Home
    from host.home.portfolio.ledger import Ledger
    from host.home.portfolio.market_data import DailyTable, Split, SplitWithoutJump
    from host.home.portfolio.portfolio_file import PortfolioFile
    from planner_core.model.arrays import FloatArray
    from planner_core.model.records import Finding, TaxLot, Trade


IN_PERCENT: Final = "it may be quoted in percent of par"


@dataclass(frozen=True, slots=True, eq=False)
class BucketFiles:
    """Everything that was read for a bucket.

    Parameters
    ----------
    portfolio : PortfolioFile
    prices : DailyTable
    closes : ndarray of shape (n_days, n_securities), trade currency
        In the order of the portfolio; splits applied.
    rates : DailyTable, optional
        Base units per unit.
    splits : sequence of Split
    splits_source : str
        Their file.
    without_jump : sequence of SplitWithoutJump
        Splits that the closes contradict; not applied to them.
    lots : sequence of PlacedLot
    ledger : Ledger
    written_cap : WrittenCap, optional
    stored_plans : StoredUnits
        What stored plans say was held.
    """

    portfolio: PortfolioFile
    prices: DailyTable
    closes: FloatArray
    rates: DailyTable | None
    splits: Sequence[Split]
    splits_source: str
    without_jump: Sequence[SplitWithoutJump]
    lots: Sequence[PlacedLot]
    ledger: Ledger
    written_cap: WrittenCap | None
    stored_plans: StoredUnits


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The result, as a planning context takes it."""

    lots: tuple[TaxLot, ...]
    held_back: Mapping[str, str]
    value_factors: Mapping[str, tuple[float, float]]
    hold_reason: str
    findings: tuple[Finding, ...]


def cross_check(files: BucketFiles) -> CrossCheck:
    """Compare the files of a bucket with each other."""
    portfolio = files.portfolio
    tables = portfolio.tables
    securities = tables.securities
    source = portfolio.document.source
    dates = files.prices.dates
    closes = {security: files.closes[:, column] for column, security in enumerate(securities)}
    contradictions: list[Contradiction] = [
        *check_targets(portfolio, files.written_cap),
        *check_rates(
            files.rates,
            tables.base_currency,
            _own_rates(files),
            tables.market.direction_of,
            source,
        ),
        *(
            # In percent of par a unit is worth a hundredth.
            Contradiction(finding, (str(finding.security),), IN_PERCENT, value_factors=(0.01, 1.0))
            for finding in held_quotes(portfolio, files.closes)
        ),
        *check_split_names(files.splits, files.splits_source, _columns(files.prices), securities),
        *check_split_closes(files.without_jump, files.splits_source, files.lots, closes, dates),
    ]
    references = LotReferences(
        dates=dates,
        closes=closes,
        kind=tables.market.closes or files.prices.closes,
        splits=files.splits,
        rates=files.rates,
        currencies={security: table.currency for security, table in securities.items()},
        as_of=portfolio.as_of,
    )
    paid = paid_prices(
        files.lots,
        files.ledger.trades,
        files.ledger.places,
        {security: table.price_divisor for security, table in securities.items()},
        references,
    )
    contradictions += check_columns(
        paid, references, files.prices.source, held_back(contradictions)
    )
    review = review_lots(files.lots, references, held_back(contradictions))
    contradictions += review.contradictions
    contradictions += check_minor_units(portfolio, closes, files.rates, held_back(contradictions))
    contradictions += check_fill_prices(paid, references, held_back(contradictions))
    # What a split changes in the units of fills is not settled where it is in doubt.
    in_doubt = {entry.split.security for entry in files.without_jump}
    contradictions += _check_ledger(files, in_doubt)
    return CrossCheck(
        lots=review.lots,
        held_back=held_back(contradictions),
        value_factors=value_factors(contradictions),
        hold_reason=hold_reason(contradictions),
        findings=tuple(contradiction.finding for contradiction in contradictions),
    )


def _columns(prices: DailyTable) -> tuple[str, ...]:
    return (*prices.columns, *prices.other_columns)


def _own_rates(files: BucketFiles) -> list[OwnRate]:
    """Return the rates that the owner wrote beside lots and fills of foreign securities."""
    tables = files.portfolio.tables
    own = []
    for security, table in tables.securities.items():
        for index, lot in enumerate(table.lots):
            if lot.fx_rate is None or lot.date is None or table.currency == tables.base_currency:
                continue
            place = files.portfolio.place("securities", security, "lots", index, "fx_rate")
            own.append(OwnRate(table.currency, lot.date, lot.fx_rate, place))
    ledger = files.ledger
    for trade, place, is_own in zip(ledger.trades, ledger.places, ledger.own_rates, strict=True):
        traded = tables.securities.get(trade.security)
        if is_own and traded is not None and traded.currency != tables.base_currency:
            own.append(OwnRate(traded.currency, trade.on, trade.fx_rate, place))
    return own


def _check_ledger(files: BucketFiles, skipped: Collection[str]) -> list[Contradiction]:
    tables = files.portfolio.tables
    lots: dict[str, list[TaxLot]] = defaultdict(list)
    for entry in files.lots:
        lots[entry.lot.security].append(entry.lot)
    holdings = Holdings(
        lots={security: lots[security] for security in tables.securities},
        source=files.portfolio.document.source,
        as_of=files.portfolio.as_of,
        entered_until=tables.holdings_as_of,
    )
    lines = LedgerLines(files.ledger.trades, files.ledger.places)
    contradictions = check_ledger(lines, holdings, files.splits, files.stored_plans)
    return [entry for entry in contradictions if not set(entry.held) & set(skipped)]


# --- what stored plans say ------------------------------------------------------------------


def units_in_plans(home: Home, bucket_id: str) -> StoredUnits:
    """Return what the stored plans of a bucket say was held."""
    store = PlanStore(home)

    @functools.cache
    def newest() -> tuple[PlanRecord, ...]:
        return tuple(record for _, record in store.peek_newest_first(bucket_id) if record)

    def held_before(trade: Trade) -> float | None:
        """Return the units that a plan up to the day of a fill says were held."""
        try:
            older = store.peek_newest_first(bucket_id, trade.on)
            # A plan may be made for an earlier day than that of its file.
            for record in itertools.chain((record for _, record in older), newest()):
                day = None if record is None else record.get("as_of")
                if record is not None and isinstance(day, str) and day <= trade.on.isoformat():
                    return _units_before(record, trade.security)
        except StorageError:
            pass  # a plan reports that it cannot read them
        return None

    return StoredUnits(held_before, _first_of_many(store, bucket_id))


def _first_of_many(store: PlanStore, bucket_id: str) -> date | None:
    """Return the day of the oldest stored plan, where older ones were removed."""
    try:
        files = store.list(bucket_id)
    except StorageError:
        return None
    return files[-1].created_at.date() if len(files) >= store.plans_max else None


def _units_before(record: Mapping[str, Any], security: str) -> float | None:
    """Return the units of a security that a plan began with, when it trades that security."""
    steps = record.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, dict) or step.get("security") != security:
            continue
        keys = ("weight_before", "price", "fx_rate")
        numbers = [record.get("nav"), *(step.get(key) for key in keys)]
        if not all(isinstance(number, int | float) and number > 0 for number in numbers):
            return None
        nav, weight, price, rate = (float(number or 0.0) for number in numbers)
        # The weight is the units times price and rate, as a fraction of the NAV.
        return weight * nav / (price * rate)
    return None
