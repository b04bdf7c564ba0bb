"""Give up the plan you began to carry out: from the next plan on, nothing is owed to it.

A plan is begun when its first step stands in the ledger. Until it expires, another plan has to be
better by the minimum gain; dismissing ends that at once. What was traded stays traded.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import add_bucket_argument, home_option, open_bucket
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    import datetime

    from host.cli.output import Output
    from host.home.home import Home
    from host.home.portfolio.portfolio_file import PortfolioFile
    from planner_core.model.records import Incumbent


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_bucket_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, output: Output) -> int:
    """Dismiss the accepted plan, if there is one; print it."""
    home = open_bucket(options.home, options.bucket)
    from host.home.portfolio.advice import dismiss
    from host.home.portfolio.portfolio_file import read_portfolio

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
        output.line(
            f"{options.bucket}: dismissed plan {incumbent.trace_id[:8]}; it had left: {steps}"
        )
        output.line(f"Next: trader plan {options.bucket}{home_option(options.home)}")
    return EXIT_DONE


def _incumbent(
    home: Home, bucket_id: str, portfolio: PortfolioFile, output: Output
) -> Incumbent | None:
    """Return what is left of the accepted plan, telling what got in the way."""
    from host.home.portfolio.advice import read_advice_state
    from host.home.portfolio.ledger import read_ledger

    def rate_on(_security: str, _day: datetime.date) -> float:
        return 1.0  # who dismisses asks what was traded, not what it was worth

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
