"""Check that a plan can be made from the portfolio, the ledger and the market data.

This runs the code of a plan up to where the search would begin. Findings keep the ids that they
have in a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from host.health.checks.config import first_line
from host.health.finding import Blocks, HealthFinding, Level
from host.home.config.load import load_active
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.problems import (
    ConfigFileError,
    LedgerError,
    MarketDataError,
    PortfolioFileError,
)
from planner_core.errors import ContextError
from planner_core.market.state import assess, find_day_reason, find_hold_reason, value
from planner_core.pipeline.report_stage import data_findings

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe
    from planner_core.model.context import PlanningContext
    from planner_core.model.records import Finding


def check_data(probe: HealthProbe, bucket_id: str) -> Findings:
    """Find why a plan would be held, and which data are doubtful."""
    try:
        config = load_active(probe.home, bucket_id).config
    except ConfigFileError:
        return  # the check of the configuration reports it
    try:
        context = take_snapshot(
            probe.home,
            bucket_id,
            history_days=config.estimation.history_days,
            now=lambda: probe.now,
        )
    except (PortfolioFileError, MarketDataError, LedgerError) as error:
        yield probe.finding("data_unusable", first_line(error), bucket_id=bucket_id)
        return
    if context.n_days:
        probe.bucket(bucket_id).prices_until = str(context.dates[-1])
    yield from _behind_ledger(probe, bucket_id, context)
    findings: Sequence[Finding] = context.findings
    obstacle: str | None
    try:
        history, portfolio = value(context, config)
        obstacle = find_hold_reason(context, portfolio) or find_day_reason(context, config, history)
        findings = (*findings, *history.findings)
        if obstacle is None:
            findings = data_findings(assess(context, config, history, portfolio))
    except ContextError as error:
        obstacle = str(error)
    if obstacle is not None:
        yield probe.finding("data_unusable", obstacle, bucket_id=bucket_id)
    yield from _warnings(findings, bucket_id)


def _warnings(findings: Sequence[Finding], bucket_id: str) -> Findings:
    """Yield the findings that a plan would have about its data, except notes."""
    for finding in findings:
        if finding.severity.value == Level.INFO.value:
            continue
        yield HealthFinding(
            id=finding.id,
            severity=Level(finding.severity.value),
            what=finding.message,
            action=finding.action or "Nothing; the plan takes it into account.",
            blocks=Blocks.NOTHING,
            bucket_id=bucket_id,
            subject=finding.security or "",
        )


def _behind_ledger(probe: HealthProbe, bucket_id: str, context: PlanningContext) -> Findings:
    """Find a fill from after the last edit of the portfolio."""
    edited = probe.home.portfolio_file(bucket_id).stat().st_mtime
    edited_on = datetime.fromtimestamp(edited, UTC).date()
    fills = [trade.on for trade in context.trades]
    last = max(fills, default=date.min)
    if last > edited_on:
        what = f"the last fill is of {last}, the portfolio of {edited_on}"
        yield probe.finding("portfolio_behind_ledger", what, bucket_id=bucket_id)
