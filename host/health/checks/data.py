"""Check that a plan can be made from the portfolio, the ledger and the market data.

This runs the code of a plan up to where the search would begin. Findings keep the ids that they
have in a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from host.health.finding import Blocks, HealthFinding, Level
from host.home.config.input_review import review_inputs
from host.home.config.load import load_active
from host.home.storage.problems import ConfigFileError

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe
    from planner_core.model.context import PlanningContext
    from planner_core.model.records import Finding

NOTES = frozenset({"no_targets"})
"""Notes that an owner should see once, before the first plan."""


def check_data(probe: HealthProbe, bucket_id: str) -> Findings:
    """Find why a plan would be held, and which data are doubtful."""
    try:
        loaded = load_active(probe.home, bucket_id)
    except ConfigFileError:
        return  # the check of the configuration reports it
    review = review_inputs(probe.home, bucket_id, loaded, lambda: probe.now)
    if review.problems:
        more = len(review.problems) - 1
        what = f"{review.problems[0]}{f' (and {more} more)' if more else ''}"
        yield probe.finding("data_unusable", what, bucket_id=bucket_id)
    if review.context is not None:
        if review.context.n_days:
            probe.bucket(bucket_id).prices_until = str(review.context.dates[-1])
        yield from _behind_ledger(probe, bucket_id, review.context)
    if review.obstacle is not None:
        yield probe.finding("data_unusable", review.obstacle, bucket_id=bucket_id)
    yield from _warnings(review.findings, bucket_id)


def _warnings(findings: Sequence[Finding], bucket_id: str) -> Findings:
    """Yield the findings that a plan would have about its data; of the notes only NOTES."""
    for finding in findings:
        if finding.severity.value == Level.INFO.value and finding.id not in NOTES:
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
