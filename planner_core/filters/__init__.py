"""Filters: they narrow the candidates and never switch a constraint off, one file each."""

from planner_core.filters.correlation_aware import CorrelationAware
from planner_core.filters.diversity import Diversity
from planner_core.filters.eligibility import Eligibility
from planner_core.filters.recently_traded import RecentlyTraded

BUILTIN_FILTERS = (Eligibility(), RecentlyTraded(), CorrelationAware(), Diversity())
