"""The API for modules: everything that the author of a module needs, and nothing else.

    from planner_core.api import OpportunityCalculator, opportunity_registry

These names keep their meaning within a MAJOR version of `API_VERSION`. A module can name the
versions that it works with: `ModuleMetadata(requires_api=">=1,<2", ...)`. All other names of
`planner_core` may change at any time.
"""

from planner_core.market.state import PlanningState
from planner_core.model.candidates import Candidates
from planner_core.model.module_metadata import API_VERSION
from planner_core.model.plan import Opportunity, Skip
from planner_core.model.records import Side
from planner_core.modules.cacheable import cacheable
from planner_core.modules.module import (
    Dependency,
    Filter,
    ModuleKind,
    ModuleMetadata,
    ModuleParameters,
    OpportunityCalculator,
    PatternGenerator,
    SequenceGenerator,
    parameter,
)
from planner_core.modules.registration import (
    filter_registry,
    opportunity_registry,
    pattern_registry,
    sequence_registry,
)
from planner_core.search.ranking import SearchSpace

__all__ = [
    "API_VERSION",
    "Candidates",
    "Dependency",
    "Filter",
    "ModuleKind",
    "ModuleMetadata",
    "ModuleParameters",
    "Opportunity",
    "OpportunityCalculator",
    "PatternGenerator",
    "PlanningState",
    "SearchSpace",
    "SequenceGenerator",
    "Side",
    "Skip",
    "cacheable",
    "filter_registry",
    "opportunity_registry",
    "parameter",
    "pattern_registry",
    "sequence_registry",
]
