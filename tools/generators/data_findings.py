"""What reading and judging the data may find, in words: the ids are those that stand in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DATA_FINDINGS: Final[Mapping[str, str]] = {
    "advice_file_corrupt": "What was refused or dismissed could not be read and is forgotten.",
    "advice_unreadable": "What was refused or dismissed cannot be read now.",
    "fx_file_unterminated": "The last line of fx.csv has no line end: it may be cut off.",
    "fx_invalid": "A rate is no number, or not above zero; it counts as missing.",
    "fx_rows_after_as_of": "fx.csv has days after the day of the plan; they are not used.",
    "ledger_invalid": "A line of the ledger cannot be read: nothing is planned.",
    "ledger_missing": "There is no ledger of trades: nothing is planned.",
    "ledger_rows_after_as_of": "The ledger has trades after the day of the plan.",
    "limit_violated": "Hard limits stay violated, whatever is traded (told by the latest plan).",
    "lot_date_unknown": "A lot has no date; it is not sold while lots must have an age.",
    "plan_file_corrupt": "A stored plan is damaged; it is set aside, and plans go on without it.",
    "plan_file_odd": "A stored plan that might have been begun cannot be understood.",
    "plans_unreadable": "The stored plans cannot be read: what was begun is not known.",
    "price_column_missing": "prices.csv has no column for a security: it is left out.",
    "price_file_unterminated": "The last line of prices.csv has no line end: it may be cut off.",
    "price_invalid": "A close is no number, or not above zero; it counts as missing.",
    "price_jump": "A close moved further than is believable; the security is not traded.",
    "price_jump_taken_for_real": "A jump that nobody accepted is believed, because it stayed.",
    "price_rows_after_as_of": "prices.csv has days after the day of the plan; not used.",
    "price_spike": "A close moved far and came back; that close is not used.",
    "price_stale": "The last close of a security is too old; it is not traded.",
    "related_ledger_unreadable": "A ledger of the same tax entity cannot be read.",
    "short_history": "A security has too few returns to be judged; it is not bought.",
    "split_without_jump": "A split is declared that the closes do not show.",
    "tail_risk_off": "There is too little history for the tail-risk term.",
}
"""By id; those that only inform stand in a plan and not in the health."""
