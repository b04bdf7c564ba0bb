"""Opportunities, actions, steps, and the plan that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from planner_core.model.records import Finding, Security, Side


class Outcome(StrEnum):
    """How planning ended."""

    PLANNED = "PLANNED"
    NOTHING_TO_DO = "NOTHING_TO_DO"
    HELD = "HELD"


class StoppedBy(StrEnum):
    """Why the search ended."""

    COMPLETE = "complete"
    DEADLINE = "deadline"


class ModuleStatus(StrEnum):
    """How a module ended in one run."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED_OPEN = "skipped_open"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A reason to trade, before lots, costs and limits.

    Parameters
    ----------
    security : int
        Column in the context.
    side : Side
    notional : float, base currency
        Value to trade, positive. Lots come later: sells that raise cash round up, others down.
    reason : str
        Why, with the numbers, as a clause. Not how much: refinement may change the size, and the
        plan's sentence names it (`planner_core.pipeline.step_reasons`).
    mandatory : bool
        Repairs a violated limit (cash, withdrawal, cap). No filter drops it, and the turnover cap
        does not count the part that the repair needs. Every other limit holds for it too.
    temporary : bool
        Leads away from a target for a month, as a harvest of a loss does: it may cross the target,
        and is scored for that month.
    """

    security: int
    side: Side
    notional: float
    reason: str
    mandatory: bool = False
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """A security that a calculator could not judge, and why."""

    security: int
    side: Side
    reason: str


NO_SECURITY = -1
"""Column of an action that trades no security."""


Trade = tuple[int, Side, str, bool]
"""Security, side, currencies, and whether it is temporary: what two sizes of a trade share."""


@dataclass(frozen=True, slots=True)
class Action:
    """A trade that is legal alone: whole lots, priced, with costs and tax.

    `quantity` is signed (negative sells); `price` and `accrued` are per unit in `currency`;
    `value` (signed), `cost`, `tax` and `cash_delta` are in base currency.
    `value = quantity * (price + accrued) * fx_rate`, `value + cash_delta = -(cost + tax)`.

    `clauses` are the reasons of its sources, that of a repair first. `reason` is the sentence for
    the owner, written once the plan is chosen; empty before.

    `cost_scored` and `tax_scored` are what the score is charged, per year (`market/charges.py`).
    With `loss_offset`, `tax_scored` counts the tax that a realised loss may save elsewhere; cash
    never does.

    A conversion has `convert_to`: `quantity` units of `currency` leave, and their value less the
    cost arrives. It trades no security (`security` is NO_SECURITY) and its `value` is 0.
    """

    security: int
    quantity: float
    price: float
    currency: str
    fx_rate: float
    value: float
    cost: float
    tax: float
    cash_delta: float
    sources: tuple[str, ...]
    reason: str = ""
    mandatory: bool = False
    convert_to: str = ""
    accrued: float = 0.0
    """Interest that a bond's buyer pays beside the price."""
    cost_scored: float = 0.0
    tax_scored: float = 0.0
    clauses: tuple[str, ...] = ()
    temporary: bool = False

    @property
    def side(self) -> Side:
        """Buy or sell, by the sign of the quantity; or a conversion."""
        if self.convert_to:
            return Side.CONVERT
        return Side.BUY if self.quantity > 0 else Side.SELL

    @property
    def trade(self) -> Trade:
        """The trade without its size."""
        return self.security, self.side, self.currency + self.convert_to, self.temporary

    def name(self, securities: Sequence[Security]) -> str:
        """Return the name of the traded thing: a security's id, or currencies such as `EUR>USD`."""
        if self.convert_to:
            return f"{self.currency}>{self.convert_to}"
        return securities[self.security].id


