"""The findings about data in words, by the ids that they have in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DATA_FINDINGS: Final[Mapping[str, str]] = {
    "advice_file_corrupt": "The file of refused and dismissed ideas is damaged; it starts empty.",
    "advice_unreadable": "The file of refused and dismissed ideas cannot be read now.",
    "bond_coupon_low": "A coupon looks like a fraction; it is read as percent a year.",
    "bond_lot_assumed": "A bond has no lot size; 1,000 nominal is assumed.",
    "bond_matured": "A bond was due before the day of the plan; it is not traded.",
    "bond_without_terms": "A bond has no coupon and maturity: its interest is left out.",
    "fx_file_unterminated": "The last line of fx.csv has no line end: it may be cut off.",
    "fx_invalid": "A rate is not a number above zero; it counts as missing.",
    "fx_layout": "fx.csv is not written our way; the text says how it was read.",
    "fx_rows_after_as_of": "fx.csv has days after the day of the plan; they are ignored.",
    "ledger_invalid": "A line of the ledger cannot be read; no plan is made.",
    "ledger_missing": "The ledger of trades is missing; no plan is made.",
    "ledger_rows_after_as_of": "The ledger has trades after the day of the plan.",
    "limit_violated": "No trade repairs the violated hard limits (from the latest plan).",
    "lot_date_unknown": "A lot has no date; it is not sold while a minimum age is required.",
    "plan_file_corrupt": "A stored plan is damaged; it is set aside and not used.",
    "plan_file_odd": "A stored plan that might have been started makes no sense.",
    "plans_unreadable": "The stored plans cannot be read; it is unknown which ones were started.",
    "price_column_missing": "prices.csv has no column for a security: it is left out.",
    "price_file_unterminated": "The last line of prices.csv has no line end: it may be cut off.",
    "price_invalid": "A close is not a number above zero; it counts as missing.",
    "price_jump": "A close moved implausibly far; the security is not traded.",
    "price_jump_taken_for_real": "A jump without acceptance is now believed, because it lasted.",
    "price_layout": "prices.csv is not written our way; the text says how it was read.",
    "price_rows_after_as_of": "prices.csv has days after the day of the plan; they are ignored.",
    "price_spike": "A close moved far and came back; that close is ignored.",
    "price_stale": "The last close of a security is too old; it is not traded.",
    "quote_looks_like_percent": "Closes look like percent of par, but count as money.",
    "related_ledger_unreadable": "A ledger of the same tax entity cannot be read.",
    "short_history": "A security has too few returns for an estimate; it is not bought.",
    "split_without_jump": "A split is declared that the closes do not show.",
    "tail_risk_off": "The history is too short for the tail-risk term.",
}
"""By id. Notes are only in the plan, not in the health report."""
