"""`trader dismiss`: give up the accepted plan."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import home_option, open_bucket
from host.errors import EXIT_DONE
from host.home.portfolio.advice import dismiss, read_advice_state
from host.home.portfolio.ledger import read_ledger
from host.home.portfolio.portfolio_file import read_portfolio

if TYPE_CHECKING:
    import datetime

    from host.cli.output import Output
    from host.home.home import Home
    from host.home.portfolio.portfolio_file import PortfolioFile
    from planner_core.model.records import Incumbent


def run(options: argparse.Namespace, output: Output) -> int:
    """Dismiss the accepted plan, if there is one; print it."""
    home = open_bucket(options.home, options.bucket)
    portfolio = read_portfolio(home.portfolio_file(options.bucket))
    incumbent = _incumbent(home, options.bucket, portfolio, output)
    if incumbent is not None:
        dismiss(home, options.bucket, incumbent.trace_id)
    if options.json:
        output.json(
            {
                "bucket_id": options.bucket,
                "as_of": portfolio.as_of.isoformat(),
                "dismissed": None if incumbent is None else _to_json(incumbent),
            }
        )
    elif incumbent is None:
        output.line(f"{options.bucket}: no plan is being carried out, so nothing was dismissed")
    else:
        steps = ", ".join(
            f"{step.side.value} {step.quantity:,.10g} {step.security}" for step in incumbent.steps
        )
        plan = f"plan {incumbent.trace_id[:8]}"
        output.line(f"{options.bucket}: dismissed {plan}; its remaining steps: {steps}")
        output.line(f"Next: trader plan {options.bucket}{home_option(options.home)}")
    return EXIT_DONE


def _incumbent(
    home: Home, bucket_id: str, portfolio: PortfolioFile, output: Output
) -> Incumbent | None:
    """Return the remaining steps of the accepted plan; print the findings."""

    def rate_on(_security: str, _day: datetime.date) -> float:
        return 1.0  # only quantities matter here, not values

    ledger = read_ledger(home.ledger_file(bucket_id), portfolio.as_of, {}, rate_on)
    standing = read_advice_state(home, bucket_id, portfolio.as_of, ledger.trades)
    for finding in (*ledger.findings, *standing.findings):
        output.error(f"{finding.message} ({finding.action})" if finding.action else finding.message)
    return standing.incumbent


def _to_json(incumbent: Incumbent) -> dict[str, object]:
    return {
        "trace_id": incumbent.trace_id,
        "valid_until": incumbent.valid_until.isoformat(),
        "steps": [
            {"side": step.side.value, "security": step.security, "quantity": step.quantity}
            for step in incumbent.steps
        ],
    }