ActionSequence = tuple[Action, ...]
"""Actions in the order of execution, sells first."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An opportunity or action that was dropped, and why."""

    security: str
    side: Side
    value: float
    sources: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One trade of the plan, in the order of execution; money in base currency, `price` not."""

    side: Side
    security: str
    quantity: float
    price: float
    currency: str
    fx_rate: float
    value: float
    cost: float
    tax: float
    cash_after: float
    settles_on: date
    sources: tuple[str, ...]
    reason: str
    weight_before: float
    weight_after: float
    mandatory: bool = False
    """Repairs a violated limit, in part at least."""
    repair_value: float = 0.0
    """Part of the value that the limit needs; the rest leads closer to the targets."""
    temporary: bool = False
    """Is bought back after a month, and scored for it."""
    accrued: float = 0.0
    """Interest that a bond's buyer pays beside the price, per unit, in `currency`."""
    quote_unit: str = ""
    """Unit of `quote` where it is not the currency, such as "percent"."""
    quote: float | None = None
    """The price as brokers and price files have it; None: the same as `price`."""
    target: float | None = None
    """Weight that the targets ask for today; None without a target."""


@dataclass(frozen=True, slots=True)
class TermChange:
    """One term of the objective, as its signed contribution to the score."""

    before: float
    after: float

    @property
    def change(self) -> float:
        """Change of this term by the plan; positive is better."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Score:
    """The objective before and after; one-year certainty equivalent, fraction of NAV."""

    before: float
    after: float
    terms: Mapping[str, TermChange] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class ModuleAttempt:
    """How one module ended; `elapsed_s` by the runtime's monotonic clock."""

    key: str
    status: ModuleStatus
    elapsed_s: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another good sequence, with its gain in score."""

    gain: float
    violation: float
    actions: ActionSequence


class ProofAnswer(StrEnum):
    """Answer of a certificate."""

    PROVEN = "proven"
    WITHIN = "within"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A proven statement: no legal set of the same candidates scores above `upper_bound`.

    `gap` is the bound less the plan's score, in score units. `exact`: the gap is closed, and no
    set of the candidates is better. `nodes`: boxes of sets that were examined. `answer`: PROVEN
    when exact; WITHIN when the gap is less than the plan's gain or the least gain worth a trade;
    else OPEN.
    """

    upper_bound: float
    gap: float
    exact: bool
    nodes: int
    elapsed_s: float
    answer: ProofAnswer = ProofAnswer.OPEN


@dataclass(frozen=True, slots=True)
class NewMoney:
    """The answer of a plan to money that the owner wants to invest; base currency.

    `spent` is what its buys take from cash, costs included; with other idle cash it may exceed
    `amount`. `reason` says why nothing is bought, or a part of it is left, or why what is furthest
    below its target is not bought; empty where none of that is so.
    """

    amount: float
    spent: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a run. A plan is advice for a day: carry out step 1, then plan again.

    A figure that is not available, as in a HELD plan, is None rather than NaN.
    """

    outcome: Outcome
    bucket_id: str
    as_of: date
    currency: str
    trace_id: str
    reason: str = ""
    nav: float | None = None
    nav_after: float | None = None
    cash_before: float | None = None
    cash_after: float | None = None
    score: Score | None = None
    violation_before: float = 0.0
    violation_after: float = 0.0
    steps: tuple[Step, ...] = ()
    metrics_before: Mapping[str, float] = field(default_factory=dict)
    metrics_after: Mapping[str, float] = field(default_factory=dict)
    modules: tuple[ModuleAttempt, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    findings: tuple[Finding, ...] = ()
    n_candidates: int = 0
    """Legal trades from which the search chose."""
    n_sizes: int = 0
    """Sizes that the last refinement added; a certificate covers both."""
    n_sequences: int = 0
    stopped_by: StoppedBy = StoppedBy.COMPLETE
    certificate: Certificate | None = None
    context_digest: str = ""
    valid_until: date | None = None
    new_money: NewMoney | None = None
    """Answer to a request to invest an amount; None without one."""
    buy_only: bool = False
    """The owner wanted no sells."""

    @property
    def cash_required(self) -> float:
        """Cash that the plan uses, base currency: max(0, -net cash of the plan)."""
        if self.cash_before is None or self.cash_after is None:
            return 0.0
        return max(0.0, self.cash_before - self.cash_after)
