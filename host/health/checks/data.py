"""Whether a plan can be made from the portfolio, the ledger and the market data as they are.

The same code as a plan's reads and judges them, up to where the search would begin. What it finds
keeps the id that it has in a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from host.health.checks.config import first_line
from host.health.finding import Blocks, HealthFinding, Level
from host.home.config.active import load_active
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import (
    ConfigFileError,
    LedgerError,
    MarketDataError,
    PortfolioFileError,
)
from planner_core.errors import ContextError
from planner_core.market.hold_reasons import why_hold, why_not_today
from planner_core.market.state import assess, value
from planner_core.pipeline.report_stage import data_findings

if TYPE_CHECKING:
    from host.health.probe import Findings, Look
    from planner_core.model.context import PlanningContext
    from planner_core.model.records import Finding


def check_data(look: Look, bucket_id: str) -> Findings:
    """Find why a plan would be held, and what is doubtful."""
    try:
        config = load_active(look.home, bucket_id).config
    except ConfigFileError:
        return  # the configuration is the trouble, and is told of
    try:
        context = take_snapshot(
            look.home,
            bucket_id,
            history_days=config.estimation.history_days,
            now=lambda: look.now,
        )
    except (PortfolioFileError, MarketDataError, LedgerError) as error:
        yield look.found("data_unusable", first_line(error), bucket_id=bucket_id)
        return
    if context.n_days:
        look.bucket(bucket_id).prices_until = str(context.dates[-1])
    yield from _behind_ledger(look, bucket_id, context)
    doubts: Sequence[Finding] = context.findings
    obstacle: str | None
    try:
        history, portfolio = value(context, config)
        obstacle = why_hold(context, portfolio) or why_not_today(context, config, history)
        doubts = (*doubts, *history.findings)
        if obstacle is None:
            doubts = data_findings(assess(context, config, history, portfolio))
    except ContextError as error:
        obstacle = str(error)
    if obstacle is not None:
        yield look.found("data_unusable", obstacle, bucket_id=bucket_id)
    yield from _doubts(doubts, bucket_id)


def _doubts(findings: Sequence[Finding], bucket_id: str) -> Findings:
    """Yield what a plan would say of its data; what only informs is the plan's to say."""
    for found in findings:
        if found.severity.value == Level.INFO.value:
            continue
        yield HealthFinding(
            id=found.id,
            severity=Level(found.severity.value),
            what=found.message,
            action=found.action or "Nothing; the plan takes it into account.",
            blocks=Blocks.NOTHING,
            bucket_id=bucket_id,
            subject=found.security or "",
        )


def _behind_ledger(look: Look, bucket_id: str, context: PlanningContext) -> Findings:
    """Find a fill from after the portfolio was edited last."""
    edited = look.home.portfolio_file(bucket_id).stat().st_mtime
    edited_on = datetime.fromtimestamp(edited, UTC).date()
    fills = [trade.on for trade in context.trades]
    last = max(fills, default=date.min)
    if last > edited_on:
        what = f"the last fill is of {last}, the portfolio of {edited_on}"
        yield look.found("portfolio_behind_ledger", what, bucket_id=bucket_id)
