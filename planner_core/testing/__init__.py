"""States and checks for the tests of modules: `trader plugin check` and the tests of authors."""

from planner_core.testing.contract_suite import ContractProblem, check_module
from planner_core.testing.hand_made import make_candidates, make_space, make_state

__all__ = ["ContractProblem", "check_module", "make_candidates", "make_space", "make_state"]
