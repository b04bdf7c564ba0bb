"""Filters: they narrow what is considered and never switch a constraint off, one file each."""

from planner_core.modules.filters.correlation_aware import CorrelationAware
from planner_core.modules.filters.diversity import Diversity
from planner_core.modules.filters.eligibility import Eligibility
from planner_core.modules.filters.recently_traded import RecentlyTraded

BUILTIN_FILTERS = (Eligibility(), RecentlyTraded(), CorrelationAware(), Diversity())
