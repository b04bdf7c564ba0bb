"""Everything that is wrong with the files of a bucket, as a plan would say it.

`trader config check` and `trader health` use this. It runs the code of a plan up to where the
search would begin, and writes nothing. A plan stops at the first file that cannot be used; here the
others are read as well, so that all problems are in one report.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.clock import utc_now
from host.home.config.currency_defaults import in_base_currency
from host.home.config.written_cap import find_written_cap
from host.home.portfolio.contradictions.targets import check_targets
from host.home.portfolio.ledger import read_ledger
from host.home.portfolio.market_data import read_prices, read_rates, read_splits
from host.home.portfolio.portfolio_file import PortfolioFile, read_portfolio
from host.home.portfolio.snapshot import currencies_in_use, take_snapshot
from host.home.storage.problems import (
    FileProblem,
    FileRefusedError,
    LedgerError,
    MarketDataError,
    PortfolioFileError,
)
from planner_core.errors import ContextError
from planner_core.market.state import assess, find_day_reason, find_hold_reason, value
from planner_core.model.records import Finding, Severity
from planner_core.pipeline.report_stage import data_findings

if TYPE_CHECKING:
    from host.home.config.load import LoadedConfig
    from host.home.home import Home
    from planner_core.model.config import PlannerConfig
    from planner_core.model.context import PlanningContext


@dataclass(frozen=True, slots=True)
class InputReview:
    """The result of a review.

    Parameters
    ----------
    context : PlanningContext, optional
        None when the files cannot be used.
    problems : tuple of FileProblem
        Of files that cannot be used, with their places.
    obstacle : str, optional
        Why no plan can be made from the context; None: it can.
    findings : tuple of Finding
        What a plan would report about its data.
    """

    context: PlanningContext | None
    problems: tuple[FileProblem, ...]
    obstacle: str | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that stop the plan, or hold a security."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)


def review_inputs(
    home: Home,
    bucket_id: str,
    loaded: LoadedConfig,
    now: Callable[[], datetime.datetime] = utc_now,
) -> InputReview:
    """Review portfolio, ledger and market data of a bucket.

    Raises
    ------
    HomeError
        There is no such bucket.
    """
    config = loaded.config
    try:
        context = take_snapshot(
            home,
            bucket_id,
            history_days=config.estimation.history_days,
            now=now,
            written_cap=find_written_cap(loaded),
        )
    except (PortfolioFileError, MarketDataError, LedgerError) as error:
        problems, findings = _all_problems(home, bucket_id, loaded, now, error)
        return InputReview(None, problems, None, findings)
    except ContextError as error:
        return InputReview(None, (), str(error), ())
    return _review_context(context, in_base_currency(config, context.base_currency))


def _review_context(context: PlanningContext, config: PlannerConfig) -> InputReview:
    findings: Sequence[Finding] = context.findings
    try:
        history, portfolio = value(context, config)
        obstacle = find_hold_reason(context, portfolio) or find_day_reason(context, config, history)
        findings = (*findings, *history.findings)
        if obstacle is None:
            findings = data_findings(assess(context, config, history, portfolio))
    except ContextError as error:
        obstacle = str(error)
    return InputReview(context, (), obstacle, tuple(findings))


def _all_problems(
    home: Home,
    bucket_id: str,
    loaded: LoadedConfig,
    now: Callable[[], datetime.datetime],
    first: FileRefusedError,
) -> tuple[tuple[FileProblem, ...], tuple[Finding, ...]]:
    """Return the problems of every file, and what can be said without those that failed."""
    problems: list[FileProblem] = []

    def attempt(read: Callable[[], object]) -> object:
        try:
            return read()
        except FileRefusedError as error:
            problems.extend(error.problems)
            return None

    portfolio = attempt(lambda: read_portfolio(home.portfolio_file(bucket_id), None, now))
    as_of, findings = now().date(), []
    securities: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    if isinstance(portfolio, PortfolioFile):
        as_of, securities = portfolio.as_of, tuple(portfolio.tables.securities)
        currencies = (*currencies_in_use(portfolio), portfolio.tables.base_currency)
        cap = find_written_cap(loaded)
        findings += [contradiction.finding for contradiction in check_targets(portfolio, cap)]
    attempt(lambda: read_prices(home.prices_file, securities, as_of))
    if len(currencies) > 1:
        attempt(lambda: read_rates(home.fx_file, currencies, as_of))
    attempt(lambda: read_splits(home.corporate_actions_file, as_of))
    ledger = read_ledger(home.ledger_file(bucket_id), as_of, {}, lambda _security, _day: 1.0)
    findings += [finding for finding in ledger.findings if finding.severity is Severity.ERROR]
    # The first one may lie between two files: each of them alone is in order.
    missing = [problem for problem in first.problems if problem not in problems]
    return (*missing, *problems), tuple(findings)
