"""The names that files of plugins may rely on."""

from __future__ import annotations

import re

from planner_core import api
from planner_core.model.module_metadata import SEMANTIC_VERSION

NAMES = {
    "API_VERSION", "Candidates", "Dependency", "Filter", "ModuleKind", "ModuleMetadata",
    "ModuleParameters", "Opportunity", "OpportunityCalculator", "PatternGenerator",
    "PlanningState", "SearchSpace", "SequenceGenerator", "Side", "Skip", "cacheable",
    "filter_registry",
    "opportunity_registry", "parameter", "pattern_registry", "sequence_registry",
}  # fmt: skip
"""A name that is missing here breaks plugins: raise the MAJOR version. A new one: the MINOR."""


def test_the_public_names_are_these_and_their_version_says_so() -> None:
    assert set(api.__all__) == NAMES
    assert sorted(api.__all__) == api.__all__
    assert all(hasattr(api, name) for name in NAMES)
    assert SEMANTIC_VERSION.match(api.API_VERSION)
    assert api.API_VERSION == "1.0.0"


def test_every_public_name_is_documented() -> None:
    for name in NAMES - {"API_VERSION"}:
        text = getattr(api, name).__doc__
        assert text, name
        assert re.match(r"[A-Z]", text.strip()), name
