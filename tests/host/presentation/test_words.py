"""The words of whole plans, as they are printed: ordinary ones, and money only for money."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from host.presentation.plan_text import effect_and_costs
from host.presentation.plan_view import ViewNotes, print_plan
from planner_core.explain.explanation import Explanation, explain
from planner_core.model.config import PlannerConfig
from planner_core.model.context import PlanningContext
from planner_core.model.plan import Outcome, Plan
from planner_core.planner import plan
from planner_core.runtime import Runtime
from tests.builders import make_config, make_context, make_lot, make_securities, make_security
from tests.planner_core.strategies import Portfolio, portfolios

UNUSUAL = re.compile(
    r"\b(cvar\w*|hhi|tau|kappa|eta|lambda|bps?|basis points?|ideas?)\b"
    r"|better by (?!more than)|the model would|Not taken|% of NAV|closes \d+% of",
    re.IGNORECASE,
)


def printed(result: Plan, explanation: Explanation | None, width: int = 120) -> str:
    file = StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False)
    print_plan(console, result, ViewNotes(explanation=explanation))
    return file.getvalue()


def check(context: PlanningContext, config: PlannerConfig, *, ask_what_if: bool) -> Plan:
    result = plan(context, config, Runtime(proof_s=0.0))
    explanation = explain(context, config, result, ask_what_if=ask_what_if)
    for text in (printed(result, None), printed(result, explanation)):
        assert not UNUSUAL.search(text), UNUSUAL.search(text)
    if result.outcome is Outcome.PLANNED:
        # An amount of money is a cost, tax, or a return that history has a say in.
        amounts = re.findall(r"[\d,.]+ EUR [^,.]*", effect_and_costs(result))
        assert all(re.search(r"EUR (of (costs|tax)|more|less)", text) for text in amounts)
    return result


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(portfolios())
def test_no_plan_of_any_kind_has_an_unusual_word(portfolio: Portfolio) -> None:
    check(portfolio.context, portfolio.config, ask_what_if=False)


TARGETS = make_securities(4, target=0.25)
KINDS = {
    "with targets": (make_context(securities=TARGETS, cash=15_000.0), make_config()),
    "without targets": (make_context(cash=15_000.0), make_config()),
    "with an opinion": (
        make_context(securities=TARGETS, cash=15_000.0), make_config(objective={"opinion": 0.5}),
    ),
    "nothing to do": (
        make_context(securities=TARGETS, cash=0.0), make_config(constraints={"cash_reserve": 0.0}),
    ),
    "repairs": (make_context(securities=TARGETS, cash=-3_000.0), make_config()),
    "no estimate": (make_context(securities=TARGETS, cash=15_000.0, n_days=30), make_config()),
    "nothing allowed": (
        make_context(securities=(make_security("AAA", allow_buy=False, allow_sell=False),),
                     lots=(make_lot("AAA"),)),
        make_config(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_questions_of_each_kind_are_in_usual_words_too(kind: str) -> None:
    context, config = KINDS[kind]
    result = check(context, config, ask_what_if=True)
    text = " ".join(printed(result, None).split())
    assert ("your targets" in text) is any(s.target is not None for s in context.securities)
