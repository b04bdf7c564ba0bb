"""No rule of thumb beats a plan in the plan's own objective.

The rule's orders are scored by the slow reference. A plan may lose to them by no more than the gap
that its proof leaves open.
"""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner_core.model.plan import Plan
from planner_core.planner import plan
from tests.builders import FakeClock, make_runtime, make_state
from tests.planner_core.reference import DUST, Verdict
from tests.planner_core.rule_of_thumb import orders
from tests.planner_core.strategies import Portfolio, reference_of
from tests.planner_core.test_target_invariants import off_target

BANDS = (0.25, 0.0, 0.1, 0.6)
"""The 5/25 rule first; 0 trades everything back; wider and narrower ones."""
PROOF_LOOKS = 300
"""Looks at the clock that a proof has: most end before, and none goes on for minutes."""


def proven_plan(portfolio: Portfolio) -> Plan:
    runtime = make_runtime(proof_s=1.0, monotonic=FakeClock(tick_s=1 / PROOF_LOOKS))
    return plan(portfolio.context, portfolio.config, runtime)


def check_no_worse_than(verdict: Verdict, result: Plan) -> None:
    assert result.score
    assert result.certificate
    assert result.violation_after <= verdict.violation + DUST
    if result.violation_after >= verdict.violation - DUST:
        assert verdict.score <= result.score.after + result.certificate.gap + DUST


@settings(max_examples=60)
@given(off_target(), st.sampled_from(BANDS))
def test_bands_with_new_money_first_never_beat_a_plan_by_more_than_its_proven_gap(
    portfolio: Portfolio, relative: float
) -> None:
    reference = reference_of(make_state(portfolio.context, portfolio.config))
    by_rule = orders(reference, relative, portfolio.config.max_plan_depth)
    assume(by_rule)
    verdict = reference.judge(by_rule)
    # The rule knows its orders one by one; a limit on all of them together may forbid the set.
    assume(not verdict.complaint)
    check_no_worse_than(verdict, proven_plan(portfolio))
